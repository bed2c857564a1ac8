"""One sample seen from inside the network, time step by time step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics import Phase, PhaseSchedule, SpikeTrace, StepSize
from lava_ep.errors import InputError
from lava_ep.parameters import NetworkParameters
from lava_ep.spec import NetworkSpec
from lava_ep.training import open_session


@dataclass(frozen=True, eq=False)
class Recording:
    """One sample seen from inside the network, through the free and the nudged phase.

    Parameters
    ----------
    layer_names
        Names of the layers, input side first; the last is the output layer.
    events
        Per layer (steps, n): of binary neurons integers, -1 for one that switches off, +1 for one
        that switches on; of spiking neurons spikes, +1, and -1 of those that have two signs; of
        graded neurons reals, the change of the activation.
    states
        Per layer (steps, n): states s; rates of integrate-and-fire neurons, traces of their spikes.
    free_steps, nudged_steps
        Length of the free phase and of one nudged phase, in time steps.
    phase_bounds
        ``(name, first step, end step exclusive)`` in the order of time. Names of nudged phases
        begin with ``"nudged"``, that of the free phase with ``"free"``; steps that belong to no
        phase, such as loading a sample or restoring the free state, may have a name or none.
    image
        (height, width) or (height, width, channels), in [0, 1]; (pixels,) if it has no shape.
    label, prediction
        True class, and class read from the output at the end of the free phase.
    scores
        (classes,): what the prediction is the largest of.
    sent
        (messages, *shape of the image): what the network is sent of the sample in each time step,
        nothing after the last, see `lava_ep.dynamics.Encoding.frames`; ``None`` if not recorded.
    membranes
        Per layer (steps, n): membrane potentials v of integrate-and-fire neurons; empty for others.

    Raises
    ------
    InputError
        If the parts do not fit together.
    """

    layer_names: tuple[str, ...]
    events: tuple[NDArray[np.int8] | NDArray[np.float32], ...]
    states: tuple[NDArray[np.float32], ...]
    free_steps: int
    nudged_steps: int
    phase_bounds: tuple[tuple[str, int, int], ...]
    image: NDArray[np.floating[Any]]
    label: int
    prediction: int
    scores: NDArray[np.floating[Any]]
    sent: NDArray[np.integer[Any]] | None = None
    membranes: tuple[NDArray[np.float32], ...] = ()

    def __post_init__(self) -> None:
        if not self.layer_names:
            raise InputError("layer_names is empty: expected the name of every recorded layer")
        for name, arrays in (("events", self.events), ("states", self.states)):
            if len(arrays) != len(self.layer_names):
                raise InputError(
                    f"{name} holds {len(arrays)} arrays: expected one for each of "
                    f"the {len(self.layer_names)} layers"
                )
        for layer, events, states in zip(self.layer_names, self.events, self.states, strict=True):
            if events.ndim != 2 or events.shape[0] != self.steps or 0 in events.shape:
                raise InputError(
                    f"events of layer {layer!r} have the shape {events.shape}: expected "
                    f"(steps, neurons) with {self.steps} steps, as the first layer has"
                )
            if states.shape != events.shape:
                raise InputError(
                    f"states of layer {layer!r} have the shape {states.shape}: expected "
                    f"{events.shape}, the shape of its events"
                )
            if self.graded and not np.isfinite(events).all():
                raise InputError(f"events of layer {layer!r} must all be finite")
            if not self.graded and not np.isin(events, (-1, 0, 1)).all():
                raise InputError(f"events of layer {layer!r} must all be -1, 0 or +1")
        for name in ("free_steps", "nudged_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: expected at least 1 time step")
        previous = 0
        for phase, first, end in self.phase_bounds:
            if not previous <= first < end <= self.steps:
                raise InputError(
                    f"phase {phase!r} runs from step {first} to {end}: expected a non-empty span "
                    f"between step {previous} and {self.steps}, phases in the order of time"
                )
            previous = end
        for start in ("free", "nudged"):
            if not any(phase.startswith(start) for phase, _, _ in self.phase_bounds):
                raise InputError(f"phase_bounds names no phase that begins with {start!r}")
        if self.image.ndim not in (1, 2, 3):
            raise InputError(
                f"image has the shape {self.image.shape}: expected (height, width), "
                "(height, width, channels) or (pixels,)"
            )
        if self.sent is not None and (
            self.sent.shape[1:] != self.image.shape or not 1 <= len(self.sent) <= self.steps
        ):
            raise InputError(
                f"sent has the shape {self.sent.shape}: expected 1 to {self.steps} time steps, "
                f"and for each the shape of the image, {self.image.shape}"
            )
        found = [membranes.shape for membranes in self.membranes]
        if found and found != [states.shape for states in self.states]:
            raise InputError(f"membranes have the shapes {found}: expected those of the states")

    @property
    def steps(self) -> int:
        """Number of recorded time steps."""
        return int(self.events[0].shape[0])

    @property
    def graded(self) -> bool:
        """Whether events are changes of any size, not just of -1 or +1."""
        return np.issubdtype(self.events[0].dtype, np.floating)

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Number of neurons of every layer, input side first."""
        return tuple(int(events.shape[1]) for events in self.events)

    @property
    def free(self) -> tuple[int, int]:
        """First step of the free phase, and its end step (exclusive)."""
        return next((first, end) for name, first, end in self.phase_bounds if name[:4] == "free")

    def events_within(self, layer: int, start: str) -> int:
        """Count a layer's events in the phases whose name begins with ``start``."""
        return sum(
            int(np.count_nonzero(self.events[layer][first:end]))
            for name, first, end in self.phase_bounds
            if name.startswith(start)
        )


def phase_bounds(schedule: PhaseSchedule, steps: int) -> tuple[tuple[str, int, int], ...]:
    """Return name, first step and end step (exclusive) of every phase, in order."""
    # The two nudged phases of the swing follow one another: only beta tells them apart.
    phases = [(schedule.phase(k), schedule.beta_at(k, 1)) for k in range(steps)]
    starts = [step for step in range(steps) if step == 0 or phases[step] != phases[step - 1]]
    bounds = []
    for start, end in zip(starts, [*starts[1:], steps], strict=True):
        phase, beta = phases[start]
        name = phase.value
        if phase is Phase.NUDGED and schedule.two_sided:
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
    picture: NDArray[np.floating[Any]] | None = None,
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
    picture
        The same in [0, 1] and in the shape that it is seen in; by default one row of pixels, the
        mean over the time steps.

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
    if picture is None:
        picture = image.reshape(-1, spec.inputs).mean(axis=0) / spec.input_levels
    traced = isinstance(spec.spikes, SpikeTrace)
    return Recording(
        layer_names=spec.layer_names,
        events=tuple(_events(found, spec.spikes, schedule) for found in activations),
        states=activations if traced else states,
        free_steps=schedule.free_steps,
        nudged_steps=schedule.nudged_steps,
        phase_bounds=phase_bounds(schedule, steps),
        image=picture,
        label=label,
        prediction=int(scores.argmax()),
        scores=scores,
        sent=sent.reshape(-1, *picture.shape),
        membranes=states if traced else (),
    )


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
