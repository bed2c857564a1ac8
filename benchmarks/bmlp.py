"""Measure the layers of local binary errors: packed words beside dense products.

The fused engine learns MNIST with preset ``bmlp-mnist``, beside the same algorithm with
dense products in NumPy and, where its environment is, in PyTorch, in turns, from the same batches,
each with as many threads, all from where the engine is after the first epoch::

    python benchmarks/bmlp.py [--threads 1] [--torch-python PYTHON]

First all learn from a few batches, the dense ones told which hidden weights the engine reinforces,
and have to end with the same hidden weights. For the measurement each draws its own. Seconds are
those of an epoch of 60,000 samples, from rounds of fewer batches.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from dense_bmlp import DenseNumPy, Problem
from summary import describe_machine, summarize, summarize_ratio
from threadpoolctl import threadpool_limits
from turns import Patience, Rounds, console, take_turns

from lava_ep.bmlp_parameters import (
    BMLPLayerParameters,
    BMLPParameters,
    initial_bmlp_parameters,
)
from lava_ep.data import load_dataset
from lava_ep.dynamics import Stream, generator
from lava_ep.dynamics.bmlp import bernoulli_places, reinforcement_probability
from lava_ep.models.bmlp import BMLPEngine
from lava_ep.spec import BMLPSpec, ExperimentSpec, load_preset

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "benchmarks" / "results" / "bmlp.json"
TORCH_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
FUSED, NUMPY, TORCH = "fused", "dense NumPy", "dense PyTorch"

ROUNDS = Rounds(repeats=5, batches=100, warm_up=15)
CHECKED = 5
"""Batches after which all have to have the same hidden weights."""


class Fused:
    """The engine, and the batches that it and the others are shown."""

    def __init__(self, experiment: ExperimentSpec, threads: int) -> None:
        spec, training = experiment.network, experiment.training
        assert isinstance(spec, BMLPSpec)
        self.spec, self.batch, self.seed = spec, training.batch_size, training.seed
        data = load_dataset("mnist")
        self.images, self.labels = data.x_train.copy(), data.y_train.astype(np.int32)
        self.epoch = len(self.images) // self.batch
        start = initial_bmlp_parameters(spec, seed=self.seed, images=data.x_train)
        self.thresholds, self.threads = start.thresholds, threads
        self.go_on(start)

    def go_on(self, parameters: BMLPParameters) -> None:
        """Build the engine anew from some parameters."""
        self.engine = BMLPEngine(
            self.spec,
            parameters,
            batch=self.batch,
            seed=self.seed,
            epoch_batches=self.epoch,
            threads=self.threads,
        )

    def train(self, first: int, last: int) -> float:
        """Learn from some batches; return seconds a batch."""
        begin = time.perf_counter()
        for number in range(first, last):
            begun = number % self.epoch * self.batch
            chosen = slice(begun, begun + self.batch)
            self.engine.forward(self.images[chosen])
            self.engine.learn(self.labels[chosen])
        return (time.perf_counter() - begin) / (last - first)

    def parameters(self) -> BMLPParameters:
        """Return what has been learned in the first epoch."""
        layers = tuple(
            BMLPLayerParameters(x.hidden.copy(), x.classifier.copy(), x.right.copy())
            for x in self.engine.layers
        )
        return BMLPParameters(self.thresholds, layers, self.epoch)

    def write_problem(self, path: Path, start: BMLPParameters, *, told: bool) -> None:
        """Write what `dense_bmlp.py` reads."""
        settings, arrays = [], {}
        for index, (layer, values) in enumerate(zip(self.spec.layers, start.layers, strict=True)):
            arrays[f"hidden{index}"], arrays[f"rho{index}"] = values.hidden, values.classifier
            accuracy = values.right[1] / (self.epoch * self.batch)
            p = reinforcement_probability(
                layer.reinforcement, float(accuracy), values.hidden.shape[1]
            )
            settings.append({"group": layer.group, "margin": layer.margin, "probability": p})
            places = [
                bernoulli_places(
                    values.hidden.size,
                    p,
                    generator(self.seed, Stream.REINFORCEMENT, index, start.batch + number),
                )
                for number in range(CHECKED)
            ]
            arrays[f"places{index}"] = np.concatenate(places)
            arrays[f"ends{index}"] = np.cumsum([0, *(len(some) for some in places)])
        np.savez(
            path,
            settings=json.dumps({"batch": self.batch, "layers": settings, "told": told}),
            images=self.images,
            labels=self.labels.astype(np.int64),
            thresholds=self.thresholds[:, 0],
            **arrays,
        )


class TorchProcess:
    """`dense_bmlp.py` in a process of its own, idle between the calls."""

    def __init__(self, python: Path, problem: Path, threads: int) -> None:
        script = Path(__file__).with_name("dense_bmlp.py")
        self._process = subprocess.Popen(
            [str(python), str(script), str(problem), "--threads", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self.version = self._answer()["torch"]

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def train(self, first: int, last: int) -> float:
        """Learn from some batches; return seconds a batch."""
        return float(self._ask({"train": [first, last]})["seconds"])

    def hidden(self, path: Path) -> list[np.ndarray]:
        """Return the hidden weights of all layers, by a file."""
        self._ask({"save": str(path)})
        with np.load(path) as arrays:
            return [arrays[f"hidden{k}"] for k in range(len(arrays.files))]

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("dense_bmlp.py ended; see its message above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def check_agreement(
    ours: Fused, start: BMLPParameters, folder: Path, torch_python: Path | None
) -> None:
    """Let all learn from a few batches and compare the hidden weights."""
    problem = folder / "told.npz"
    ours.write_problem(problem, start, told=True)
    ours.go_on(start)
    ours.train(0, CHECKED)
    dense = DenseNumPy(Problem(problem))
    dense.train(0, CHECKED)
    found = {NUMPY: dense.hidden}
    if torch_python is not None:
        torch = TorchProcess(torch_python, problem, ours.threads)
        torch.train(0, CHECKED)
        found[TORCH] = torch.hidden(folder / "learned.npz")
        torch.close()
    for name, hidden in found.items():
        for layer, theirs in zip(ours.engine.layers, hidden, strict=True):
            if not np.array_equal(layer.hidden, theirs):
                raise SystemExit(f"{name} has other hidden weights after {CHECKED} batches")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="of each contender (default: 1)")
    parser.add_argument("--torch-python", type=Path, default=TORCH_PYTHON)
    parser.add_argument("--patience", type=float, default=120.0, help="seconds to wait for quiet")
    arguments = parser.parse_args()
    torch_python = arguments.torch_python if arguments.torch_python.exists() else None
    if torch_python is None:
        console.print(f"{arguments.torch_python} does not exist, so PyTorch is left out")
    ours = Fused(load_preset("bmlp-mnist"), arguments.threads)
    with console.status("first epoch"):
        ours.train(0, ours.epoch)
    start = ours.parameters()
    pids, machine = [os.getpid()], describe_machine()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(threadpool_limits(arguments.threads))
        check_agreement(ours, start, folder, torch_python)
        ours.go_on(start)
        problem = folder / "problem.npz"
        ours.write_problem(problem, start, told=False)
        contenders = {
            FUSED: ROUNDS.contender(ours.train),
            NUMPY: ROUNDS.contender(DenseNumPy(Problem(problem)).train),
        }
        if torch_python is not None:
            torch = TorchProcess(torch_python, problem, arguments.threads)
            stack.callback(torch.close)
            contenders[TORCH] = ROUNDS.contender(torch.train)
            pids.append(torch.pid)
            machine["torch"] = torch.version
        turns = take_turns(
            contenders,
            ROUNDS.repeats,
            pids=pids,
            patience=Patience(arguments.patience),
            label=str(ours.spec),
        )
    seconds = {name: [ours.epoch * s for s in values] for name, values in turns.values.items()}
    ratios = {
        name: summarize_ratio(values, seconds[FUSED])
        for name, values in seconds.items()
        if name != FUSED
    }
    content = {
        "machine": machine,
        "settings": {
            "preset": "bmlp-mnist",
            "network": str(ours.spec),
            "batch": ours.batch,
            "threads": arguments.threads,
            "batches_per_repeat": ROUNDS.batches,
            "warm_up_batches": ROUNDS.warm_up,
            "batches_with_the_same_hidden_weights": CHECKED,
        },
        "seconds_per_epoch": {name: summarize(values) for name, values in seconds.items()},
        "fused_faster_than": ratios,
        "cores_used_by_other_programs": summarize(turns.foreign_cores),
    }
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for name, values in seconds.items():
        found = summarize(values)
        console.print(
            f"{name}: {found['median']:.2f} s an epoch ({found['min']:.2f} – {found['max']:.2f})"
        )
    for name, found in ratios.items():
        console.print(
            f"fused against {name}: {found['median']:.1f} times as fast "
            f"({found['min']:.1f} – {found['max']:.1f})"
        )
    console.print(f"Results: {TARGET}", soft_wrap=True)


if __name__ == "__main__":
    main()
