"""A grid of trainings is a folder: a plan, one run folder per point, and a table of results.

A point assigns values to some fields of an experiment. The run folders say how far each training
is, so a grid resumes after any interruption; `lava_ep.training.workers` trains it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lava_ep.data import Dataset
from lava_ep.errors import InputError
from lava_ep.files import make_folder, read_json, replacing, write_json
from lava_ep.locks import LOCK, locked
from lava_ep.models import find_backend
from lava_ep.spec import ExperimentSpec, override, parse
from lava_ep.training.run_folder import RunFolder
from lava_ep.training.samples import data_digest, describe_run, preprocessing_of
from lava_ep.training.trainer import exhausted

Point = dict[str, Any]
"""Values of fields by their dotted keys."""

PLAN = "plan.json"
TRIALS = "trials"
RESULTS = "results"
DIGESTS = "data_sha256"


def trial_name(number: int) -> str:
    """Name of the run folder of a trial."""
    return f"{number:05d}"


def named(point: Point) -> str:
    """Describe a point in words."""
    return ", ".join(
        f"{key}={value:.6g}" if isinstance(value, float) else f"{key}={json.dumps(value)}"
        for key, value in point.items()
    )


def assign(base: ExperimentSpec, point: Point) -> ExperimentSpec:
    """Return the experiment of a point.

    Raises
    ------
    InputError
        If a key names no field or a value is impossible.
    """
    return override(base, [f"{key}={json.dumps(value)}" for key, value in point.items()])


@dataclass(frozen=True)
class Planned:
    """A training of a study.

    Parameters
    ----------
    point
        What tells it from the others.
    base
        The experiment, to which the point is assigned.
    dataset
        Samples.
    """

    point: Point
    base: ExperimentSpec
    dataset: Dataset


class Grid:
    """Files of a grid.

    The plan, whose entry ``points`` lists the points, and a run folder ``trials/NNNNN`` for each;
    ``results.json`` and ``results.csv`` once trials have ended.

    Parameters
    ----------
    path
        The folder.
    plan
        Name of the file with the plan.
    """

    def __init__(self, path: Path, plan: str = PLAN) -> None:
        self.path = path
        self.plan = path / plan

    def about(self) -> dict[str, Any]:
        """Read the plan.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        data = read_json(self.plan)
        points = data.get("points")
        if not isinstance(points, list):
            raise InputError(f"{self.plan}: points={points!r:.40}: expected a list")
        if not points or not all(isinstance(point, dict) for point in points):
            raise InputError(f"{self.plan}: points={points!r:.40}: expected objects")
        return data

    def points(self) -> list[Point]:
        """Return the points, in the order of the trials."""
        points: list[Point] = self.about()["points"]
        return points

    def trial(self, number: int) -> RunFolder:
        """Return the run folder of a trial."""
        return RunFolder(self.path / TRIALS / trial_name(number))

    def finished(self, number: int) -> bool:
        """Whether a trial has been trained to its last epoch, or lost patience."""
        run = self.trial(number)
        done, training = run.covered_metrics(), run.spec().training
        return len(done) >= training.epochs or exhausted(done, training)

    def outcome(self, number: int) -> str | None:
        """Return ``finished`` or ``diverged``; ``None`` if a trial has not ended."""
        run = self.trial(number)
        if not run.exists():
            return None
        if self.finished(number):
            return "finished"
        return None if run.diverged() is None else "diverged"

    def begin(self, number: int, spec: ExperimentSpec, dataset: Dataset, backend: str) -> None:
        """Make the run folder of a trial, unless it is there."""
        run = self.trial(number)
        if run.exists():
            return
        command = f"trial {number} of {self.path}"
        about = describe_run(spec, dataset, backend=backend, command=command)
        RunFolder.create(run.path, spec, about, preprocessing=preprocessing_of(dataset))


@contextmanager
def open_study(
    path: Path,
    study: str,
    spec: ExperimentSpec,
    *,
    varied: Collection[str],
    backend: str,
    datasets: Sequence[Dataset],
    points: Sequence[Point],
) -> Iterator[Grid]:
    """Open the grid of a study, made if it is not there, that no other process changes meanwhile.

    Points that its plan does not have yet are added to it.

    Parameters
    ----------
    path
        Folder of the study.
    study
        Its kind.
    spec, backend
        What all trainings have in common.
    varied
        Fields of ``spec`` that differ between trainings.
    datasets
        Training data; there may be other sets in the folder.
    points
        The points.

    Raises
    ------
    InputError
        If the folder holds something else, the study of another experiment or of other samples by
        the same name, or another process writes to it.
    """
    names = {file.name for file in path.iterdir()} if path.is_dir() else set()
    if (path.exists() and not path.is_dir()) or (names - {LOCK} and PLAN not in names):
        raise InputError(f"{path}: exists and is not the folder of a study; choose another --out")
    make_folder(path)
    with locked(path):
        grid = Grid(path)
        plan = {**_common(spec.model_dump(mode="json"), varied), "backend": backend, "study": study}
        digests = {dataset.name: data_digest(dataset) for dataset in datasets}
        kept: list[Point] = []
        if grid.plan.exists():
            before = read_json(grid.plan)
            # Studies of earlier versions had neither.
            kept = grid.points() if "points" in before else []
            before.setdefault("study", "uncertainty")
            digests = _checked(grid.plan, before, plan, spec, varied, digests)
        kept += [point for point in points if point not in kept]
        write_json(grid.plan, {**plan, DIGESTS: digests, "points": kept})
        yield grid


def _common(data: dict[str, Any], varied: Collection[str]) -> dict[str, Any]:
    """Return an experiment as plain data without the fields that differ between trainings."""
    for key in varied:
        *parents, leaf = key.split(".")
        node = data
        for part in parents:
            node = node[part]
        node.pop(leaf, None)
    return data


def _checked(
    source: Path,
    before: dict[str, Any],
    plan: dict[str, Any],
    spec: ExperimentSpec,
    varied: Collection[str],
    digests: dict[str, str],
) -> dict[str, str]:
    """Compare a plan with the one that is there; return the digests of all data sets of both."""
    known, backend, study = (before.pop(key, None) for key in (DIGESTS, "backend", "study"))
    before.pop("points", None)
    if not isinstance(known, dict):
        raise InputError(
            f"{source}: {DIGESTS}={known!r:.40}: expected an object; an earlier version of lava-ep "
            "began this study, so choose another --out"
        )
    present = spec.model_dump(mode="json")
    for key in varied:
        part, _, leaf = key.partition(".")
        if not isinstance(before.get(part), dict):
            raise InputError(f"{source}: {part}={before.get(part)!r:.40}: expected an object")
        if leaf in present[part]:
            before[part][leaf] = present[part][leaf]
    # Fields that are newer than the plan get their defaults.
    whole = parse(ExperimentSpec, before, source=str(source)).model_dump(mode="json")
    same = find_backend(str(backend)) == find_backend(plan["backend"])
    before = {
        **_common(whole, varied),
        "backend": plan["backend"] if same else backend,
        "study": study,
    }
    changed = [*_differences(before, plan)]
    changed += [
        (f"data set {name}", known[name][:8], digest[:8])
        for name, digest in digests.items()
        if known.get(name, digest) != digest
    ]
    if changed:
        name, old, new = changed[0]
        raise InputError(
            f"{source.parent}: the study there has another {name}, {old!r:.40} instead of "
            f"{new!r:.40}; resume it with the same experiment, or choose another --out"
        )
    return {**known, **digests}


def _differences(first: Any, second: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the names of fields that differ, and both values."""
    if isinstance(first, dict) and isinstance(second, dict):
        for key in sorted({**first, **second}):
            inner = f"{name}.{key}" if name else key
            yield from _differences(first.get(key), second.get(key), inner)
    elif first != second:
        yield name, first, second


@dataclass(frozen=True)
class Row:
    """A trial in the table of results.

    Parameters
    ----------
    trial
        Its number.
    status
        ``finished``, ``stopped`` early by a scheduler, ``diverged``, or ``failed``.
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


def read_rows(grid: Grid, errors: Mapping[int, str]) -> list[Row]:
    """Read how the trials that have begun ended.

    Parameters
    ----------
    grid
        The grid.
    errors
        Why trials failed, by their numbers.
    """
    rows = []
    for number in range(len(grid.points())):
        run = grid.trial(number)
        if not run.exists():
            continue
        metrics = run.covered_metrics()
        last: Mapping[str, Any] = metrics[-1] if metrics else {}
        events = last.get("events_per_sample", {})
        error = errors.get(number)
        status = grid.outcome(number) or "failed"
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
                run_dir=str(run.path.relative_to(grid.path)),
                error=error,
            )
        )
    return rows


def best(rows: Sequence[Row]) -> list[Row]:
    """Return the trials with a test accuracy, the best ones first."""
    tested = [row for row in rows if row.test_accuracy is not None]
    return sorted(tested, key=lambda row: row.test_accuracy or 0.0, reverse=True)


def write_table(grid: Grid, rows: Sequence[Row]) -> None:
    """Write ``results.json`` and ``results.csv``: one row per trial with the values of its point.

    Values other than strings stand in the CSV file as JSON, missing ones as nothing.
    """
    points = grid.points()
    write_json(
        grid.path / f"{RESULTS}.json",
        {"trials": [asdict(row) | {"point": points[row.trial]} for row in rows]},
    )
    table = [asdict(row) | points[row.trial] for row in rows]
    columns = dict.fromkeys(key for entry in table for key in entry)
    with (
        replacing(grid.path / f"{RESULTS}.csv") as path,
        path.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for entry in table:
            writer.writerow({key: _cell(value) for key, value in entry.items()})


def _cell(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
