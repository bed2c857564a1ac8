"""Figures of the run over its epochs: accuracy, weight flips and events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from lava_ep.figures.text import count, percent, plural, points
from lava_ep.figures.theme import Theme, new_figure
from lava_ep.report.content import PHASES, ReportContent, RunContent
from lava_ep.report.summary import flipping_layers, learning_place, summarize, synapse_names

LOG_RATIO = 20.0
"""Values spread wider than this ratio are drawn on a logarithmic axis."""

_MANY_EPOCHS = 30


def _epoch_axis(axes: Axes, epochs: Sequence[int]) -> None:
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if len(epochs) == 1:
        axes.set_xticks(epochs)
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
    axes.grid(axis="y")


def learning_curve(content: RunContent, theme: Theme) -> Figure:
    """Training, test and frozen-input-layer accuracy over the epochs, on the same axes."""
    figure = new_figure(6.2, 3.7)
    axes = figure.add_subplot()
    epochs = [int(line["epoch"]) for line in content.metrics]
    curves = [
        ("test set", content.metrics, "test_accuracy", theme.blue, "o", "-"),
        ("training set", content.metrics, "train_accuracy", theme.green, "s", "--"),
    ]
    if content.baseline_metrics is not None:
        curves.append(
            (
                "test set, input layer frozen",
                content.baseline_metrics,
                "test_accuracy",
                theme.orange,
                "D",
                ":",
            )
        )
    for label, every, key, color, marker, style in curves:
        lines = _measured(every, key)
        axes.plot(
            [int(line["epoch"]) for line in lines],
            [float(line[key]) for line in lines],
            color=color,
            marker=marker if len(lines) <= _MANY_EPOCHS else None,
            linestyle=style if len(lines) > 1 else "none",
            markersize=9 if len(lines) == 1 else 5.5,
            label=label,
            clip_on=False,
            zorder=3,
        )
    longest = max((lines for _, lines, *_ in curves), key=len)
    _epoch_axis(axes, [int(line["epoch"]) for line in longest])
    if content.baseline_metrics is not None:
        shared = min(len(content.metrics), len(content.baseline_metrics))
        axes.fill_between(
            epochs[:shared],
            [float(line["test_accuracy"]) for line in content.metrics[:shared]],
            [float(line["test_accuracy"]) for line in content.baseline_metrics[:shared]],
            color=theme.shade,
            zorder=1,
        )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    low = min(float(line[key]) for _, every, key, *_ in curves for line in _measured(every, key))
    axes.set_ylim(max(0.0, low - 0.08 * (1.0 - low) - 0.005), 1.0)
    axes.set_ylabel("accuracy")
    figure.legend(loc="outside upper left", ncols=2, handlelength=2.4, columnspacing=1.6)
    return figure


def _measured(lines: Sequence[Mapping[str, Any]], key: str) -> Sequence[Mapping[str, Any]]:
    """Return the epochs that have a value; those of a saved estimator have no test accuracy."""
    return [line for line in lines if line[key] is not None]


def learning_curve_caption(content: ReportContent) -> str:
    """Say what to see in the learning curve."""
    numbers = summarize(content)
    after = "one epoch" if numbers.epochs == 1 else f"{numbers.epochs} epochs"
    if content.baseline_metrics is None or numbers.worth is None:
        return (
            f"After {after} the network classifies {percent(numbers.test_accuracy)} of the test "
            f"set and {percent(numbers.train_accuracy)} of the training set correctly."
        )
    gap = "gap" if min(len(content.metrics), len(content.baseline_metrics)) == 1 else "shaded gap"
    return (
        f"The {gap} between the test curve and that of a network whose input layer is frozen "
        f"at its random start, {points(numbers.worth)} after {after}, is what learning in "
        f"{learning_place(content)} is worth."
    )


def learning_curve_alt(content: ReportContent) -> str:
    """Describe the learning curve to those who cannot see it."""
    numbers = summarize(content)
    baseline = (
        ""
        if numbers.baseline_accuracy is None
        else f", with a frozen input layer {percent(numbers.baseline_accuracy)}"
    )
    return (
        f"Line chart of accuracy over {numbers.epochs} epochs, ending at "
        f"{percent(numbers.train_accuracy)} on the training set, "
        f"{percent(numbers.test_accuracy)} on the test set{baseline}."
    )


def weight_flips(content: ReportContent, theme: Theme) -> Figure:
    """Flips of all binary weights over the epochs, layer by layer."""
    names, binary = synapse_names(content), flipping_layers(content)
    curves = {names[layer]: [_flips(line, layer) for line in content.metrics] for layer in binary}
    epochs = [int(line["epoch"]) for line in content.metrics]
    return layer_curves(epochs, curves, "weights flipped in the epoch", theme)


def _flips(line: Mapping[str, Any], layer: int) -> int:
    return int(line["weight_flips"][layer])


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
        color, marker, style = looks[position % len(looks)]
        axes.plot(
            epochs,
            values,
            color=color,
            marker=marker if len(epochs) <= _MANY_EPOCHS else None,
            linestyle=style if len(epochs) > 1 else "none",
            markersize=9 if len(epochs) == 1 else 5.5,
            label=name,
            clip_on=False,
            zorder=3,
        )
    _epoch_axis(axes, epochs)
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


def weight_flips_caption(content: ReportContent) -> str:
    """Say what to see in the weight flips."""
    numbers = summarize(content)
    first = sum(int(n) for n in content.metrics[0]["weight_flips"])
    last = sum(int(n) for n in content.metrics[-1]["weight_flips"])
    if len(content.metrics) == 1:
        return (
            f"A binary weight learns by changing its sign: {count(first)} flips in the only epoch, "
            f"among {count(numbers.binary_weights)} binary weights."
        )
    return (
        "A binary weight learns by changing its sign, and learning calms down where the curves "
        f"fall: {count(first)} flips in the first epoch, {count(last)} in the last, "
        f"among {count(numbers.binary_weights)} binary weights."
    )


def weight_flips_alt(content: ReportContent) -> str:
    """Describe the weight flips to those who cannot see them."""
    names = synapse_names(content)
    ends = ", ".join(
        f"{names[k]} from {count(content.metrics[0]['weight_flips'][k])} "
        f"to {count(content.metrics[-1]['weight_flips'][k])}"
        for k in flipping_layers(content)
    )
    return f"Line chart of weight flips per epoch: {ends}."


def events_per_epoch(content: ReportContent, theme: Theme) -> Figure:
    """Mean events of a sample in free and in nudged phases over the epochs."""
    figure = new_figure(6.2, 3.7)
    axes = figure.add_subplot()
    epochs = [int(line["epoch"]) for line in content.metrics]
    top = 0.0
    for phase, color, marker, style in (
        ("free", theme.blue, "o", "-"),
        ("nudged", theme.orange, "D", "--"),
    ):
        events = [float(line["events_per_sample"][phase]) for line in content.metrics]
        top = max(top, *events)
        axes.plot(
            epochs,
            events,
            color=color,
            marker=marker if len(epochs) <= _MANY_EPOCHS else None,
            linestyle=style if len(epochs) > 1 else "none",
            markersize=9 if len(epochs) == 1 else 5.5,
            label=phase,
            clip_on=False,
            zorder=3,
        )
    _epoch_axis(axes, epochs)
    axes.set_ylim(0, 1.08 * top or 1)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    axes.set_ylabel(f"{content.event}s of a sample")
    figure.legend(loc="outside upper left", ncols=2, handlelength=2.6, columnspacing=1.6)
    return figure


def events_per_epoch_caption(content: ReportContent) -> str:
    """Say what to see in the events over the epochs."""
    neurons = sum(content.recording.layer_sizes)
    return (
        f"Every {content.event} is a message of one neuron in one time step, averaged here over "
        f"the training samples: if all {plural(neurons, 'neuron')} sent one in every step, there "
        f"would be {count(neurons * _steps(content, 'free'))} in the free phase and "
        f"{count(neurons * _steps(content, 'nudged'))} nudged."
    )


def _steps(content: ReportContent, phase: str) -> int:
    return next(found.steps for found in summarize(content).activity if found.name == phase)


def events_per_epoch_alt(content: ReportContent) -> str:
    """Describe the events over the epochs to those who cannot see them."""
    first, last = (content.metrics[k]["events_per_sample"] for k in (0, -1))
    ends = ", ".join(
        f"{phase} from {count(first[phase])} to {count(last[phase])}" for phase in PHASES
    )
    return f"Line chart of {content.event}s per sample over {len(content.metrics)} epochs: {ends}."


def accuracy_by_events(content: ReportContent, theme: Theme) -> Figure:
    """Test accuracy against events of a neuron for each sample, one point an epoch."""
    figure = new_figure(6.2, 3.7)
    axes = figure.add_subplot()
    found = events_per_neuron(content)
    tested = _measured(content.metrics, "test_accuracy")
    accuracy = [float(line["test_accuracy"]) for line in tested]
    axes.plot(found, accuracy, color=theme.muted, linewidth=1.2, alpha=0.7, zorder=2)
    axes.plot(
        found,
        accuracy,
        color=theme.blue,
        linestyle="none",
        marker="o",
        markersize=9 if len(found) == 1 else 6,
        clip_on=False,
        zorder=3,
    )
    for k in sorted({0, len(found) - 1}):
        axes.annotate(
            f"epoch {tested[k]['epoch']}",
            (found[k], accuracy[k]),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            color=theme.text,
            fontweight="bold" if k else None,
        )
    # Room for the labels, and for the only point of a single epoch.
    axes.margins(x=0.15, y=0.2)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    axes.grid()
    axes.set_xlabel(f"{content.event}s of a neuron in the free phase of a sample")
    axes.set_ylabel("test accuracy")
    return figure


def events_per_neuron(content: ReportContent) -> list[float]:
    """Mean events of a neuron in the free phase of a training sample, for each tested epoch."""
    neurons = sum(content.recording.layer_sizes)
    tested = _measured(content.metrics, "test_accuracy")
    return [float(line["events_per_sample"]["free"]) / neurons for line in tested]


def accuracy_by_events_caption(content: ReportContent) -> str:
    """Say what to see in accuracy against events."""
    tested = len(_measured(content.metrics, "test_accuracy"))
    only = "only epoch" if len(content.metrics) == 1 else "last epoch, the only one tested"
    many = "Each point is an epoch" if tested > 1 else f"The point is the {only}"
    return (
        f"{many}: test accuracy after it, and how many {content.event}s a neuron sends in the free "
        "phase, which an inference consists of, as a mean over all neurons and the training "
        "samples; further up and further left is better."
    )


def accuracy_by_events_alt(content: ReportContent) -> str:
    """Describe accuracy against events to those who cannot see it."""
    found = events_per_neuron(content)
    tested = _measured(content.metrics, "test_accuracy")
    ends = " to ".join(
        f"{percent(tested[k]['test_accuracy'])} at {found[k]:.3g} {content.event}s"
        for k in sorted({0, len(found) - 1})
    )
    return f"Test accuracy against {content.event}s per neuron and sample over the epochs: {ends}."
