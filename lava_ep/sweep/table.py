"""The results of a sweep: tables and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lava_ep.figures import _matplotlib  # noqa: F401  # isort: skip (before matplotlib itself)

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lava_ep.figures.text import printable
from lava_ep.figures.theme import LIGHT, Theme, applied, new_figure
from lava_ep.files import replacing
from lava_ep.sweep.folder import SweepFolder
from lava_ep.training.grid import RESULTS, Point, Row, best, write_table

DECADES = 8.0
"""Values whose largest and smallest lie further apart than this factor are drawn on a log scale."""


def write_results(folder: SweepFolder, rows: Sequence[Row]) -> None:
    """Write figures and the results, see `write_table`, also as Parquet where pandas is installed.

    Values that no column of Parquet holds, such as lists, are written as JSON.
    """
    write_table(folder, rows)
    points = folder.points()
    if find_spec("pandas") and find_spec("pyarrow"):
        import pandas as pd

        frame = pd.DataFrame([asdict(row) for row in rows])
        for key in points[0]:
            values = [point[key] for point in points]
            whole = values if _one_column(values) else [json.dumps(value) for value in values]
            frame[key] = [printable(value) if isinstance(value, str) else value for value in whole]
        with replacing(folder.path / f"{RESULTS}.parquet") as path:
            frame.to_parquet(path, index=False)
    curves = {row.trial: folder.trial(row.trial).covered_metrics() for row in rows}
    with applied(LIGHT):
        _save(_by_value(points, rows, LIGHT), folder.path / "accuracy-by-value.png")
        _save(_by_epoch(curves, best(rows), LIGHT), folder.path / "accuracy-by-epoch.png")


def _one_column(values: Sequence[Any]) -> bool:
    """Whether a column of Parquet holds values: numbers, or strings, or truth values."""
    kinds = {type(value) for value in values}
    if kinds <= {int, float}:
        return all(abs(value) < 2**53 for value in values if isinstance(value, int))
    return kinds in ({str}, {bool})


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _by_value(points: Sequence[Point], rows: Sequence[Row], theme: Theme) -> Figure:
    """Test accuracy against each swept field."""
    keys = list(points[0])
    figure = new_figure(6.2, 2.9 * len(keys) + 0.4)
    for axes, key in zip(figure.subplots(len(keys), squeeze=False)[:, 0], keys, strict=True):
        _scatter(axes, key, points, rows, theme)
        axes.set_ylabel("test accuracy")
        axes.grid(axis="y")
    return figure


def _scatter(
    axes: Axes, key: str, points: Sequence[Point], rows: Sequence[Row], theme: Theme
) -> None:
    values = [point[key] for point in points]
    numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )
    places = values
    if not numbers:
        labels = [printable(str(value)) for value in values]
        names = list(dict.fromkeys(labels))
        places = [names.index(label) for label in labels]
        axes.set_xticks(range(len(names)), names)
    elif min(values) > 0 and max(values) > DECADES * min(values):
        axes.set_xscale("log")
    kinds = {
        "finished": (theme.blue, "o"),
        "stopped": (theme.muted, "x"),
        "diverged": (theme.orange, "^"),
        "failed": (theme.orange, "s"),
    }
    for status, (color, marker) in kinds.items():
        shown = [row for row in best(rows) if row.status == status]
        if shown:
            x = [places[row.trial] for row in shown]
            y = [row.test_accuracy or 0.0 for row in shown]
            axes.plot(x, y, marker, color=color, alpha=0.75, label=status)
    axes.set_xlabel(key)
    if len(axes.lines) > 1:
        axes.legend()


def _by_epoch(
    curves: Mapping[int, Sequence[Mapping[str, Any]]], order: Sequence[Row], theme: Theme
) -> Figure:
    """Test accuracy of every trial over its epochs; the best one stands out."""
    figure = new_figure()
    axes = figure.subplots()
    for row in reversed(order):
        entries = curves[row.trial]
        style: dict[str, Any] = {"color": theme.muted, "alpha": 0.4, "lw": 1.2}
        if row is order[0]:
            style = {"color": theme.blue, "label": f"trial {row.trial}, the best at its end"}
        axes.plot(
            [entry["epoch"] for entry in entries],
            [entry["test_accuracy"] for entry in entries],
            marker="." if len(entries) > 1 else "o",
            **style,
        )
    if order:
        axes.legend()
    axes.set_xlabel("epoch")
    axes.set_ylabel("test accuracy")
    axes.grid(axis="y")
    return figure
