"""The command line ``lava-ep``: which commands there are."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from lava_ep.cli import (
    about,
    conformance,
    deployment,
    prediction,
    runs,
    studies,
    sweeping,
    training,
)
from lava_ep.cli.streams import UnwritableStreamError, finish_streams, prepare_streams
from lava_ep.command_line import complain, guarded

app = typer.Typer(
    name="lava-ep",
    help="Equilibrium propagation as event-driven computation on Lava.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for function in (
    training.train,
    sweeping.sweep,
    prediction.predict,
    runs.evaluate,
    runs.compare,
    runs.convert,
    runs.raster,
    runs.report,
    about.presets,
    about.info,
):
    app.command()(guarded(function))

GROUPS: Mapping[str, tuple[str, Mapping[str, Callable[..., None]]]] = {
    "deploy": ("See whether a network fits a chip.", {"report": deployment.report}),
    "export": ("Write networks for other simulators.", {"nir": deployment.export_nir}),
    "import": ("Read networks back.", {"nir": deployment.import_nir}),
    "conformance": (
        "Check a backend against recorded traces of every Process.",
        {"check": conformance.check, "record": conformance.record},
    ),
}
"""Commands of two words besides studies: what the first is for, and what may follow it."""

app.add_typer(
    typer.Typer(
        cls=studies.StudyGroup,
        help="Compare learning with theory: figures and study.json in a new folder.",
        no_args_is_help=True,
    ),
    name="study",
)
for name, (purpose, commands) in GROUPS.items():
    group = typer.Typer(help=purpose, no_args_is_help=True)
    for second, function in commands.items():
        group.command(second)(guarded(function))
    app.add_typer(group, name=name)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"lava-ep {version('lava-ep')}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Equilibrium propagation as event-driven computation on Lava."""


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Show a warning in one line, without the place in the code."""
    complain(f"warning: {message}")


def main() -> None:
    """Run the command line: exit codes 0 done, 1 failure, 2 bad input, 130 interrupted.

    A closed pipe ends it with 141, as it ends other programs.
    """
    prepare_streams()
    warnings.showwarning = _show_warning
    # Figures are drawn to files only, whatever a notebook has its own processes draw with.
    os.environ["MPLBACKEND"] = "agg"
    try:
        try:
            app()
        finally:
            finish_streams()
    except UnwritableStreamError as error:
        complain(str(error))
        sys.exit(1)
