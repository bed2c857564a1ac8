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

from lava_ep.parameters import NetworkParameters
from lava_ep.spec import NetworkSpec
from lava_ep.training.session import NetworkSession

FUSED, MESSAGES, DENSE, STOCK = "fused", "message-passing", "dense_torch", "lava_stock"
"""Names of the contenders; the first two are those of our backends."""


@dataclass(frozen=True)
class Batches:
    """The samples that all contenders are shown, cut into batches in the same order."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    size: int

    def samples(self, first: int, last: int) -> slice:
        """Return where the samples of batches ``first`` to ``last`` (not included) are."""
        return slice(first * self.size, last * self.size)


def write_problem(
    path: Path,
    spec: NetworkSpec,
    parameters: NetworkParameters,
    batches: Batches,
    beta_signs: Sequence[int],
) -> None:
    """Write what `dense_torch.py` reads."""
    settings = {
        "batch": batches.size,
        "levels": spec.input_levels,
        "classes": spec.classes,
        "filter_rate": spec.neuron.filter_rate,
        "threshold": spec.neuron.threshold,
        "initial_state": spec.neuron.initial_state,
        "free_steps": spec.phases.free_steps,
        "nudged_steps": spec.phases.nudged_steps,
        "beta": spec.phases.beta,
        "alpha": [float(layer.alpha[0]) for layer in parameters.layers],
        "gamma": [layer.gamma for layer in spec.layers],
        "tau": [layer.theta * layer.gamma for layer in spec.layers],
        "bias_rate": [layer.bias_rate for layer in spec.layers],
    }
    arrays: dict[str, Any] = {
        "settings": json.dumps(settings),
        "images": batches.images,
        "labels": batches.labels,
        "beta_signs": np.array(beta_signs, np.int64),
    }
    for index, layer in enumerate(parameters.layers):
        arrays |= {f"signs{index}": layer.weights, f"bias{index}": layer.bias}
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
    """`dense_torch.py` in a process of its own, idle between the calls.

    Parameters
    ----------
    python
        Interpreter of the environment that has PyTorch.
    problem
        See `write_problem`.
    threads
        Threads that PyTorch may use.

    Attributes
    ----------
    pid : int
        Operating-system process.
    version : str
        Version of PyTorch.
    """

    def __init__(self, python: Path, problem: Path, threads: int) -> None:
        script = Path(__file__).with_name("dense_torch.py")
        self._process = subprocess.Popen(
            [str(python), str(script), str(problem), "--threads", str(threads)],
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

    def signs(self, path: Path) -> list[NDArray[np.int8]]:
        """Return the signs of the weights, by way of a file."""
        self._ask({"save": str(path)})
        with np.load(path) as arrays:
            return [arrays[key] for key in sorted(arrays) if key.startswith("signs")]

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
            raise RuntimeError(f"dense_torch.py ended with exit code {code}; see its message above")
        answer: dict[str, Any] = json.loads(line)
        return answer
