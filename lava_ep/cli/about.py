"""``lava-ep presets`` and ``lava-ep info``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from lava_ep.cli.common import AsJson
from lava_ep.models import BACKENDS
from lava_ep.spec import load_preset, preset_names


def presets(as_json: AsJson = False) -> None:
    """List the experiments that come with the package."""
    from lava_ep.training import family_of

    experiments = {name: load_preset(name) for name in preset_names()}
    if as_json:
        print(json.dumps({name: e.model_dump(mode="json") for name, e in experiments.items()}))
        return
    # Names stay whole where the terminal is narrow: they are what `train` is told.
    names = (Column(name, no_wrap=True) for name in ("preset", "data"))
    folded = (
        Column(name, overflow="fold", min_width=9)
        for name in ("network", "neurons, weights", "T + K, nudging or groups")
    )
    table = Table(*names, *folded, "batch", "epochs", box=None)
    for name, experiment in experiments.items():
        training = experiment.training
        table.add_row(
            name,
            experiment.data.name,
            str(experiment.network),
            *family_of(experiment.network).describe(experiment),
            str(training.batch_size),
            str(training.epochs),
        )
    Console().print(table)


def info(as_json: AsJson = False) -> None:
    """Show versions, backends, data sets, the machine, and the memory that presets take."""
    import os
    import platform

    from lava_ep.data import DATASETS
    from lava_ep.training import family_of
    from lava_ep.training.trainer import package_versions

    memory: dict[str, dict[str, dict[str, int]]] = {"engine_bytes": {}, "parameter_bytes": {}}
    for name, experiment in ((name, load_preset(name)) for name in preset_names()):
        key, parts = family_of(experiment.network).memory(experiment)
        memory[key][name] = parts
    facts: dict[str, Any] = {
        "versions": package_versions(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "backends": {name: backend.description for name, backend in BACKENDS.items()},
        "datasets": dict(DATASETS),
        "presets": preset_names(),
        **memory,
        "data_dir": os.environ.get("LAVA_EP_DATA"),
    }
    if as_json:
        print(json.dumps(facts))
        return
    table = Table(show_header=False, box=None)
    for title, key in (
        ("memory of the fused engine", "engine_bytes"),
        ("memory of parameters", "parameter_bytes"),
    ):
        facts[title] = {
            name: f"{sum(parts.values()) / 2**20:,.1f} MiB: "
            + ", ".join(f"{part} {size / 2**20:,.1f}" for part, size in parts.items())
            for name, parts in facts.pop(key).items()
        }
    for key, value in facts.items():
        if isinstance(value, Mapping):
            value = "\n".join(f"{name}  {text}" for name, text in value.items())
        elif isinstance(value, list):
            value = ", ".join(value)
        table.add_row(key, str(value))
    Console().print(table)
