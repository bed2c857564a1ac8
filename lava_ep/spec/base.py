"""What all parts of an experiment have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field
from typing import Any

import pydantic
from pydantic import BaseModel, ConfigDict

from lava_ep.errors import InputError

MOST_NEURONS = 2**24
"""Of a layer."""


class Spec(BaseModel):
    """Validated data that cannot be changed; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def as_value_error(make: Callable[[], object]) -> None:
    """Turn an `InputError` into what pydantic collects."""
    try:
        make()
    except InputError as error:
        raise ValueError(str(error)) from None


def of(constants: type, name: str, **more: Any) -> Any:
    """Return the field of a spec that is one of the constants of a model.

    Parameters
    ----------
    constants
        Their class, whose `lava_ep.dynamics.constant` has default, range and description.
    name
        Name of the constant.
    more
        Other or further arguments of pydantic's ``Field``.
    """
    declared: Field[Any] = constants.__dataclass_fields__[name]  # type: ignore[attr-defined]
    default = {} if declared.default is MISSING else {"default": declared.default}
    return pydantic.Field(**{**default, **declared.metadata, **more})
