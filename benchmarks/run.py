"""Measure our backends side by side with a dense PyTorch implementation and with stock Lava.

All start from the same weights and learn from the same batches with the same signs of beta, in
turns (A B C A B C …) and never at the same time, so that each has all cores; at the end their
weights are compared. A round that other programs disturbed is measured again, as long as patience
lasts. Run it with ``make bench``, which makes the environment for PyTorch, or directly::

    python benchmarks/run.py [--quick] [--only family]

The results of the other part then stay as they are.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from contenders import FUSED, MESSAGES, Batches
from family import Member, all_members, measure_family
from figure import draw_all
from lava_stock import measure_steps
from networks import NetworkBenchmark
from report import BINARY, FAMILY, SPIKING, FamilyReport, Measurements, Report, write_results
from roofline import measure_roofline
from scaling import ScalingPlan, measure_batch_sizes, measure_events
from turns import MOST_ROUNDS, Patience, Rounds, console

from lava_ep.data import load_dataset
from lava_ep.models.fused.threads import available_cores
from lava_ep.spec import ExperimentSpec, NetworkSpec, load_preset, override

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
FIGURES = ROOT / "docs" / "_static"
TORCH_PYTHON = ROOT / ".venv-bench" / "bin" / "python"

ONE_HIDDEN, TWO_HIDDEN = "laydevant-fc", "laydevant-fc-2h"


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    compared: tuple[int, ...]
    """Hidden neurons of the networks that all contenders run."""
    fused_only: tuple[int, ...]
    """Hidden neurons of those that only the fused backend runs."""
    rounds: Rounds
    """Of networks with one hidden layer."""
    two_hidden: tuple[int, int, int]
    """Neurons of the network with two hidden layers."""
    two_hidden_rounds: Rounds
    steps: Rounds
    """Of the comparison with stock Processes, in samples."""
    batch_sizes: tuple[int, ...]
    scaling: ScalingPlan
    family: tuple[Member, ...]
    spiking: Rounds
    """Of the spiking network, in samples."""
    repeats: int = 5
    """Of everything that is not shown batches of a fixed size."""
    patience: float = 120.0
    """Seconds to wait, in all, for other programs to pause."""

    @property
    def largest(self) -> int:
        """Hidden neurons of the network that the other questions are about."""
        return self.compared[-1]

    def samples(self, batch: int) -> int:
        """Return how many samples may be shown altogether."""
        shown = (self.rounds, self.two_hidden_rounds)
        most = max(rounds.most_batches for rounds in shown) * batch
        most = max(most, (1 + MOST_ROUNDS * self.repeats) * max(self.batch_sizes))
        most = max(most, self.spiking.most_batches)
        return max(most, *(member.samples for member in self.family))


FULL = Plan(
    compared=(512, 2048, 8192),
    fused_only=(1024, 4096, 16384),
    rounds=Rounds(repeats=7, batches=6, warm_up=3),
    two_hidden=(8192, 8192, 6000),
    two_hidden_rounds=Rounds(repeats=5),
    steps=Rounds(repeats=5, batches=20, warm_up=5),
    batch_sizes=(1, 4, 16, 64, 256),
    scaling=ScalingPlan(
        hidden=(512, 1024, 2048, 4096, 8192, 16384),
        busiest=8192,
        events=(1, 4, 16, 64, 256, 1024, 4096),
        repeats=7,
    ),
    family=all_members(
        connected=Rounds(repeats=7, batches=5, warm_up=2),
        convolutional=Rounds(repeats=5),
        binary=Rounds(repeats=3),
        binary_batch=16,
    ),
    spiking=Rounds(repeats=7, batches=20, warm_up=5),
)
QUICK = Plan(
    compared=(512, 2048),
    fused_only=(1024,),
    rounds=Rounds(repeats=2, batches=2),
    two_hidden=(1024, 1024, 600),
    two_hidden_rounds=Rounds(repeats=2),
    steps=Rounds(repeats=2, batches=5, warm_up=2),
    batch_sizes=(1, 16, 64),
    scaling=ScalingPlan(
        hidden=(512, 1024, 2048, 4096), busiest=2048, events=(1, 16, 256, 1024), repeats=2
    ),
    family=all_members(
        connected=Rounds(repeats=2),
        convolutional=Rounds(repeats=2),
        binary=Rounds(repeats=2),
        binary_batch=2,
    ),
    spiking=Rounds(repeats=2, batches=3, warm_up=2),
    repeats=2,
    patience=10.0,
)


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


def with_neurons(preset: str, *neurons: int) -> ExperimentSpec:
    """Load a preset with so many neurons in its first layers."""
    changes = [f"network.layers.{layer}.neurons={n}" for layer, n in enumerate(neurons)]
    return override(load_preset(preset), changes)


def measure_binary(
    plan: Plan, batches: Batches, torch_python: Path, report: Report, patience: Patience
) -> None:
    """Measure dense binary networks, and everything that explains their times."""
    for hidden in sorted({*plan.compared, *plan.fused_only}):
        experiment = with_neurons(ONE_HIDDEN, hidden)
        compared = hidden in plan.compared
        NetworkBenchmark(
            spec=experiment.network,
            seed=experiment.training.seed,
            batches=batches,
            rounds=plan.rounds,
            backends=(FUSED, MESSAGES) if compared else (FUSED,),
            torch_python=torch_python if compared else None,
        ).measure(report, patience)
    one = with_neurons(ONE_HIDDEN, plan.largest)
    two = with_neurons(TWO_HIDDEN, *plan.two_hidden)
    network, seed = one.network, one.training.seed
    measure_batch_sizes(network, seed, batches, plan.batch_sizes, plan.repeats, report, patience)
    measure_events(plan.scaling, report, patience)
    measure_steps(network, seed, batches, plan.steps, report, patience)
    networks = [(experiment.network, experiment.training.seed) for experiment in (one, two)]
    measure_roofline(networks, batches, plan.repeats, report, patience)
    NetworkBenchmark(
        spec=two.network,
        seed=two.training.seed,
        batches=batches,
        rounds=plan.two_hidden_rounds,
        backends=(FUSED,),
        torch_python=torch_python,
    ).measure(report, patience)


def measure_spiking(plan: Plan, batches: Batches, report: Measurements, patience: Patience) -> None:
    """Measure integrate-and-fire neurons, one sample at a time, on both backends."""
    experiment = with_neurons("if-mnist", 300, 10)
    NetworkBenchmark(
        spec=experiment.network,
        seed=experiment.training.seed,
        batches=replace(batches, size=1),
        rounds=plan.spiking,
        torch_python=None,
        backends=(FUSED, MESSAGES),
        name="if-mnist 784-300-10",
        rounded=True,
    ).measure(report, patience)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="few and small networks, to try the script out"
    )
    parser.add_argument(
        "--only",
        choices=(BINARY, FAMILY, SPIKING),
        help=f"measure only the dense binary networks ({BINARY}), the other systems compared with "
        f"PyTorch ({FAMILY}), or a spiking network ({SPIKING}), and keep the results of the rest",
    )
    parser.add_argument(
        "--patience",
        type=float,
        help="seconds to wait, in all, for other programs to pause "
        f"(default: {FULL.patience:g}; {QUICK.patience:g} with --quick)",
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
    patience = Patience(plan.patience if arguments.patience is None else arguments.patience)
    experiment = load_preset(ONE_HIDDEN)
    size = experiment.training.batch_size
    data, images, labels = mnist_or_synthetic(plan.samples(size), experiment.network)
    batches = Batches(images, labels, size)
    target = RESULTS / ("quick.json" if arguments.quick else "latest.json")
    common = {"images": data, "dense_torch_threads": available_cores()}
    report: Measurements
    content: dict[str, Any] = {}
    for part in (BINARY, FAMILY, SPIKING) if arguments.only is None else (arguments.only,):
        if part == BINARY:
            report = binary = Report(
                {
                    **common,
                    "presets": [ONE_HIDDEN, TWO_HIDDEN],
                    "batch": size,
                    "repeats": plan.rounds.repeats,
                    "batches_per_repeat": plan.rounds.batches,
                    "warm_up_batches": plan.rounds.warm_up,
                    "repeats_two_hidden_layers": plan.two_hidden_rounds.repeats,
                }
            )
            measure_binary(plan, batches, arguments.torch_python, binary, patience)
        elif part == SPIKING:
            report = spiking = Measurements({"images": data, "preset": "if-mnist", "batch": 1})
            measure_spiking(plan, batches, spiking, patience)
        else:
            presets = {member.preset: member.describe() for member in plan.family}
            report = FamilyReport({**common, "presets": presets})
            measure_family(plan.family, batches, arguments.torch_python, report, patience)
        content = write_results(target, part, report.content)
        report.print(console)
    figures = draw_all(content, RESULTS if arguments.quick else FIGURES)
    pictures = ", ".join(str(path) for path in figures)
    console.print(f"Images: {data}. Results: {target}. Figures: {pictures}.", soft_wrap=True)


if __name__ == "__main__":
    main()
