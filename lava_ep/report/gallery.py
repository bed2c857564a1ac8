"""The figures of a report in their order, each with its heading, caption and description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from lava_ep.report import curves, matrices, phases
from lava_ep.report.content import ReportContent
from lava_ep.report.theme import Theme


@dataclass(frozen=True)
class Plate:
    """One figure of the report.

    Parameters
    ----------
    name
        Name of the PNG file without its ending, and anchor in the page.
    heading
        Heading above the figure.
    draw
        Draws the figure in a theme.
    caption
        One sentence that says what to see.
    alt
        Description for those who cannot see it.
    """

    name: str
    heading: str
    draw: Callable[[ReportContent, Theme], Figure]
    caption: Callable[[ReportContent], str]
    alt: Callable[[ReportContent], str]


PLATES: tuple[Plate, ...] = (
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
    ),
    Plate(
        "confusion-matrix",
        "Confusion matrix",
        matrices.confusion,
        matrices.confusion_caption,
        matrices.confusion_alt,
    ),
    Plate(
        "sample",
        "Recorded sample",
        phases.sample_image,
        phases.sample_image_caption,
        phases.sample_image_alt,
    ),
    Plate(
        "event-raster",
        "Events of one sample",
        phases.raster,
        phases.raster_caption,
        phases.raster_alt,
    ),
    Plate(
        "events-per-step",
        "Events per step",
        phases.events_per_step,
        phases.events_per_step_caption,
        phases.events_per_step_alt,
    ),
    Plate(
        "output-state",
        "State of the output",
        phases.output_state,
        phases.output_state_caption,
        phases.output_state_alt,
    ),
    Plate(
        "receptive-fields",
        "Receptive fields",
        matrices.receptive_fields,
        matrices.receptive_fields_caption,
        matrices.receptive_fields_alt,
    ),
    Plate(
        "mean-field",
        "Mean receptive field",
        matrices.mean_field,
        matrices.mean_field_caption,
        matrices.mean_field_alt,
    ),
)
"""Every figure, in the order in which the page shows them."""
