"""Figures of the study of nudged updates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import cycle
from typing import Any

from lava_ep.figures import _matplotlib  # noqa: F401  # isort: skip (before matplotlib itself)

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from lava_ep.analysis.bptt import Loss
from lava_ep.analysis.nudged import STATES, Rule
from lava_ep.figures.theme import Draw, Theme, new_figure
from lava_ep.studies.gdu import GDUStudy, Run, Trace

HOPELESS = 20.0
"""Relative errors above are not shown."""

_NAMES = {STATES: "neurons", "weights": "synapses", "feedback": "feedback synapses"}
_DASHES = {Loss.SQUARED_ERROR.value: (0, (4, 2)), Loss.NUDGE.value: (0, (1, 1.5))}
_LOSSES = {
    Loss.SQUARED_ERROR.value: "−gradient of the squared error",
    Loss.NUDGE.value: "−gradient of the nudge's own loss",
}


def gdu_figures(study: GDUStudy) -> dict[str, Draw]:
    """Return what draws the figures of a study, by their names."""
    rules = dict.fromkeys(trace.setting.rule for trace in study.traces)
    figures: dict[str, Draw] = {
        f"curves-{rule.value.lower()}": partial(curves, study, rule) for rule in rules
    }
    figures["error-by-beta"] = partial(error_by_beta, study)
    if any(rule.continual for rule in rules):
        figures["error-by-eta"] = partial(error_by_eta, study)
    figures["angle"] = partial(angle_by_step, study)
    return figures


def curves(study: GDUStudy, rule: Rule, theme: Theme) -> Figure:
    """Single neurons and synapses of each layer: their updates upon minus their gradients."""
    traces = [trace for trace in study.traces if trace.setting.rule is rule]
    layers = list(dict.fromkeys(trace.layer for trace in traces))
    columns = [name for name in _NAMES if any(trace.quantity == name for trace in traces)]
    figure = new_figure(3.4 * len(columns) + 0.6, 2.1 * len(layers) + 1.0)
    grid = figure.subplots(len(layers), len(columns), squeeze=False, sharex=True)
    for row, layer in zip(grid, layers, strict=True):
        for axes, quantity in zip(row, columns, strict=True):
            shown = [t for t in traces if (t.layer, t.quantity) == (layer, quantity)]
            axes.set_title(f"{layer}: {_NAMES[quantity]}")
            axes.set_visible(bool(shown))
            _draw_traces(axes, shown, theme)
    for axes in grid[-1]:
        axes.set_xlabel("nudged step t")
    handles = [
        Line2D([], [], color=theme.text, label=f"update of {rule.value}"),
        *(
            Line2D([], [], color=theme.text, ls=_DASHES[loss], label=_LOSSES[loss])
            for loss in traces[0].descent
        ),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, handlelength=2.6)
    return figure


def _draw_traces(axes: Axes, traces: Sequence[Trace], theme: Theme) -> None:
    colors = (theme.blue, theme.orange, theme.green, theme.muted)
    for trace, color in zip(traces, colors, strict=False):
        steps = range(len(trace.update))
        axes.plot(steps, trace.update, color=color, alpha=0.55, lw=3.5)
        for loss, values in trace.descent.items():
            axes.plot(steps, values, color=color, ls=_DASHES[loss], lw=1.8)
    axes.ticklabel_format(axis="y", scilimits=(-2, 3))
    axes.grid(axis="y")


def error_by_beta(study: GDUStudy, theme: Theme) -> Figure:
    """Relative error of each layer's total update against beta, and that of C-EP for every eta."""
    still = [run for run in study.select() if not run.setting.rule.continual]
    grid = [
        runs for rule in (Rule.C_EP, Rule.C_VF) if len(runs := study.select(rule=rule)) > len(still)
    ][:1]
    figure = new_figure(4.9 * (1 + len(grid)), 4.3)
    first, *others = figure.subplots(1, 1 + len(grid), squeeze=False, sharey=True)[0]
    _log_axes(first, "β", "relative error of the update")
    first.set_title(f"{still[0].setting.rule.value}, layer by layer")
    _draw_layers(first, still, theme)
    for axes, runs in zip(others, grid, strict=True):
        _log_axes(axes, "β", "")
        axes.set_title(f"{runs[0].setting.rule.value}, all parameters")
        etas = sorted({run.setting.eta for run in runs})
        for eta, alpha in zip(etas, np.linspace(0.3, 1.0, len(etas)), strict=True):
            found = [run for run in runs if run.setting.eta == eta]
            betas, errors = [r.setting.beta for r in found], [r.error for r in found]
            look: dict[str, Any] = {"color": theme.orange, "alpha": alpha, "lw": 1.7}
            axes.plot(betas, errors, marker="o", markersize=4, label=f"η = {eta:.2g}", **look)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    _limit(first)
    return figure


def _draw_layers(axes: Axes, runs: Sequence[Run], theme: Theme) -> None:
    """Draw the errors of all weights, and a line of slope 1 through the last."""
    betas = [run.setting.beta for run in runs]
    for index, (key, color, marker) in enumerate(_weights(runs[0], theme)):
        errors = [_agreement(run, key).error[-1] for run in runs]
        axes.plot(betas, errors, color=color, marker=marker, label=" ".join(key))
        if index == 0 and errors[-1]:
            guide = [errors[-1] * beta / betas[-1] for beta in betas]
            axes.plot(betas, guide, color=theme.muted, ls=":", lw=1.4, label="∝ β")
    axes.legend(loc="upper left", handlelength=2.2)


def error_by_eta(study: GDUStudy, theme: Theme) -> Figure:
    """Relative error of all parameters' total update at the study's beta against eta."""
    figure = new_figure(6.2, 3.9)
    axes = figure.add_subplot()
    runs = study.select(beta=study.beta)
    _log_axes(axes, "learning rate η", f"relative error of the update, β = {study.beta:g}")
    looks = {Rule.C_EP: (theme.orange, "D"), Rule.C_VF: (theme.green, "s")}
    for rule, (color, marker) in looks.items():
        found = [run for run in runs if run.setting.rule is rule]
        etas, errors = [run.setting.eta for run in found], [run.error for run in found]
        if found:
            axes.plot(etas, errors, color=color, marker=marker, label=rule.value)
    still = next(run for run in runs if not run.setting.rule.continual)
    axes.axhline(still.error, color=theme.blue, ls="--", label=still.setting.rule.value)
    axes.legend(loc="upper left")
    _limit(axes)
    return figure


def angle_by_step(study: GDUStudy, theme: Theme) -> Figure:
    """Angle between update and minus the gradient so far, and shares of equal signs."""
    runs = [r for r in study.select(beta=study.beta) if r.setting.eta in (0.0, study.eta)]
    figure = new_figure(8.8, 4.1)
    left, right = figure.subplots(1, 2)
    styles = dict(zip((run.setting.rule for run in runs), ("-", "--", ":"), strict=False))
    for run in runs:
        for key, color, _ in _weights(run, theme):
            found = _agreement(run, key)
            label = f"{run.setting.rule.value}, {' '.join(key)}"
            style: dict[str, Any] = {"color": color, "ls": styles[run.setting.rule]}
            steps = range(len(found.angle))
            left.plot(steps, _numbers(found.angle), label=label, **style)
            right.plot(steps, _numbers(found.sign_agreement), **style)
    left.set_ylim(bottom=0)
    left.set_ylabel("angle to minus the gradient")
    left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}°"))
    right.set_ylabel("share of equal signs")
    right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    for axes in (left, right):
        axes.set_xlabel("nudged step t")
        axes.grid(axis="y")
    figure.legend(loc="outside upper left", ncols=3, handlelength=2.4, fontsize=9.5)
    return figure


def _numbers(values: Iterable[float | None]) -> list[float]:
    """Return values with gaps where there are none."""
    return [float("nan") if value is None else value for value in values]


def _weights(run: Run, theme: Theme) -> Iterable[tuple[tuple[str, str], str, str]]:
    """Return the names of all weights, each with a color and a marker."""
    keys = [(a.layer, a.quantity) for a in run.agreements if a.quantity in _NAMES]
    colors = cycle((theme.blue, theme.orange, theme.green, theme.muted))
    looks = zip(colors, cycle("oDs^v"), strict=False)
    weights = [key for key in keys if key[1] != STATES]
    return [(key, *look) for key, look in zip(weights, looks, strict=False)]


def _agreement(run: Run, key: tuple[str, str]) -> Any:
    return next(a for a in run.agreements if (a.layer, a.quantity) == key)


def _log_axes(axes: Axes, x: str, y: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
    axes.grid()


def _limit(axes: Axes) -> None:
    """Cut off what has nothing to do with the gradient any more."""
    axes.set_ylim(top=min(HOPELESS, axes.get_ylim()[1]))
