import json
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
from safetensors import SafetensorError

from lava_ep.errors import InputError, LavaEPError
from lava_ep.locks import locked, wait_until_free
from lava_ep.parameters import initial_parameters
from lava_ep.training import RunFolder, read_checkpoint


@pytest.fixture
def folder(tmp_path, spec):
    return RunFolder.create(tmp_path / "run", spec, {"backend": "message-passing"})


def entry(epoch):
    """A line of metrics.jsonl."""
    accuracies = {"train_accuracy": 0.5, "test_accuracy": 0.5}
    return {"epoch": epoch, **accuracies, "seconds": 1.0, "train_seconds": 1.0}


def cover(folder, epoch):
    """Leave a checkpoint of so many epochs, of which only the name matters here."""
    (folder.path / f"checkpoint-{epoch:05d}.safetensors").touch()


def test_spec_and_about_read_back(folder, spec):
    reopened = RunFolder.open(folder.path)
    assert reopened.spec() == spec
    assert reopened.about() == {"backend": "message-passing"}


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path, spec):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"not empty.*--resume"):
        RunFolder.create(tmp_path, spec, {})
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path, spec):
    path = tmp_path / "run"
    path.write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        RunFolder.create(path, spec, {})
    assert path.read_text() == "mine"


def test_opening_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no spec\.json"):
        RunFolder.open(tmp_path)


def test_checkpoint_round_trip_and_only_the_newest_are_kept(folder, spec):
    parameters = initial_parameters(spec.network, seed=3)
    for epoch in range(1, 5):
        folder.write_checkpoint(epoch, parameters)
    assert list(folder.checkpoints()) == [3, 4]
    epoch, found = folder.latest(spec.network)
    assert epoch == 4
    for expected, layer in zip(parameters.layers, found.layers, strict=True):
        assert layer.arrays.keys() == expected.arrays.keys()
        for field, value in expected.arrays.items():
            np.testing.assert_array_equal(layer.arrays[field], value)


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_cut_checkpoint_is_one_clear_error(folder, spec, keep):
    path = folder.write_checkpoint(1, initial_parameters(spec.network, seed=0))
    content = path.read_bytes()
    path.write_bytes(content[:keep])
    with pytest.raises(InputError, match=r"checkpoint-00001.*not a whole safetensors file"):
        folder.latest(spec.network)


def test_a_checkpoint_of_another_network_is_refused(folder, spec):
    other = spec.network.model_copy(update={"inputs": 32})
    path = folder.write_checkpoint(1, initial_parameters(other, seed=0))
    with pytest.raises(InputError, match=r"hidden1\.weights.*\[48, 32\].*expected.*\[48, 64\]"):
        read_checkpoint(path, spec.network)


def test_a_missing_checkpoint_is_named(folder, spec):
    with pytest.raises(InputError, match="no checkpoint yet"):
        folder.selected(spec.network)
    with pytest.raises(InputError, match=r"nothing\.safetensors.*No such file"):
        read_checkpoint(folder.path / "nothing.safetensors", spec.network)


def test_metrics_append_and_cut_back(folder):
    for epoch in (1, 2, 3):
        folder.append_metrics(entry(epoch))
    cover(folder, 2)
    assert folder.covered_metrics() == [entry(1), entry(2)]
    assert folder.metrics() == [entry(1), entry(2), entry(3)]
    assert folder.keep_covered_metrics() == folder.metrics() == [entry(1), entry(2)]


@pytest.mark.parametrize(("found", "epochs"), [([1, 2, 2], 2), ([1, 3], 3), ([1], 2), ([], 1)])
def test_metrics_of_other_epochs_than_the_checkpoint_covers_are_an_error(folder, found, epochs):
    for epoch in found:
        folder.append_metrics(entry(epoch))
    cover(folder, epochs)
    with pytest.raises(InputError, match=rf"metrics\.jsonl: has epochs .*from 1 to {epochs}"):
        folder.keep_covered_metrics()


def test_an_imported_run_has_metrics_from_there_on_only(tmp_path, spec):
    about = {"backend": "fused", "epochs_before": 5}
    folder = RunFolder.create(tmp_path / "run", spec, about)
    cover(folder, 5)
    assert folder.keep_covered_metrics() == []
    folder.append_metrics(entry(6))
    cover(folder, 6)
    assert folder.keep_covered_metrics() == [entry(6)]
    (folder.path / "metrics.jsonl").unlink()
    with pytest.raises(InputError, match="from 6 to 6"):
        folder.covered_metrics()


def test_an_unfinished_last_line_of_metrics_is_left_out(folder):
    folder.append_metrics(entry(1))
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "train_acc')
    assert folder.metrics() == [entry(1)]
    folder.append_metrics(entry(2))
    assert folder.metrics() == [entry(1), entry(2)]


def test_a_whole_last_line_without_its_end_is_kept(folder):
    folder.append_metrics(entry(1))
    path = folder.path / "metrics.jsonl"
    path.write_text(path.read_text().removesuffix("\n"))
    folder.append_metrics(entry(2))
    assert folder.metrics() == [entry(1), entry(2)]


def test_a_line_that_finds_no_room_leaves_the_others(folder):
    folder.append_metrics(entry(1))
    before = (folder.path / "metrics.jsonl").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The signal would end this process; without it writing fails as on a full disk.
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 5, limits[1]))
    try:
        with pytest.raises(LavaEPError, match=r"metrics\.jsonl: cannot be written .*Make room"):
            folder.append_metrics(entry(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (folder.path / "metrics.jsonl").read_bytes() == before
    folder.append_metrics(entry(2))
    assert folder.metrics() == [entry(1), entry(2)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"epoch": 1\n{"epoch": 2}\n', "line 1: expected a JSON object"),
        (b"5\n", "line 1: expected a JSON object, not b'5"),
        (b"{}\n", r"line 1: epoch=None: expected a number"),
        (b"\xff\xfe\n", "line 1: expected a JSON object"),
        (b"[" * 100_000 + b"\n", "line 1: expected a JSON object"),
    ],
)
def test_damage_inside_metrics_is_reported(folder, content, message):
    (folder.path / "metrics.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=rf"metrics\.jsonl, {message}"):
        folder.metrics()


def test_a_failed_write_keeps_the_old_file(folder, spec, monkeypatch):
    before = (folder.path / "spec.json").read_bytes()

    def no_space(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    changed = spec.model_copy(update={"training": spec.training.model_copy(update={"epochs": 9})})
    with pytest.raises(LavaEPError, match=r"spec\.json: cannot be written \(No space.*--resume"):
        folder.write_spec(changed)
    assert (folder.path / "spec.json").read_bytes() == before
    assert sorted(path.name for path in folder.path.iterdir()) == ["run.json", "spec.json"]


def test_a_checkpoint_that_finds_no_room_is_one_clear_error(folder, spec, monkeypatch):
    def full(*_):
        text = "Error while serializing: I/O error: No space left on device (os error 28)"
        raise SafetensorError(text)

    monkeypatch.setattr("lava_ep.training.run_folder.save_file", full)
    with pytest.raises(LavaEPError, match=r"checkpoint-00001\.safetensors: cannot be written"):
        folder.write_checkpoint(1, initial_parameters(spec.network, seed=0))
    assert sorted(path.name for path in folder.path.iterdir()) == ["run.json", "spec.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "expected a JSON object"),
        ({}, "backend=None: expected a string"),
        ({"backend": "fused", "data_dir": 5}, "data_dir=5: expected a string"),
        ({"backend": "fused", "epochs_before": "x"}, "epochs_before='x': expected a number"),
    ],
)
def test_damaged_run_json_is_reported(folder, content, message):
    (folder.path / "run.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"run\.json: {message}"):
        folder.about()


def test_another_process_cannot_train_in_the_same_folder(folder):
    code = f"""
from pathlib import Path
from lava_ep.errors import InputError
from lava_ep.locks import locked
try:
    with locked(Path({str(folder.path)!r})):
        print("free")
except InputError as error:
    print(error)
"""

    def other():
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout

    with locked(folder.path):
        assert f"process {os.getpid()} is writing to it; wait for its end" in other()
    assert other() == "free\n"


def test_a_folder_is_waited_for(folder):
    code = f"""
import sys
from pathlib import Path
from lava_ep.locks import locked
with locked(Path({str(folder.path)!r})):
    print("locked", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(InputError, match=f"process {other.pid} is writing to it"):
            wait_until_free(folder.path, 0.3)
        other.stdin.close()
        wait_until_free(folder.path, 60)


def test_a_long_name_is_one_clear_error(tmp_path, spec):
    with pytest.raises(InputError, match=r"File name too long.*choose another"):
        RunFolder.create(tmp_path / ("x" * 300), spec, {"backend": "fused"})
