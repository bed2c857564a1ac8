"""Graded neurons and convolutions learn real digits, and survive checkpoints and interruptions."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from lava_ep.data import load_dataset
from lava_ep.parameters import NetworkParameters, initial_parameters
from lava_ep.spec import ExperimentSpec, NetworkSpec, override
from lava_ep.training import NetworkSession, RunFolder, Trainer, describe_run, evaluate

REAL = {"weights": "real"}


def experiment(layers, neuron, phases, **training):
    """An experiment on the 8 x 8 digits."""
    return ExperimentSpec.model_validate(
        {
            "network": {
                "inputs": 64,
                "image_shape": [8, 8, 1],
                "input_levels": 16,
                "layers": layers,
                "neuron": {"kind": "graded", **neuron},
                "phases": {"free_steps": 12, "nudged_steps": 5, "beta": 0.5, **phases},
            },
            "training": {"epochs": 3, "batch_size": 20, **training},
            "data": {"name": "digits", "limit_train": 600, "limit_test": 200},
        }
    )


LEARNERS = {
    "dense": experiment(
        [
            {"neurons": 64, "rate": 0.2, "bias_rate": 0.2, **REAL},
            {"neurons": 10, "rate": 0.1, "bias_rate": 0.1, **REAL},
        ],
        {"activation": "hard-sigmoid"},
        {"nudging": "symmetric"},
    ),
    "continual": experiment(
        [
            {"neurons": 64, "rate": 0.05, "bias_rate": 0.05, **REAL},
            {"neurons": 10, "rate": 0.025, "bias_rate": 0.025, **REAL},
        ],
        {"activation": "tanh"},
        {"nudging": "symmetric", "updates": "continual"},
    ),
    "convolution": experiment(
        [
            {"channels": 8, "kernel": 3, "pool": 2, "rate": 0.02, "bias_rate": 0.02, **REAL},
            {"neurons": 10, "rate": 0.05, "bias_rate": 0.05, **REAL},
        ],
        {"activation": "tanh"},
        {"nudging": "symmetric"},
        batch_size=10,
    ),
}


@pytest.mark.parametrize("spec", LEARNERS.values(), ids=LEARNERS.keys())
def test_digits_are_learned(spec):
    digits = load_dataset("digits", limit_train=600, limit_test=200)
    found = Trainer(spec, digits, backend="fused").fit()
    assert found[-1]["test_accuracy"] >= 0.6
    assert found[-1]["train_accuracy"] > found[0]["train_accuracy"] + 0.2


@pytest.fixture
def tiny():
    """A convolution of binary weights below real ones, which learn in every nudged step."""
    return experiment(
        [
            {"channels": 4, "kernel": 3, "pool": 2, "theta": 0.05, "gamma": 0.1, "bias_rate": 0.05},
            {"neurons": 10, "rate": 0.05, "bias_rate": 0.05, **REAL},
        ],
        {"activation": "shifted-sigmoid"},
        {"nudging": "random-sign", "updates": "continual"},
        decay=0.8,
    )


@pytest.fixture
def few():
    """A few digits."""
    return load_dataset("digits", limit_train=90, limit_test=50)


def new_folder(path, spec, dataset):
    about = describe_run(spec, dataset, backend="fused", command="test")
    return RunFolder.create(path, spec, about)


def assert_equal(found: NetworkParameters, expected: NetworkParameters):
    one, other = found.to_arrays(), expected.to_arrays()
    assert one.keys() == other.keys()
    for name, value in other.items():
        assert one[name].dtype == value.dtype
        np.testing.assert_array_equal(one[name], value, err_msg=name)


def test_a_stopped_and_resumed_run_ends_with_the_same_bytes(tmp_path, tiny, few):
    whole = new_folder(tmp_path / "whole", tiny, few)
    metrics = Trainer(tiny, few, backend="fused", folder=whole).fit()

    class Stop(Exception):
        pass

    def stop_in_second_epoch(progress):
        if (progress.epoch, progress.batch) == (2, 3):
            raise Stop

    parts = new_folder(tmp_path / "parts", tiny, few)
    with pytest.raises(Stop):
        Trainer(tiny, few, backend="fused", folder=parts, on_progress=stop_in_second_epoch).fit()
    again = Trainer(tiny, few, backend="fused", folder=parts)
    assert again.resume() == 1
    again.fit()
    digests = [
        hashlib.sha256(folder.checkpoints()[3].read_bytes()).hexdigest()
        for folder in (whole, parts)
    ]
    assert digests[0] == digests[1]
    accuracies = [[entry["test_accuracy"] for entry in run] for run in (metrics, again.metrics)]
    assert accuracies[0] == accuracies[1]


def test_a_checkpoint_gives_back_what_was_learned(tmp_path, tiny, few):
    folder = new_folder(tmp_path / "run", tiny, few)
    trainer = Trainer(override(tiny, ["training.epochs=1"]), few, backend="fused", folder=folder)
    (entry,) = trainer.fit()
    epoch, found = folder.latest(tiny.network)
    assert epoch == 1
    assert found.batch == 4
    assert_equal(found, trainer.parameters)
    start = initial_parameters(tiny.network, seed=0).to_arrays()
    changed = {key for key, value in found.to_arrays().items() if np.any(value != start[key])}
    assert changed == start.keys() - {"hidden1.alpha"}
    # Only binary weights flip.
    flips = entry["weight_flips"]
    assert flips[0] > 0
    assert flips[1] == 0
    evaluation = evaluate(tiny, found, few, backend="fused")
    assert evaluation.accuracy == entry["test_accuracy"]


@pytest.mark.parametrize("backend", ["message-passing", "fused"])
def test_parameters_move_between_sessions(tiny, few, backend):
    layer = tiny.network.layers[0].model_dump() | {"theta": None, "gamma": 0, "rate": 0.1, **REAL}
    changes = {"layers": [layer, tiny.network.layers[1]], "feedback_angle": 80}
    network = NetworkSpec.model_validate({**tiny.network.model_dump(), **changes})
    options = {"batch": 25, "backend": backend}
    start, learned = (initial_parameters(network, seed=seed) for seed in (0, 1))
    with NetworkSession(network, parameters=start, learning=False, **options) as session:
        before = session.scores(few.x_test)
        session.set_parameters(learned)
        assert_equal(session.parameters(), learned)
        after = session.scores(few.x_test)
    with NetworkSession(network, parameters=learned, learning=False, **options) as fresh:
        np.testing.assert_array_equal(fresh.scores(few.x_test), after)
    assert np.any(before != after)


def test_counters_are_named_by_layer(tiny, few):
    with NetworkSession(
        tiny.network, batch=10, parameters=initial_parameters(tiny.network, seed=0), backend="fused"
    ) as session:
        list(session.stream(few.x_train[:20], few.y_train[:20]))
        layers, total = session.layer_counters(), session.counters()
    assert {name: set(counters) for name, counters in layers.items()} == {
        "hidden1": {"events", "synaptic_operations", "flips"},
        "output": {"events", "synaptic_operations"},
    }
    np.testing.assert_array_equal(
        total.events, layers["hidden1"]["events"] + layers["output"]["events"]
    )
    assert total.flips.tolist() == [layers["hidden1"]["flips"][0], 0]
    assert np.all(total.synaptic_operations > 0)
