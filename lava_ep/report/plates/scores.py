"""Score of every class at the end of the free phase."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lava_ep.figures.text import class_label
from lava_ep.figures.theme import Theme, new_figure
from lava_ep.report.content import SampleContent
from lava_ep.report.plates import SAMPLE, plate
from lava_ep.report.plates._layers import (
    WIDTH,
    label_classes,
)


def draw_scores(axes: Axes, content: SampleContent, theme: Theme) -> None:
    """Draw the scores into a plot."""
    recording, names = content.recording, content.class_names
    classes = np.arange(len(names))
    colors = [theme.muted] * len(names)
    colors[recording.prediction] = theme.orange
    colors[recording.label] = theme.blue
    axes.barh(classes, recording.scores, color=colors, height=0.72, zorder=3)
    axes.axvline(0, color=theme.muted, linewidth=1.0, zorder=4)
    label_classes(axes, content, theme, 1)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel("score")
    axes.grid(axis="x")


def caption(content: SampleContent) -> str:
    """Say what to see in the scores."""
    recording, names = content.recording, content.class_names
    true = class_label(names[recording.label])
    if recording.prediction == recording.label:
        best = f"{true} (blue), which is right, has the largest"
    else:
        predicted = class_label(names[recording.prediction])
        best = f"{predicted} (orange) has the largest, larger than the true {true} (blue)"
    return f"What each class scores at the end of the free phase: {best}."


def alt(content: SampleContent) -> str:
    """Describe the scores to those who cannot see them."""
    order = np.argsort(-content.recording.scores, kind="stable")[:3]
    best = ", ".join(f"{content.class_names[k]} {content.recording.scores[k]:.3g}" for k in order)
    return f"Bar chart of the scores of {len(content.class_names)} classes; the largest: {best}."


@plate(SAMPLE, "scores", "Scores", caption=caption, alt=alt)
def scores(content: SampleContent, theme: Theme) -> Figure:
    """Score of every class at the end of the free phase."""
    figure = new_figure(WIDTH, 3.9)
    draw_scores(figure.add_subplot(), content, theme)
    return figure
