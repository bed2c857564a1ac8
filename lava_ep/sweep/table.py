"""The results of a sweep: a table and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lava_ep.figures import _matplotlib  # noqa: F401  # isort: skip (before matplotlib itself)

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lava_ep.figures.text import printable
from lava_ep.figures.theme import LIGHT, Theme, applied, new_figure
from lava_ep.files import replacing
from lava_ep.sweep.folder import SweepFolder
from lava_ep.sweep.space import Point

RESULTS = "results.parquet"

DECADES = 8.0
"""Values whose largest and smallest lie further apart than this factor are drawn on a log scale."""


@dataclass(frozen=True)
class Row:
    """A trial as the table has it.

    Parameters
    ----------
    trial
        Its number.
    status
        ``finished``, ``stopped`` early by the scheduler, ``diverged``, or ``failed``.
    epochs
        Epochs trained.
    test_accuracy, best_test_accuracy, train_accuracy
        After the last epoch, and the best of all; ``None`` before the first.
    seconds
        Time of all epochs.
    events_free, events_nudged
        Per sample in the last epoch.
    run_dir
        Run folder.
    error
        Why it failed or diverged.
    """

    trial: int
    status: str
    epochs: int
    test_accuracy: float | None
    best_test_accuracy: float | None
    train_accuracy: float | None
    seconds: float
    events_free: float | None
    events_nudged: float | None
    run_dir: str
    error: str | None = None


def read_rows(folder: SweepFolder, errors: Mapping[int, str]) -> list[Row]:
    """Read how the trials of a sweep have ended.

    Parameters
    ----------
    folder
        The sweep.
    errors
        Why trials failed, by their numbers.
    """
    rows = []
    for number in range(len(folder.points())):
        run = folder.trial(number)
        metrics = run.covered_metrics()
        last: Mapping[str, Any] = metrics[-1] if metrics else {}
        events = last.get("events_per_sample", {})
        error = errors.get(number)
        status = folder.outcome(number) or "failed"
        if status == "diverged":
            error = run.diverged()
        elif status == "failed":
            error = error or "ended before its last epoch"
        rows.append(
            Row(
                trial=number,
                status=status,
                epochs=len(metrics),
                test_accuracy=last.get("test_accuracy"),
                best_test_accuracy=max((e["test_accuracy"] for e in metrics), default=None),
                train_accuracy=last.get("train_accuracy"),
                seconds=round(sum(entry["seconds"] for entry in metrics), 3),
                events_free=events.get("free"),
                events_nudged=events.get("nudged"),
                run_dir=str(run.path.relative_to(folder.path)),
                error=error,
            )
        )
    return rows


def best(rows: Sequence[Row]) -> list[Row]:
    """Return the trials with a test accuracy, the best ones first."""
    tested = [row for row in rows if row.test_accuracy is not None]
    return sorted(tested, key=lambda row: row.test_accuracy or 0.0, reverse=True)


def write_results(folder: SweepFolder, rows: Sequence[Row]) -> None:
    """Write ``results.parquet``, one row a trial with a column for each swept field, and figures.

    Values that no column of Parquet holds, such as lists, are written as JSON.
    """
    import pandas as pd

    points = folder.points()
    frame = pd.DataFrame([asdict(row) for row in rows])
    for key in points[0]:
        values = [point[key] for point in points]
        whole = values if _one_column(values) else [json.dumps(value) for value in values]
        frame[key] = [printable(value) if isinstance(value, str) else value for value in whole]
    with replacing(folder.path / RESULTS) as path:
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
