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
    DEFAULT_PRESET,
    AsJson,
    Assignments,
    DataDir,
    DataName,
    Epochs,
    Label,
    Preset,
    SpecFile,
    complete_backends,
    console,
    fitting,
    make_experiment,
)
from lava_ep.errors import InputError, LavaEPError
from lava_ep.files import locked, read_json
from lava_ep.models import BACKENDS, find_backend

SweptValues = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=V1,V2", help="Swept field; may be given several times."),
]
SweptRange = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=LOW:HIGH", help="Field that is drawn; may be given several times."),
]


def sweep(
    out: Annotated[Path, typer.Option(help="Sweep folder to make, or to go on with.")],
    preset: Preset = None,
    spec: SpecFile = None,
    data: DataName = None,
    label: Label = None,
    data_dir: DataDir = None,
    epochs: Epochs = None,
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
        typer.Option(help="Early stopping by test accuracy: none, asha, median (default: none)."),
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
    address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster (default: this machine alone).")
    ] = None,
    cpus: Annotated[
        int | None, typer.Option(help="Cores, and threads, of each trial (default: 1).")
    ] = None,
    concurrent: Annotated[
        int | None, typer.Option(help="Trials at a time (default: as many as have cores).")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the sweep in --out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train one experiment with many values of some fields, by Ray Tune."""
    from lava_ep import sweep as sweeps

    started = time.perf_counter()
    display = console(stderr=as_json)
    find_backend(backend or "fused")
    for option, number in (("cpus", cpus), ("concurrent", concurrent)):
        if number is not None and number < 1:
            raise InputError(f"--{option} {number}: expected at least 1")
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
    if resume:
        fixed = {
            "--preset": preset,
            "--spec": spec,
            "--data": data,
            "--label": label,
            "--data-dir": data_dir,
            "--epochs": epochs,
            "--set": assignments,
            "--sweep": sweep_file,
            "--backend": backend,
            "--grid, --choice, …": asked or None,
        }
        changes = ", ".join(option for option, value in fixed.items() if value is not None)
        if changes:
            raise InputError(
                f"--resume: {changes} cannot change a sweep that has begun; only --cpus, "
                "--concurrent and --address can"
            )
        sweeps.require_ray()
        folder = sweeps.SweepFolder.open(out)
    else:
        fields = (read_json(sweep_file) if sweep_file else {}) | asked
        wanted = sweeps.make_sweep(fields, source=str(sweep_file or "sweep"))
        given = {"data.name": data, "data.label": label, "training.epochs": epochs}
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
        errors = sweeps.run_trials(folder, address=address, cpus=cpus or 1, concurrent=concurrent)
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
