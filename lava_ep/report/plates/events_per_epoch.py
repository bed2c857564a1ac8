"""Events of a sample over the epochs, in the place of flips where there are none."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from lava_ep.figures.text import count, plural
from lava_ep.figures.theme import Theme, new_figure
from lava_ep.report.content import ReportContent
from lava_ep.report.plates import RUN, plate
from lava_ep.report.plates._epochs import draw_curve, epoch_axis
from lava_ep.report.summary import flipping_layers, summarize
from lava_ep.training.counters import PHASES


def caption(content: ReportContent) -> str:
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


def alt(content: ReportContent) -> str:
    """Describe the events over the epochs to those who cannot see them."""
    first, last = (content.metrics[k]["events_per_sample"] for k in (0, -1))
    ends = ", ".join(
        f"{phase} from {count(first[phase])} to {count(last[phase])}" for phase in PHASES
    )
    return f"Line chart of {content.event}s per sample over {len(content.metrics)} epochs: {ends}."


def _has_only_real_weights(content: ReportContent) -> bool:
    # Where there are flips, the table of the epochs has the events.
    return not flipping_layers(content)


@plate(
    RUN,
    "events-per-epoch",
    "{Events} per sample",
    caption=caption,
    alt=alt,
    applies=_has_only_real_weights,
)
def events_per_epoch(content: ReportContent, theme: Theme) -> Figure:
    """Mean events of a sample in free and in nudged phases over the epochs."""
    figure = new_figure(6.2, 3.7)
    axes = figure.add_subplot()
    epochs = [int(line["epoch"]) for line in content.metrics]
    top = 0.0
    looks = (theme.blue, "o", "-"), (theme.orange, "D", "--")
    for phase, look in zip(PHASES, looks, strict=True):
        events = [float(line["events_per_sample"][phase]) for line in content.metrics]
        top = max(top, *events)
        draw_curve(axes, epochs, events, phase, look)
    epoch_axis(axes, epochs)
    axes.set_ylim(0, 1.08 * top or 1)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    axes.set_ylabel(f"{content.event}s of a sample")
    figure.legend(loc="outside upper left", ncols=2, handlelength=2.6, columnspacing=1.6)
    return figure
