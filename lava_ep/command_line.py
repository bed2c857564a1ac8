"""What commands have in common: how errors end them, and options that many take."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from lava_ep.errors import InputError, LavaEPError
from lava_ep.files import PlaceError
from lava_ep.models import BACKENDS, find_backend

if TYPE_CHECKING:
    from lava_ep.data import Dataset
    from lava_ep.spec import ExperimentSpec

DATA = "data.name"
"""Field of an experiment that names its data set, or is the path of the user's own data."""

DEFAULT_PRESET = "binary-digits"


def complete_presets(incomplete: str) -> list[str]:
    """Return the presets that a shell may complete a word to."""
    from lava_ep.spec import preset_names

    return [name for name in preset_names() if name.startswith(incomplete)]


def complete_backends(incomplete: str) -> list[str]:
    """Return the backends that a shell may complete a word to."""
    return [name for name in BACKENDS if name.startswith(incomplete)]


def complete_data(incomplete: str) -> list[str]:
    """Return the data sets that a shell may complete a word to."""
    from lava_ep.data import DATASETS

    # Of `features:NAME` only the first part is the same for everybody.
    names = (name.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for name in DATASETS)
    return [name for name in names if name.startswith(incomplete)]


def preset_option(default: str) -> Any:
    """Return the option for a preset, with the name of the one that is taken without it."""
    return typer.Option(
        help=f"Experiment that comes with the package (default: {default}).",
        autocompletion=complete_presets,
    )


Preset = Annotated[str | None, preset_option(DEFAULT_PRESET)]
DataName = Annotated[
    str | None,
    typer.Option(
        help="Data set, or the path of your own file or folder (default: that of the spec).",
        autocompletion=complete_data,
    ),
]
RunBackend = Annotated[
    str | None,
    typer.Option(
        "--backend",
        help="Backend, if not the one it was trained on.",
        autocompletion=complete_backends,
    ),
]
Epoch = Annotated[
    int | None,
    typer.Option(
        help="Use the checkpoint of this epoch (default: the best one where the training selects "
        "it, else the newest)."
    ),
]
OtherData = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="Data set or path: other samples than the trained ones, or where those lie now.",
        autocompletion=complete_data,
    ),
]
Label = Annotated[
    str | None,
    typer.Option(help="Column of a table that holds the labels (default: the last one)."),
]
Epochs = Annotated[int | None, typer.Option(help="Number of epochs.")]

Threads = Annotated[
    int | None,
    typer.Option(help="Threads of the fused backend (default: one per core); same results."),
]
Workers = Annotated[
    int | None,
    typer.Option(help="Trainings at a time, each in its own process (default: one per core)."),
]
Execution = Annotated[
    str | None,
    typer.Option(
        help="How Processes are executed: inline, all in one operating-system process, or "
        "processes, each in its own (default: the faster one); results are the same."
    ),
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
OpenPage = Annotated[bool, typer.Option("--open", help="Open the report in the browser.")]
StudyFolder = Annotated[Path, typer.Option("--out", help="Folder to make.")]
ResumableFolder = Annotated[
    Path, typer.Option("--out", help="Folder to make, or of a study to resume.")
]
Seeds = Annotated[str, typer.Option(help="Seeds, comma-separated.")]
StudyBackend = Annotated[
    str,
    typer.Option(
        help=f"How to execute the network: {', '.join(BACKENDS)}.",
        autocompletion=complete_backends,
    ),
]


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
            complain(str(error))
            raise typer.Exit(2 if isinstance(error, InputError) else 1) from None
        except MemoryError as error:
            complain(f"not enough memory here ({error}); use fewer neurons or a smaller batch")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            complain("interrupted")
            raise typer.Exit(130) from None

    return command


def fitting(
    experiment: ExperimentSpec,
    preset: str | None,
    assignments: Sequence[str] | None,
    data_dir: Path | None,
    display: Console,
) -> tuple[ExperimentSpec, Dataset]:
    """Load the data of an experiment, adapt a preset to them, and say what was decided."""
    from lava_ep import training

    experiment, dataset, lines = training.load_fitting(
        experiment, data_dir=data_dir, preset=preset, kept=assigned(assignments)
    )
    for line in lines:
        display.print(line)
    return experiment, dataset


@contextmanager
def trainings_bar(display: Console) -> Iterator[Callable[[float, int], None]]:
    """Show how many trainings of a grid are done; yields what to call with these and all."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=display, transient=True) as bar:
        task = bar.add_task("trainings", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def console(*, stderr: bool = False, quiet: bool = False, soft_wrap: bool = True) -> Console:
    """Return a console that prints text as it is: brackets and colons of names mean nothing.

    Without ``soft_wrap`` lines are broken at the width of the terminal, as tables need it.
    """
    return Console(
        stderr=stderr, quiet=quiet, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False
    )


def complain(message: str) -> None:
    """Print an error."""
    console(stderr=True).print(f"lava-ep: {message}")


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


def check_execution(
    backends: Sequence[str], threads: int | None, workers: int | None = None
) -> None:
    """Check how a network is to be executed, before anything is read or written."""
    for backend in backends:
        find_backend(backend)
    for option, number in (("threads", threads), ("workers", workers)):
        if number is not None and number < 1:
            raise InputError(f"--{option} {number}: expected at least 1")


def assigned(assignments: Sequence[str] | None) -> list[str]:
    """Return the fields that ``--set`` sets."""
    return [assignment.partition("=")[0] for assignment in assignments or []]


def make_experiment(
    preset: str | None,
    spec: Path | None,
    given: Mapping[str, Any],
    assignments: Sequence[str] | None,
) -> ExperimentSpec:
    """Combine preset or file, options and assignments, in this order."""
    from lava_ep.spec import load_preset, load_spec, override

    if preset and spec:
        raise InputError(f"--preset {preset} and --spec {spec}: give only one of them")
    experiment = load_spec(spec) if spec else load_preset(preset or DEFAULT_PRESET)
    options = [f"{key}={json.dumps(value)}" for key, value in given.items() if value is not None]
    experiment = override(experiment, [*options, *(assignments or [])])
    name = whole_path(experiment.data.name)
    # A run is resumed and tested from other folders, too.
    same = name == experiment.data.name
    return experiment if same else override(experiment, [f"{DATA}={json.dumps(name)}"])


def whole_path(name: str) -> str:
    """Return the whole path of a user's own data; names of data sets stay as they are."""
    from lava_ep.data import is_own_data

    return str(Path(name).expanduser().absolute()) if is_own_data(name) else name


@contextmanager
def elsewhere(out: Path | None, option: str) -> Iterator[None]:
    """Name the option that writes to another place if none was given and the usual one fails."""
    try:
        yield
    except PlaceError as error:
        raise PlaceError(f"{error} with {option}" if out is None else str(error)) from None


def open_page(page: Path, display: Console) -> None:
    """Show a page in the browser, or say why there is none."""
    import webbrowser

    # Without a screen a browser for terminals would start, and take this one.
    screen = sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    if not (screen and webbrowser.open(page.as_uri())):
        display.print("No browser can be opened here; open the page yourself.")


def finish(result: Mapping[str, Any], as_json: bool, display: Console) -> None:
    """Print the result, as JSON in the last line or as text."""
    if as_json:
        print(json.dumps(result), flush=True)
        return
    display.print(f"Run folder: {result['run_dir']}", soft_wrap=True)
    epochs, selected = result["epochs"], result.get("selected")
    chosen = f" of epoch {result['selected_epoch']}, {selected}," if selected else ""
    display.print(
        f"Test accuracy {result['test_accuracy']:.4f}{chosen} after {epochs} "
        f"epoch{'s' * (epochs != 1)}, {result['seconds']:.1f} s",
        soft_wrap=True,
    )
