"""What figures of a sample share: a plot per layer, phases, names of classes."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import MaxNLocator

from lava_ep.analysis.recording import Recording
from lava_ep.dynamics import SpikeTrace
from lava_ep.figures.text import plural
from lava_ep.figures.theme import Theme
from lava_ep.report.content import SampleContent

WIDTH = 6.4

RASTER_WIDTH = 7.4

_CHARACTER = 0.09
"""Width of a character of a phase's label, in inches."""

ROWS = 400
"""Rows in which the changes of a layer's activations are drawn, about as many as pixels."""


def is_nudged(name: str) -> bool:
    return name.startswith("nudged")


def is_idle(name: str) -> bool:
    """Whether a phase of this name is neither free nor nudged."""
    return not name.startswith(("free", "nudged"))


def mark_phases(axes: Axes, recording: Recording, theme: Theme) -> None:
    """Tint the nudged phases and the steps between phases, and draw lines at their ends."""
    axes.axvspan(-0.5, recording.steps - 0.5, color=theme.idle, zorder=0, linewidth=0)
    for name, first, end in recording.phase_bounds:
        if is_idle(name):
            continue
        tint = theme.shade if is_nudged(name) else theme.surface
        axes.axvspan(first - 0.5, end - 0.5, color=tint, zorder=0, linewidth=0)
        for edge in (first, end):
            if 0 < edge < recording.steps:
                axes.axvline(edge - 0.5, color=theme.muted, linewidth=1.0, zorder=1)
    axes.set_xlim(-0.5, recording.steps - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def bar_width(recording: Recording, width: float) -> float:
    """Width of a mark in time steps: most of a step, yet at least 2 points on paper."""
    step = (width - 1.2) * 72 / recording.steps
    return max(0.84, 2.0 / step)


def label_phases(axes: Axes, recording: Recording, theme: Theme, width: float = WIDTH) -> None:
    """Name the phases above the axes; names wider than their phase take turns in two rows."""
    named = [bounds for bounds in recording.phase_bounds if not is_idle(bounds[0])]
    inches = (width - 1.0) / recording.steps
    room = [(end - first) * inches for _, first, end in named]
    # With a gap of two characters to the neighbors.
    fitting = [
        (len(name) + 2) * _CHARACTER <= width
        for (name, _, _), width in zip(named, room, strict=True)
    ]
    crowded = not all(fitting)
    for position, ((name, first, end), fits) in enumerate(zip(named, fitting, strict=True)):
        late = first + end > recording.steps
        if fits:
            x, align = (first + end - 1) / 2, "center"
        else:
            x, align = (end - 0.5, "right") if late else (first - 0.5, "left")
        row = (len(named) - 1 - position) % 2 if crowded else 0
        axes.annotate(
            name,
            (x, 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(0, 4 + 15 * row),
            textcoords="offset points",
            ha=align,
            va="bottom",
            color=theme.text,
            fontweight="bold",
        )


def layer_axes(figure: FigureBase, heights: list[float]) -> list[Axes]:
    """Stack one plot for each layer with the output on top; return the plots input side first."""
    grid = figure.subplots(
        len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights[::-1]}
    )
    plots: list[Axes] = [grid[row, 0] for row in reversed(range(len(heights)))]
    plots[0].set_xlabel("time step")
    return plots


def raster_heights(content: SampleContent) -> list[float]:
    """Heights of the layers in a raster, in inches."""
    layers = len(content.recording.layer_names)
    hidden = 2.6 if layers <= 2 else 1.9
    return [hidden] * (layers - 1) + [2.2]


def around(heights: list[float]) -> float:
    """Height of a figure of layers with what is written around them, in inches."""
    return sum(heights) + 1.1


def layer_label(recording: Recording, layer: int) -> str:
    return f"{recording.layer_names[layer]}\n{plural(recording.layer_sizes[layer], 'neuron')}"


def silent_note(axes: Axes, content: SampleContent, theme: Theme) -> None:
    axes.text(
        0.5,
        0.5,
        f"no {content.event}s",
        transform=axes.transAxes,
        ha="center",
        va="center",
        color=theme.muted,
        bbox={"facecolor": theme.surface, "edgecolor": theme.line, "boxstyle": "round,pad=0.4"},
        zorder=6,
    )


def has_two_signs(content: SampleContent) -> bool:
    """Whether events go both ways; those of integrate-and-fire neurons do not."""
    return not isinstance(content.experiment.ep_network.spikes, SpikeTrace)


def label_classes(axes: Axes, content: SampleContent, theme: Theme, size: int) -> None:
    """Write the names of the classes, each of which takes ``size`` rows; see `_mark_classes`."""
    recording, names = content.recording, content.class_names
    shown = _thinned(len(names), 12, keep=recording.label)
    axes.set_yticks([(k + 0.5) * size - 0.5 for k in shown], [names[k] for k in shown])
    axes.tick_params(axis="y", length=0)
    for k, label in zip(shown, axes.get_yticklabels(), strict=True):
        if k == recording.label:
            label.set_fontweight("bold")
            label.set_color(theme.blue)
        else:
            label.set_color(theme.muted)
            label.set_fontsize(10)


def _thinned(classes: int, most: int, *, keep: int) -> list[int]:
    """Choose at most about ``most`` classes to label, ``keep`` among them."""
    stride = -(-classes // most)
    return [k for k in range(classes) if k % stride == keep % stride]
