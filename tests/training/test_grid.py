"""Grids of trainings: what is kept, what a kill leaves, and what is refused."""

import contextlib
import csv
import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from patience import patience
from typer.testing import CliRunner

from lava_ep.cli import app
from lava_ep.data import load_dataset
from lava_ep.errors import InputError
from lava_ep.spec import load_preset, override
from lava_ep.sweep import SweepFolder
from lava_ep.training.grid import open_study
from lava_ep.training.workers import share_cores

SMALL = ["--preset=binary-digits", "--set=network.layers.0.neurons=16", "--limit-test=40"]


def sweep(out, *options):
    return CliRunner().invoke(app, ["sweep", "--out", str(out), *options])


@contextlib.contextmanager
def started(out, log, *options):
    """A sweep in a process apart, which is killed in the end."""
    command = [sys.executable, "-m", "lava_ep", "sweep", "--json", "--out", str(out)]
    with log.open("w") as file:
        driver = subprocess.Popen([*command, *options], stdout=file, stderr=subprocess.STDOUT)
    try:
        yield driver
    finally:
        driver.kill()
        driver.wait()


def wait_for(condition, log, driver):
    deadline = time.monotonic() + patience(120)
    while not condition():
        assert driver.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


def owner(folder, number):
    """The process that trains a trial."""
    return psutil.Process(int((folder.trial(number).path / ".lock").read_text()))


def checkpoint(folder, number):
    return folder.trial(number).checkpoints()[folder.trial(number).spec().training.epochs]


LONG = [*SMALL, "--epochs=30", "--limit-train=128", "--grid", "training.seed=0,1"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A sweep of two trials that nothing has disturbed."""
    out = tmp_path_factory.mktemp("undisturbed") / "sweep"
    done = sweep(out, *LONG)
    assert done.exit_code == 0, done.output
    return SweepFolder(out)


def test_a_killed_worker_fails_alone_and_its_trial_resumes(undisturbed, tmp_path):
    out, log = tmp_path / "sweep", tmp_path / "log"
    folder = SweepFolder(out)
    with started(out, log, *LONG, "--workers", "2") as driver:
        wait_for(lambda: folder.trial(1).checkpoints(), log, driver)
        owner(folder, 1).kill()
        assert driver.wait(patience(120)) == 1, log.read_text()
    assert [folder.outcome(number) for number in range(2)] == ["finished", None]
    assert "1 of 2 trials failed" in log.read_text()
    assert "(SIGKILL)" in log.read_text()
    rows = json.loads((out / "results.json").read_text())["trials"]
    assert [row["status"] for row in rows] == ["finished", "failed"]
    metrics = (folder.trial(0).path / "metrics.jsonl").read_bytes()
    done = sweep(out, "--resume")
    assert done.exit_code == 0, done.output
    assert (folder.trial(0).path / "metrics.jsonl").read_bytes() == metrics
    for number in range(2):
        expected = checkpoint(undisturbed, number).read_bytes()
        assert checkpoint(folder, number).read_bytes() == expected


def test_all_ends_with_a_killed_sweep_and_resumes(undisturbed, tmp_path):
    out, log = tmp_path / "sweep", tmp_path / "log"
    folder = SweepFolder(out)
    with started(out, log, *LONG, "--workers", "1") as driver:
        wait_for(lambda: folder.trial(0).checkpoints(), log, driver)
        others = psutil.Process(driver.pid).children(recursive=True)
        assert owner(folder, 0) in others
    _, left = psutil.wait_procs(others, timeout=patience(20))
    assert not left
    assert folder.outcome(0) is None
    # It resumes wherever it lies now.
    folder = SweepFolder(out.rename(tmp_path / "moved"))
    done = sweep(folder.path, "--resume", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout.splitlines()[-1])["finished"] == 2
    for number in range(2):
        expected = checkpoint(undisturbed, number).read_bytes()
        assert checkpoint(folder, number).read_bytes() == expected


def test_results_are_those_of_train(tmp_path):
    out, other = tmp_path / "sweep", tmp_path / "run"
    small = [*SMALL, "--epochs=2", "--limit-train=128", "--batch=32"]
    done = sweep(out, *small, "--grid=network.phases.nudging=symmetric,random-sign")
    assert done.exit_code == 0, done.output
    options = ["train", *small, "--no-report", "--backend=fused", f"--out={other}", "--json"]
    done = CliRunner().invoke(app, [*options, "--set=network.phases.nudging=random-sign"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout.splitlines()[-1])
    row = json.loads((out / "results.json").read_text())["trials"][1]
    assert row["point"] == {"network.phases.nudging": "random-sign"}
    for name in ("test_accuracy", "train_accuracy", "best_test_accuracy", "epochs"):
        assert row[name] == result[name]
    run = SweepFolder(out).trial(1)
    assert (run.path / "spec.json").read_bytes() == (other / "spec.json").read_bytes()
    name = "checkpoint-00002.safetensors"
    assert (run.path / name).read_bytes() == (other / name).read_bytes()
    with (out / "results.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [entry["network.phases.nudging"] for entry in table] == ["symmetric", "random-sign"]
    assert float(table[1]["test_accuracy"]) == result["test_accuracy"]
    assert table[1]["error"] == ""


def test_a_sweep_of_an_earlier_version_resumes(tmp_path):
    folder = SweepFolder(tmp_path / "sweep")
    shutil.copytree(Path(__file__).parents[1] / "sweep" / "sweep-0.1", folder.path)
    before = (folder.trial(0).path / "metrics.jsonl").read_bytes()
    done = sweep(folder.path, "--resume", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["trials"], result["finished"]) == (4, 4)
    assert (folder.trial(0).path / "metrics.jsonl").read_bytes() == before


def test_a_trial_that_fails_is_told_and_does_not_stop_the_others(tmp_path):
    out = tmp_path / "sweep"
    options = [*SMALL, "--epochs=2", "--limit-train=64", "--grid=training.seed=0,1"]
    assert sweep(out, *options).exit_code == 0
    folder = SweepFolder(out)
    for number in range(2):
        checkpoint(folder, number).unlink()
    folder.trial(0).checkpoints()[1].write_bytes(b"damaged")
    done = sweep(out, "--resume")
    assert done.exit_code == 1, done.output
    assert "trial    1/2  failed    epoch   1" in done.output
    assert "not a whole safetensors file" in done.output
    assert "1 of 2 trials failed, the first of them trial 0" in done.output
    assert folder.outcome(1) == "finished"


@pytest.fixture
def digits():
    return load_dataset("digits", limit_train=60, limit_test=30)


def opened(path, digits, *assignments, study="angle", backend="fused", points=({},)):
    spec = override(load_preset("cvf-digits"), list(assignments))
    options = {"varied": ["training.seed"], "backend": backend, "datasets": [digits]}
    with open_study(path, study, spec, **options, points=points) as grid:
        return grid.points()


def test_a_plan_grows_but_does_not_change(digits, tmp_path):
    first, second = {"training.seed": 0}, {"training.seed": 1}
    assert opened(tmp_path, digits, points=[first]) == [first]
    assert opened(tmp_path, digits, "training.seed=3", points=[second]) == [first, second]
    assert opened(tmp_path, digits, points=[first]) == [first, second]
    changed = replace(digits, x_test=digits.x_test[::-1])
    for message, data, options, kinds in (
        (r"training\.epochs, \d+ instead of 99", digits, ["training.epochs=99"], {}),
        (
            "backend, 'fused' instead of 'message-passing'",
            digits,
            [],
            {"backend": "message-passing"},
        ),
        ("study, 'angle' instead of 'uncertainty'", digits, [], {"study": "uncertainty"}),
        ("data set digits", changed, [], {}),
    ):
        with pytest.raises(InputError, match=f"the study there has another {message}"):
            opened(tmp_path, data, *options, **kinds)


def test_fields_newer_than_a_plan_have_their_defaults(digits, tmp_path):
    opened(tmp_path, digits)
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["training"].pop("augmentation") == "none"
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    opened(tmp_path, digits)
    with pytest.raises(InputError, match=r"training\.test_batch_size"):
        opened(tmp_path, digits, "training.test_batch_size=7")


def test_cores_are_shared():
    (cores, one), (_, all_of_one) = share_cores(1000, None, None), share_cores(1, None, None)
    assert one == 1
    assert all_of_one == cores
    assert share_cores(1000, None, cores) == (1, cores)
    assert share_cores(5, 3, 2) == (3, 2)
