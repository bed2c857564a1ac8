"""`report`, `raster` and the end of `train`: where pages go, and what happens if they cannot."""

import dataclasses
import json

import numpy as np
import pytest

from lava_ep.data import load_dataset
from lava_ep.errors import InputError
from lava_ep.figures.theme import new_figure
from lava_ep.report import collect, raster_run, report_any_run, report_bmlp_run, writer
from lava_ep.spec import load_preset, override
from lava_ep.training import RunFolder, Trainer, describe_run


def draw_nothing(*_):
    return new_figure(0.5, 0.5, framed=False)


def test_names_that_look_like_markup_are_printed_as_they_are(
    trained, invoke, tmp_path, monkeypatch
):
    shown = []
    monkeypatch.setattr("webbrowser.open", lambda page: shown.append(page) or True)
    monkeypatch.setenv("DISPLAY", ":0")
    # Drawing takes its time, and other tests look at figures.
    blank = [dataclasses.replace(plate, draw=draw_nothing) for plate in writer.run_plates()]
    monkeypatch.setattr(writer, "run_plates", lambda: blank)
    out = tmp_path / "[bold]pages[/bold]:smile:"
    done = invoke("report", trained, "--out", out, "--open")
    assert done.exit_code == 0, done.output
    assert f"Report: {out}/report.html\n" in done.output
    assert "Learning curve" in (out / "report.html").read_text(encoding="utf-8")
    assert (out / "figures" / "learning-curve.png").exists()
    assert not (trained / "report.html").exists()
    assert not (trained / "figures").exists()
    assert shown == [(out / "report.html").as_uri()]
    assert "No browser" not in done.output


@pytest.mark.parametrize(
    ("command", "file", "option"),
    [("report", "report.html", "--out DIR"), ("raster", "raster-0.html", "--out FILE")],
)
def test_a_page_that_cannot_be_replaced_names_another_way(trained, invoke, command, file, option):
    page = trained / file
    page.write_text("mine")
    page.chmod(0o444)
    try:
        done = invoke(command, trained)
        assert done.exit_code == 2
        assert done.output == (
            f"lava-ep: {page}: is write-protected; allow writing (chmod u+w), or choose another "
            f"place with {option}\n"
        )
        assert page.read_text() == "mine"
    finally:
        page.unlink()


def test_a_report_that_fails_comes_after_the_result_of_the_training(
    small, invoke, tmp_path, monkeypatch
):
    def fail(*_, **__):
        raise InputError("report.html: cannot be written (Read-only file system)")

    monkeypatch.setattr("lava_ep.report.report_any_run", fail)
    out = tmp_path / "run"
    done = invoke("train", *small, "--json", "--out", out)
    assert done.exit_code == 1
    assert json.loads(done.stdout)["epochs"] == 1
    assert "lava-ep: the run is complete, but its report cannot be written" in done.stderr
    assert f"lava-ep report {out} --out DIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_can_be_opened_without_a_report(small, invoke, tmp_path):
    done = invoke("train", *small, "--open", "--no-report", "--out", tmp_path / "run")
    assert done.exit_code == 2
    assert "--open: there is no report to open with --no-report" in done.output
    assert list(tmp_path.iterdir()) == []


def test_data_of_another_width_are_one_clear_error(small, invoke, tmp_path):
    rng = np.random.default_rng(0)
    file = tmp_path / "own.npz"

    def write(width):
        x = rng.integers(0, 256, (60, width), dtype=np.uint8)
        y = np.arange(60) % 3
        np.savez(file, x_train=x, y_train=y, x_test=x[:30], y_test=y[:30])

    write(12)
    out = tmp_path / "run"
    options = ["--epochs=1", "--batch=10", "--backend=fused", "--no-report"]
    done = invoke("train", "--data", file, *options, "--out", out)
    assert done.exit_code == 0, done.output
    write(9)
    for command in ("report", "raster"):
        done = invoke(command, out)
        assert done.exit_code == 2, done.output
        assert done.output.count("lava-ep: ") == 1
        assert "own.npz" in done.output
        assert "Traceback" not in done.output


@pytest.fixture(scope="module")
def bmlp(tmp_path_factory):
    """Return the folder of a trained network of bits."""
    changes = ["training.epochs=1", "data.limit_train=200", "data.limit_test=60"]
    experiment = override(load_preset("bmlp-digits"), changes)
    digits = load_dataset("digits", limit_train=200, limit_test=60)
    out = tmp_path_factory.mktemp("bmlp") / "run"
    about = describe_run(experiment, digits, backend="fused", command="", data_dir=None)
    folder = RunFolder.create(out, experiment, about)
    Trainer(experiment, digits, backend="fused", folder=folder).fit()
    return out


def test_reports_check_the_width_of_what_they_are_given(trained, bmlp, monkeypatch, tmp_path):
    wide = load_dataset("event-digits", limit_train=200, limit_test=60)
    monkeypatch.setattr(collect, "load_run_data", lambda *_, **__: wide)
    monkeypatch.setattr("lava_ep.report.bmlp.load_run_data", lambda *_, **__: wide)
    for attempt in (
        lambda: report_any_run(trained, out=tmp_path),
        lambda: raster_run(trained, 0, out=tmp_path / "raster.html"),
        lambda: report_bmlp_run(bmlp, out=tmp_path),
    ):
        with pytest.raises(InputError, match=r"network\.inputs=64: event-digits has 512"):
            attempt()
    assert list(tmp_path.iterdir()) == []


def test_a_report_of_bits_goes_elsewhere_too(bmlp, tmp_path):
    page = report_any_run(bmlp, out=tmp_path / "pages")
    assert page == tmp_path / "pages" / "report.html"
    assert page.stat().st_size > 30_000
    assert not (bmlp / "report.html").exists()


def test_a_figure_on_a_full_device_is_an_error_and_the_device_stays(trained, invoke, tmp_path):
    link = tmp_path / "full.png"
    link.symlink_to("/dev/full")
    done = invoke("raster", trained, "--out", link)
    assert done.exit_code == 1
    assert f"lava-ep: {link}: cannot be written (No space left on device)" in done.output
    assert link.is_char_device()
    assert link.is_symlink()
