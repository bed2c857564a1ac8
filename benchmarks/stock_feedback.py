"""Compare kinds of feedback in a network of Lava's own Processes.

Fashion-MNIST, averaged to 7 x 7 pixels, is learned with feedback that starts as the transposed
weights or with signs of its own, and learns by the mirrored rule or does not, and with none::

    python benchmarks/stock_feedback.py

The networks are those of ``lava_ep.models.loihi`` on the backend loihi-fixed, here by the
transcription of the tests (``tests/models/stock_reference.py``), which gives the same bits and, in
one process, takes less time. Results are kept in ``reproductions/stock-feedback.json``, one after
the other; what is there already is not computed again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from lava_ep.data import load_dataset
from lava_ep.dynamics import Stream, generator
from lava_ep.parameters import LayerParameters, NetworkParameters, initial_parameters
from lava_ep.spec import NetworkSpec, load_preset, override

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "models"))

from stock_reference import StockNetwork, payloads_of, transcribe  # noqa: E402

SIDE = 4
"""Side of the squares of pixels that are averaged."""

EPOCHS = 2
"""Passes, the second at half the learning rate."""

KINDS = {
    "learned, at first the transposed weights": ("learned", 0),
    "fixed, with random signs": ("fixed", 90),
    "none": ("none", None),
    "learned, at first with random signs": ("learned", 90),
    "fixed, the first transposed weights": ("fixed", 0),
}
"""Feedback: whether it learns, and its angle to the weights at first."""


def make_network(feedback: str, angle: int | None, epoch: int) -> NetworkSpec:
    """Return the network 49-100-10 with the learning rates of an epoch."""
    changes = {
        "network.inputs": 49,
        "network.input_levels": 255,
        "network.neuron.feedback": feedback,
        "network.feedback_angle": angle,
        "network.layers.0.rate": 128 / 2**epoch,
        "network.layers.1.rate": 32 / 2**epoch,
    }
    assignments = [f"{key}={json.dumps(value)}" for key, value in changes.items()]
    return override(load_preset("stock-digits"), assignments).network


def shrink(images: np.ndarray) -> np.ndarray:
    """Average squares of pixels, (samples, 28 x 28) to (samples, 7 x 7)."""
    squares = images.reshape(len(images), 28 // SIDE, SIDE, 28 // SIDE, SIDE)
    means: np.ndarray = np.rint(squares.mean(axis=(2, 4))).astype(np.uint8)
    return means.reshape(len(images), -1)


def learned_parameters(
    spec: NetworkSpec, network: StockNetwork, before: NetworkParameters, samples: int
) -> NetworkParameters:
    """Read weights and feedback of the transcription as parameters."""
    layers = []
    for index, old in enumerate(before.layers):
        unit = spec.neuron.layers[index].weight_exp + 7 * (index == 0)
        back = network.feedback[index]
        layers.append(
            LayerParameters(
                weights=(network.forward[index].weights * 2.0**unit).astype(np.float32),
                bias=old.bias,
                feedback=None if back is None else (back.weights.T * 2.0**unit).astype(np.float32),
            )
        )
    return NetworkParameters(tuple(layers), before.batch + samples)


def accuracy(spec: NetworkSpec, parameters: NetworkParameters, images, labels, seed) -> float:
    """Test what was learned, with a network that does not learn."""
    network = transcribe(spec, parameters, seed=seed, learning=False)
    scores = [network.show(image)[-1][1:].sum(axis=0) for image in payloads_of(spec, images)]
    return float(np.mean(np.argmax(scores, axis=1) == labels))


def train(feedback: str, angle: int | None, seed: int, data) -> list[float]:
    """Train a network and return its test accuracy after every epoch."""
    (images, labels), test = data
    parameters = initial_parameters(make_network(feedback, angle, 0), seed=seed)
    found = []
    for epoch in range(EPOCHS):
        spec = make_network(feedback, angle, epoch)
        network = transcribe(spec, parameters, seed=seed)
        order = generator(seed, Stream.DATA_ORDER, epoch).permutation(len(images))
        for payload, label in zip(payloads_of(spec, images[order]), labels[order], strict=True):
            network.show(payload, label)
        parameters = learned_parameters(spec, network, parameters, len(images))
        found.append(accuracy(spec, parameters, *test, seed))
    return found


def main() -> None:
    """Train all kinds with all seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=int, default=2000, help="training samples")
    parser.add_argument("--test", type=int, default=1000, help="test samples")
    parser.add_argument("--seeds", type=int, default=3, help="seeds, from 0 on")
    parser.add_argument("--data-dir", type=Path, help="folder with the files of Fashion-MNIST")
    parser.add_argument("--out", type=Path, default=ROOT / "reproductions" / "stock-feedback.json")
    options = parser.parse_args()
    fashion = load_dataset("fashion-mnist", data_dir=options.data_dir)
    data = (
        (shrink(fashion.x_train[: options.train]), fashion.y_train[: options.train]),
        (shrink(fashion.x_test[: options.test]), fashion.y_test[: options.test]),
    )
    result = {"train": options.train, "test": options.test, "epochs": EPOCHS, "accuracy": {}}
    if options.out.exists():
        result = json.loads(options.out.read_text(encoding="utf-8"))
    for seed in range(options.seeds):
        for name, (feedback, angle) in KINDS.items():
            runs = result["accuracy"].setdefault(name, {})
            if str(seed) not in runs:
                runs[str(seed)] = train(feedback, angle, seed, data)
                options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            print(f"seed {seed}, feedback {name}: {runs[str(seed)]}", flush=True)


if __name__ == "__main__":
    main()
