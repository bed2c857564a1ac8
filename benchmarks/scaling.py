"""What the event-driven part of a free phase costs, and what a sample costs in larger batches.

`lava_ep.dynamics.integrate_events` is what a time step does for its events: it finds them among the
neurons and adds the signs of their synapses to the sums of the targets. It is measured alone, on
one core, with a given number of events in each sample of a batch, from neurons drawn at random; in
a running network the number changes from step to step, and the neurons themselves take time, too.

Cost against size is measured twice with the same number of events from each layer of neurons:

- in the two directions between H hidden neurons and 100 outputs, which is all that free steps of
  784-H-100 have after the first. Here the share of the outputs grows with H, that of the
  hidden neurons does not;
- between two layers of H neurons each, as in networks with two hidden layers, where all synaptic
  operations double with H. The signs, H² bits, leave one cache after another, and few events use
  but few of those that a cache line holds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
from contenders import FUSED, Batches, Ours
from numpy.typing import NDArray
from report import Report
from turns import Contender, Patience, Rounds, Turns, seconds_per_call, take_turns

from lava_ep.dynamics import SignMatrix, initial_weights, integrate_events
from lava_ep.parameters import initial_parameters
from lava_ep.spec import NetworkSpec
from lava_ep.training.session import NetworkSession

SAMPLES = 64
"""In each call."""
EVENTS = 64
"""Events of each layer in a sample while its size is varied."""
OUTPUTS = 100


def random_events(
    samples: int, neurons: int, events: int, rng: np.random.Generator
) -> NDArray[np.int8]:
    """Draw a step of given activity, (samples, neurons) with so many -1 and +1 in each row."""
    found = np.zeros((samples, neurons), np.int8)
    for row in found:
        row[rng.permutation(neurons)[:events]] = rng.choice((-1, 1), events)
    return found


def random_signs(n_post: int, n_pre: int, rng: np.random.Generator) -> SignMatrix:
    """Draw a synapse population."""
    return SignMatrix.from_signs(initial_weights((n_post, n_pre), rng))


class Step:
    """The event-driven part of a time step: the same number of events from each layer.

    Parameters
    ----------
    signs
        Synapses between the layers.
    events
        Events of each sample in a layer.
    both_ways
        Whether the post-synaptic neurons have as many events.
    """

    def __init__(
        self,
        signs: SignMatrix,
        events: int,
        rng: np.random.Generator,
        *,
        both_ways: bool = False,
    ) -> None:
        n_post, n_pre = signs.shape
        self.synaptic_operations = SAMPLES * events * (n_post + (n_pre if both_ways else 0))
        self._signs = signs
        self._directions = [
            (
                random_events(SAMPLES, senders, events, rng),
                np.zeros((SAMPLES, receivers), np.int32),
                backward,
            )
            for senders, receivers, backward in ((n_pre, n_post, False), (n_post, n_pre, True))
            if both_ways or not backward
        ]

    def run(self) -> None:
        """Integrate the events of all samples once more."""
        for events, total, backward in self._directions:
            integrate_events(events, self._signs, total, backward=backward)


def _timed(step: Step) -> Contender:
    return lambda number: seconds_per_call(step.run) / SAMPLES


@dataclass(frozen=True)
class ScalingPlan:
    """What is varied.

    Parameters
    ----------
    hidden
        Numbers of hidden neurons, each twice the one before.
    busiest
        Number of neurons for which activity is varied.
    events
        Events of a sample.
    """

    hidden: tuple[int, ...]
    busiest: int
    events: tuple[int, ...]
    repeats: int


def measure_events(plan: ScalingPlan, report: Report, patience: Patience) -> None:
    """Measure the time of events against their number and against the size of the network."""
    rng = np.random.default_rng(0)
    signs = random_signs(plan.busiest, plan.busiest, rng)
    activity = {str(events): Step(signs, events, rng) for events in plan.events}
    outputs = {
        str(hidden): Step(random_signs(OUTPUTS, hidden, rng), EVENTS, rng, both_ways=True)
        for hidden in plan.hidden
    }
    square = {
        str(hidden): Step(random_signs(hidden, hidden, rng), EVENTS, rng) for hidden in plan.hidden
    }

    def measure(series: str, steps: Mapping[str, Step]) -> Turns:
        contenders = {number: _timed(step) for number, step in steps.items()}
        pids = [os.getpid()]
        return take_turns(contenders, plan.repeats, pids=pids, patience=patience, label=series)

    series = f"events_to_{plan.busiest}_neurons"
    report.add_activity(series, measure(series, activity))
    for series, steps, doubling in (
        (f"hidden_between_H_and_{OUTPUTS}", outputs, "doubling_hidden_free_phase"),
        ("hidden_between_H_and_H", square, "doubling_square_population"),
    ):
        report.add_sizes(series, measure(series, steps), doubling)


def measure_batch_sizes(
    spec: NetworkSpec,
    seed: int,
    batches: Batches,
    sizes: tuple[int, ...],
    repeats: int,
    report: Report,
    patience: Patience,
) -> None:
    """Measure seconds a sample, with as many samples a round in small batches as in large ones.

    It is the ``fused`` backend with the whole of Lava around it, from the host and back.
    """
    parameters = initial_parameters(spec, seed=seed)
    for task in ("train", "infer"):
        pids = [os.getpid()]
        contenders: dict[str, Contender] = {}

        def a_sample(run: Contender, size: int) -> Contender:
            return lambda number: run(number) / size

        with ExitStack() as stack:
            for size in sizes:
                session = NetworkSession(
                    spec,
                    batch=size,
                    parameters=parameters,
                    seed=seed,
                    learning=task == "train",
                    backend=FUSED,
                )
                ours = Ours(stack.enter_context(session), replace(batches, size=size))
                pids += ours.pids
                batches_a_round = max(sizes) // size
                rounds = Rounds(repeats, batches_a_round, batches_a_round)
                contenders[str(size)] = a_sample(rounds.contender(ours.run), size)
            turns = take_turns(
                contenders,
                repeats,
                pids=pids,
                patience=patience,
                label=f"{task} {spec}, batch sizes",
            )
        report.add_batch_sizes(f"{task}_{spec}", turns)
