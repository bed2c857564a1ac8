"""``lava-ep conformance``."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from lava_ep.command_line import AsJson, console
from lava_ep.errors import InputError
from lava_ep.files import check_new

KitFolder = Annotated[
    Path | None, typer.Option("--kit", help="Folder of a kit (default: the one of the package).")
]


def check(
    backends: Annotated[
        list[str],
        typer.Argument(help="Backends of lava-ep, or MODULE:CLASS or FILE.py:CLASS of adapters."),
    ],
    kit: KitFolder = None,
    case: Annotated[
        list[str] | None, typer.Option(help="Only this case; may be given several times.")
    ] = None,
    execution: Annotated[
        str | None,
        typer.Option(
            help="How networks are executed by backends of lava-ep: inline, in one "
            "operating-system process (default), or processes."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Give a verdict for every Process: exit code 1 if one diverges or fails."""
    from lava_ep import conformance

    adapters = [conformance.find_adapter(name, execution) for name in backends]
    names = [adapter.name for adapter in adapters]
    if len(set(names)) < len(names):
        raise InputError(f"backends {', '.join(names)}: expected a different name of each")
    entries = conformance.choose(conformance.read_kit(kit), case or [])
    verdicts = {adapter.name: list(conformance.check(entries, adapter)) for adapter in adapters}
    if as_json:
        print(
            json.dumps(
                {name: [verdict.to_json() for verdict in found] for name, found in verdicts.items()}
            )
        )
    else:
        display = console()
        for name, found in verdicts.items():
            columns = [Column(title, no_wrap=True) for title in ("case", "Process", "verdict")]
            table = Table(*columns, Column(overflow="fold"), box=None, title=name)
            for verdict in found:
                about = verdict.divergence or verdict.note
                table.add_row(
                    verdict.case.name, verdict.case.subject, verdict.outcome.value, str(about)
                )
            display.print(table, soft_wrap=False)
            display.print(f"{name}: {conformance.summary(found)}")
            counts = Counter(verdict.execution for verdict in found if verdict.execution)
            executed = ", ".join(f"{count} {how}" for how, count in sorted(counts.items()))
            if executed:
                display.print(f"{name}: executed {executed}")
    verdict_list = [verdict for found in verdicts.values() for verdict in found]
    for verdict in verdict_list:
        if verdict.traceback:
            print(f"{verdict.case.name}:\n{verdict.traceback}", file=sys.stderr)
    if not all(verdict.passed for verdict in verdict_list):
        raise typer.Exit(1)


def record(
    out: Annotated[Path, typer.Option("--out", help="Folder to make.")],
) -> None:
    """Record the kit anew from the reference backends."""
    from lava_ep import conformance

    check_new(out)
    entries = conformance.record_all()
    conformance.write_kit(out, entries)
    display = console()
    display.print(f"{len(entries)} cases: {out.resolve()}")
