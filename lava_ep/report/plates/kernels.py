"""Kernels of a few channels of a convolutional first layer."""

from __future__ import annotations

from matplotlib.figure import Figure

from lava_ep.figures.text import plural
from lava_ep.figures.theme import Theme
from lava_ep.report.content import ReportContent
from lava_ep.report.plates import RUN, plate
from lava_ep.report.plates._weights import (
    chosen_neurons,
    convolves,
    draw_weights,
    look_text,
    weights_alt,
    weights_text,
)


def caption(content: ReportContent) -> str:
    """Say what to see in the kernels."""
    channels = content.input_weights.shape[0]
    shown = len(chosen_neurons(channels))
    return (
        f"The {weights_text(content)} in the kernels of {shown} of the "
        f"{plural(channels, 'channel')} of the first layer (numbered): {look_text(content)}."
    )


@plate(RUN, "kernels", "Kernels", caption=caption, alt=weights_alt, applies=convolves)
def kernels(content: ReportContent, theme: Theme) -> Figure:
    """Kernels of a few channels of the first layer."""
    return draw_weights(content, theme)
