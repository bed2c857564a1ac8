"""NIR files in a simulator that knows nothing of lava_ep: Norse, in an environment of its own."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lava_ep.data import load_dataset
from lava_ep.deploy import Trained, write_nir
from lava_ep.spec import ExperimentSpec, load_preset, override, parse
from lava_ep.training import Trainer, evaluate

pytest.importorskip("nir", reason="needs the package nir: pip install 'lava-ep[nir]'")

HERE = Path(__file__).parent
PYTHON = Path(os.environ.get("LAVA_EP_NIR_PYTHON", HERE.parents[1] / ".venv-nir/bin/python"))

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="needs Norse in an environment of its own: make test-nir"
)

GRADED = {"kind": "graded", "activation": "hard-sigmoid", "filter_rate": 0.5}
REAL = {"weights": "real", "bias_rate": 0.1}
IMAGE = {"inputs": 64, "image_shape": [8, 8], "input_levels": 16, "classes": 10}


def two_layers(*layers, **fields):
    network = {**IMAGE, "layers": layers, **fields}
    data = {"network": network, "training": {"epochs": 3}, "data": {"name": "digits"}}
    return parse(ExperimentSpec, data, source="test")


def preset(name, hidden):
    changes = [f"network.layers.0.neurons={hidden}", "training.epochs=3"]
    return override(load_preset(name), changes)


NETWORKS = {
    "integrate-and-fire": preset("if-digits", 64),
    "integrate-and-fire, binary weights": preset("if-binary-digits", 128),
    "binary": preset("binary-digits", 128),
    "graded convolution": two_layers(
        {**REAL, "channels": 16, "kernel": 3, "rate": 0.1},
        {**REAL, "neurons": 10, "rate": 0.05},
        neuron=GRADED,
        phases={"free_steps": 20, "nudged_steps": 8, "beta": 0.5, "nudging": "symmetric"},
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_predictions_are_the_same(tmp_path, name):
    experiment = NETWORKS[name]
    digits = load_dataset("digits")
    trainer = Trainer(experiment, digits, backend="fused", threads=1)
    trainer.fit()
    ours = evaluate(experiment, trainer.parameters, digits, backend="fused", threads=1)
    assert ours.accuracy > 0.85
    files = [tmp_path / file for file in ("network.nir", "images.npy", "predictions.npy")]
    write_nir(files[0], Trained(experiment, trainer.parameters, 3, {}))
    np.save(files[1], digits.x_test)
    script = [PYTHON, HERE / "simulate_nir.py", *files]
    # Its own packages only.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    subprocess.run(script, check=True, env=environment, timeout=250)
    assert np.mean(np.load(files[2]) == ours.predictions) >= 0.99
