"""A few integrate-and-fire neurons seen closely: membrane potential, spikes and their trace."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lava_ep.dynamics import SpikeTrace
from lava_ep.figures.text import class_label, plural
from lava_ep.figures.theme import Theme, new_figure
from lava_ep.report.content import SampleContent
from lava_ep.report.plates import SAMPLE, plate
from lava_ep.report.plates._layers import is_idle, label_phases, mark_phases
from lava_ep.spec import LIFNeuronSpec

_WIDTH = 9.6
_PANEL = 1.35
"""Height of one neuron's plot, in inches."""
_CUT = 3.0
"""Potentials are shown up to so many thresholds: they grow where each step brings more than one."""
_SPIKES = (0.86, 0.98)
"""Where dashes of spikes begin and end, as fractions of the height of a plot."""


_SHARES = (0.5, 0.2)
"""Shares of the steps in which the hidden neurons that are shown spike, or nearly so."""


@dataclass(frozen=True)
class ShownNeuron:
    """One neuron whose traces are drawn.

    Parameters
    ----------
    layer, neuron
        Where it is.
    name
        What it is called.
    """

    layer: int
    neuron: int
    name: str


def has_traces(content: SampleContent) -> bool:
    """Whether membrane potentials were recorded."""
    neuron = content.experiment.ep_network.neuron
    spiking = isinstance(neuron.constants.reading, SpikeTrace)
    return bool(content.recording.membranes) and spiking


def shown_neurons(content: SampleContent) -> list[ShownNeuron]:
    """Choose neurons: of each hidden layer, and of two classes in the output.

    In hidden layers these are two that spike in about a half and in about a fifth of the steps; in
    the output the one with the most spikes of the true class, and of the class that scores most
    besides.

    Returns
    -------
    neurons
        Output first, as in the raster.
    """
    recording = content.recording
    counts = [np.count_nonzero(events, axis=0) for events in recording.events]
    size = recording.layer_sizes[-1] // len(content.class_names)
    order = [int(k) for k in np.argsort(-recording.scores, kind="stable")]
    rival = next((k for k in order if k != recording.label), recording.label)
    found = []
    for k in dict.fromkeys((recording.label, rival)):
        neuron = k * size + int(counts[-1][k * size : (k + 1) * size].argmax())
        label = class_label(content.class_names[k])
        found.append(ShownNeuron(len(counts) - 1, neuron, f"output {neuron}\n({label})"))
    for layer in reversed(range(len(counts) - 1)):
        wanted = (round(share * recording.steps) for share in _SHARES)
        nearest = (int(np.abs(counts[layer] - number).argmin()) for number in wanted)
        for neuron in dict.fromkeys(nearest):
            found.append(ShownNeuron(layer, neuron, f"{recording.layer_names[layer]}\n{neuron}"))
    return found


def _draw_neuron(axes: Axes, content: SampleContent, shown: ShownNeuron, theme: Theme) -> None:
    recording, neuron = content.recording, content.experiment.ep_network.neuron
    threshold = neuron.threshold if isinstance(neuron, LIFNeuronSpec) else 1.0
    membrane = recording.membranes[shown.layer][:, shown.neuron] / threshold
    rate = recording.states[shown.layer][:, shown.neuron]
    # Phases are not joined: a second nudged phase starts from the free state again.
    for name, first, end in recording.phase_bounds:
        if is_idle(name):
            continue
        steps = np.arange(first, end)
        axes.plot(steps, membrane[first:end], color=theme.green, linewidth=1.6, zorder=3)
        axes.plot(steps, rate[first:end], color=theme.orange, zorder=4)
    axes.axhline(1.0, color=theme.muted, linestyle="--", linewidth=1.0, zorder=2)
    spikes = np.flatnonzero(recording.events[shown.layer][:, shown.neuron])
    over = axes.get_xaxis_transform()
    axes.vlines(spikes, *_SPIKES, color=theme.blue, linewidth=2.0, zorder=5, transform=over)
    low = min(-0.08, 1.05 * float(membrane.min()))
    high = max(1.05, min(float(membrane.max()), _CUT))
    # Room for the spikes above.
    axes.set_ylim(low, high + 0.22 * (high - low))
    axes.set_yticks([0, 1])
    axes.set_ylabel(shown.name)


def caption(content: SampleContent) -> str:
    """Say what to see in the traces."""
    reset = content.experiment.ep_network.neuron
    after = "starts from 0 again"
    if isinstance(reset, LIFNeuronSpec) and reset.reset.value == "subtract":
        after = "falls by the threshold"
    return (
        "The membrane potential of a neuron (green) integrates its input, makes a spike (blue) at "
        f"the threshold, and {after}{_cut(content)}; synapses read, and learn from, the trace of "
        "the spikes (orange), which the nudge pulls up or down in the output: shown are the "
        "busiest output neuron of the true class and of its closest rival, and of each hidden "
        "layer one that spikes in about half of the steps and one in about a fifth."
    )


def _cut(content: SampleContent) -> str:
    """Say that potentials are cut off, where they are."""
    neuron = content.experiment.ep_network.neuron
    threshold = neuron.threshold if isinstance(neuron, LIFNeuronSpec) else 1.0
    beyond = any(
        content.recording.membranes[shown.layer][:, shown.neuron].max() > _CUT * threshold
        for shown in shown_neurons(content)
    )
    return f" (cut off above {_CUT:g} θ, as it grows without end)" if beyond else ""


def alt(content: SampleContent) -> str:
    """Describe the traces to those who cannot see them."""
    recording = content.recording
    _, end = recording.free
    parts = "; ".join(
        f"{shown.name} ".replace("\n", " ")
        + plural(int(np.count_nonzero(recording.events[shown.layer][:end, shown.neuron])), "spike")
        + f", rate {recording.states[shown.layer][end - 1, shown.neuron]:.2f}"
        for shown in shown_neurons(content)
    )
    return (
        f"Line charts of membrane potential, spikes and rate over {recording.steps} time steps; in "
        f"the free phase: {parts}."
    )


@plate(
    SAMPLE,
    "traces",
    "Membrane potentials, spikes and traces",
    caption=caption,
    alt=alt,
    applies=has_traces,
)
def traces(content: SampleContent, theme: Theme) -> Figure:
    """Membrane potentials of a few neurons with their spikes and rates, the output on top."""
    shown = shown_neurons(content)
    figure = new_figure(_WIDTH, _PANEL * len(shown) + 1.1)
    grid = figure.subplots(len(shown), 1, sharex=True, squeeze=False)
    plots: list[Axes] = list(grid[:, 0])
    for axes, neuron in zip(plots, shown, strict=True):
        mark_phases(axes, content.recording, theme)
        _draw_neuron(axes, content, neuron, theme)
    plots[-1].set_xlabel("time step")
    label_phases(plots[0], content.recording, theme, _WIDTH)
    figure.align_ylabels(plots)
    figure.legend(
        handles=[
            Line2D([], [], color=theme.green, linewidth=1.6, label="membrane potential v / θ"),
            Line2D([], [], color=theme.orange, linewidth=2.2, label="rate r (spike trace)"),
            Line2D([], [], color=theme.muted, linestyle="--", linewidth=1.0, label="threshold θ"),
            Line2D([], [], color=theme.blue, marker="|", linestyle="none", label="spike"),
        ],
        loc="outside lower center",
        ncols=4,
        handlelength=1.8,
    )
    return figure
