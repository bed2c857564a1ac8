"""Figures of one sample seen from inside the network, through the free and the nudged phase."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize, SymLogNorm, to_rgba
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from lava_ep.figures.text import class_label, count, plural, signed
from lava_ep.figures.theme import Theme, hide_outline, new_figure
from lava_ep.report.content import PhaseRecording, SampleContent
from lava_ep.spec import GradedNeuronSpec, LIFNeuronSpec, StockLIFNeuronSpec

_WIDTH = 6.4
_RASTER_WIDTH = 7.4
_CHARACTER = 0.09
"""Width of a character of a phase's label, in inches."""

_ROWS = 400
"""Rows in which the changes of a layer's activations are drawn, about as many as pixels."""

_DECADES = 4
"""Changes are told apart by color down to the largest one times 10 to the minus this."""


def _is_nudged(name: str) -> bool:
    return name.startswith("nudged")


def is_idle(name: str) -> bool:
    """Whether a phase of this name is neither free nor nudged."""
    return not name.startswith(("free", "nudged"))


def idle_steps(recording: PhaseRecording) -> NDArray[np.intp]:
    """Return the steps that belong to neither a free nor a nudged phase."""
    idle = np.ones(recording.steps, bool)
    for name, first, end in recording.phase_bounds:
        if not is_idle(name):
            idle[first:end] = False
    return np.flatnonzero(idle)


def events_within(recording: PhaseRecording, layer: int, start: str) -> int:
    """Count a layer's events in the phases whose name begins with ``start``."""
    return sum(
        int(np.count_nonzero(recording.events[layer][first:end]))
        for name, first, end in recording.phase_bounds
        if name.startswith(start)
    )


def silent_from(recording: PhaseRecording) -> int | None:
    """Count the steps of the free phase up to its last event; None if the last step has events."""
    _, first, end = next(p for p in recording.phase_bounds if p[0].startswith("free"))
    busy = sum(np.count_nonzero(events[first:end], axis=1) for events in recording.events)
    steps = np.flatnonzero(busy)
    if steps.size == 0:
        return 0
    last = int(steps[-1]) + 1
    return None if last == end - first else last


def largest_free_change(recording: PhaseRecording) -> float:
    """Return the size of the largest event in the last step of the free phase."""
    _, _, end = next(p for p in recording.phase_bounds if p[0].startswith("free"))
    return max(float(np.abs(events[end - 1]).max()) for events in recording.events)


def mark_phases(axes: Axes, recording: PhaseRecording, theme: Theme) -> None:
    """Tint the nudged phases and the steps between phases, and draw lines at their ends."""
    axes.axvspan(-0.5, recording.steps - 0.5, color=theme.idle, zorder=0, linewidth=0)
    for name, first, end in recording.phase_bounds:
        if is_idle(name):
            continue
        tint = theme.shade if _is_nudged(name) else theme.surface
        axes.axvspan(first - 0.5, end - 0.5, color=tint, zorder=0, linewidth=0)
        for edge in (first, end):
            if 0 < edge < recording.steps:
                axes.axvline(edge - 0.5, color=theme.muted, linewidth=1.0, zorder=1)
    axes.set_xlim(-0.5, recording.steps - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _bar_width(recording: PhaseRecording, width: float) -> float:
    """Width of a mark in time steps: most of a step, yet at least 2 points on paper."""
    step = (width - 1.2) * 72 / recording.steps
    return max(0.84, 2.0 / step)


def label_phases(
    axes: Axes, recording: PhaseRecording, theme: Theme, width: float = _WIDTH
) -> None:
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


def _layer_axes(figure: FigureBase, heights: list[float]) -> list[Axes]:
    """Stack one plot for each layer with the output on top; return the plots input side first."""
    grid = figure.subplots(
        len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights[::-1]}
    )
    plots: list[Axes] = [grid[row, 0] for row in reversed(range(len(heights)))]
    plots[0].set_xlabel("time step")
    return plots


def _raster_heights(content: SampleContent) -> list[float]:
    """Heights of the layers in a raster, in inches."""
    layers = len(content.recording.layer_names)
    hidden = 2.6 if layers <= 2 else 1.9
    return [hidden] * (layers - 1) + [2.2]


def _around(heights: list[float]) -> float:
    """Height of a figure of layers with what is written around them, in inches."""
    return sum(heights) + 1.1


def _layer_label(recording: PhaseRecording, layer: int) -> str:
    return f"{recording.layer_names[layer]}\n{plural(recording.layer_sizes[layer], 'neuron')}"


def _silent_note(axes: Axes, content: SampleContent, theme: Theme) -> None:
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


def sample_image(content: SampleContent, theme: Theme) -> Figure:
    """Draw the recorded sample's image, nothing else."""
    height, width = content.recording.image.shape[:2]
    longest = max(height, width)
    figure = new_figure(2.2 * width / longest, 2.2 * height / longest, framed=False)
    _draw_image(figure.add_axes((0.0, 0.0, 1.0, 1.0)), content, aspect="auto")
    return figure


def _draw_image(
    axes: Axes, content: SampleContent, aspect: Literal["equal", "auto"] = "equal"
) -> None:
    image = content.recording.image
    if not _has_colors(image) and image.ndim == 3:
        image = image.mean(axis=2)
    axes.imshow(image, cmap="gray", vmin=0.0, vmax=1.0, aspect=aspect, interpolation="nearest")
    axes.set_axis_off()


def sample_image_caption(content: SampleContent) -> str:
    """Say what the image shows and what the network takes it for."""
    recording = content.recording
    return (
        f"The recorded sample shows {class_label(content.class_names[recording.label])}; the "
        f"network takes it for {class_label(content.class_names[recording.prediction])}."
    )


def sample_image_alt(content: SampleContent) -> str:
    """Describe the image to those who cannot see it."""
    height, width = content.image_shape[:2]
    name = class_label(content.class_names[content.recording.label])
    kind = "Color" if _has_colors(content.recording.image) else "Gray-level"
    return f"{kind} image of {width} by {height} pixels, {name}."


def _has_colors(image: NDArray[Any]) -> bool:
    """Whether the channels of an image are red, green and blue."""
    return image.ndim == 3 and image.shape[2] == 3


def raster(content: SampleContent, theme: Theme) -> Figure:
    """Every event of every neuron over the time steps of one sample, the output on top.

    Events of binary neurons, and spikes, are dashes; those of graded neurons are cells, the deeper
    in color the larger the change.
    """
    figure = new_figure(_RASTER_WIDTH, _around(_raster_heights(content)))
    _draw_raster(figure, content, theme)
    return figure


def _draw_raster(figure: FigureBase, content: SampleContent, theme: Theme) -> None:
    """Draw the raster into a figure or a part of one, `_RASTER_WIDTH` wide."""
    recording, heights = content.recording, _raster_heights(content)
    plots = _layer_axes(figure, heights)
    changes = _change_colors(recording, theme)
    for layer, (axes, events) in enumerate(zip(plots, recording.events, strict=True)):
        mark_phases(axes, recording, theme)
        neurons = events.shape[1]
        if recording.graded:
            _draw_changes(axes, events, changes)
        else:
            # A dash of its neuron's height, but never so thin that a single event gets lost.
            thickness = max(1.1, min(8.0, 0.8 * 72 * heights[layer] / neurons))
            _draw_dashes(axes, events, thickness, _bar_width(recording, _RASTER_WIDTH), theme)
        axes.set_ylim(-0.5 - 0.01 * neurons, neurons - 0.5 + 0.01 * neurons)
        if not events.any():
            _silent_note(axes, content, theme)
        axes.set_ylabel(_layer_label(recording, layer))
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    _mark_classes(plots[-1], content, theme)
    label_phases(plots[-1], recording, theme, _RASTER_WIDTH)
    figure.align_ylabels(plots)
    if recording.graded:
        _change_scale(figure, plots, changes)
        return
    colors = (theme.blue, theme.orange)
    figure.legend(
        handles=[
            Line2D([], [], color=color, linewidth=5, label=label)
            for color, label in zip(colors, _unit_events(content), strict=False)
        ],
        loc="outside lower center",
        ncols=2,
        handlelength=1.2,
    )


def _unit_events(content: SampleContent) -> tuple[str, ...]:
    """Say what events of +1 mean, and those of -1 where there may be some."""
    minus = "\N{MINUS SIGN}1"
    if not content.spiking:
        return "switches on (+1)", f"switches off ({minus})"
    if _has_two_signs(content):
        return "spike (+1)", f"spike ({minus})"
    return ("spike",)


def _has_two_signs(content: SampleContent) -> bool:
    """Whether events go both ways; those of integrate-and-fire neurons do not."""
    return not isinstance(content.experiment.ep_network.neuron, LIFNeuronSpec | StockLIFNeuronSpec)


def _draw_dashes(
    axes: Axes, events: NDArray[Any], thickness: float, width: float, theme: Theme
) -> None:
    """Draw a dash for every event of binary neurons, or for every spike."""
    for sign, color in ((1, theme.blue), (-1, theme.orange)):
        step, neuron = np.nonzero(events == sign)
        dashes = np.stack(
            [np.stack([step - width / 2, neuron], 1), np.stack([step + width / 2, neuron], 1)], 1
        )
        axes.add_collection(
            LineCollection(list(dashes), colors=color, linewidths=thickness, zorder=3)
        )


def _change_colors(recording: PhaseRecording, theme: Theme) -> ScalarMappable:
    """Return colors for changes of activations: by sign, and stronger by each decade."""
    limit = max(float(np.abs(events).max()) for events in recording.events) or 1.0
    norm = SymLogNorm(limit / 10**_DECADES, linscale=0.4, vmin=-limit, vmax=limit)
    # Even the smallest change stands out from none, which is not drawn at all.
    colors = LinearSegmentedColormap.from_list(
        "changes",
        [
            (0.0, to_rgba(theme.orange)),
            (0.5, to_rgba(theme.orange, 0.12)),
            (0.5, to_rgba(theme.blue, 0.12)),
            (1.0, to_rgba(theme.blue)),
        ],
    )
    return ScalarMappable(norm, colors)


def largest_changes(events: NDArray[Any], rows: int) -> NDArray[np.float64]:
    """Return for groups of neighboring neurons the change that is largest in size.

    Parameters
    ----------
    events
        (steps, n).
    rows
        Largest number of groups.

    Returns
    -------
    changes
        (steps, groups); 0 where there is no event.
    """
    steps, neurons = events.shape
    size = -(-neurons // rows)
    padded = np.zeros((steps, -(-neurons // size) * size))
    padded[:, :neurons] = events
    grouped = padded.reshape(steps, -1, size)
    largest = np.abs(grouped).argmax(axis=2)
    return np.take_along_axis(grouped, largest[:, :, None], axis=2)[:, :, 0]


def _draw_changes(axes: Axes, events: NDArray[Any], colors: ScalarMappable) -> None:
    """Draw a cell for every event of graded neurons."""
    steps, neurons = events.shape
    changes = largest_changes(events, _ROWS)
    rows = changes.shape[1] * -(-neurons // changes.shape[1])
    norm: Any = colors.norm
    axes.imshow(
        np.where(changes == 0, np.nan, changes).T,
        cmap=colors.cmap,
        norm=norm,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5, steps - 0.5, -0.5, rows - 0.5),
        zorder=2,
    )


def _change_scale(figure: FigureBase, plots: list[Axes], colors: ScalarMappable) -> None:
    """Explain the colors of changes below the plots."""
    norm: Any = colors.norm
    limit = float(norm.vmax or 1.0)
    top = math.floor(math.log10(limit))
    decades = [10.0**power for power in (top, top - 2)]
    bar = figure.colorbar(
        colors,
        ax=plots,
        orientation="horizontal",
        shrink=0.5,
        aspect=32,
        ticks=[*(-size for size in decades), 0.0, *decades[::-1]],
        format=FuncFormatter(lambda value, _: signed(value)),
    )
    bar.ax.minorticks_off()
    bar.set_label("change of the activation")
    hide_outline(bar)


def _mark_classes(axes: Axes, content: SampleContent, theme: Theme) -> None:
    """Label the output's groups by class, true class in bold; thin the names if they are many."""
    recording, names = content.recording, content.class_names
    size = recording.layer_sizes[-1] // len(names)
    for group in range(1, len(names)):
        axes.axhline(group * size - 0.5, color=theme.line, linewidth=0.7, zorder=1)
    low = recording.label * size - 0.5
    axes.axhspan(low, low + size, facecolor=theme.blue, alpha=0.13, linewidth=0, zorder=0.5)
    _label_classes(axes, content, theme, size)


def _label_classes(axes: Axes, content: SampleContent, theme: Theme, size: int) -> None:
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


def raster_caption(content: SampleContent) -> str:
    """Say what to see in the raster."""
    recording = content.recording
    free = sum(events_within(recording, k, "free") for k in range(len(recording.events)))
    nudged = sum(events_within(recording, k, "nudged") for k in range(len(recording.events)))
    steps = idle_steps(recording)
    idle = "; gray steps load the sample" if steps.size else ""
    if steps.size and steps[-1] >= recording.free_steps:
        idle += " or restore the free state"
    if recording.graded:
        grouped = max(recording.layer_sizes) > _ROWS
        event = "Each cell is one event, the deeper its color the larger the change of activation"
        event += " (of many neurons in a row, the largest)" if grouped else ""
    elif content.spiking:
        event = "Each dash is one spike"
    else:
        event = "Each dash is one event, the change of one neuron's binary activation"
    return (
        f"{event}: {plural(free, content.event)} while the network settles freely and "
        f"{count(nudged)} in the nudged phase (tinted), which pulls the output towards or away "
        f"from {class_label(content.class_names[recording.label])} (blue band){idle}."
    )


def raster_alt(content: SampleContent) -> str:
    """Describe the raster to those who cannot see it."""
    recording = content.recording
    phases = ", ".join(
        f"{name} from step {first} to {end - 1}" for name, first, end in recording.phase_bounds
    )
    layers = ", ".join(
        f"{name} {plural(int(np.count_nonzero(events)), content.event)}"
        for name, events in zip(recording.layer_names, recording.events, strict=True)
    )
    kind = content.event.capitalize()
    return f"{kind} raster over {recording.steps} time steps, {phases}; {layers}."


def events_per_step(content: SampleContent, theme: Theme) -> Figure:
    """Events of every layer at every time step: rising ones upwards, falling ones downwards."""
    recording = content.recording
    both = _has_two_signs(content)
    layers = len(recording.layer_names)
    heights = [1.7 if layers <= 2 else 1.3] * layers
    figure = new_figure(_WIDTH, _around(heights))
    plots = _layer_axes(figure, heights)
    steps = np.arange(recording.steps)
    for layer, (axes, events) in enumerate(zip(plots, recording.events, strict=True)):
        mark_phases(axes, recording, theme)
        on = np.count_nonzero(events > 0, axis=1)
        off = np.count_nonzero(events < 0, axis=1)
        width = _bar_width(recording, _WIDTH)
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
            _silent_note(axes, content, theme)
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


def _symlog_ticks(top: int, bottom: int) -> list[int]:
    """Powers of ten on both sides of zero, fewer of them where they would crowd."""
    up = [10**k for k in range(len(str(top)))]
    down = [-(10**k) for k in range(len(str(bottom)))]
    if len(up) + len(down) > 4:
        up, down = up[1:], down[1:]
    if len(up) + len(down) > 4:
        up, down = up[::2], down[::2]
    return [*down, 0, *up]


def events_per_step_caption(content: SampleContent) -> str:
    """Say what to see in the events per step."""
    recording = content.recording
    settled = silent_from(recording)
    if settled == 0:
        return f"This sample causes no {content.event} in the free phase."
    if not _has_two_signs(content):
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
    nudged = sum(events_within(recording, k, "nudged") for k in range(len(recording.events)))
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


def events_per_step_alt(content: SampleContent) -> str:
    """Describe the events per step to those who cannot see them."""
    recording = content.recording
    layers = "; ".join(
        f"{name}: {plural(events_within(recording, k, 'free'), content.event)} in the free phase, "
        f"{count(events_within(recording, k, 'nudged'))} nudged"
        for k, name in enumerate(recording.layer_names)
    )
    kind = f"{content.event}s"
    return f"Bar chart of {kind} at each of {recording.steps} time steps, by layer. {layers}."


def class_states(content: SampleContent) -> NDArray[np.float64]:
    """Mean state of each class's group of output neurons, (steps, classes)."""
    states = content.recording.states[-1]
    grouped = states.reshape(states.shape[0], len(content.class_names), -1)
    return np.asarray(grouped.mean(axis=2, dtype=np.float64))


def output_state(content: SampleContent, theme: Theme) -> Figure:
    """Mean state of every class's group of output neurons over the time steps."""
    figure = new_figure(_WIDTH, 4.4)
    _draw_output_state(figure, content, theme, _WIDTH)
    return figure


def _draw_output_state(
    figure: FigureBase, content: SampleContent, theme: Theme, width: float
) -> None:
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
    columns = 3 if width >= _WIDTH else 2
    figure.legend(
        handles=handles[::-1], loc="outside lower center", ncols=columns, handlelength=2.0
    )


def output_state_caption(content: SampleContent) -> str:
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


def output_state_alt(content: SampleContent) -> str:
    """Describe the output's state to those who cannot see it."""
    recording = content.recording
    end = next(e for name, _, e in recording.phase_bounds if name.startswith("free"))
    means = class_states(content)[end - 1]
    return (
        f"Line chart of the mean {content.state_label} of each class's output neurons over "
        f"{recording.steps} time steps; at the end of the free phase the true class "
        f"{content.class_names[recording.label]} stands at {means[recording.label]:.2f}, the "
        f"highest class {content.class_names[int(means.argmax())]} at {means.max():.2f}."
    )


def layer_states(content: SampleContent, theme: Theme) -> Figure:
    """State of every neuron over the time steps, the output on top, in the order of the raster."""
    heights = [0.8 * height for height in _raster_heights(content)]
    figure = new_figure(_WIDTH, _around(heights))
    _draw_layer_states(figure, content, theme, heights, _WIDTH)
    return figure


def _draw_layer_states(
    figure: FigureBase, content: SampleContent, theme: Theme, heights: list[float], width: float
) -> None:
    recording = content.recording
    plots = _layer_axes(figure, heights)
    colors = _state_colors(recording, theme)
    for layer, (axes, states) in enumerate(zip(plots, recording.states, strict=True)):
        mark_phases(axes, recording, theme)
        steps, neurons = states.shape
        norm: Any = colors.norm
        axes.imshow(
            mean_states(states, _ROWS).T,
            cmap=colors.cmap,
            norm=norm,
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            extent=(-0.5, steps - 0.5, -0.5, neurons - 0.5),
            # The lines between phases stay visible, and their tints in a margin above.
            zorder=0.5,
        )
        axes.set_ylim(-0.5, neurons - 0.5 + 0.06 * neurons)
        axes.set_ylabel(_layer_label(recording, layer))
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    _label_classes(plots[-1], content, theme, neurons // len(content.class_names))
    label_phases(plots[-1], recording, theme, width)
    figure.align_ylabels(plots)
    bar = figure.colorbar(colors, ax=plots, orientation="horizontal", shrink=0.5, aspect=32)
    bar.set_label(content.state_label)
    hide_outline(bar)


def _state_colors(recording: PhaseRecording, theme: Theme) -> ScalarMappable:
    """Return colors for states: the deeper the further from 0, by sign where there are both."""
    low = min(float(states.min()) for states in recording.states)
    high = max(float(states.max()) for states in recording.states)
    if low >= 0:
        colors = LinearSegmentedColormap.from_list("states", [theme.surface, theme.blue])
        return ScalarMappable(Normalize(0.0, high or 1.0), colors)
    limit = max(-low, high)
    colors = LinearSegmentedColormap.from_list("states", [theme.orange, theme.surface, theme.blue])
    return ScalarMappable(Normalize(-limit, limit), colors)


def mean_states(states: NDArray[Any], rows: int) -> NDArray[np.float64]:
    """Average the states of neighboring neurons.

    Parameters
    ----------
    states
        (steps, n).
    rows
        Largest number of groups.

    Returns
    -------
    means
        (steps, groups); groups are of nearly equal size.
    """
    neurons = states.shape[1]
    starts = np.linspace(0, neurons, min(rows, neurons), endpoint=False).astype(int)
    sizes = np.diff([*starts, neurons])
    sums = np.add.reduceat(states.astype(np.float64), starts, axis=1)
    return np.asarray(sums / sizes)


def layer_states_caption(content: SampleContent) -> str:
    """Say what to see in the states."""
    grouped = max(content.recording.layer_sizes) > _ROWS
    mean = " (of neighboring neurons in a row, the mean)" if grouped else ""
    return (
        f"The {content.state} of every neuron{mean}, in the order of the raster: "
        "rows that keep their color have settled, and what changes after the free phase is the "
        "answer to the nudge."
    )


def layer_states_alt(content: SampleContent) -> str:
    """Describe the states to those who cannot see them."""
    recording = content.recording
    _, first, end = next(p for p in recording.phase_bounds if p[0].startswith("free"))
    layers = "; ".join(
        f"{name} from {states[first].mean():.2f} to {states[end - 1].mean():.2f}"
        for name, states in zip(recording.layer_names, recording.states, strict=True)
    )
    return (
        f"Heat map of the {content.state_label} of every neuron over {recording.steps} time steps, "
        f"by layer; mean over the neurons in the first and the last free step: {layers}."
    )


def scores(content: SampleContent, theme: Theme) -> Figure:
    """Score of every class at the end of the free phase."""
    figure = new_figure(_WIDTH, 3.9)
    _draw_scores(figure.add_subplot(), content, theme)
    return figure


def _draw_scores(axes: Axes, content: SampleContent, theme: Theme) -> None:
    recording, names = content.recording, content.class_names
    classes = np.arange(len(names))
    colors = [theme.muted] * len(names)
    colors[recording.prediction] = theme.orange
    colors[recording.label] = theme.blue
    axes.barh(classes, recording.scores, color=colors, height=0.72, zorder=3)
    axes.axvline(0, color=theme.muted, linewidth=1.0, zorder=4)
    _label_classes(axes, content, theme, 1)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel("score")
    axes.grid(axis="x")


def scores_caption(content: SampleContent) -> str:
    """Say what to see in the scores."""
    recording, names = content.recording, content.class_names
    true = class_label(names[recording.label])
    if recording.prediction == recording.label:
        best = f"{true} (blue), which is right, has the largest"
    else:
        predicted = class_label(names[recording.prediction])
        best = f"{predicted} (orange) has the largest, larger than the true {true} (blue)"
    return f"What each class scores at the end of the free phase: {best}."


def scores_alt(content: SampleContent) -> str:
    """Describe the scores to those who cannot see them."""
    order = np.argsort(-content.recording.scores, kind="stable")[:3]
    best = ", ".join(f"{content.class_names[k]} {content.recording.scores[k]:.3g}" for k in order)
    return f"Bar chart of the scores of {len(content.class_names)} classes; the largest: {best}."


def overview(content: SampleContent, theme: Theme) -> Figure:
    """Everything of one sample in one figure: image, scores, raster and states."""
    side = 3.4
    half = (side + _RASTER_WIDTH) / 2
    heights = _raster_heights(content)
    above, below = _around(heights), _around([0.8 * height for height in heights])
    figure = new_figure(side + _RASTER_WIDTH, above + below + 0.6)
    figure.suptitle(_overview_title(content), x=0.02, ha="left", fontweight="bold")
    halves: Any = figure.subfigures(2, 1, height_ratios=[above, below])
    top, bottom = halves
    left, right = top.subfigures(1, 2, width_ratios=[side, _RASTER_WIDTH])
    image, bars = left.subplots(2, 1)
    _draw_image(image, content)
    _draw_scores(bars, content, theme)
    _draw_raster(right, content, theme)
    states, output = bottom.subfigures(1, 2)
    _draw_layer_states(states, content, theme, [0.8 * height for height in heights], half)
    _draw_output_state(output, content, theme, half)
    for part in (top, bottom, left, right, states, output):
        part.set_facecolor("none")
    return figure


def _overview_title(content: SampleContent) -> str:
    recording, names = content.recording, content.class_names
    return (
        f"{content.title}: true class {names[recording.label]}, "
        f"prediction {names[recording.prediction]}"
    )
