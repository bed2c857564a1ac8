"""State of every neuron over the time steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import (
    LinearSegmentedColormap,
    Normalize,
)
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lava_ep.analysis.recording import Recording
from lava_ep.figures.theme import Theme, hide_outline, new_figure
from lava_ep.report.content import SampleContent
from lava_ep.report.plates import SAMPLE, plate
from lava_ep.report.plates._layers import (
    ROWS,
    WIDTH,
    around,
    label_classes,
    label_phases,
    layer_axes,
    layer_label,
    mark_phases,
    raster_heights,
)


def draw_layer_states(
    figure: FigureBase, content: SampleContent, theme: Theme, heights: list[float], width: float
) -> None:
    """Draw the states into a figure or a part of one."""
    recording = content.recording
    plots = layer_axes(figure, heights)
    colors = _state_colors(recording, theme)
    for layer, (axes, states) in enumerate(zip(plots, recording.states, strict=True)):
        mark_phases(axes, recording, theme)
        steps, neurons = states.shape
        norm: Any = colors.norm
        axes.imshow(
            mean_states(states, ROWS).T,
            cmap=colors.cmap,
            norm=norm,
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            extent=(-0.5, steps - 0.5, -0.5, neurons - 0.5),
            # The lines between phases stay visible, and their tints in a margin above.
            zorder=0.5,
        )
        axes.set_ylim(-0.5, neurons - 0.5 + 0.06 * neurons)
        axes.set_ylabel(layer_label(recording, layer))
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    label_classes(plots[-1], content, theme, neurons // len(content.class_names))
    label_phases(plots[-1], recording, theme, width)
    figure.align_ylabels(plots)
    bar = figure.colorbar(colors, ax=plots, orientation="horizontal", shrink=0.5, aspect=32)
    bar.set_label(content.state_label)
    hide_outline(bar)


def _state_colors(recording: Recording, theme: Theme) -> ScalarMappable:
    """Return colors for states: the deeper the further from 0, by sign where there are both."""
    low = min(float(states.min()) for states in recording.states)
    high = max(float(states.max()) for states in recording.states)
    if low >= 0:
        colors = LinearSegmentedColormap.from_list("states", [theme.surface, theme.blue])
        return ScalarMappable(Normalize(0.0, high or 1.0), colors)
    limit = max(-low, high)
    colors = LinearSegmentedColormap.from_list("states", [theme.orange, theme.surface, theme.blue])
    return ScalarMappable(Normalize(-limit, limit), colors)


def mean_states(states: NDArray[Any], rows: int) -> NDArray[np.float64]:
    """Average the states of neighboring neurons.

    Parameters
    ----------
    states
        (steps, n).
    rows
        Largest number of groups.

    Returns
    -------
    means
        (steps, groups); groups are of nearly equal size.
    """
    neurons = states.shape[1]
    starts = np.linspace(0, neurons, min(rows, neurons), endpoint=False).astype(int)
    sizes = np.diff([*starts, neurons])
    sums = np.add.reduceat(states.astype(np.float64), starts, axis=1)
    return np.asarray(sums / sizes)


def caption(content: SampleContent) -> str:
    """Say what to see in the states."""
    grouped = max(content.recording.layer_sizes) > ROWS
    mean = " (of neighboring neurons in a row, the mean)" if grouped else ""
    return (
        f"The {content.state} of every neuron{mean}, in the order of the raster: "
        "rows that keep their color have settled, and what changes after the free phase is the "
        "answer to the nudge."
    )


def alt(content: SampleContent) -> str:
    """Describe the states to those who cannot see them."""
    recording = content.recording
    first, end = recording.free
    layers = "; ".join(
        f"{name} from {states[first].mean():.2f} to {states[end - 1].mean():.2f}"
        for name, states in zip(recording.layer_names, recording.states, strict=True)
    )
    return (
        f"Heat map of the {content.state_label} of every neuron over {recording.steps} time steps, "
        f"by layer; mean over the neurons in the first and the last free step: {layers}."
    )


@plate(SAMPLE, "layer-states", "{State}s of all neurons", caption=caption, alt=alt)
def layer_states(content: SampleContent, theme: Theme) -> Figure:
    """State of every neuron over the time steps, the output on top, in the order of the raster."""
    heights = [0.8 * height for height in raster_heights(content)]
    figure = new_figure(WIDTH, around(heights))
    draw_layer_states(figure, content, theme, heights, WIDTH)
    return figure
