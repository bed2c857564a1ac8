"""Figures of the studies of noise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import cycle
from typing import Any

from lava_ep.figures import _matplotlib  # noqa: F401  # isort: skip (before matplotlib itself)

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from lava_ep.figures.text import printable
from lava_ep.figures.theme import Draw, Theme, new_figure
from lava_ep.studies._thresholds import DataResult, Threshold, Training
from lava_ep.studies.uncertainty import UncertaintyStudy

_MARKERS = "oDs^vP"


def uncertainty_figures(study: UncertaintyStudy) -> dict[str, Draw]:
    """Return what draws the figures of a study, by their names."""
    return {
        "accuracy-by-sigma": partial(accuracy_by_sigma, study),
        "collapse": partial(collapse, study),
        "critical-sigma": partial(critical_sigma, study),
    }


def accuracy_by_sigma(study: UncertaintyStudy, theme: Theme) -> Figure:
    """Test accuracy of every training against sigma, and the fits; a panel for each data set."""
    figure, panels = _panels(study, "noise of one measurement σ")
    for axes, result in zip(panels, study.results, strict=True):
        trainings = _of(study, result)
        for (number, threshold), look in zip(
            result.by_samples.items(), _looks(theme), strict=False
        ):
            some = _noisy(trainings, number)
            _draw(axes, some, threshold, f"N = {number}", per_mean=False, **look)
        _draw_clean(axes, trainings, theme)
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def collapse(study: UncertaintyStudy, theme: Theme) -> Figure:
    """Test accuracy against sigma divided by the root of N, with one fit for all N."""
    figure, panels = _panels(study, "noise of the mean σ/√N")
    for axes, result in zip(panels, study.results, strict=True):
        trainings = _of(study, result)
        for number, look in zip(result.by_samples, _looks(theme), strict=False):
            some = _noisy(trainings, number)
            _draw(axes, some, None, f"N = {number}", per_mean=True, **look)
        if result.collapsed is not None:
            deviations = [training.deviation for training in trainings if training.sigma]
            _draw_fit(axes, result.collapsed, deviations, theme.text)
            axes.axvspan(result.collapsed.low, result.collapsed.high, color=theme.shade, lw=0)
            axes.axvline(result.collapsed.sigma, color=theme.muted, ls="--", lw=1.2, label="σ_c")
        if result.estimate is not None:
            axes.axvline(result.estimate, color=theme.muted, ls=":", lw=1.6, label="estimate")
        _draw_clean(axes, trainings, theme)
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def critical_sigma(study: UncertaintyStudy, theme: Theme) -> Figure:
    """Thresholds of all data sets and N, with their intervals, beside the estimates."""
    figure = new_figure(6.6, 4.0)
    axes = figure.add_subplot()
    results = study.results
    numbers = list(dict.fromkeys(number for result in results for number in result.by_samples))
    places = np.linspace(-0.25, 0.25, len(numbers)) if len(numbers) > 1 else np.zeros(1)
    for number, place, look in zip(numbers, places, _looks(theme), strict=False):
        found = [
            (index + place, threshold)
            for index, result in enumerate(results)
            if (threshold := result.by_samples.get(number)) is not None
        ]
        if not found:
            continue
        scale = np.sqrt(number)
        middles = np.array([threshold.sigma for _, threshold in found]) / scale
        lows = np.array([threshold.low for _, threshold in found]) / scale
        highs = np.array([threshold.high for _, threshold in found]) / scale
        axes.errorbar(
            [x for x, _ in found],
            middles,
            yerr=[middles - lows, highs - middles],
            ls="none",
            capsize=3,
            label=f"N = {number}",
            **look,
        )
    for index, result in enumerate(results):
        if result.estimate is not None:
            ends = [index - 0.38, index + 0.38]
            label = "estimate" if index == 0 else None
            axes.plot(ends, [result.estimate] * 2, color=theme.muted, ls=":", lw=2, label=label)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(_plain())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("critical noise σ_c/√N")
    axes.set_xticks(range(len(results)), [printable(result.data) for result in results])
    axes.set_xlim(-0.6, len(results) - 0.4)
    axes.grid(axis="y")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _plain() -> FuncFormatter:
    return FuncFormatter(lambda value, _: f"{value:g}")


def _panels(study: UncertaintyStudy, x: str) -> tuple[Figure, Sequence[Axes]]:
    number = len(study.results)
    figure = new_figure(4.0 * number + 1.2, 3.7)
    panels = figure.subplots(1, number, squeeze=False, sharey=True)[0]
    for axes, result in zip(panels, study.results, strict=True):
        axes.set_title(f"{printable(result.data)}: {study.network}")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(_plain())
        axes.set_xlabel(x)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
        axes.set_ylim(0, 1)
        axes.grid(axis="y")
    panels[0].set_ylabel("test accuracy")
    return figure, panels


def _of(study: UncertaintyStudy, result: DataResult) -> list[Training]:
    return [training for training in study.trainings if training.data == result.data]


def _noisy(trainings: Sequence[Training], samples: int) -> list[Training]:
    return [t for t in trainings if t.sigma > 0 and t.samples == samples]


def _looks(theme: Theme) -> Any:
    colors = cycle((theme.blue, theme.orange, theme.green, theme.muted))
    return (
        {"color": color, "marker": marker}
        for color, marker in zip(colors, cycle(_MARKERS), strict=False)
    )


def _draw(
    axes: Axes,
    trainings: Sequence[Training],
    threshold: Threshold | None,
    label: str,
    *,
    per_mean: bool,
    color: str,
    marker: str,
) -> None:
    x, y = [], []
    for training in trainings:
        if training.test_accuracy is not None:
            x.append(training.deviation if per_mean else training.sigma)
            y.append(training.test_accuracy)
    axes.plot(x, y, color=color, marker=marker, ls="none", markersize=4.5, alpha=0.8, label=label)
    if threshold is not None:
        _draw_fit(axes, threshold, x, color)


def _draw_fit(axes: Axes, threshold: Threshold, sigmas: Sequence[float], color: str) -> None:
    grid = np.geomspace(min(sigmas), max(sigmas), 200)
    axes.plot(grid, threshold.accuracy(grid), color=color, lw=1.4)


def _draw_clean(axes: Axes, trainings: Sequence[Training], theme: Theme) -> None:
    clean = [t.test_accuracy for t in trainings if not t.sigma and t.test_accuracy is not None]
    if clean:
        mean = float(np.mean(clean))
        axes.axhline(mean, color=theme.line, lw=2.5, zorder=0, label="no noise")
