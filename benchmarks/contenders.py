"""The implementations under comparison, behind one interface: train on or infer batches."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics import Activation, Convolution
from lava_ep.parameters import LayerParameters, NetworkParameters
from lava_ep.spec import NetworkSpec, NeuronSpec
from lava_ep.training.session import NetworkSession

FUSED, MESSAGES, DENSE, STOCK = "fused", "message-passing", "dense_torch", "lava_stock"
"""Names of the contenders; the first two are those of our backends."""
THRESHOLDED = "fused_event_threshold"
"""The fused backend once more, with neurons that do not send small changes."""


@dataclass(frozen=True)
class Batches:
    """The samples that all contenders are shown, cut into batches in the same order."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    size: int

    def samples(self, first: int, last: int) -> slice:
        """Return where the samples of batches ``first`` to ``last`` (not included) are."""
        return slice(first * self.size, last * self.size)


def dense_settings(spec: NetworkSpec, parameters: NetworkParameters, batch: int) -> dict[str, Any]:
    """Return what makes a dense implementation do what a network of ours does, in its words."""
    layers, connections = spec.layers, spec.connections
    settings: dict[str, Any] = {
        "batch": batch,
        "levels": spec.input_levels,
        "classes": spec.classes,
        "initial_state": spec.neuron.initial_state,
        "free_steps": spec.phases.free_steps,
        "nudged_steps": spec.phases.nudged_steps,
        "beta": spec.phases.beta,
        "bias_rate": [layer.bias_rate for layer in layers],
        "shapes": [connection.weight_shape for connection in connections],
    }
    if isinstance(spec.neuron, NeuronSpec):
        settings |= {"filter_rate": spec.neuron.filter_rate, "threshold": spec.neuron.threshold}
    else:
        settings["clips_nudge"] = spec.neuron.activation is Activation.HARD_SIGMOID
    if layers[0].binary:
        settings |= {
            "alpha": [float(layer.alpha[0]) for layer in parameters.layers],
            "gamma": [layer.gamma for layer in layers],
            "tau": [layer.theta * layer.gamma for layer in layers],
        }
    else:
        settings["rate"] = [layer.rate for layer in layers]
    if isinstance(connections[0], Convolution):
        height, width, channels = connections[0].in_shape
        ((padding, pool),) = {(x.padding, x.pool) for x in layers if x.channels is not None}
        settings |= {"image": (channels, height, width), "padding": padding, "pool": pool}
        settings["final_switches"] = True
    else:
        settings["image"] = (spec.inputs,)
    return settings


def _swap_channels(
    spec: NetworkSpec, layer: int, weights: NDArray[Any], *, last: bool
) -> NDArray[Any]:
    """Move channels of the sources to the end or to the front, where these are a flat image.

    Ours have the channels of a position side by side, (height, width, channels); PyTorch has the
    positions of a channel side by side, (channels, height, width).
    """
    below = spec.connections[layer - 1] if layer else None
    if weights.ndim > 2 or not isinstance(below, Convolution):
        return weights
    height, width, channels = below.out_shape
    shape, axes = (height, width, channels), (0, 3, 1, 2)
    if last:
        shape, axes = (channels, height, width), (0, 2, 3, 1)
    found = weights.reshape(-1, *shape).transpose(axes)
    return np.ascontiguousarray(found.reshape(weights.shape))


def write_problem(
    path: Path,
    spec: NetworkSpec,
    parameters: NetworkParameters,
    batches: Batches,
    beta_signs: Sequence[int],
) -> None:
    """Write what `dense_torch.py` or `dense_torch_family.py` reads."""
    arrays: dict[str, Any] = {
        "settings": json.dumps(dense_settings(spec, parameters, batches.size)),
        "images": batches.images,
        "labels": batches.labels,
        "beta_signs": np.array(beta_signs, np.int64),
    }
    for index, layer in enumerate(parameters.layers):
        kind = "signs" if spec.layers[index].binary else "weights"
        arrays[f"{kind}{index}"] = _swap_channels(spec, index, layer.weights, last=False)
        arrays[f"bias{index}"] = layer.bias
    np.savez(path, **arrays)


class Ours:
    """A running network of ours; it goes on learning from call to call."""

    def __init__(self, session: NetworkSession, batches: Batches) -> None:
        self.session = session
        self.pids = session.pids.values()
        self._batches = batches
        self.predictions: list[NDArray[np.int64]] = []

    def run(self, first: int, last: int) -> float:
        """Show some batches, learning from them if the session learns; return seconds a batch."""
        chosen = self._batches.samples(first, last)
        images = self._batches.images[chosen]
        labels = self._batches.labels[chosen] if self.session.learning else None
        begin = time.perf_counter()
        scores = list(self.session.stream(images, labels))
        seconds = time.perf_counter() - begin
        self.predictions += [score.argmax(axis=1) for score in scores]
        return seconds / (last - first)


class DenseTorch:
    """A dense implementation in a process of its own, idle between the calls.

    Parameters
    ----------
    python
        Interpreter of the environment that has PyTorch.
    system
        What is implemented, a name in `dense_torch_family.py`; ``None`` for `dense_torch.py`.
    problem
        See `write_problem`.
    threads
        Threads that PyTorch may use.
    dtype
        Type that a system computes with.

    Attributes
    ----------
    pid : int
        Operating-system process.
    version : str
        Version of PyTorch.
    """

    def __init__(
        self,
        python: Path,
        system: str | None,
        problem: Path,
        threads: int,
        dtype: str = "float32",
    ) -> None:
        self._script = "dense_torch_family.py" if system else "dense_torch.py"
        script = Path(__file__).with_name(self._script)
        command = [str(python), str(script), str(problem), "--threads", str(threads)]
        self._process = subprocess.Popen(
            [*command, "--system", system, "--dtype", dtype] if system else command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self.version: str = self._answer()["torch"]
        self.predictions: list[int] = []

    def __enter__(self) -> DenseTorch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._process.kill()
        self._process.communicate()

    def train(self, first: int, last: int) -> float:
        """Learn from some batches; return seconds a batch."""
        return float(np.mean(self._ask({"train": [first, last]})["seconds"]))

    def infer(self, first: int, last: int) -> float:
        """Run the free phases of some batches; return seconds a batch."""
        found = self._ask({"infer": [first, last]})
        self.predictions += found["predictions"]
        return float(np.mean(found["seconds"]))

    def learned(self, spec: NetworkSpec, path: Path) -> NetworkParameters:
        """Return the weights and biases of the network that the problem is about, by a file."""
        self._ask({"save": str(path)})
        layers = []
        with np.load(path) as arrays:
            for index, layer in enumerate(spec.layers):
                weights = arrays[f"{'signs' if layer.binary else 'weights'}{index}"]
                weights = _swap_channels(spec, index, weights, last=True)
                layers.append(LayerParameters(weights=weights, bias=arrays[f"bias{index}"]))
        return NetworkParameters(tuple(layers))

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            raise RuntimeError(f"{self._script} ended with exit code {code}; see its message above")
        answer: dict[str, Any] = json.loads(line)
        return answer
