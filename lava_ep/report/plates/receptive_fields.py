"""Weights from the image to a few neurons of a dense first layer."""

from __future__ import annotations

from matplotlib.figure import Figure

from lava_ep.figures.text import plural
from lava_ep.figures.theme import Theme
from lava_ep.report.content import ReportContent
from lava_ep.report.plates import RUN, plate
from lava_ep.report.plates._weights import (
    chosen_neurons,
    draw_weights,
    is_dense,
    look_text,
    weights_alt,
    weights_text,
)


def caption(content: ReportContent) -> str:
    """Say what to see in the receptive fields."""
    neurons = content.input_weights.shape[0]
    shown = len(chosen_neurons(neurons))
    return (
        f"The {weights_text(content)} from the image to {shown} of the "
        f"{plural(neurons, 'neuron')} of the first layer (numbered): {look_text(content)}."
    )


@plate(
    RUN, "receptive-fields", "Receptive fields", caption=caption, alt=weights_alt, applies=is_dense
)
def receptive_fields(content: ReportContent, theme: Theme) -> Figure:
    """Weights from the image to a few neurons of the first layer."""
    return draw_weights(content, theme)
