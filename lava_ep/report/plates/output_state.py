"""Mean state of the output neurons of every class over the time steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from lava_ep.figures.text import class_label
from lava_ep.figures.theme import Theme, new_figure
from lava_ep.report.content import SampleContent
from lava_ep.report.plates import SAMPLE, plate
from lava_ep.report.plates._layers import (
    WIDTH,
    is_idle,
    label_phases,
    mark_phases,
)


def class_states(content: SampleContent) -> NDArray[np.float64]:
    """Mean state of each class's group of output neurons, (steps, classes)."""
    states = content.recording.states[-1]
    grouped = states.reshape(states.shape[0], len(content.class_names), -1)
    return np.asarray(grouped.mean(axis=2, dtype=np.float64))


def draw_output_state(
    figure: FigureBase, content: SampleContent, theme: Theme, width: float
) -> None:
    """Draw the states of the output into a figure or a part of one."""
    recording = content.recording
    axes = figure.add_subplot()
    mark_phases(axes, recording, theme)
    means = class_states(content)
    wrong = recording.prediction != recording.label
    handles = []
    style: Any
    for k in sorted(
        range(len(content.class_names)),
        key=lambda k: (k == recording.label, k == recording.prediction),
    ):
        if k == recording.label:
            color, thickness, style, label = theme.blue, 3.0, "-", "true"
        elif wrong and k == recording.prediction:
            color, thickness, style, label = theme.orange, 2.6, "--", "predicted"
        else:
            color, thickness, style, label = theme.muted, 1.1, "-", ""
        # Phases are not joined: a second nudged phase starts from the free state again.
        for name, first, end in recording.phase_bounds:
            if not is_idle(name):
                axes.plot(
                    np.arange(first, end),
                    means[first:end, k],
                    color=color,
                    linewidth=thickness,
                    linestyle=style,
                    marker="o" if recording.steps <= 80 else None,
                    markersize=1.4 * thickness + 1.0,
                    alpha=1.0 if label else 0.75,
                    zorder=4 if label else 3,
                    clip_on=False,
                )
        if label:
            handles.append(
                Line2D(
                    [],
                    [],
                    color=color,
                    linewidth=thickness,
                    linestyle=style,
                    label=f"{class_label(content.class_names[k])} ({label})",
                )
            )
    if len(content.class_names) > len(handles):
        handles.insert(0, Line2D([], [], color=theme.muted, linewidth=1.1, label="other classes"))
    axes.grid(axis="y")
    span = float(np.ptp(means)) or 1.0
    axes.set_ylim(float(means.min()) - 0.04 * span, float(means.max()) + 0.04 * span)
    axes.set_xlabel("time step")
    single = recording.layer_sizes[-1] == len(content.class_names)
    label = content.state_label
    axes.set_ylabel(label if single else f"mean {label} of the group")
    label_phases(axes, recording, theme, width)
    columns = 3 if width >= WIDTH else 2
    figure.legend(
        handles=handles[::-1], loc="outside lower center", ncols=columns, handlelength=2.0
    )


def caption(content: SampleContent) -> str:
    """Say what to see in the output's state."""
    recording = content.recording
    true = class_label(content.class_names[recording.label])
    predicted = class_label(content.class_names[recording.prediction])
    verdict = "right" if recording.prediction == recording.label else f"wrong, it is {true}"
    single = recording.layer_sizes[-1] == len(content.class_names)
    return (
        f"The prediction, {predicted} ({verdict}), is read from the "
        f"{'output neurons' if single else 'groups'} at the end of the free phase, before any "
        "target is shown; the nudge then moves them towards or away from the target, and this "
        "small difference is all that the synapses learn from."
    )


def alt(content: SampleContent) -> str:
    """Describe the output's state to those who cannot see it."""
    recording = content.recording
    _, end = recording.free
    means = class_states(content)[end - 1]
    return (
        f"Line chart of the mean {content.state_label} of each class's output neurons over "
        f"{recording.steps} time steps; at the end of the free phase the true class "
        f"{content.class_names[recording.label]} stands at {means[recording.label]:.2f}, the "
        f"highest class {content.class_names[int(means.argmax())]} at {means.max():.2f}."
    )


@plate(SAMPLE, "output-state", "{State} of the output", caption=caption, alt=alt)
def output_state(content: SampleContent, theme: Theme) -> Figure:
    """Mean state of every class's group of output neurons over the time steps."""
    figure = new_figure(WIDTH, 4.4)
    draw_output_state(figure, content, theme, WIDTH)
    return figure
