"""What a sweep keeps, and what it reports of trials."""

import csv
import json
import subprocess
import sys

import pytest

from lava_ep.errors import InputError
from lava_ep.files import write_json
from lava_ep.spec import load_preset, override
from lava_ep.sweep import SweepFolder, best, make_sweep, read_rows, write_results
from lava_ep.sweep.trial import entries

GAMMA = "network.layers.0.gamma"


@pytest.fixture
def make(tmp_path):
    """Return what makes a sweep of five trials of two epochs."""
    base = override(
        load_preset("binary-digits"),
        ["training.epochs=2", "data.limit_train=64", "data.limit_test=20"],
    )

    def made(scheduler="asha", values=(0.1, 0.2, 0.3, 0.4, 0.5), key=GAMMA):
        sweep = make_sweep({"grid": {key: values}, "scheduler": scheduler}, source="test")
        return SweepFolder.create(tmp_path / "sweep", base, sweep, backend="fused", command="test")

    return made


def train(sweep, number, accuracies):
    """Leave what a training of so many epochs leaves."""
    run = sweep.trial(number)
    for epoch, accuracy in enumerate(accuracies, start=1):
        shares = {"train_accuracy": accuracy, "test_accuracy": accuracy}
        run.append_metrics({"epoch": epoch, **shares, "seconds": 1.5, "train_seconds": 1.0})
        (run.path / f"checkpoint-{epoch:05d}.safetensors").touch()


def test_rows_tell_how_trials_have_ended(make):
    sweep = make()
    train(sweep, 0, [0.5, 0.7])
    train(sweep, 1, [0.8])
    train(sweep, 2, [0.4])
    sweep.trial(3).set_diverged("epoch 1: not finite")
    train(sweep, 4, [0.3])
    sweep.stop(1)
    # Of an epoch that no checkpoint covers nothing is told.
    sweep.trial(1).append_metrics({**sweep.trial(1).metrics()[0], "epoch": 2})
    rows = read_rows(sweep, {2: "worker died"})
    states = [row.status for row in rows]
    assert states == ["finished", "stopped", "failed", "diverged", "failed"]
    assert [row.epochs for row in rows] == [2, 1, 1, 0, 1]
    assert (rows[0].test_accuracy, rows[0].seconds) == (0.7, 3.0)
    errors = [row.error for row in rows]
    last = "ended before its last epoch"
    assert errors == [None, None, "worker died", "epoch 1: not finite", last]
    assert [row.trial for row in best(rows)] == [1, 0, 2, 4]


def test_lines_of_stopped_trials_survive_a_full_disk(make):
    sweep = make()
    sweep.stop(1)
    path = sweep.path / "stopped.jsonl"
    path.write_text(path.read_text() + '{"tr')
    sweep.stop(3)
    assert sweep.stopped() == {1, 3}
    path.write_text('{"trial": "x"}\n')
    with pytest.raises(InputError, match=r"stopped\.jsonl, line 1: trial='x': expected a number"):
        sweep.stopped()


@pytest.mark.parametrize(
    ("key", "values", "column"),
    [
        ("network.layers.0.scale", [1, 2.5, 3.0, 4], [1.0, 2.5, 3.0, 4.0]),
        ("training.seed", [1, 2**60, 3, 4], ["1", str(2**60), "3", "4"]),
        ("training.patience", [None, 1, 2, 3], ["null", "1", "2", "3"]),
    ],
)
def test_every_swept_value_has_a_place_in_the_table(make, key, values, column):
    pandas = pytest.importorskip("pandas", reason="needs pip install 'lava-ep[ray]'")
    sweep = make(values=values, key=key)
    train(sweep, 0, [0.5, 0.7])
    write_results(sweep, read_rows(sweep, {}))
    assert pandas.read_parquet(sweep.path / "results.parquet")[key].tolist() == column
    with (sweep.path / "results.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [json.loads(entry[key] or "null") for entry in table] == values
    trials = json.loads((sweep.path / "results.json").read_text())["trials"]
    assert [trial["point"][key] for trial in trials] == values


def test_only_epochs_with_a_checkpoint_are_reported(make):
    sweep = make()
    train(sweep, 0, [0.5])
    run = sweep.trial(0)
    run.append_metrics({**run.metrics()[0], "epoch": 2})
    assert [entry["epoch"] for entry in entries(run.path)] == [1]
    assert not sweep.finished(0)
    (run.path / "checkpoint-00002.safetensors").touch()
    assert sweep.finished(0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"points": [{}]}, "sweep=None: expected an object"),
        ({"sweep": {}, "points": 3}, "points=3: expected a list"),
        ({"sweep": {}, "points": [1]}, r"points=\[1\]: expected objects"),
        ({"sweep": {}, "points": []}, r"points=\[\]: expected objects"),
    ],
)
def test_damaged_sweeps_are_named(make, content, message):
    sweep = make()
    write_json(sweep.path / "sweep.json", content)
    with pytest.raises(InputError, match=rf"sweep\.json: {message}"):
        sweep.points()


def test_grace_beyond_the_epochs_is_refused(make, tmp_path):
    sweep = make_sweep(
        {"grid": {GAMMA: [0.1]}, "scheduler": "asha", "grace_epochs": 16}, source="test"
    )
    with pytest.raises(InputError, match=r"grace_epochs=16: expected at most.*15"):
        SweepFolder.create(
            tmp_path / "x", load_preset("binary-digits"), sweep, backend="fused", command="test"
        )


def test_the_server_runs_commands_and_tells_what_goes_wrong(tmp_path):
    log = tmp_path / "log"
    with subprocess.Popen(
        [sys.executable, "-m", "lava_ep.cli.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:

        def run(file, *arguments):
            server.stdin.write(json.dumps([str(file), *arguments]) + "\n")
            server.stdin.flush()
            return int(server.stdout.readline())

        assert run(log, "presets", "--json") == 0
        assert "binary-digits" in json.loads(log.read_text())
        assert run(log, "evaluate", str(tmp_path / "missing")) == 2
        assert "not a run folder" in log.read_text()
        assert run(tmp_path / "missing" / "log", "presets") == 1
        server.stdin.close()
        assert "FileNotFoundError" in server.stderr.read()
    assert server.returncode == 0
