"""Write ``docs/fields.md``: every field of an experiment, from the models that validate it.

::

    python scripts/describe_fields.py
"""

from __future__ import annotations

import enum
import inspect
import json
import types
import typing
from pathlib import Path
from typing import Any, Literal, Union

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lava_ep import spec

TARGET = Path(__file__).resolve().parent.parent / "docs" / "fields.md"

SECTIONS = {
    "Training": {"training": spec.TrainingSpec},
    "Data": {"data": spec.DataSpec, "data.events": spec.EventsSpec},
    "Networks of equilibrium propagation": {
        "network": spec.NetworkSpec,
        "network.layers.N": spec.LayerSpec,
        "network.phases": spec.PhaseSpec,
        "network.encoding": spec.EncodingSpec,
        "network.normalization": spec.NormalizationSpec,
        "network.noise": spec.NoiseSpec,
    },
    "Neurons": {
        "network.neuron, kind binary": spec.NeuronSpec,
        "network.neuron, kind graded": spec.GradedNeuronSpec,
        "network.neuron, kind sigma-delta": spec.SigmaDeltaNeuronSpec,
        "network.neuron, kind lif": spec.LIFNeuronSpec,
        "network.neuron, kind resistive": spec.ResistiveNeuronSpec,
        "network.neuron, kind stock-lif": spec.StockLIFNeuronSpec,
        "network.neuron.layers.N, kind stock-lif": spec.StockLayerSpec,
    },
    "Networks of local binary errors": {
        "network, kind bmlp": spec.BMLPSpec,
        "network.layers.N, kind bmlp": spec.BMLPLayerSpec,
        "network.binarization, kind bmlp": spec.BinarizationSpec,
    },
}
"""Models by where they stand in an experiment, in the order of the page."""

HEAD = """\
# All fields of an experiment

Every field of `spec.json`, of a preset, and of `--set KEY=VALUE`. `null` stands for none; N counts
layers from 0. What goes together is checked before anything starts, and an error names the field.
This page is written by `scripts/describe_fields.py`.
"""


def kind_of(annotation: Any) -> str:
    """Tell in words which values a field takes."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return kind_of(parts[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in parts)
    if origin in (Union, types.UnionType):
        names = [kind_of(part) for part in parts if part is not types.NoneType]
        return " or ".join(dict.fromkeys(names))
    if origin is tuple:
        return "list of " + kind_of(parts[0]) + "s"
    if inspect.isclass(annotation) and issubclass(annotation, enum.Enum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "object"
    return {int: "integer", float: "number", bool: "`true` or `false`", str: "text"}[annotation]


def bounds_of(field: FieldInfo) -> str:
    """Tell the limits of a number."""
    signs = {Gt: ">", Ge: "≥", Lt: "<", Le: "≤"}
    names = {Gt: "gt", Ge: "ge", Lt: "lt", Le: "le"}
    found = [
        f"{signs[type(limit)]} {getattr(limit, names[type(limit)]):.10g}"
        for limit in field.metadata
        if type(limit) in signs
    ]
    return ", ".join(found)


def default_of(field: FieldInfo) -> str:
    """Tell what a field is if nothing is said, as JSON has it."""
    if field.is_required():
        return "required"
    if isinstance(field.default, BaseModel):
        return "its own defaults"
    return f"`{json.dumps(field.default)}`"


def table(place: str, model: type[BaseModel]) -> str:
    """Return the fields of a model as a table."""
    path, comma, kind = place.partition(",")
    rows = [f"### `{path}`{comma}{kind}", ""]
    rows += ["| field | values | default | what |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        values = ", ".join(filter(None, (kind_of(field.annotation), bounds_of(field))))
        rows.append(f"| `{name}` | {values} | {default_of(field)} | {field.description or ''} |")
    return "\n".join(rows) + "\n"


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for title, models in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += [table(place, model) for place, model in models.items()]
    return "\n".join(parts)


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
