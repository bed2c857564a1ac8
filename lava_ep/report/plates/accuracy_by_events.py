"""Test accuracy against events."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lava_ep.figures.text import percent
from lava_ep.figures.theme import Theme, new_figure
from lava_ep.report.content import ReportContent
from lava_ep.report.plates import RUN, plate
from lava_ep.report.plates._epochs import measured


def events_per_neuron(content: ReportContent) -> list[float]:
    """Mean events of a neuron in the free phase of a training sample, for each tested epoch."""
    neurons = sum(content.recording.layer_sizes)
    tested = measured(content.metrics, "test_accuracy")
    return [float(line["events_per_sample"]["free"]) / neurons for line in tested]


def caption(content: ReportContent) -> str:
    """Say what to see in accuracy against events."""
    tested = len(measured(content.metrics, "test_accuracy"))
    only = "only epoch" if len(content.metrics) == 1 else "last epoch, the only one tested"
    many = "Each point is an epoch" if tested > 1 else f"The point is the {only}"
    return (
        f"{many}: test accuracy after it, and how many {content.event}s a neuron sends in the free "
        "phase, which an inference consists of, as a mean over all neurons and the training "
        "samples; further up and further left is better."
    )


def alt(content: ReportContent) -> str:
    """Describe accuracy against events to those who cannot see it."""
    found = events_per_neuron(content)
    tested = measured(content.metrics, "test_accuracy")
    ends = " to ".join(
        f"{percent(tested[k]['test_accuracy'])} at {found[k]:.3g} {content.event}s"
        for k in sorted({0, len(found) - 1})
    )
    return f"Test accuracy against {content.event}s per neuron and sample over the epochs: {ends}."


@plate(RUN, "accuracy-by-events", "Accuracy and {events}", caption=caption, alt=alt)
def accuracy_by_events(content: ReportContent, theme: Theme) -> Figure:
    """Test accuracy against events of a neuron for each sample, one point an epoch."""
    figure = new_figure(6.2, 3.7)
    axes = figure.add_subplot()
    found = events_per_neuron(content)
    tested = measured(content.metrics, "test_accuracy")
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
