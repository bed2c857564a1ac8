"""One sample seen from inside the network, time step by time step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics import Phase, PhaseSchedule, SpikeTrace, StepSize
from lava_ep.parameters import NetworkParameters
from lava_ep.spec import NetworkSpec
from lava_ep.training import NetworkSession


@dataclass(frozen=True)
class Recording:
    """States and events of every layer in every time step of one sample.

    Parameters
    ----------
    layer_names
        Names of the layers of neurons.
    states
        States s after each step, one (steps, n) array a layer; rates of integrate-and-fire neurons.
    events
        What is sent in each step, one (steps, n) array a layer: -1, 0 or +1 as integers of binary
        and of spiking neurons, changes of the activation as real numbers of graded ones.
    schedule
        The phases the steps belong to.
    scores
        Class scores at the end of the free phase, (classes,).
    """

    layer_names: tuple[str, ...]
    states: tuple[NDArray[np.float32], ...]
    events: tuple[NDArray[np.int8] | NDArray[np.float32], ...]
    schedule: PhaseSchedule
    scores: NDArray[np.float32]

    def phase_bounds(self) -> tuple[tuple[str, int, int], ...]:
        """Return name, first step and end step (exclusive) of every phase, in order."""
        steps = len(self.states[0])
        # The two nudged phases of the swing follow one another: only beta tells them apart.
        phases = [(self.schedule.phase(k), self.schedule.beta_at(k, 1)) for k in range(steps)]
        starts = [step for step in range(steps) if step == 0 or phases[step] != phases[step - 1]]
        bounds = []
        for start, end in zip(starts, [*starts[1:], steps], strict=True):
            phase, beta = phases[start]
            name = phase.value
            if phase is Phase.NUDGED and self.schedule.two_sided:
                name += " +β" if beta > 0 else " −β"
            bounds.append((name, start, end))
        return tuple(bounds)


def record_sample(
    spec: NetworkSpec,
    parameters: NetworkParameters,
    image: NDArray[np.uint8],
    label: int,
    *,
    seed: int = 0,
    backend: str = "message-passing",
) -> Recording:
    """Run one sample through all phases and record every neuron.

    Parameters
    ----------
    spec, parameters, seed, backend
        The network, see `NetworkSession`.
    image
        (pixels,) integers.
    label
        Class that the output is nudged towards.
    """
    schedule = spec.phases.schedule(seed)
    steps = schedule.period(learning=True)
    with NetworkSession(
        spec, batch=1, parameters=parameters, seed=seed, backend=backend, stepwise=True
    ) as session:
        history = []
        for _ in session.walk(image[None, :], np.array([label], np.int64)):
            history.append([(s[0], b[0]) for s, b in session.states()])
        scores = session.read_score()[0]
    states, events = [], []
    for layer in range(len(spec.layers)):
        activation = np.stack([history[step][layer][1] for step in range(steps)])
        events.append(_events(activation, spec.spikes, schedule))
        rates = isinstance(spec.spikes, SpikeTrace)
        state = np.stack([history[step][layer][0] for step in range(steps)])
        states.append(activation if rates else state)
    return Recording(spec.layer_names, tuple(states), tuple(events), schedule, scores)


def _events(
    activation: NDArray[Any], spikes: StepSize | SpikeTrace | None, schedule: PhaseSchedule
) -> NDArray[np.int8] | NDArray[np.float32]:
    """Tell what neurons have sent from what has become of their activations, (steps, n)."""
    before = np.concatenate([np.zeros_like(activation[:1]), activation[:-1]])
    change: NDArray[np.int8] | NDArray[np.float32] = activation - before
    if isinstance(spikes, StepSize):
        return np.sign(change).astype(np.int8)
    if isinstance(spikes, SpikeTrace):
        # r' = r + rate (e - r)
        found: NDArray[np.int8] = np.rint(change / spikes.rate + before).astype(np.int8)
        for step in range(len(found)):
            if schedule.phase(step) is Phase.RESTORE:
                # Traces jump back, and the last spikes of the free phase come again.
                found[step] = found[schedule.free_end]
        return found
    return change
