"""Everything of one sample in one figure."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from lava_ep.figures.theme import Theme, new_figure
from lava_ep.report.content import SampleContent
from lava_ep.report.plates._layers import (
    RASTER_WIDTH,
    around,
    raster_heights,
)
from lava_ep.report.plates.event_raster import draw_raster
from lava_ep.report.plates.layer_states import draw_layer_states
from lava_ep.report.plates.output_state import draw_output_state
from lava_ep.report.plates.sample import draw_image
from lava_ep.report.plates.scores import draw_scores


def overview(content: SampleContent, theme: Theme) -> Figure:
    """Everything of one sample in one figure: image, scores, raster and states."""
    side = 3.4
    half = (side + RASTER_WIDTH) / 2
    heights = raster_heights(content)
    above, below = around(heights), around([0.8 * height for height in heights])
    figure = new_figure(side + RASTER_WIDTH, above + below + 0.6)
    figure.suptitle(_overview_title(content), x=0.02, ha="left", fontweight="bold")
    halves: Any = figure.subfigures(2, 1, height_ratios=[above, below])
    top, bottom = halves
    left, right = top.subfigures(1, 2, width_ratios=[side, RASTER_WIDTH])
    image, bars = left.subplots(2, 1)
    draw_image(image, content)
    draw_scores(bars, content, theme)
    draw_raster(right, content, theme)
    states, output = bottom.subfigures(1, 2)
    draw_layer_states(states, content, theme, [0.8 * height for height in heights], half)
    draw_output_state(output, content, theme, half)
    for part in (top, bottom, left, right, states, output):
        part.set_facecolor("none")
    return figure


def _overview_title(content: SampleContent) -> str:
    recording, names = content.recording, content.class_names
    return (
        f"{content.title}: true class {names[recording.label]}, "
        f"prediction {names[recording.prediction]}"
    )
