"""What commands have in common: how errors end them, and options that many take."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from lava_ep.errors import InputError, LavaEPError
from lava_ep.models import find_backend
from lava_ep.spec import (
    ExperimentSpec,
    load_preset,
    load_spec,
    override,
)

DEFAULT_PRESET = "binary-digits"

Preset = Annotated[
    str | None,
    typer.Option(help=f"Experiment that comes with the package (default: {DEFAULT_PRESET})."),
]
DataName = Annotated[str | None, typer.Option(help="Data set, if not the one in the spec.")]
Epochs = Annotated[int | None, typer.Option(help="Number of epochs.")]

Threads = Annotated[
    int | None,
    typer.Option(help="Threads of the fused backend (default: one a core); results are the same."),
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder with the files of the data set.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object as the last line of standard output.")
]
RunDir = Annotated[Path, typer.Argument(help="Folder of a run.")]
SpecFile = Annotated[Path | None, typer.Option("--spec", help="Experiment as a JSON file.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change any field of the spec."),
]
StudyFolder = Annotated[Path, typer.Option("--out", help="Folder to make.")]


def guarded(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose errors are one line each, with the exit code they stand for."""

    @functools.wraps(function)
    def command(*args: Any, **kwargs: Any) -> None:
        try:
            for option, value in kwargs.items():
                if value == "":
                    raise InputError(f"--{option.replace('_', '-')}: expected a value, not ''")
            function(*args, **kwargs)
        except LavaEPError as error:
            _complain(str(error))
            raise typer.Exit(2 if isinstance(error, InputError) else 1) from None
        except MemoryError as error:
            _complain(f"not enough memory here ({error}); use fewer neurons or a smaller batch")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            _complain("interrupted")
            raise typer.Exit(130) from None

    return command


def _complain(message: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"lava-ep: {message}")


def print_result(result: Mapping[str, Any], started: float, out: Path) -> None:
    """Print what a study found as JSON, with the seconds since it started and its folder."""
    seconds = round(time.perf_counter() - started, 3)
    print(json.dumps({**result, "seconds": seconds, "out": str(out)}), flush=True)


def numbers(
    option: str, text: str | None, kind: Callable[[str], float] = float
) -> list[float] | None:
    """Read numbers that are separated by commas."""
    if text is None:
        return None
    try:
        return [kind(number) for number in text.split(",")]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise InputError(f"{option} {text}: expected {what} separated by commas") from None


def check_execution(backends: Sequence[str], threads: int | None) -> None:
    """Check how a network is to be executed, before anything is read or written."""
    for backend in backends:
        find_backend(backend)
    if threads is not None and threads < 1:
        raise InputError(f"--threads {threads}: expected at least 1")


def make_experiment(
    preset: str | None,
    spec: Path | None,
    given: Mapping[str, Any],
    assignments: Sequence[str] | None,
) -> ExperimentSpec:
    """Combine preset or file, options and assignments, in this order."""
    if preset and spec:
        raise InputError(f"--preset {preset} and --spec {spec}: give only one of them")
    experiment = load_spec(spec) if spec else load_preset(preset or DEFAULT_PRESET)
    options = [f"{key}={json.dumps(value)}" for key, value in given.items() if value is not None]
    return override(experiment, [*options, *(assignments or [])])


def write_report(run_dir: Path, data_dir: Path | None) -> Path:
    """Write the report of a run and return the page."""
    from lava_ep.training import RunFolder, family_of

    family = family_of(RunFolder.open(run_dir).spec().network)
    return family.write_report(run_dir, data_dir=data_dir).resolve()


def finish(result: Mapping[str, Any], as_json: bool, display: Console) -> None:
    """Print the result, as JSON in the last line or as text."""
    if as_json:
        print(json.dumps(result), flush=True)
        return
    display.print(f"Run folder: {result['run_dir']}", highlight=False, soft_wrap=True)
    display.print(
        f"Test accuracy {result['test_accuracy']:.4f} after {result['epochs']} epochs, "
        f"{result['seconds']:.1f} s",
        highlight=False,
    )
