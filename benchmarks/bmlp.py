"""Measure the layers of local binary errors: packed words beside dense products.

The fused engine learns MNIST with preset ``bmlp-mnist`` beside the same algorithm with dense products
in NumPy and, where its environment is, in PyTorch, in turns and from the same batches, each with as
many threads; at the end all have to have the same hidden weights::

    python benchmarks/bmlp.py [--threads 1] [--torch-python PYTHON]

Seconds are those of an epoch of 60,000 samples, from rounds of fewer batches. The dense ones are told
which hidden weights are reinforced, which the engine draws itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from dense_bmlp import DenseNumPy, Problem
from summary import describe_machine, summarize, summarize_ratio
from threadpoolctl import threadpool_limits
from turns import Patience, Rounds, console, take_turns

from lava_ep.bmlp_parameters import BMLPParameters, initial_bmlp_parameters
from lava_ep.data import load_dataset
from lava_ep.dynamics import Stream, generator
from lava_ep.dynamics.bmlp import bernoulli_places, reinforcement_probability
from lava_ep.models.bmlp import BMLPEngine
from lava_ep.spec import BMLPSpec, load_preset

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "benchmarks" / "results" / "bmlp.json"
TORCH_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
FUSED, NUMPY, TORCH = "fused", "dense NumPy", "dense PyTorch"

ROUNDS = Rounds(repeats=5, batches=30, warm_up=30)
EPOCH = 60_000


def write_problem(
    path: Path,
    spec: BMLPSpec,
    start: BMLPParameters,
    images: np.ndarray,
    labels: np.ndarray,
    batch: int,
    seed: int,
) -> None:
    """Write what `dense_bmlp.py` reads."""
    arrays: dict[str, Any] = {
        "settings": json.dumps(
            {
                "batch": batch,
                "layers": [{"group": x.group, "margin": x.margin} for x in spec.layers],
            }
        ),
        "images": images,
        "labels": labels,
        "thresholds": start.thresholds[:, 0],
    }
    for index, (layer, values) in enumerate(zip(spec.layers, start.layers, strict=True)):
        arrays[f"hidden{index}"], arrays[f"rho{index}"] = values.hidden, values.classifier
        # In the first epoch the accuracy of the last one is 0.
        p = reinforcement_probability(layer.reinforcement, 0, values.hidden.shape[1])
        places = [
            bernoulli_places(
                values.hidden.size, p, generator(seed, Stream.REINFORCEMENT, index, number)
            )
            for number in range(len(images) // batch)
        ]
        arrays[f"places{index}"] = np.concatenate(places)
        arrays[f"ends{index}"] = np.cumsum([0, *(len(some) for some in places)])
    np.savez(path, **arrays)


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
        return float(self.ask({"train": [first, last]})["seconds"])

    def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """Send a command and return the answer."""
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


def fused(
    engine: BMLPEngine, images: np.ndarray, labels: np.ndarray, batch: int
) -> Callable[[int, int], float]:
    """Let the engine learn from some batches and return the seconds a batch."""
    import time

    def train(first: int, last: int) -> float:
        begin = time.perf_counter()
        for number in range(first, last):
            chosen = slice(number * batch, (number + 1) * batch)
            engine.forward(images[chosen])
            engine.learn(labels[chosen])
        return (time.perf_counter() - begin) / (last - first)

    return train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="of each contender (default: 1)")
    parser.add_argument("--torch-python", type=Path, default=TORCH_PYTHON)
    parser.add_argument("--patience", type=float, default=120.0, help="seconds to wait for quiet")
    arguments = parser.parse_args()
    experiment = load_preset("bmlp-mnist")
    spec, training = experiment.network, experiment.training
    assert isinstance(spec, BMLPSpec)
    batch = training.batch_size
    # Not more than an epoch, see `write_problem`.
    samples = min(ROUNDS.most_batches * batch, EPOCH)
    data = load_dataset("mnist", limit_train=samples)
    images, labels = data.x_train.copy(), data.y_train.astype(np.int32)
    start = initial_bmlp_parameters(spec, seed=training.seed, images=data.x_train)
    engine = BMLPEngine(
        spec,
        start,
        batch=batch,
        seed=training.seed,
        epoch_batches=EPOCH // batch,
        threads=arguments.threads,
    )
    contenders = {FUSED: ROUNDS.contender(fused(engine, images, labels, batch))}
    pids, machine = [os.getpid()], describe_machine()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(threadpool_limits(arguments.threads))
        problem = folder / "problem.npz"
        write_problem(problem, spec, start, images, labels.astype(np.int64), batch, training.seed)
        dense = DenseNumPy(Problem(problem))
        contenders[NUMPY] = ROUNDS.contender(dense.train)
        torch = None
        if arguments.torch_python.exists():
            torch = TorchProcess(arguments.torch_python, problem, arguments.threads)
            stack.callback(torch.close)
            contenders[TORCH] = ROUNDS.contender(torch.train)
            pids.append(torch.pid)
            machine["torch"] = torch.version
        else:
            console.print(f"{arguments.torch_python} does not exist, so PyTorch is left out")
        patience = Patience(arguments.patience)
        turns = take_turns(
            contenders, ROUNDS.repeats, pids=pids, patience=patience, label=str(spec)
        )
        learned = {NUMPY: dense.hidden}
        if torch is not None:
            torch.ask({"save": str(folder / "learned.npz")})
            with np.load(folder / "learned.npz") as arrays:
                learned[TORCH] = [arrays[f"hidden{k}"] for k in range(len(spec.layers))]
    same = {
        name: all(
            np.array_equal(ours.hidden, theirs)
            for ours, theirs in zip(engine.layers, hidden, strict=True)
        )
        for name, hidden in learned.items()
    }
    seconds = {
        name: [value * EPOCH / batch for value in values] for name, values in turns.values.items()
    }
    ratios = {
        name: summarize_ratio(values, seconds[FUSED])
        for name, values in seconds.items()
        if name != FUSED
    }
    content = {
        "machine": machine,
        "settings": {
            "preset": "bmlp-mnist",
            "network": str(spec),
            "batch": batch,
            "threads": arguments.threads,
            "batches_per_repeat": ROUNDS.batches,
            "warm_up_batches": ROUNDS.warm_up,
        },
        "seconds_per_epoch": {name: summarize(values) for name, values in seconds.items()},
        "fused_faster_than": ratios,
        "same_hidden_weights": same,
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
            f"fused is {found['median']:.1f} times ({found['min']:.1f} – {found['max']:.1f}) as "
            f"fast as {name}; hidden weights are {'the same' if same[name] else 'DIFFERENT'}"
        )
    console.print(f"Results: {TARGET}", soft_wrap=True)
    if not all(same.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
