import json

import numpy as np
import pytest

from lava_ep.errors import InputError
from lava_ep.parameters import initial_parameters
from lava_ep.training import RunFolder, read_checkpoint


@pytest.fixture
def folder(tmp_path, spec):
    return RunFolder.create(tmp_path / "run", spec, {"backend": "message-passing"})


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
        folder.latest_or_fail(spec.network)
    with pytest.raises(InputError, match=r"nothing\.safetensors.*No such file"):
        read_checkpoint(folder.path / "nothing.safetensors", spec.network)


def test_metrics_append_and_cut_back(folder):
    for epoch in (1, 2, 3):
        folder.append_metrics({"epoch": epoch})
    assert folder.keep_metrics(2) == [{"epoch": 1}, {"epoch": 2}]
    assert folder.metrics() == [{"epoch": 1}, {"epoch": 2}]


def test_an_unfinished_last_line_of_metrics_is_left_out(folder):
    folder.append_metrics({"epoch": 1})
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "train_acc')
    assert folder.metrics() == [{"epoch": 1}]


def test_damage_inside_metrics_is_reported(folder):
    (folder.path / "metrics.jsonl").write_text('{"epoch": 1\n{"epoch": 2}\n')
    with pytest.raises(InputError, match=r"metrics\.jsonl, line 1: not JSON"):
        folder.metrics()


def test_a_failed_write_keeps_the_old_file(folder, spec, monkeypatch):
    before = (folder.path / "spec.json").read_bytes()

    def no_space(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    changed = spec.model_copy(update={"training": spec.training.model_copy(update={"epochs": 9})})
    with pytest.raises(OSError, match="No space"):
        folder.write_spec(changed)
    assert (folder.path / "spec.json").read_bytes() == before
    assert sorted(path.name for path in folder.path.iterdir()) == ["run.json", "spec.json"]


def test_damaged_run_json_is_reported(folder):
    (folder.path / "run.json").write_text(json.dumps([1]))
    with pytest.raises(InputError, match=r"run\.json: expected a JSON object"):
        folder.about()
