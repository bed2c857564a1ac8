"""The figure of the study of feedback weights at an angle."""

from __future__ import annotations

from lava_ep.figures import _matplotlib  # noqa: F401  # isort: skip (before matplotlib itself)

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from lava_ep.figures.theme import Theme, new_figure
from lava_ep.studies.angle import AngleStudy


def error_by_angle(study: AngleStudy, theme: Theme) -> Figure:
    """Test error of every trained network, and the mean of each angle."""
    figure = new_figure(6.2, 3.9)
    axes = figure.add_subplot()
    axes.plot(
        [point.angle for point in study.points],
        [point.test_error for point in study.points],
        color=theme.muted,
        marker="o",
        markersize=4,
        ls="none",
        label="one seed",
    )
    means = study.mean_test_errors()
    axes.plot(list(means), list(means.values()), color=theme.blue, marker="D", label="mean")
    axes.set_xlabel("initial angle ψ between feedback and forward weights")
    axes.set_ylabel(f"test error after {study.epochs} epochs")
    axes.xaxis.set_major_locator(MultipleLocator(45))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}°"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    axes.legend(loc="upper left")
    return figure
