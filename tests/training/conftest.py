"""A small experiment on real digits that trains in a second."""

import pytest

from lava_ep.data import Dataset, load_dataset
from lava_ep.spec import ExperimentSpec, load_preset, override


@pytest.fixture
def spec() -> ExperimentSpec:
    return override(
        load_preset("binary-digits"),
        [
            "network.layers.0.neurons=48",
            "network.layers.0.bias_rate=0.01",
            "network.layers.1.neurons=20",
            "network.layers.1.alpha_rate=0.001",
            "network.phases.free_steps=7",
            "network.phases.nudged_steps=6",
            "training.epochs=3",
            "training.batch_size=32",
            "data.limit_train=150",
            "data.limit_test=70",
            "training.test_batch_size=32",
        ],
    )


@pytest.fixture
def dataset(spec: ExperimentSpec) -> Dataset:
    return load_dataset(
        spec.data.name, limit_train=spec.data.limit_train, limit_test=spec.data.limit_test
    )
