"""What all parts of an experiment have in common."""

from __future__ import annotations

from collections.abc import Callable

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
