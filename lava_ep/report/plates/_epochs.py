"""What figures over the epochs share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from lava_ep.figures.text import count
from lava_ep.figures.theme import Theme, new_figure

LOG_RATIO = 20.0
"""Values spread wider than this ratio are drawn on a logarithmic axis."""

MANY_EPOCHS = 30


def draw_curve(
    axes: Axes,
    epochs: Sequence[int],
    values: Sequence[float],
    label: str,
    look: tuple[str, str, str],
) -> None:
    """Draw a number over the epochs, in a color, with a marker and a style of line."""
    color, marker, style = look
    axes.plot(
        epochs,
        values,
        color=color,
        marker=marker if len(epochs) <= MANY_EPOCHS else None,
        linestyle=style if len(epochs) > 1 else "none",
        markersize=9 if len(epochs) == 1 else 5.5,
        label=label,
        clip_on=False,
        zorder=3,
    )


def epoch_axis(axes: Axes, epochs: Sequence[int]) -> None:
    """Label the axis of the epochs."""
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if len(epochs) == 1:
        axes.set_xticks(epochs)
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
    axes.grid(axis="y")


def layer_curves(
    epochs: Sequence[int], curves: Mapping[str, Sequence[float]], label: str, theme: Theme
) -> Figure:
    """Draw counts over the epochs, a curve for each layer by its name."""
    figure = new_figure(6.2, 3.7)
    axes = figure.add_subplot()
    looks = [
        (theme.blue, "o", "-"),
        (theme.orange, "D", "--"),
        (theme.green, "s", "-."),
        (theme.muted, "^", ":"),
    ]
    for position, (name, values) in enumerate(curves.items()):
        draw_curve(axes, epochs, values, name, looks[position % len(looks)])
    epoch_axis(axes, epochs)
    numbers = [n for values in curves.values() for n in values]
    positive = [n for n in numbers if n > 0]
    if positive and max(positive) > LOG_RATIO * min(positive):
        if min(numbers) == 0:
            axes.set_yscale("symlog", linthresh=1, linscale=0.5)
        else:
            axes.set_yscale("log")
            if max(positive) < 300 * min(positive):
                axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    else:
        axes.set_ylim(0, 1.08 * max(numbers) if positive else 1)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel(label)
    figure.legend(loc="outside upper left", ncols=2, handlelength=2.6, columnspacing=1.6)
    return figure


def measured(lines: Sequence[Mapping[str, Any]], key: str) -> Sequence[Mapping[str, Any]]:
    """Return the epochs that have a value; those of a saved estimator have no test accuracy."""
    return [line for line in lines if line[key] is not None]
