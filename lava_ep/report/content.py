"""The plain data that a report is made of, validated where it is built."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.dataset import ImageShape
from lava_ep.dynamics import SpikeTrace
from lava_ep.errors import InputError
from lava_ep.figures.text import printable
from lava_ep.spec import ExperimentSpec

PHASES = ("free", "nudged")
"""Keys of the per-sample counters in a line of ``metrics.jsonl``."""

METRIC_KEYS = (
    "epoch",
    "train_accuracy",
    "test_accuracy",
    "seconds",
    "weight_flips",
    "events_per_sample",
    "synaptic_operations_per_sample",
)
"""What every line of ``metrics.jsonl`` must hold."""


class RunContent(Protocol):
    """What the report of a run of any family has."""

    @property
    def metrics(self) -> Sequence[Mapping[str, Any]]:
        """The lines of ``metrics.jsonl``, one an epoch, at least one."""

    @property
    def baseline_metrics(self) -> Sequence[Mapping[str, Any]] | None:
        """The same for the run with a frozen input layer, or None."""

    @property
    def confusion(self) -> NDArray[np.integer[Any]]:
        """(classes, classes) counts on the test set; rows are true, columns predicted classes."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of every class."""


@dataclass(frozen=True, eq=False)
class PhaseRecording:
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
        (height, width) or (height, width, channels), in [0, 1].
    label, prediction
        True class, and class read from the output at the end of the free phase.
    scores
        (classes,): what the prediction is the largest of.
    sent
        (messages, height, width) or (messages, height, width, channels): what the network is sent
        of the sample in each time step, nothing after the last; ``None`` if not recorded.
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
        for start in PHASES:
            if not any(phase.startswith(start) for phase, _, _ in self.phase_bounds):
                raise InputError(f"phase_bounds names no phase that begins with {start!r}")
        if self.image.ndim not in (2, 3):
            raise InputError(
                f"image has the shape {self.image.shape}: expected (height, width) or "
                "(height, width, channels)"
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


@dataclass(frozen=True, eq=False, kw_only=True)
class SampleContent:
    """Everything that figures of one sample show.

    Parameters
    ----------
    title
        Heading of the page.
    experiment
        What was trained, and how.
    class_names
        Name of every class.
    recording
        One sample through its phases. The output layer consists of one group of neurons for each
        class, class 0 first.
    image_shape
        (height, width) or (height, width, channels).

    Raises
    ------
    InputError
        If the parts do not fit together.
    """

    title: str
    experiment: ExperimentSpec
    class_names: tuple[str, ...]
    recording: PhaseRecording
    image_shape: ImageShape

    def __post_init__(self) -> None:
        # They may come from names of files.
        object.__setattr__(self, "title", printable(self.title))
        object.__setattr__(self, "class_names", tuple(map(printable, self.class_names)))
        network, classes = self.experiment.ep_network, len(self.class_names)
        if classes != network.classes:
            raise InputError(f"{classes} class_names: expected {network.classes}, as in the spec")
        if self.recording.layer_sizes != network.sizes[1:]:
            raise InputError(
                f"the recorded layers have {self.recording.layer_sizes} neurons: expected "
                f"{network.sizes[1:]}, as in the spec"
            )
        for name in ("label", "prediction"):
            if not 0 <= getattr(self.recording, name) < classes:
                raise InputError(
                    f"{name}={getattr(self.recording, name)} of the recording: expected a class "
                    f"from 0 to {classes - 1}"
                )
        if self.recording.scores.shape != (classes,):
            raise InputError(
                f"scores of the recording have the shape {self.recording.scores.shape}: expected "
                f"({classes},), one for each class"
            )
        if self.recording.image.shape != tuple(self.image_shape):
            raise InputError(
                f"the recorded image has the shape {self.recording.image.shape}: expected "
                f"image_shape, {tuple(self.image_shape)}"
            )
        if math.prod(self.image_shape) != network.inputs:
            raise InputError(
                f"image_shape {tuple(self.image_shape)} does not fit {network.inputs} inputs"
            )

    @property
    def spiking(self) -> bool:
        """Whether events are spikes, not changes of an activation."""
        return self.experiment.ep_network.spikes is not None

    @property
    def event(self) -> str:
        """What an event is called: "event", or "spike" of neurons that spike."""
        return "spike" if self.spiking else "event"

    @property
    def state(self) -> str:
        """What `PhaseRecording.states` are: "state", or "rate" of integrate-and-fire neurons."""
        return "rate" if isinstance(self.experiment.ep_network.spikes, SpikeTrace) else "state"

    @property
    def state_label(self) -> str:
        """What `PhaseRecording.states` are called on an axis."""
        return "rate (spike trace)" if self.state == "rate" else "state s"


@dataclass(frozen=True, eq=False, kw_only=True)
class ReportContent(SampleContent):
    """Everything that a report shows: `SampleContent`, and the run that it is from.

    Parameters
    ----------
    command
        The command line that reproduces the run.
    versions
        Version of every package that the run depends on.
    started
        When the run began, ISO 8601.
    backend
        Name of the backend that executed the network.
    seed
        Seed of the run.
    metrics
        The lines of ``metrics.jsonl``, one an epoch, at least one.
    baseline_metrics
        The same for the run with a frozen input layer, or None.
    confusion
        (classes, classes) counts on the test set; rows are true, columns predicted classes.
    events_per_inference, operations_per_inference
        Events and synaptic operations of a test sample, mean over the test set.
    input_weights
        What the first layer receives from the image, see `LayerParameters.weights`; of a resistive
        network the difference of the two conductances to each pixel.

    Raises
    ------
    InputError
        If the parts do not fit together.
    """

    command: str
    versions: Mapping[str, str]
    started: str
    backend: str
    seed: int
    metrics: Sequence[Mapping[str, Any]]
    baseline_metrics: Sequence[Mapping[str, Any]] | None
    confusion: NDArray[np.integer[Any]]
    events_per_inference: float
    operations_per_inference: float
    input_weights: NDArray[np.int8] | NDArray[np.float32]

    def __post_init__(self) -> None:
        self._check_metrics("metrics", self.metrics)
        if self.baseline_metrics is not None:
            self._check_metrics("baseline_metrics", self.baseline_metrics)
        classes = len(self.class_names)
        if classes == 0 or self.confusion.shape != (classes, classes):
            raise InputError(
                f"confusion has the shape {self.confusion.shape}: expected ({classes}, {classes}), "
                "one row and one column for each name in class_names"
            )
        if self.confusion.min() < 0 or self.confusion.sum() == 0:
            raise InputError("confusion must hold counts of at least one test sample")
        super().__post_init__()
        network = self.experiment.ep_network
        expected = network.connections[0].weight_shape
        if network.resistive:
            expected = expected[0], network.inputs
        if self.input_weights.shape != expected:
            raise InputError(
                f"input_weights have the shape {self.input_weights.shape}: expected {expected}, "
                "as in the spec"
            )
        if network.layers[0].binary and not np.isin(self.input_weights, (-1, 1)).all():
            raise InputError("input_weights must all be -1 or +1")
        if not np.isfinite(self.input_weights).all():
            raise InputError("input_weights must all be finite")

    def _check_metrics(self, name: str, lines: Sequence[Mapping[str, Any]]) -> None:
        if not lines:
            raise InputError(
                f"{name} is empty: a report needs at least one finished epoch. A run that was "
                "imported can be evaluated, drawn (raster) and trained on, and reported on then"
            )
        synapses = len(self.experiment.ep_network.layers)
        for number, line in enumerate(lines, start=1):
            missing = [key for key in METRIC_KEYS if key not in line]
            if missing:
                raise InputError(f"line {number} of {name} lacks {', '.join(missing)}")
            if len(line["weight_flips"]) != synapses:
                raise InputError(
                    f"line {number} of {name} counts weight flips of {len(line['weight_flips'])} "
                    f"synapses: expected {synapses}, one below every layer"
                )
            for key in ("events_per_sample", "synaptic_operations_per_sample"):
                if not set(PHASES) <= set(line[key]):
                    raise InputError(
                        f"{key} in line {number} of {name} has the keys {sorted(line[key])}: "
                        f"expected {' and '.join(PHASES)}"
                    )
