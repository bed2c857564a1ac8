"""``lava-ep presets`` and ``lava-ep info``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from lava_ep.cli.catalogue import GROUPS, Entry, Group, entries
from lava_ep.command_line import DEFAULT_PRESET, AsJson, complete_presets, console
from lava_ep.models import BACKENDS, EXECUTIONS, LARGE

if TYPE_CHECKING:
    from lava_ep.spec import ExperimentSpec

MIB = 2**20

_EXECUTION = (
    f"inline; processes for Lava's own Processes, and for message passing with more than {LARGE:,} "
    "synapses (--execution)"
)
"""The default of ``--execution``, see `lava_ep.models.choose_execution`."""


def presets(
    name: Annotated[
        str | None,
        typer.Argument(help="Show all about this one.", autocompletion=complete_presets),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the experiments that come with the package, or show one of them."""
    if name is not None:
        from lava_ep.spec import load_preset

        experiment = load_preset(name)
        group, entry = next(found for found in entries() if found[1].name == name)
        if as_json:
            print(json.dumps(_details(group, entry, experiment)))
        else:
            _show_details(group, entry, experiment)
        return
    if as_json:
        from lava_ep.spec import load_preset

        experiments = {entry.name: load_preset(entry.name) for _, entry in _by_name()}
        print(json.dumps({name: e.model_dump(mode="json") for name, e in experiments.items()}))
        return
    display = console(soft_wrap=False)
    _print_rows(display, [HEADINGS])
    for group in GROUPS:
        display.print(f"\n{group.title}")
        if group.paper:
            display.print(group.paper)
        _print_rows(display, [_row(entry) for entry in group.entries])
    display.print(f"\n{LEGEND}")


WIDE = 120
"""Columns of a terminal that has room for notes."""

HEADINGS = ("PRESET", "TRAINED ON", "PUBLISHED", "HERE", "NOTE")

LEGEND = (
    "Test accuracies. ~ of a similar network, or derived; * quoted from memory, not confirmed; "
    "+ after a part of the training; ours: settings that are not those of the paper.\n"
    "lava-ep presets NAME shows everything about one, lava-ep train --preset NAME trains it; "
    f"{DEFAULT_PRESET} is the default."
)


def _row(entry: Entry) -> tuple[str, ...]:
    """Return the cells of a preset in the list, under `HEADINGS`."""
    note = "; ".join(filter(None, (entry.partial, entry.note)))
    return entry.name, entry.about, _published(entry), _reached(entry), note


def _print_rows(display: Console, rows: Sequence[Sequence[str]]) -> None:
    """Print rows of the list of presets, in the same columns each time, 80 wide without notes."""
    # Names stay whole where the terminal is narrow: they are what `train` is told.
    columns = [Column(no_wrap=True, width=width) for width in (29, 25, 16, 7)]
    if display.width >= WIDE:
        columns.append(Column(overflow="fold"))
    table = Table(*columns, box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    for row in rows:
        table.add_row(*row[: len(columns)])
    display.print(table)


def _published(entry: Entry) -> str:
    if not entry.published:
        return ""
    return f"{'~' * entry.similar}{entry.published}{'*' * (not entry.confirmed)}"


def _reached(entry: Entry) -> str:
    return entry.reached + "+" * bool(entry.partial)


def _details(group: Group, entry: Entry, experiment: ExperimentSpec) -> dict[str, Any]:
    """Return all about a preset as plain data."""
    from lava_ep.training import family_of

    key, memory = family_of(experiment.network).memory(experiment)
    return {
        "name": entry.name,
        "group": group.title,
        "paper": group.paper or None,
        "about": entry.about,
        "published": entry.published or None,
        "published_confirmed": entry.confirmed if entry.published else None,
        "published_of_similar_network": entry.similar if entry.published else None,
        "reached": entry.reached or None,
        "reached_partial": entry.partial or None,
        "sources": list(entry.sources),
        "note": entry.note or None,
        key: memory,
        "command": f"lava-ep train --preset {entry.name}",
        "spec": experiment.model_dump(mode="json"),
    }


def _show_details(group: Group, entry: Entry, experiment: ExperimentSpec) -> None:
    """Print all about a preset as text."""
    from lava_ep.training import family_of

    family, training = family_of(experiment.network), experiment.training
    neurons, steps = family.describe(experiment)
    key, memory = family.memory(experiment)
    published = entry.published
    if published and entry.similar:
        published += ", of a similar network, or derived"
    if published and not entry.confirmed:
        published += ", quoted from memory, not confirmed"
    reached = entry.reached
    if reached:
        reached += f", {entry.partial}" * bool(entry.partial) + f" ({', '.join(entry.sources)})"
    size = ", ".join(f"{part} {_size(count)}" for part, count in memory.items())
    facts = {
        "subject": group.title,
        "paper": group.paper,
        "published": published,
        "reached here": reached,
        "note": entry.note,
        "data": experiment.data.name,
        "network": str(experiment.network),
        "neurons, weights": neurons,
        "T + K, nudging" if key == "engine_bytes" or "+" in steps else "groups": steps,
        "batch, epochs": f"{training.batch_size}, {training.epochs}",
        "memory": f"{_size(sum(memory.values()))}: {size}",
        "command": f"lava-ep train --preset {entry.name}",
    }
    display = console(soft_wrap=False)
    display.print(entry.name)
    _print_facts(display, {name: text for name, text in facts.items() if text})
    display.print("\nFields, to be changed by --set KEY=VALUE (others: docs/fields.md):")
    for path, value in _flat(experiment.model_dump(mode="json", exclude_unset=True)):
        display.print(f"  {path}={json.dumps(value, ensure_ascii=False)}", soft_wrap=True)


def _by_name() -> list[tuple[Group, Entry]]:
    """Return all presets; reading the folder of their files would take the whole spec."""
    return sorted(entries(), key=lambda found: found[1].name)


def _size(count: int) -> str:
    """Write a number of bytes."""
    return f"{count / 1024:,.1f} KiB" if count < MIB else f"{count / MIB:,.1f} MiB"


def _flat(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of nested data with its path as ``--set`` takes it."""
    parts: Any = ()
    if isinstance(data, Mapping):
        parts = data.items()
    elif isinstance(data, list) and any(isinstance(part, Mapping) for part in data):
        parts = enumerate(data)
    if not parts:
        yield path, data
    for name, part in parts:
        yield from _flat(part, f"{path}.{name}" if path else str(name))


def _print_facts(display: Console, facts: Mapping[str, str]) -> None:
    """Print names beside values, which are folded at the width of the terminal."""
    table = Table(
        Column(no_wrap=True),
        Column(overflow="fold"),
        show_header=False,
        box=None,
        padding=(0, 2, 0, 0),
    )
    for name, text in facts.items():
        table.add_row(name, text)
    display.print(table)


def info(
    everything: Annotated[
        bool, typer.Option("--all", help="Also describe backends, data sets, and memory.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show versions, the machine, backends, and where data come from."""
    import os
    import platform

    import psutil

    from lava_ep._versions import package_versions
    from lava_ep.data import DATASETS

    versions = package_versions()
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    data_dir = os.environ.get("LAVA_EP_DATA")
    if as_json:
        facts: dict[str, Any] = {
            "versions": versions,
            "python": platform.python_version(),
            "machine": machine,
            "backends": {name: backend.description for name, backend in BACKENDS.items()},
            "executions": dict(EXECUTIONS),
            "default_execution": _EXECUTION,
            "datasets": dict(DATASETS),
            "presets": [entry.name for _, entry in _by_name()],
            **_memory(),
            "data_dir": data_dir,
        }
        print(json.dumps(facts))
        return
    others = (f"{name} {number}" for name, number in versions.items() if name != "lava-ep")
    lines = {
        "lava-ep": versions["lava-ep"],
        "Python": platform.python_version(),
        "packages": ", ".join(others),
        "machine": f"{machine}, {psutil.virtual_memory().total / 2**30:,.0f} GiB of memory",
        "backends": ", ".join(BACKENDS),
        "execution": _EXECUTION,
        "data sets": ", ".join(DATASETS),
        "data folder": data_dir or "none (LAVA_EP_DATA is not set): files are downloaded",
        "presets": f"{len(_by_name())} (lava-ep presets)",
    }
    display = console(soft_wrap=False)
    if not everything:
        lines["more"] = "lava-ep info --all"
        _print_facts(display, lines)
        return
    described = {name: backend.description for name, backend in BACKENDS.items()}
    sections = [
        ("backends", described),
        ("executions", dict(EXECUTIONS)),
        ("data sets", dict(DATASETS)),
    ]
    titles = {
        "engine_bytes": "memory of the fused engine, MiB",
        "parameter_bytes": "memory of the parameters, MiB",
    }
    for key, sizes in _memory().items():
        texts = {
            name: f"{sum(parts.values()) / MIB:,.1f}: "
            + ", ".join(f"{part} {size / MIB:,.1f}" for part, size in parts.items())
            for name, parts in sizes.items()
        }
        sections.append((titles[key], texts))
    _print_facts(display, {key: lines[key] for key in lines if key not in dict(sections)})
    for title, found in sections:
        display.print(f"\n{title}")
        _print_facts(display, {f"  {name}": text for name, text in found.items()})


def _memory() -> dict[str, dict[str, dict[str, int]]]:
    """Return the bytes that presets take, of the fused engine or of the parameters."""
    from lava_ep.spec import load_preset
    from lava_ep.training import family_of

    memory: dict[str, dict[str, dict[str, int]]] = {"engine_bytes": {}, "parameter_bytes": {}}
    for _, entry in _by_name():
        experiment = load_preset(entry.name)
        key, parts = family_of(experiment.network).memory(experiment)
        memory[key][entry.name] = parts
    return memory
