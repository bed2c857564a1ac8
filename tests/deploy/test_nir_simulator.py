"""NIR files in a simulator that knows nothing of lava_ep: Norse, in an environment of its own."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lava_ep.data import load_dataset
from lava_ep.spec import load_preset, override
from lava_ep.training import Trainer, evaluate

pytest.importorskip("nir", reason="needs the package nir: pip install 'lava-ep[nir]'")

HERE = Path(__file__).parent
PYTHON = Path(os.environ.get("LAVA_EP_NIR_PYTHON", HERE.parents[1] / ".venv-nir/bin/python"))

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="needs Norse in an environment of its own: make test-nir"
)

CONVOLUTION = 'network.layers.0={"channels": 8, "kernel": 3, "weights": "real", "rate": 0.1}'
IMAGES = "network.image_shape=[8, 8]"
NETWORKS = {
    "integrate-and-fire": ("if-digits", []),
    "integrate-and-fire, binary weights": ("if-binary-digits", []),
    "binary": ("binary-digits", []),
    "sigma-delta": ("sigma-delta-digits", []),
    "graded": ("cvf-digits", []),
    "graded convolution": ("cvf-digits", [IMAGES, CONVOLUTION, "network.neuron.filter_rate=0.5"]),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_predictions_are_the_same(tmp_path, name):
    from lava_ep.deploy import Trained, write_nir

    preset, changes = NETWORKS[name]
    experiment = override(load_preset(preset), [*changes, "training.epochs=2"])
    digits = load_dataset("digits")
    trainer = Trainer(experiment, digits, backend="fused", threads=1)
    trainer.fit()
    ours = evaluate(experiment, trainer.parameters, digits, backend="fused", threads=1)
    assert ours.accuracy > 0.85
    files = [tmp_path / file for file in ("network.nir", "images.npy", "predictions.npy")]
    write_nir(files[0], Trained(experiment, trainer.parameters, 2, {}))
    np.save(files[1], digits.x_test)
    script = [PYTHON, HERE / "simulate_nir.py", *files]
    # Its own packages only.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    subprocess.run(script, check=True, env=environment, timeout=250)
    assert np.mean(np.load(files[2]) == ours.predictions) >= 0.99
