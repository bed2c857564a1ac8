"""``lava-ep sweep``."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from lava_ep.command_line import (
    DATA,
    DEFAULT_PRESET,
    AsJson,
    Assignments,
    DataDir,
    DataName,
    Epochs,
    Label,
    Preset,
    SpecFile,
    check_execution,
    complete_backends,
    console,
    fitting,
    make_experiment,
    trainings_bar,
)
from lava_ep.errors import InputError, LavaEPError
from lava_ep.files import read_json
from lava_ep.locks import locked
from lava_ep.models import BACKENDS

SweptValues = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=V1,V2", help="Swept field; may be given several times."),
]
SweptRange = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=LOW:HIGH", help="Field that is drawn; may be given several times."),
]


def sweep(
    out: Annotated[Path, typer.Option(help="Sweep folder to make, or to resume.")],
    preset: Preset = None,
    spec: SpecFile = None,
    data: DataName = None,
    label: Label = None,
    data_dir: DataDir = None,
    epochs: Epochs = None,
    limit_train: Annotated[
        int | None, typer.Option(help="Use the first N training samples.")
    ] = None,
    limit_test: Annotated[int | None, typer.Option(help="Use the first N test samples.")] = None,
    batch: Annotated[int | None, typer.Option(help="Batch size.")] = None,
    assignments: Assignments = None,
    grid: SweptValues = None,
    choice: SweptValues = None,
    uniform: SweptRange = None,
    loguniform: SweptRange = None,
    samples: Annotated[
        int | None, typer.Option(help="Draws of what is random (default: 1).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the draws (default: 0).")] = None,
    sweep_file: Annotated[
        Path | None,
        typer.Option("--sweep", help="JSON file with grid, choice, uniform, loguniform, …"),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Early stopping by test accuracy, by Ray Tune: none, asha, median (default: none)."
        ),
    ] = None,
    grace: Annotated[
        int | None, typer.Option(help="Epochs before a trial may be stopped (default: 1).")
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            help=f"How to execute the networks: {', '.join(BACKENDS)} (default: fused).",
            autocompletion=complete_backends,
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="What runs the trials: local, processes of this machine, or ray, Ray Tune "
            "(default: local, but ray with --address or a --scheduler)."
        ),
    ] = None,
    address: Annotated[str | None, typer.Option(help="Address of a Ray cluster.")] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            "--cpus",
            help="Threads, and cores, of each trial (default: the cores divided among the "
            "workers; with Ray 1).",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", "--concurrent", help="Trials at a time (default: as many as have cores)."
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the sweep in --out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train one experiment with many values of some fields."""
    from lava_ep import sweep as sweeps

    started = time.perf_counter()
    display = console(stderr=as_json)
    check_execution([backend or "fused"], threads, workers)
    asked = {
        "grid": _swept("--grid", grid, _values),
        "choice": _swept("--choice", choice, _values),
        "uniform": _swept("--uniform", uniform, _bounds),
        "loguniform": _swept("--loguniform", loguniform, _bounds),
        "samples": samples,
        "seed": seed,
        "scheduler": scheduler,
        "grace_epochs": grace,
    }
    asked = {name: value for name, value in asked.items() if value not in (None, {})}
    given = {
        DATA: data,
        "data.label": label,
        "data.limit_train": limit_train,
        "data.limit_test": limit_test,
        "training.batch_size": batch,
        "training.epochs": epochs,
    }
    if resume:
        fixed = {
            "--preset": preset,
            "--spec": spec,
            "--data": data,
            "--label": label,
            "--data-dir": data_dir,
            "--epochs": epochs,
            "--limit-train": limit_train,
            "--limit-test": limit_test,
            "--batch": batch,
            "--set": assignments,
            "--sweep": sweep_file,
            "--backend": backend,
            "--grid, --choice, …": asked or None,
        }
        changes = ", ".join(option for option, value in fixed.items() if value is not None)
        if changes:
            raise InputError(
                f"--resume: {changes} cannot change a sweep that has begun; only --workers, "
                "--threads, --engine and --address can"
            )
        folder = sweeps.SweepFolder.open(out)
        with_ray = _with_ray(engine, address, folder.sweep().scheduler)
    else:
        fields = (read_json(sweep_file) if sweep_file else {}) | asked
        wanted = sweeps.make_sweep(fields, source=str(sweep_file or "sweep"))
        with_ray = _with_ray(engine, address, wanted.scheduler)
        experiment = make_experiment(preset, spec, given, assignments)
        if data is not None and spec is None:
            name = preset or DEFAULT_PRESET
            experiment, _ = fitting(experiment, name, assignments, data_dir, display)
        folder = sweeps.SweepFolder.create(
            out,
            experiment,
            wanted,
            backend=backend or "fused",
            data_dir=data_dir,
            command=shlex.join(["lava-ep", *sys.argv[1:]]),
        )
    points = folder.points()
    display.print(f"{len(points)} trials of {', '.join(folder.sweep().keys)}: {out}")
    with locked(folder.path):
        if with_ray:
            errors = sweeps.run_trials(
                folder, address=address, cpus=threads or 1, concurrent=workers
            )
        else:
            with trainings_bar(display) as update:
                errors = sweeps.train_here(
                    folder,
                    workers=workers,
                    threads=threads,
                    on_progress=update,
                    on_line=display.print,
                )
        rows = sweeps.read_rows(folder, errors)
        sweeps.write_results(folder, rows)
    ranking = sweeps.best(rows)
    states = [row.status for row in rows]
    counts = {state: states.count(state) for state in ("finished", "stopped", "diverged", "failed")}
    if as_json:
        winner = asdict(ranking[0]) | {"point": points[ranking[0].trial]} if ranking else None
        seconds = round(time.perf_counter() - started, 3)
        result = {"trials": len(rows), **counts, "best": winner, "seconds": seconds}
        print(json.dumps(result | {"out": str(out)}), flush=True)
    else:
        for row in ranking[:5]:
            display.print(
                f"trial {row.trial}: test accuracy {row.test_accuracy:.4f} after {row.epochs} "
                f"epochs, {sweeps.named(points[row.trial])}"
            )
        told = ", ".join(f"{count} {status}" for status, count in counts.items())
        display.print(f"{told}; table and figures: {out}")
    if counts["failed"]:
        failed = next(row for row in rows if row.status == "failed")
        raise LavaEPError(
            f"{counts['failed']} of {len(rows)} trials failed, the first of them trial "
            f"{failed.trial}: {failed.error}\nsweep --resume tries them again"
        )


def _with_ray(engine: str | None, address: str | None, scheduler: str) -> bool:
    """Return whether Ray Tune runs the trials, and check that it can."""
    needed = "--address" if address else f"scheduler {scheduler}" if scheduler != "none" else None
    if engine not in (None, "local", "ray"):
        raise InputError(f"--engine {engine}: expected local or ray")
    if engine == "local" and needed:
        raise InputError(f"--engine local: {needed} needs --engine ray")
    if engine != "ray" and not needed:
        return False
    from lava_ep import sweep as sweeps

    sweeps.require_ray()
    return True


def _swept(option: str, texts: Sequence[str] | None, read: Callable[[str], Any]) -> dict[str, Any]:
    """Read options of the form KEY=VALUES."""
    found = {}
    for text in texts or []:
        key, separator, values = text.partition("=")
        try:
            if not (key and separator and values):
                raise ValueError
            if key in found:
                raise InputError(f"{option} {text}: {key} is given twice")
            found[key] = read(values)
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            expected = "KEY=LOW:HIGH" if read is _bounds else "KEY=VALUE,VALUE"
            raise InputError(f"{option} {text}: expected {expected}") from None
    return found


def _values(text: str) -> list[Any]:
    """Read values that are separated by commas: JSON, or else strings."""
    try:
        values: list[Any] = json.loads(f"[{text}]")
    except json.JSONDecodeError:
        from lava_ep.spec import parse_value

        return [parse_value(part) for part in text.split(",")]
    return values


def _bounds(text: str) -> list[float]:
    """Read a lowest and a highest value."""
    low, high = text.split(":")
    return [float(low), float(high)]
