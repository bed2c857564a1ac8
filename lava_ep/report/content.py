"""The plain data that a report is made of, validated where it is built."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lava_ep.analysis.recording import Recording
from lava_ep.data.dataset import ImageShape
from lava_ep.dynamics import SpikeTrace
from lava_ep.errors import InputError
from lava_ep.figures.text import printable
from lava_ep.spec import ExperimentSpec
from lava_ep.training.counters import COUNTED, PHASES
from lava_ep.training.run_folder import METRICS

PhaseRecording = Recording
"""Its name of old."""


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
    recording: Recording
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
        """What `Recording.states` are: "state", or "rate" of integrate-and-fire neurons."""
        return "rate" if isinstance(self.experiment.ep_network.spikes, SpikeTrace) else "state"

    @property
    def state_label(self) -> str:
        """What `Recording.states` are called on an axis."""
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
            missing = [key for key in (*METRICS, *COUNTED) if key not in line]
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
