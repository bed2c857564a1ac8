"""The figures of a report in their order, each with its heading, caption and description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from matplotlib.figure import Figure

from lava_ep.figures.theme import Theme
from lava_ep.report import curves, film, first_layer, matrices, phases, traces
from lava_ep.report.content import ReportContent, SampleContent
from lava_ep.report.summary import flipping_layers


class Named(Protocol):
    """What a heading may be filled with."""

    @property
    def event(self) -> str:
        """What an event is called."""

    @property
    def state(self) -> str:
        """What a state is called."""


Content = TypeVar("Content", bound=Named, contravariant=True)


def _always(content: Named) -> bool:
    return True


def _has_binary_weights(content: ReportContent) -> bool:
    return bool(flipping_layers(content))


def _has_only_real_weights(content: ReportContent) -> bool:
    return not flipping_layers(content)


def _is_dense(content: ReportContent) -> bool:
    return not first_layer.convolves(content)


@dataclass(frozen=True)
class Plate(Generic[Content]):
    """One figure of a page.

    Parameters
    ----------
    name
        Name of the PNG file without its ending, and anchor in the page.
    heading
        Heading above the figure; "{events}" and "{state}" in it are what they are called of its
        neurons, and "{Events}" and "{State}" the same with a capital.
    draw
        Draws the figure in a theme.
    caption
        One sentence that says what to see.
    alt
        Description for those who cannot see it.
    applies
        Whether a network has what it shows.
    """

    name: str
    heading: str
    draw: Callable[[Content, Theme], Figure]
    caption: Callable[[Content], str]
    alt: Callable[[Content], str]
    applies: Callable[[Content], bool] = _always

    def title(self, content: Content) -> str:
        """Return the heading for a network."""
        words = {"events": f"{content.event}s", "state": content.state}
        capitals = {name.capitalize(): word.capitalize() for name, word in words.items()}
        return self.heading.format(**words, **capitals)


SAMPLE_PLATES: tuple[Plate[SampleContent], ...] = (
    Plate(
        "sample",
        "Recorded sample",
        phases.sample_image,
        phases.sample_image_caption,
        phases.sample_image_alt,
    ),
    Plate(
        "event-raster",
        "{Events} of one sample",
        phases.raster,
        phases.raster_caption,
        phases.raster_alt,
    ),
    Plate("input", "Input over time", film.still, film.caption, film.alt, film.moves),
    Plate(
        "events-per-step",
        "{Events} per step",
        phases.events_per_step,
        phases.events_per_step_caption,
        phases.events_per_step_alt,
    ),
    Plate(
        "output-state",
        "{State} of the output",
        phases.output_state,
        phases.output_state_caption,
        phases.output_state_alt,
    ),
    Plate(
        "layer-states",
        "{State}s of all neurons",
        phases.layer_states,
        phases.layer_states_caption,
        phases.layer_states_alt,
    ),
    Plate(
        "scores",
        "Scores",
        phases.scores,
        phases.scores_caption,
        phases.scores_alt,
    ),
    Plate(
        "traces",
        "Membrane potentials, spikes and traces",
        traces.traces,
        traces.traces_caption,
        traces.traces_alt,
        traces.has_traces,
    ),
)
"""The figures of one sample, in the order of the page."""

PLATES: tuple[Plate[ReportContent], ...] = (
    Plate(
        "learning-curve",
        "Learning curve",
        curves.learning_curve,
        curves.learning_curve_caption,
        curves.learning_curve_alt,
    ),
    Plate(
        "weight-flips",
        "Weight flips",
        curves.weight_flips,
        curves.weight_flips_caption,
        curves.weight_flips_alt,
        _has_binary_weights,
    ),
    Plate(
        "events-per-epoch",
        "{Events} per sample",
        curves.events_per_epoch,
        curves.events_per_epoch_caption,
        curves.events_per_epoch_alt,
        # In the place of the flips; where there are flips, the table of the epochs has the events.
        _has_only_real_weights,
    ),
    Plate(
        "confusion-matrix",
        "Confusion matrix",
        matrices.confusion,
        matrices.confusion_caption,
        matrices.confusion_alt,
    ),
    Plate(
        "accuracy-by-events",
        "Accuracy and {events}",
        curves.accuracy_by_events,
        curves.accuracy_by_events_caption,
        curves.accuracy_by_events_alt,
    ),
    *SAMPLE_PLATES,
    Plate(
        "receptive-fields",
        "Receptive fields",
        first_layer.receptive_fields,
        first_layer.receptive_fields_caption,
        first_layer.receptive_fields_alt,
        _is_dense,
    ),
    Plate(
        "mean-field",
        "Mean receptive field",
        first_layer.mean_field,
        first_layer.mean_field_caption,
        first_layer.mean_field_alt,
        _is_dense,
    ),
    Plate(
        "kernels",
        "Kernels",
        first_layer.receptive_fields,
        first_layer.kernels_caption,
        first_layer.receptive_fields_alt,
        first_layer.convolves,
    ),
    Plate(
        "feature-maps",
        "Feature maps",
        first_layer.feature_maps,
        first_layer.feature_maps_caption,
        first_layer.feature_maps_alt,
        first_layer.convolves,
    ),
)
"""Every figure, in the order in which the page shows those that apply to its network."""
