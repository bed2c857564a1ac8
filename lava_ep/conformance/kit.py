"""The kit on disk: ``kit.json`` that says what there is, and a safetensors file for each case."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from lava_ep.conformance.adapter import Adapter
from lava_ep.conformance.case import Array, Case, Trace
from lava_ep.errors import InputError
from lava_ep.files import appearing, check_new, read_json

VERSION = 1
"""Version of the format; kits of another one are refused."""

MANIFEST = "kit.json"


@dataclass(frozen=True)
class Entry:
    """A case and its golden trace."""

    case: Case
    golden: Trace


class _CaseAbout(BaseModel):
    """What the manifest says of a case."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    subject: str
    arithmetic: str
    arguments: dict[str, Any]
    steps: int
    outputs: tuple[str, ...]
    after: tuple[str, ...]
    tolerance: float
    sha256: str


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str
    version: int
    cases: tuple[_CaseAbout, ...]


FORMAT = "lava-ep conformance kit"


def record(cases: Iterable[Case], adapter: Adapter) -> list[Entry]:
    """Run cases on the backend that shall be the reference.

    Raises
    ------
    NotCovered
        If it lacks one of them.
    """
    return [Entry(case, adapter.run(case)) for case in cases]


def choose(entries: Iterable[Entry], names: Collection[str]) -> list[Entry]:
    """Return the entries of such names, or all if there are no names.

    Raises
    ------
    InputError
        If there is no case of a name.
    """
    found = {entry.case.name: entry for entry in entries}
    for name in names:
        if name not in found:
            raise InputError(f"case {name!r}: expected one of {', '.join(found)}")
    return [found[name] for name in names] if names else list(found.values())


def write_kit(folder: Path, entries: Iterable[Entry]) -> None:
    """Write a kit into a new or empty folder.

    Raises
    ------
    InputError
        If there is something in the folder, or it cannot be written.
    """
    check_new(folder)
    about = []
    with appearing(folder, "write the kit") as temporary:
        for entry in entries:
            case, content = entry.case, save(_named(entry))
            (temporary / f"{case.name}.safetensors").write_bytes(content)
            names = _CaseAbout.model_fields.keys() - {"sha256"}
            fields = {name: getattr(case, name) for name in names}
            about.append(_CaseAbout(**fields, sha256=hashlib.sha256(content).hexdigest()))
        manifest = _Manifest(format=FORMAT, version=VERSION, cases=tuple(about))
        text = json.dumps(manifest.model_dump(mode="json"), indent=1)
        (temporary / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_kit(folder: Path | None = None) -> list[Entry]:
    """Read a kit; without a folder, the one that comes with the package.

    Raises
    ------
    InputError
        If the folder holds no kit of this version, or a file is missing or was changed.
    """
    folder = folder or Path(str(files("lava_ep.conformance"))) / "golden"
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(
            f"{folder} holds no {MANIFEST}: name a folder that `lava-ep conformance record` wrote"
        )
    content = read_json(path)
    version = content.get("version")
    if version != VERSION:
        raise InputError(
            f"{path} has version {version}, expected {VERSION}: record the kit anew, or use the "
            "release of lava-ep that wrote it"
        )
    try:
        manifest = _Manifest.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path} is not a manifest of a kit: {error}") from None
    return [_read_case(folder, about) for about in manifest.cases]


def _named(entry: Entry) -> dict[str, Array]:
    """Return all arrays of an entry by the names that they have in its file."""
    groups = {
        "initial": entry.case.initial,
        "inputs": entry.case.inputs,
        "outputs": entry.golden.outputs,
        "after": entry.golden.after,
    }
    return {
        f"{group}/{name}": a.copy()
        for group, arrays in groups.items()
        for name, a in arrays.items()
    }


def _read_case(folder: Path, about: _CaseAbout) -> Entry:
    path = folder / f"{about.name}.safetensors"
    if path.parent != folder or not path.is_file():
        raise InputError(f"{path} is missing: copy the whole kit, or record it anew")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != about.sha256:
        raise InputError(f"{path} is not the file that {MANIFEST} names: copy the kit again")
    try:
        arrays = load(content)
    except SafetensorError as error:
        raise InputError(f"{path} is not a whole safetensors file ({error})") from None
    groups: dict[str, dict[str, Array]] = {"initial": {}, "inputs": {}, "outputs": {}, "after": {}}
    for key, values in arrays.items():
        group, _, name = key.partition("/")
        if group not in groups:
            raise InputError(f"{path}: array {key!r} belongs to none of {', '.join(groups)}")
        groups[group][name] = values
    case = Case(
        **about.model_dump(exclude={"sha256"}), initial=groups["initial"], inputs=groups["inputs"]
    )
    found = {}  # in the order of the case, which files do not keep
    for group, names in (("outputs", about.outputs), ("after", about.after)):
        missing = [name for name in names if name not in groups[group]]
        if missing:
            raise InputError(f"{path}: array {f'{group}/{missing[0]}'!r} is missing")
        found[group] = {name: groups[group][name] for name in names}
    return Entry(case, Trace(found["outputs"], found["after"]))
