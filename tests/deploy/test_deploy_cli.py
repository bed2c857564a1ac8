import json

import pytest
from typer.testing import CliRunner

from lava_ep.cli import app
from lava_ep.spec import load_preset
from lava_ep.training import RunFolder


def report(*arguments):
    return CliRunner().invoke(app, ["deploy", "report", *map(str, arguments)])


def test_a_run_and_its_preset_give_the_same_report(tmp_path):
    RunFolder.create(tmp_path / "run", load_preset("binary-mnist"), {})
    of_run = report(tmp_path / "run", "--json")
    of_preset = report("--preset=binary-mnist", "--json")
    assert of_run.exit_code == of_preset.exit_code == 0
    assert json.loads(of_run.stdout) == json.loads(of_preset.stdout)
    assert json.loads(of_run.stdout)["total"]["cores"] == 18


def test_text_tells_what_breaks_what_would_fit_and_what_is_assumed():
    found = report("--preset=laydevant-fc-2h")
    assert found.exit_code == 1
    assert "input_axons (hidden2): 14,192 of 4,096" in found.stdout
    assert "cores (whole network): 7,644 of 128; so many are on Hala Point" in found.stdout
    assert "784-1376-1376-1000 would fit" in found.stdout
    assert "core_memory, 196,608 bytes: not checked against a second source" in found.stdout


def test_what_is_said_to_fit_fits():
    sizes = ("0.neurons=1376", "1.neurons=1376", "2.neurons=1000")
    changes = [f"--set=network.layers.{size}" for size in sizes]
    assert report("--preset=laydevant-fc-2h", "--system=single-chip", *changes).exit_code == 0


def test_options_decide(tmp_path):
    assert report("--preset=laydevant-real-fc").exit_code == 1
    assert report("--preset=laydevant-real-fc", "--inference").exit_code == 0
    assert report("--preset=laydevant-real-fc", "--limit=input_axons=5000").exit_code == 0
    small = ["--preset=laydevant-fc", "--limit=input_axons=10000", "--limit=output_axons=10000"]
    assert report(*small, "--system=single-chip").exit_code == 1
    assert report(*small, "--system=kapoho-point").exit_code == 0


@pytest.mark.parametrize("preset", ["binary-digits", "laydevant-fc-2h", "ep-conv"])
def test_the_cores_are_drawn(tmp_path, preset):
    figure = tmp_path / "cores.svg"
    report(f"--preset={preset}", "--figure", figure)
    assert figure.read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: not a run folder"),
        (["nowhere", "--preset=binary-mnist"], "leave out --preset and --spec"),
        (["--system=moon"], "system 'moon': expected one of single-chip"),
        (["--figure=cores.gif"], "expected a name that ends in .png, .svg or .pdf"),
        (["--limit=axons=1"], "--limit axons=1: expected one of"),
    ],
)
def test_bad_input_ends_with_2(arguments, message):
    found = report(*arguments)
    assert found.exit_code == 2
    assert message in found.stderr
