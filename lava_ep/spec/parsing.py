"""Experiments from files, presets and ``--set``."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from lava_ep.errors import InputError
from lava_ep.files import read_json
from lava_ep.spec.base import Spec
from lava_ep.spec.experiment import NETWORK_TAGS, ExperimentSpec

SpecType = TypeVar("SpecType", bound=Spec)


def parse(kind: type[SpecType], data: Any, *, source: str) -> SpecType:
    """Validate plain data.

    Raises
    ------
    InputError
        Naming the source, and every field at fault with its value and what was expected.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        # A layer with a fault is also missing from the layers, which is no fault of its own.
        errors = [fault for fault in error.errors() if fault["type"] != "too_short"]
        faults = "; ".join(
            f"{'.'.join(_path(fault['loc'])) or 'spec'}{_shown(fault.get('input'))}: "
            f"{fault['msg'].removeprefix('Value error, ')}"
            for fault in errors or error.errors()
        )
        raise InputError(f"{source}: {faults}") from None


SHOWN = 80
"""Characters of a value in an error."""


def _shown(value: Any) -> str:
    """Return a value for an error; that of a large part of a spec would hide the reason."""
    long = isinstance(value, dict) and len(repr(value)) > SHOWN
    return "" if long else f"={value!r:.{SHOWN}}"


_TAGS = set(NETWORK_TAGS.values())


def _path(location: Iterable[int | str]) -> list[str]:
    """Names of a field and of those it lies in, without the tags of unions."""
    return [str(part) for part in location if part not in _TAGS]


def load_spec(path: Path) -> ExperimentSpec:
    """Read an experiment from a JSON file.

    Raises
    ------
    InputError
        If the file is missing, is not JSON, or does not describe an experiment.
    """
    return parse(ExperimentSpec, read_json(path), source=str(path))


def preset_names() -> list[str]:
    """Names of the presets that come with the package."""
    folder = resources.files("lava_ep") / "presets"
    return sorted(
        item.name.removesuffix(".json") for item in folder.iterdir() if item.name.endswith(".json")
    )


def load_preset(name: str) -> ExperimentSpec:
    """Return one of the presets that come with the package.

    Raises
    ------
    InputError
        If there is no preset of this name.
    """
    if name not in preset_names():
        close = difflib.get_close_matches(name, preset_names(), 1)
        hint = f"did you mean {close[0]}? Expected" if close else "expected"
        raise InputError(f"preset {name!r}: {hint} one of {', '.join(preset_names())}")
    text = (resources.files("lava_ep") / "presets" / f"{name}.json").read_text(encoding="utf-8")
    return parse(ExperimentSpec, json.loads(text), source=f"preset {name!r}")


def parse_value(text: str) -> Any:
    """Return the value that a text on the command line means: JSON, or else a string."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return text


def override(spec: ExperimentSpec, assignments: Iterable[str]) -> ExperimentSpec:
    """Change fields given as ``dotted.key=value``; values are JSON, or else strings.

    Examples
    --------
    >>> override(load_preset("binary-digits"), ["network.layers.0.neurons=256"])  # doctest: +SKIP

    Raises
    ------
    InputError
        If an assignment is malformed, names no field, or gives an impossible value.
    """
    assignments = list(assignments)
    data = spec.model_dump(mode="json")
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator or not key:
            raise InputError(
                f"--set {assignment!r}: expected KEY=VALUE, e.g. network.phases.free_steps=20"
            )
        value = parse_value(text)
        *parents, leaf = key.split(".")
        node = data
        for part in parents:
            node = _child(node, part, key)
        _child(node, leaf, key)
        if isinstance(node, list):
            node[int(leaf)] = value
        else:
            node[leaf] = value
    return parse(ExperimentSpec, data, source="--set " + " ".join(assignments))


def _child(node: Any, part: str, key: str) -> Any:
    """Step into a field or list item, or say which ones there are."""
    if isinstance(node, dict):
        if part in node:
            return node[part]
        names = ", ".join(node)
    elif isinstance(node, list):
        if part.isdecimal() and int(part) < len(node):
            return node[int(part)]
        names = f"0 to {len(node) - 1}"
    else:
        names = "nothing, it is a single value"
    raise InputError(f"--set {key}: there is no {part!r} here; expected one of: {names}")
