"""The command line ``lava-ep``: which commands there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import typer

from lava_ep.cli import about, conformance, deployment, runs, studies, sweeping, training
from lava_ep.cli.common import guarded

app = typer.Typer(
    name="lava-ep",
    help="Equilibrium propagation as event-driven computation on Lava.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for function in (
    training.train,
    sweeping.sweep,
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
    "study": (
        "Compare learning with theory: figures and study.json in a new folder.",
        {
            "gdu": studies.gdu,
            "angle": studies.angle,
            "uncertainty": studies.uncertainty,
        },
    ),
    "deploy": ("See whether a network fits a chip.", {"report": deployment.report}),
    "export": ("Write networks for other simulators.", {"nir": deployment.export_nir}),
    "import": ("Read networks back.", {"nir": deployment.import_nir}),
    "conformance": (
        "Check a backend against recorded traces of every Process.",
        {"check": conformance.check, "record": conformance.record},
    ),
}
"""Commands of two words: what the first one is for, and what may follow it."""

for name, (purpose, commands) in GROUPS.items():
    group = typer.Typer(help=purpose, no_args_is_help=True)
    for second, function in commands.items():
        group.command(second)(guarded(function))
    app.add_typer(group, name=name)


def main() -> None:
    """Run the command line: exit codes 0 done, 1 failure, 2 bad input, 130 interrupted."""
    app()
