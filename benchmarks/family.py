"""Systems beyond dense binary networks: the fused backend and dense PyTorch, preset by preset.

What is measured is what the preset says, numbers of time steps included, with exceptions that make
both sides do the same:

- PyTorch always multiplies whole states. So it is compared with neurons that send every change,
  ``event_threshold=0``, and a preset whose neurons do not is measured as such besides.
- Synapses below a pooling layer learn with the switches that the states at the end of a phase lead
  to, and nudged outputs are clipped where the neurons' activation is. The authors take the switches
  of the step before, and do not clip in ep-conv, which makes a difference until the states rest;
  here PyTorch does what we do, which costs it a forward pass a phase.
- Where binary neurons are pooled, currents of a window are often equal, and the first of them is
  the maximum. PyTorch, which computes with floats, finds it only if these are exact; so alpha is a
  power of two there, and images have 128 levels.

With pooling and real weights, a rounding error may decide which of two currents is the larger, and
what is sent back then goes another way. With binary weights between graded neurons it may decide
whether a momentum is above its threshold: after some 15 batches a few weights flip at another time,
and from there on the two drift apart. So what is learned in these systems is compared in double
precision, over the first batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contenders import THRESHOLDED, Batches
from networks import NetworkBenchmark
from report import Measurements
from turns import Patience, Rounds

from lava_ep.spec import ExperimentSpec, GradedNeuronSpec, NetworkSpec, load_preset, override

EXACT = (
    "network.input_levels=128",
    "network.layers.0.scale=0.625",
    "network.layers.1.scale=0.625",
)
"""Makes alpha 1/8 (published: 1/10) and 1/128 (1/160) in the two pooled layers of
laydevant-conv."""


@dataclass(frozen=True)
class Member:
    """A preset and how much of it is measured.

    Parameters
    ----------
    preset
        Its name.
    system
        That of its dense implementation in `dense_torch_family.py`.
    rounds
        Batches that are shown.
    batch
        Samples of a batch, if not those of the preset.
    exact
        Whether currents are made exact, see the top of the module.
    in_double
        Number of batches to compare in double precision, see `NetworkBenchmark`.
    """

    preset: str
    system: str
    rounds: Rounds
    batch: int | None = None
    exact: bool = False
    in_double: int = 0

    @property
    def experiment(self) -> ExperimentSpec:
        """The preset with what is changed of it."""
        changes = [*(EXACT if self.exact else ())]
        if self.batch is not None:
            changes.append(f"training.batch_size={self.batch}")
        return override(load_preset(self.preset), changes)

    @property
    def samples(self) -> int:
        """How many samples may be shown altogether."""
        return self.rounds.most_batches * self.experiment.training.batch_size

    def benchmark(self, batches: Batches, torch_python: Path) -> NetworkBenchmark:
        """Return what measures it, from images of 256 levels."""
        training, spec = self.experiment.training, self.experiment.network
        every, thresholds = spec, {}
        if isinstance(spec.neuron, GradedNeuronSpec) and spec.neuron.event_threshold:
            every, thresholds = _without_threshold(spec), {THRESHOLDED: spec}
        images = batches.images // 2 if self.exact else batches.images
        return NetworkBenchmark(
            spec=every,
            seed=training.seed,
            batches=replace(batches, images=images, size=training.batch_size),
            rounds=self.rounds,
            torch_python=torch_python,
            system=self.system,
            thresholds=thresholds,
            name=self.preset,
            in_double=self.in_double,
        )

    def describe(self) -> dict[str, Any]:
        """Return what a reader has to know."""
        network = self.experiment.network
        return {
            "system": self.system,
            "network": str(network),
            "free_steps": network.phases.free_steps,
            "nudged_steps": network.phases.nudged_steps,
            "batch": self.experiment.training.batch_size,
            "repeats": self.rounds.repeats,
            "batches_per_repeat": self.rounds.batches,
            "warm_up_batches": self.rounds.warm_up,
            "changes": list(EXACT) if self.exact else [],
        }


def _without_threshold(spec: NetworkSpec) -> NetworkSpec:
    neuron = spec.neuron.model_copy(update={"event_threshold": 0.0})
    return spec.model_copy(update={"neuron": neuron})


def all_members(
    connected: Rounds, convolutional: Rounds, binary: Rounds, binary_batch: int
) -> tuple[Member, ...]:
    """Return all systems.

    Parameters
    ----------
    connected
        Rounds of the systems without convolutions.
    convolutional
        Those of ep-conv.
    binary, binary_batch
        Those of laydevant-conv, where dense PyTorch takes most of the time, and their batches.
    """
    return (
        Member("ep-1h", "EP1h", connected),
        Member("laydevant-real-fc", "BinaryWeights", connected, in_double=12),
        Member("ep-conv", "ConvEP", convolutional, in_double=6),
        Member("laydevant-conv", "ConvBinary", binary, binary_batch, exact=True),
    )


def measure_family(
    members: Sequence[Member],
    batches: Batches,
    torch_python: Path,
    report: Measurements,
    patience: Patience,
) -> None:
    """Measure all systems."""
    for member in members:
        member.benchmark(batches, torch_python).measure(report, patience)
