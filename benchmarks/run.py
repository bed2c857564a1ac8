"""Measure our backend side by side with a dense PyTorch implementation of the same algorithm.

Both start from the same weights and learn from the same batches with the same signs of beta, in
turns (A B A B …) and never at the same time, so that each has all cores; at the end their weights
are compared. A repeat that other programs disturbed is measured again, as long as patience lasts.
Run it with ``make bench``, which makes the environment for PyTorch, or directly::

    python benchmarks/run.py [--quick]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from contenders import Batches, DenseTorch, MessagePassing, write_problem
from figure import DENSE, OURS, draw
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from summary import (
    ForeignLoad,
    available_cores,
    describe_machine,
    summarize,
    summarize_ratio,
)

from lava_ep.data import load_dataset
from lava_ep.parameters import NetworkParameters, initial_parameters
from lava_ep.spec import NetworkSpec, load_preset, override
from lava_ep.training.session import Counters, NetworkSession

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
FIGURE = ROOT / "docs" / "_static" / "bench.png"
TORCH_PYTHON = ROOT / ".venv-bench" / "bin" / "python"

PRESET = "laydevant-fc"
EQUAL_WEIGHTS = 0.9999
"""Least share of equal weights, as float rounding may move a state across a threshold."""
EQUAL_FLIPS = 0.95
"""Least share of flips that both made among those that either made."""
QUIET = 0.1
"""Cores that other programs may keep busy before a measurement is called disturbed."""

console = Console()


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    hidden: tuple[int, ...]
    repeats: int
    batches: int
    """Batches a repeat."""
    warm_up: int = 3
    """Batches before the first repeat."""

    @property
    def most_repeats(self) -> int:
        """Repeats for which there are batches, disturbed ones included."""
        return 3 * self.repeats

    @property
    def most_batches(self) -> int:
        """Batches that may be shown altogether."""
        return self.repeat(self.most_repeats)[0]

    def repeat(self, number: int) -> tuple[int, int]:
        """First batch of a repeat, and the one after its last."""
        first = self.warm_up + number * self.batches
        return first, first + self.batches


FULL = Plan(hidden=(512, 2048, 8192), repeats=7, batches=6)
QUICK = Plan(hidden=(512, 8192), repeats=2, batches=2, warm_up=1)


def mnist_or_synthetic(samples: int, spec: NetworkSpec) -> tuple[str, Any, Any]:
    """Return what the images are, and the images and labels.

    MNIST comes from the folder that ``LAVA_EP_DATA`` names. Without the variable the images are
    random, each class with pixels of its own and as many of them lit as in MNIST, 19 in 100.
    """
    if "LAVA_EP_DATA" in os.environ:
        dataset = load_dataset("mnist", limit_train=samples)
        return "MNIST", dataset.x_train, dataset.y_train
    rng = np.random.default_rng(0)
    labels = rng.integers(0, spec.classes, samples)
    lit = rng.beta(0.3, 1.27, (spec.classes, spec.inputs))[labels] > rng.random(
        (samples, spec.inputs)
    )
    pixels = rng.integers(1, spec.input_levels + 1, lit.shape) * lit
    return "synthetic, as sparse as MNIST", pixels.astype(np.uint8), labels


class Patience:
    """Seconds that may be spent on waiting for other programs to pause."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def await_quiet(self, pids: Iterable[int]) -> None:
        """Return when nothing else runs, or when there is no patience left."""
        pids = list(pids)
        while self.left > 0:
            load = ForeignLoad(pids)
            time.sleep(0.5)
            if load.cores() <= QUIET:
                return
            self.left -= 0.5


@dataclass(frozen=True)
class Repeat:
    """One measurement of both contenders in turn."""

    dense: float
    ours: float
    foreign_cores: float


class Duel:
    """Measures both contenders in turns, on the same batches.

    Parameters
    ----------
    plan
        How much is measured.
    dense, ours
        Called with the numbers of the first batch and of the one after the last; return seconds
        a batch.
    pids
        Operating-system processes of both.
    patience
        For disturbed repeats.

    Attributes
    ----------
    repeats : list of Repeat
        The least disturbed ones, as many as planned, in the order of measurement.
    batches : int
        Batches that both were shown altogether.
    """

    def __init__(
        self,
        plan: Plan,
        dense: Callable[[int, int], float],
        ours: Callable[[int, int], float],
        pids: Iterable[int],
        patience: Patience,
        label: str,
    ) -> None:
        pids = list(pids)
        measured: list[Repeat] = []
        with console.status(f"{label}: warm-up") as status:
            dense(0, plan.warm_up)
            ours(0, plan.warm_up)
            for number in range(plan.most_repeats):
                undisturbed = sum(repeat.foreign_cores <= QUIET for repeat in measured)
                if undisturbed == plan.repeats or (number >= plan.repeats and patience.left <= 0):
                    break
                status.update(f"{label}: {undisturbed} undisturbed repeats of {plan.repeats}")
                patience.await_quiet(pids)
                begin, load = time.perf_counter(), ForeignLoad(pids)
                seconds = dense(*plan.repeat(number)), ours(*plan.repeat(number))
                measured.append(Repeat(*seconds, load.cores()))
                if measured[-1].foreign_cores > QUIET:
                    patience.left -= time.perf_counter() - begin
        self.batches = plan.repeat(len(measured))[0]
        limit = sorted(repeat.foreign_cores for repeat in measured)[plan.repeats - 1]
        chosen = [repeat for repeat in measured if repeat.foreign_cores <= limit]
        self.repeats = chosen[: plan.repeats]


def activity(counters: Counters, samples: int) -> dict[str, dict[str, float]]:
    """Return events and synaptic operations of one sample."""
    return {
        f"{name}_per_sample": dict(
            zip(("free", "nudged"), (values / samples).tolist(), strict=True)
        )
        for name, values in (
            ("events", counters.events),
            ("synaptic_operations", counters.synaptic_operations),
        )
    }


def multiplications(spec: NetworkSpec, *, learning: bool) -> int:
    """Multiply-accumulates that the dense network's time steps take for one sample."""
    sizes = spec.sizes
    forward = sum(a * b for a, b in itertools.pairwise(sizes))
    backward = forward - sizes[0] * sizes[1]
    steps = spec.phases.free_steps + (spec.phases.nudged_steps if learning else 0)
    return steps * (forward + backward)


def compare(
    start: NetworkParameters, ours: NetworkParameters, dense: list[NDArray[np.int8]]
) -> dict[str, float]:
    """Return how far both learned the same.

    Raises
    ------
    RuntimeError
        If the difference is more than rounding explains.
    """
    weights = [np.concatenate([layer.weights.ravel() for layer in p.layers]) for p in (start, ours)]
    other = np.concatenate([signs.ravel() for signs in dense])
    flipped = [side != weights[0] for side in (weights[1], other)]
    either = np.count_nonzero(flipped[0] | flipped[1])
    found = {
        "equal_weights": float(np.mean(weights[1] == other)),
        "equal_flips": float(np.count_nonzero(flipped[0] & flipped[1]) / max(either, 1)),
        "flipped_weights": int(np.count_nonzero(flipped[0])),
    }
    if found["equal_weights"] < EQUAL_WEIGHTS or found["equal_flips"] < EQUAL_FLIPS:
        raise RuntimeError(
            f"the two implementations did not learn the same: {found}, expected at least "
            f"{EQUAL_WEIGHTS} equal weights and {EQUAL_FLIPS} equal flips"
        )
    return found


class Report:
    """The results so far, as they are written to the JSON file."""

    def __init__(self, plan: Plan, data: str, threads: int) -> None:
        self.rows: list[dict[str, Any]] = []
        self.content: dict[str, Any] = {
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "machine": describe_machine(),
            "settings": {
                "preset": PRESET,
                "images": data,
                "repeats": plan.repeats,
                "batches_per_repeat": plan.batches,
                "warm_up_batches": plan.warm_up,
                "dense_torch_threads": threads,
            },
            "ratios": {},
            "milliseconds_per_batch": {},
            "cores_used_by_other_programs": {},
            "activity": {},
            "agreement": {},
        }

    def add(self, task: str, spec: NetworkSpec, batch: int, duel: Duel, counters: Counters) -> None:
        """Enter the times of one task and what happened in our network."""
        network = f"{task}_{spec}"
        dense, ours = ([getattr(r, side) for r in duel.repeats] for side in ("dense", "ours"))
        ratio = summarize_ratio(dense, ours)
        self.content["ratios"][f"{network}_{OURS}_vs_{DENSE}"] = ratio
        self.content["cores_used_by_other_programs"][network] = summarize(
            [repeat.foreign_cores for repeat in duel.repeats]
        )
        self.content["activity"][network] = {
            **activity(counters, duel.batches * batch),
            "dense_multiply_accumulates_per_sample": multiplications(
                spec, learning=task == "train"
            ),
        }
        row: dict[str, Any] = {"task": task, "hidden": spec.sizes[1], "ratio": ratio}
        for name, seconds in ((DENSE, dense), (OURS, ours)):
            values = [1000 * value for value in seconds]
            row[name] = summarize(values)
            self.content["milliseconds_per_batch"][f"{network}_{name}"] = {
                **row[name],
                "values": values,
            }
        self.rows.append(row)

    def print(self) -> None:
        """Show the table, and whether it may be believed."""
        table = Table(title="Milliseconds a batch of 64: median (smallest – largest)")
        for column in ("task", "network", "dense PyTorch", "message passing", "times faster"):
            table.add_column(column, justify="left" if column in ("task", "network") else "right")
        for row in self.rows:
            cells = [
                "{median} ({min} – {max})".format(
                    **{name: f"{float(f'{value:.3g}'):g}" for name, value in row[key].items()}
                )
                for key in (DENSE, OURS, "ratio")
            ]
            table.add_row(row["task"], f"784-{row['hidden']}-100", *cells)
        console.print(table)
        loads = self.content["cores_used_by_other_programs"].values()
        foreign = max(load["max"] for load in loads)
        if foreign > QUIET:
            console.print(
                f"[bold]Do not quote these times:[/bold] other programs kept up to {foreign:.1f} "
                "cores busy meanwhile, which slows threads that wait for each other most. Run the "
                "benchmark again when the machine is quiet."
            )


def measure(
    hidden: int, plan: Plan, batches: Batches, python: Path, report: Report, patience: Patience
) -> None:
    """Measure training and inference of one network size."""
    experiment = override(load_preset(PRESET), [f"network.layers.0.neurons={hidden}"])
    spec = experiment.network
    seed = experiment.training.seed
    start = initial_parameters(spec, seed=seed)
    schedule = spec.phases.schedule(seed)
    signs = [schedule.sign(number) for number in range(plan.most_batches)]
    with tempfile.TemporaryDirectory() as folder:
        problem = Path(folder) / "problem.npz"
        write_problem(problem, spec, start, batches, signs)
        with DenseTorch(python, problem, available_cores()) as dense:
            report.content["machine"]["torch"] = dense.version
            own = [os.getpid(), dense.pid]
            with NetworkSession(spec, batch=batches.size, parameters=start, seed=seed) as session:
                ours = MessagePassing(session, batches)
                pids = [*own, *ours.pids]
                duel = Duel(plan, dense.train, ours.run, pids, patience, f"training {spec}")
                trained = session.parameters()
                report.add("train", spec, batches.size, duel, session.counters())
            agreement = compare(start, trained, dense.signs(Path(folder) / "trained.npz"))
            with NetworkSession(
                spec, batch=batches.size, parameters=trained, learning=False
            ) as session:
                ours = MessagePassing(session, batches)
                pids = [*own, *ours.pids]
                duel = Duel(plan, dense.infer, ours.run, pids, patience, f"inference {spec}")
                report.add("infer", spec, batches.size, duel, session.counters())
            same = np.concatenate(ours.predictions) == dense.predictions
            report.content["agreement"][str(spec)] = {
                **agreement,
                "equal_predictions": float(np.mean(same)),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few batches, to try the script out")
    parser.add_argument(
        "--patience",
        type=float,
        default=120.0,
        help="seconds to wait, in all, for other programs to pause (default: %(default)s)",
    )
    parser.add_argument(
        "--torch-python",
        type=Path,
        default=TORCH_PYTHON,
        help="interpreter with PyTorch (default: the one that `make bench` installs)",
    )
    arguments = parser.parse_args()
    if not arguments.torch_python.exists():
        parser.error(
            f"{arguments.torch_python} does not exist: run `make bench`, or name a Python that has "
            "PyTorch with --torch-python"
        )
    plan = QUICK if arguments.quick else FULL
    experiment = load_preset(PRESET)
    size = experiment.training.batch_size
    data, images, labels = mnist_or_synthetic(plan.most_batches * size, experiment.network)
    report = Report(plan, data, available_cores())
    batches, patience = Batches(images, labels, size), Patience(arguments.patience)
    for hidden in plan.hidden:
        measure(hidden, plan, batches, arguments.torch_python, report, patience)
    report.print()
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / ("quick.json" if arguments.quick else "latest.json")
    target.write_text(json.dumps(report.content, indent=2) + "\n", encoding="utf-8")
    picture = target.with_suffix(".png") if arguments.quick else FIGURE
    draw(report.rows, report.content, picture)
    console.print(f"Images: {data}. Results: {target}. Figure: {picture}.", soft_wrap=True)


if __name__ == "__main__":
    main()
