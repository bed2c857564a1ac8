"""Accuracy over the epochs."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from lava_ep.figures.text import percent, points
from lava_ep.figures.theme import Theme, new_figure
from lava_ep.report.content import ReportContent, RunContent
from lava_ep.report.plates import RUN, plate
from lava_ep.report.plates._epochs import draw_curve, epoch_axis, measured
from lava_ep.report.summary import learning_place, summarize


def caption(content: ReportContent) -> str:
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


def alt(content: ReportContent) -> str:
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


@plate(RUN, "learning-curve", "Learning curve", caption=caption, alt=alt)
def learning_curve(content: RunContent, theme: Theme) -> Figure:
    """Training, test and frozen-input-layer accuracy over the epochs, on the same axes."""
    figure = new_figure(6.2, 3.7)
    axes = figure.add_subplot()
    epochs = [int(line["epoch"]) for line in content.metrics]
    curves = [
        ("test set", content.metrics, "test_accuracy", (theme.blue, "o", "-")),
        ("training set", content.metrics, "train_accuracy", (theme.green, "s", "--")),
    ]
    if content.baseline_metrics is not None:
        name, look = "test set, input layer frozen", (theme.orange, "D", ":")
        curves.append((name, content.baseline_metrics, "test_accuracy", look))
    for label, every, key, look in curves:
        lines = measured(every, key)
        found = [line["epoch"] for line in lines], [line[key] for line in lines]
        draw_curve(axes, *found, label, look)
    longest = max((lines for _, lines, *_ in curves), key=len)
    epoch_axis(axes, [int(line["epoch"]) for line in longest])
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
    low = min(float(line[key]) for _, every, key, *_ in curves for line in measured(every, key))
    axes.set_ylim(max(0.0, low - 0.08 * (1.0 - low) - 0.005), 1.0)
    axes.set_ylabel("accuracy")
    figure.legend(loc="outside upper left", ncols=2, handlelength=2.4, columnspacing=1.6)
    return figure
