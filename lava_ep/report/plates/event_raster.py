"""Every event of every neuron over the time steps of one sample."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import (
    LinearSegmentedColormap,
    SymLogNorm,
    to_rgba,
)
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from lava_ep.analysis.recording import Recording
from lava_ep.figures.text import class_label, count, plural, signed
from lava_ep.figures.theme import Theme, hide_outline, new_figure
from lava_ep.report.content import SampleContent
from lava_ep.report.plates import SAMPLE, plate
from lava_ep.report.plates._layers import (
    RASTER_WIDTH,
    ROWS,
    around,
    bar_width,
    has_two_signs,
    is_idle,
    label_classes,
    label_phases,
    layer_axes,
    layer_label,
    mark_phases,
    raster_heights,
    silent_note,
)

_DECADES = 4
"""Changes are told apart by color down to the largest one times 10 to the minus this."""


def idle_steps(recording: Recording) -> NDArray[np.intp]:
    """Return the steps that belong to neither a free nor a nudged phase."""
    idle = np.ones(recording.steps, bool)
    for name, first, end in recording.phase_bounds:
        if not is_idle(name):
            idle[first:end] = False
    return np.flatnonzero(idle)


def caption(content: SampleContent) -> str:
    """Say what to see in the raster."""
    recording = content.recording
    free = sum(recording.events_within(k, "free") for k in range(len(recording.events)))
    nudged = sum(recording.events_within(k, "nudged") for k in range(len(recording.events)))
    steps = idle_steps(recording)
    idle = "; gray steps load the sample" if steps.size else ""
    if steps.size and steps[-1] >= recording.free_steps:
        idle += " or restore the free state"
    if recording.graded:
        grouped = max(recording.layer_sizes) > ROWS
        event = "Each cell is one event, the deeper its color the larger the change of activation"
        event += " (of many neurons in a row, the largest)" if grouped else ""
    elif content.spiking:
        event = "Each dash is one spike"
    else:
        event = "Each dash is one event, the change of one neuron's binary activation"
    return (
        f"{event}: {plural(free, content.event)} while the network settles freely and "
        f"{count(nudged)} in the nudged phase (tinted), which pulls the output towards or away "
        f"from {class_label(content.class_names[recording.label])} (blue band){idle}."
    )


def alt(content: SampleContent) -> str:
    """Describe the raster to those who cannot see it."""
    recording = content.recording
    phases = ", ".join(
        f"{name} from step {first} to {end - 1}" for name, first, end in recording.phase_bounds
    )
    layers = ", ".join(
        f"{name} {plural(int(np.count_nonzero(events)), content.event)}"
        for name, events in zip(recording.layer_names, recording.events, strict=True)
    )
    kind = content.event.capitalize()
    return f"{kind} raster over {recording.steps} time steps, {phases}; {layers}."


def draw_raster(figure: FigureBase, content: SampleContent, theme: Theme) -> None:
    """Draw the raster into a figure or a part of one, `RASTER_WIDTH` wide."""
    recording, heights = content.recording, raster_heights(content)
    plots = layer_axes(figure, heights)
    changes = _change_colors(recording, theme)
    for layer, (axes, events) in enumerate(zip(plots, recording.events, strict=True)):
        mark_phases(axes, recording, theme)
        neurons = events.shape[1]
        if recording.graded:
            _draw_changes(axes, events, changes)
        else:
            # A dash of its neuron's height, but never so thin that a single event gets lost.
            thickness = max(1.1, min(8.0, 0.8 * 72 * heights[layer] / neurons))
            _draw_dashes(axes, events, thickness, bar_width(recording, RASTER_WIDTH), theme)
        axes.set_ylim(-0.5 - 0.01 * neurons, neurons - 0.5 + 0.01 * neurons)
        if not events.any():
            silent_note(axes, content, theme)
        axes.set_ylabel(layer_label(recording, layer))
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    _mark_classes(plots[-1], content, theme)
    label_phases(plots[-1], recording, theme, RASTER_WIDTH)
    figure.align_ylabels(plots)
    if recording.graded:
        _change_scale(figure, plots, changes)
        return
    colors = (theme.blue, theme.orange)
    figure.legend(
        handles=[
            Line2D([], [], color=color, linewidth=5, label=label)
            for color, label in zip(colors, _unit_events(content), strict=False)
        ],
        loc="outside lower center",
        ncols=2,
        handlelength=1.2,
    )


def _unit_events(content: SampleContent) -> tuple[str, ...]:
    """Say what events of +1 mean, and those of -1 where there may be some."""
    minus = "\N{MINUS SIGN}1"
    if not content.spiking:
        return "switches on (+1)", f"switches off ({minus})"
    if has_two_signs(content):
        return "spike (+1)", f"spike ({minus})"
    return ("spike",)


def _draw_dashes(
    axes: Axes, events: NDArray[Any], thickness: float, width: float, theme: Theme
) -> None:
    """Draw a dash for every event of binary neurons, or for every spike."""
    for sign, color in ((1, theme.blue), (-1, theme.orange)):
        step, neuron = np.nonzero(events == sign)
        dashes = np.stack(
            [np.stack([step - width / 2, neuron], 1), np.stack([step + width / 2, neuron], 1)], 1
        )
        axes.add_collection(
            LineCollection(list(dashes), colors=color, linewidths=thickness, zorder=3)
        )


def _change_colors(recording: Recording, theme: Theme) -> ScalarMappable:
    """Return colors for changes of activations: by sign, and stronger by each decade."""
    limit = max(float(np.abs(events).max()) for events in recording.events) or 1.0
    norm = SymLogNorm(limit / 10**_DECADES, linscale=0.4, vmin=-limit, vmax=limit)
    # Even the smallest change stands out from none, which is not drawn at all.
    colors = LinearSegmentedColormap.from_list(
        "changes",
        [
            (0.0, to_rgba(theme.orange)),
            (0.5, to_rgba(theme.orange, 0.12)),
            (0.5, to_rgba(theme.blue, 0.12)),
            (1.0, to_rgba(theme.blue)),
        ],
    )
    return ScalarMappable(norm, colors)


def largest_changes(events: NDArray[Any], rows: int) -> NDArray[np.float64]:
    """Return for groups of neighboring neurons the change that is largest in size.

    Parameters
    ----------
    events
        (steps, n).
    rows
        Largest number of groups.

    Returns
    -------
    changes
        (steps, groups); 0 where there is no event.
    """
    steps, neurons = events.shape
    size = -(-neurons // rows)
    padded = np.zeros((steps, -(-neurons // size) * size))
    padded[:, :neurons] = events
    grouped = padded.reshape(steps, -1, size)
    largest = np.abs(grouped).argmax(axis=2)
    return np.take_along_axis(grouped, largest[:, :, None], axis=2)[:, :, 0]


def _draw_changes(axes: Axes, events: NDArray[Any], colors: ScalarMappable) -> None:
    """Draw a cell for every event of graded neurons."""
    steps, neurons = events.shape
    changes = largest_changes(events, ROWS)
    rows = changes.shape[1] * -(-neurons // changes.shape[1])
    norm: Any = colors.norm
    axes.imshow(
        np.where(changes == 0, np.nan, changes).T,
        cmap=colors.cmap,
        norm=norm,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5, steps - 0.5, -0.5, rows - 0.5),
        zorder=2,
    )


def _change_scale(figure: FigureBase, plots: list[Axes], colors: ScalarMappable) -> None:
    """Explain the colors of changes below the plots."""
    norm: Any = colors.norm
    limit = float(norm.vmax or 1.0)
    top = math.floor(math.log10(limit))
    decades = [10.0**power for power in (top, top - 2)]
    bar = figure.colorbar(
        colors,
        ax=plots,
        orientation="horizontal",
        shrink=0.5,
        aspect=32,
        ticks=[*(-size for size in decades), 0.0, *decades[::-1]],
        format=FuncFormatter(lambda value, _: signed(value)),
    )
    bar.ax.minorticks_off()
    bar.set_label("change of the activation")
    hide_outline(bar)


def _mark_classes(axes: Axes, content: SampleContent, theme: Theme) -> None:
    """Label the output's groups by class, true class in bold; thin the names if they are many."""
    recording, names = content.recording, content.class_names
    size = recording.layer_sizes[-1] // len(names)
    for group in range(1, len(names)):
        axes.axhline(group * size - 0.5, color=theme.line, linewidth=0.7, zorder=1)
    low = recording.label * size - 0.5
    axes.axhspan(low, low + size, facecolor=theme.blue, alpha=0.13, linewidth=0, zorder=0.5)
    label_classes(axes, content, theme, size)


@plate(SAMPLE, "event-raster", "{Events} of one sample", caption=caption, alt=alt)
def raster(content: SampleContent, theme: Theme) -> Figure:
    """Every event of every neuron over the time steps of one sample, the output on top.

    Events of binary neurons, and spikes, are dashes; those of graded neurons are cells, the deeper
    in color the larger the change.
    """
    figure = new_figure(RASTER_WIDTH, around(raster_heights(content)))
    draw_raster(figure, content, theme)
    return figure
