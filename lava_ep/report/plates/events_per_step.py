"""Events of every layer in every time step of one sample."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lava_ep.analysis.recording import Recording
from lava_ep.figures.text import count, plural
from lava_ep.figures.theme import Theme, new_figure
from lava_ep.report.content import SampleContent
from lava_ep.report.plates import SAMPLE, plate
from lava_ep.report.plates._layers import (
    WIDTH,
    around,
    bar_width,
    has_two_signs,
    label_phases,
    layer_axes,
    mark_phases,
    silent_note,
)
from lava_ep.spec import GradedNeuronSpec


def silent_from(recording: Recording) -> int | None:
    """Count the steps of the free phase up to its last event; None if the last step has events."""
    first, end = recording.free
    busy = sum(np.count_nonzero(events[first:end], axis=1) for events in recording.events)
    steps = np.flatnonzero(busy)
    if steps.size == 0:
        return 0
    last = int(steps[-1]) + 1
    return None if last == end - first else last


def largest_free_change(recording: Recording) -> float:
    """Return the size of the largest event in the last step of the free phase."""
    _, end = recording.free
    return max(float(np.abs(events[end - 1]).max()) for events in recording.events)


def caption(content: SampleContent) -> str:
    """Say what to see in the events per step."""
    recording = content.recording
    settled = silent_from(recording)
    if settled == 0:
        return f"This sample causes no {content.event} in the free phase."
    if not has_two_signs(content):
        return (
            "Spikes of every layer in each time step: integrate-and-fire neurons go on spiking "
            "once the network has settled, and their rates carry the activity."
        )
    why = f"The network falls silent as it settles, since {_when_sent(content)}"
    if settled is None:
        last = f"{largest_free_change(recording):.1g}".replace("-", "\N{MINUS SIGN}")
        size = f", the largest a change of {last}" if recording.graded else ""
        return (
            f"{why}; this sample still has {content.event}s in the last of the "
            f"{recording.free_steps} free steps{size}."
        )
    nudged = sum(recording.events_within(k, "nudged") for k in range(len(recording.events)))
    again = (
        ", until the nudge sets it moving again" if nudged else ", and the nudge changes nothing"
    )
    return f"{why}: all is quiet after {settled} of the {recording.free_steps} free steps{again}."


def _when_sent(content: SampleContent) -> str:
    """Say when a neuron that is not integrate-and-fire sends something."""
    neuron = content.experiment.ep_network.neuron
    if content.spiking:
        return (
            "a neuron spikes only when its state is more than half a step from what its receivers "
            "know of it"
        )
    threshold = neuron.event_threshold if isinstance(neuron, GradedNeuronSpec) else 0.0
    size = f" by more than {threshold:g}" if threshold else ""
    return f"a neuron sends an event only when its activation changes{size}"


def alt(content: SampleContent) -> str:
    """Describe the events per step to those who cannot see them."""
    recording = content.recording
    layers = "; ".join(
        f"{name}: {plural(recording.events_within(k, 'free'), content.event)} in the free phase, "
        f"{count(recording.events_within(k, 'nudged'))} nudged"
        for k, name in enumerate(recording.layer_names)
    )
    kind = f"{content.event}s"
    return f"Bar chart of {kind} at each of {recording.steps} time steps, by layer. {layers}."


def _symlog_ticks(top: int, bottom: int) -> list[int]:
    """Powers of ten on both sides of zero, fewer of them where they would crowd."""
    up = [10**k for k in range(len(str(top)))]
    down = [-(10**k) for k in range(len(str(bottom)))]
    if len(up) + len(down) > 4:
        up, down = up[1:], down[1:]
    if len(up) + len(down) > 4:
        up, down = up[::2], down[::2]
    return [*down, 0, *up]


@plate(SAMPLE, "events-per-step", "{Events} per step", caption=caption, alt=alt)
def events_per_step(content: SampleContent, theme: Theme) -> Figure:
    """Events of every layer at every time step: rising ones upwards, falling ones downwards."""
    recording = content.recording
    both = has_two_signs(content)
    layers = len(recording.layer_names)
    heights = [1.7 if layers <= 2 else 1.3] * layers
    figure = new_figure(WIDTH, around(heights))
    plots = layer_axes(figure, heights)
    steps = np.arange(recording.steps)
    for layer, (axes, events) in enumerate(zip(plots, recording.events, strict=True)):
        mark_phases(axes, recording, theme)
        on = np.count_nonzero(events > 0, axis=1)
        off = np.count_nonzero(events < 0, axis=1)
        width = bar_width(recording, WIDTH)
        axes.bar(steps, on, width=width, color=theme.blue, zorder=3)
        if both:
            axes.bar(steps, -off, width=width, color=theme.orange, zorder=3)
        axes.axhline(0, color=theme.muted, linewidth=1.0, zorder=4)
        top, bottom = max(1, int(on.max())), max(1, int(off.max()))
        if both and max(top, bottom) >= 20:
            axes.set_yscale("symlog", linthresh=1, linscale=0.6)
            ticks = _symlog_ticks(top, bottom)
            axes.set_yticks(ticks)
            axes.set_ylim(-1.6 * bottom, 1.6 * top)
        else:
            axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.set_ylim(-1.15 * bottom if both else 0, 1.15 * top)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: count(abs(value))))
        axes.minorticks_off()
        axes.grid(axis="y", zorder=1)
        if not events.any():
            silent_note(axes, content, theme)
        axes.set_ylabel(f"{recording.layer_names[layer]}\n{content.event}s")
    label_phases(plots[-1], recording, theme)
    figure.align_ylabels(plots)
    if not both:
        return figure
    up, down = ("rise", "fall") if recording.graded else ("switch on", "switch off")
    if content.spiking:
        up, down = "spikes (+1)", "spikes (\N{MINUS SIGN}1)"
    figure.legend(
        handles=[
            Patch(color=theme.blue, label=f"\N{UPWARDS ARROW} {up}"),
            Patch(color=theme.orange, label=f"\N{DOWNWARDS ARROW} {down}"),
        ],
        loc="outside lower center",
        ncols=2,
        handlelength=1.2,
    )
    return figure
