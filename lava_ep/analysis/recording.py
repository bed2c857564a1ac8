"""One sample seen from inside the network, time step by time step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics import Phase, PhaseSchedule, SpikeTrace, StepSize
from lava_ep.parameters import NetworkParameters
from lava_ep.spec import NetworkSpec
from lava_ep.training import open_session


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
    sent
        What the network was sent of the sample, (messages, pixels): row k in time step k, and
        nothing after the last, see `lava_ep.dynamics.Encoding.frames`; ``None`` if not recorded.
    membranes
        Membrane potentials v after each step, one (steps, n) array a layer; none of neurons that
        are not integrate-and-fire.
    """

    layer_names: tuple[str, ...]
    states: tuple[NDArray[np.float32], ...]
    events: tuple[NDArray[np.int8] | NDArray[np.float32], ...]
    schedule: PhaseSchedule
    scores: NDArray[np.float32]
    sent: NDArray[np.int32] | None = None
    membranes: tuple[NDArray[np.float32], ...] = ()

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
        (pixels,) integers, or (steps x pixels,) of a recording.
    label
        Class that the output is nudged towards.

    Raises
    ------
    InputError
        If an argument is unusable.
    """
    # As a test shows it: random spikes depend on the number of batches learned from.
    parameters = replace(parameters, batch=0)
    schedule = spec.schedule(seed)
    steps = schedule.period(learning=True)
    with open_session(
        spec, batch=1, parameters=parameters, seed=seed, backend=backend, stepwise=True
    ) as session:
        history = []
        for _ in session.walk(image[None, :], np.array([label], np.int64)):
            history.append([(s[0], b[0]) for s, b in session.states()])
        scores = session.read_score()[0]
    # As the source has it: random spikes depend on the bytes of the image.
    pixels = image[None].astype(np.int32)
    sent = spec.input_encoding.frames(pixels, steps, seed=seed, batch=0)[:, 0]
    states = _stacked(history, 0)
    activations = _stacked(history, 1)
    events = tuple(_events(found, spec.spikes, schedule) for found in activations)
    recording = Recording(spec.layer_names, states, events, schedule, scores, sent)
    if isinstance(spec.spikes, SpikeTrace):
        return replace(recording, states=activations, membranes=states)
    return recording


def _stacked(
    history: list[list[tuple[NDArray[Any], NDArray[Any]]]], field: int
) -> tuple[NDArray[Any], ...]:
    """Return one (steps, n) array a layer of what was read of it in each step."""
    layers = zip(*history, strict=True)
    return tuple(np.stack([found[field] for found in layer]) for layer in layers)


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
