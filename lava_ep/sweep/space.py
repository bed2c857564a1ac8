"""Which experiments a sweep consists of."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lava_ep.errors import InputError
from lava_ep.spec import ExperimentSpec
from lava_ep.training.grid import Point, assign, named

Values = Annotated[tuple[Any, ...], Field(min_length=1)]
Bounds = tuple[float, float]


class SweepSpec(BaseModel):
    r"""The points of a sweep: every combination of the grids, with each of so many random draws.

    Keys name fields as ``--set`` does, such as ``network.layers.0.gamma``. A draw takes one value
    of each ``choice``, one from :math:`U(a, b)` of each ``uniform``, and one whose logarithm is
    uniform of each ``loguniform``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    grid: dict[str, Values] = Field({}, description="all of these values")
    choice: dict[str, Values] = Field({}, description="one of these values in each draw")
    uniform: dict[str, Bounds] = Field({}, description="lowest and highest value")
    loguniform: dict[str, Bounds] = Field({}, description="lowest and highest value, above 0")
    samples: int = Field(1, ge=1, description="number of draws")
    seed: int = Field(0, ge=0, description="seed of the draws")
    scheduler: Literal["none", "asha", "median"] = Field(
        "none", description="what stops trials early by their test accuracies"
    )
    grace_epochs: int = Field(1, ge=1, description="epochs before a trial may be stopped")

    @model_validator(mode="after")
    def _consistent(self) -> SweepSpec:
        kinds = {"grid": self.grid, "choice": self.choice, **self._ranges}
        keys = [key for fields in kinds.values() for key in fields]
        if not keys:
            raise ValueError("nothing is swept: give a grid, choice, uniform or loguniform")
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"{twice[0]} is swept twice")
        for kind, ranges in self._ranges.items():
            for key, (low, high) in ranges.items():
                least = 0.0 if kind == "loguniform" else -math.inf
                if not least < low < high:
                    above = " above 0" if kind == "loguniform" else ""
                    raise ValueError(
                        f"{kind} {key}={low:g}:{high:g}: expected a lower and a higher number"
                        f"{above}"
                    )
        if self.samples > 1 and not self.random:
            raise ValueError(
                f"samples={self.samples} with grids only: expected 1, as all draws would be the "
                "same"
            )
        return self

    @property
    def _ranges(self) -> dict[str, dict[str, Bounds]]:
        return {"uniform": self.uniform, "loguniform": self.loguniform}

    @property
    def random(self) -> bool:
        """Whether anything is drawn."""
        return bool(self.choice or self.uniform or self.loguniform)

    @property
    def keys(self) -> list[str]:
        """The swept fields."""
        return [*self.grid, *self.choice, *self.uniform, *self.loguniform]

    def points(self) -> Iterator[Point]:
        """Yield the points, the same ones every time."""
        rng = np.random.default_rng(self.seed)
        for _ in range(self.samples):
            drawn = {key: values[rng.integers(len(values))] for key, values in self.choice.items()}
            drawn |= {key: float(rng.uniform(*ends)) for key, ends in self.uniform.items()}
            drawn |= {
                key: float(np.exp(rng.uniform(*np.log(ends))))
                for key, ends in self.loguniform.items()
            }
            for values in itertools.product(*self.grid.values()):
                yield dict(zip(self.grid, values, strict=True)) | drawn


def make_sweep(data: Mapping[str, Any], *, source: str) -> SweepSpec:
    """Validate plain data.

    Raises
    ------
    InputError
        Naming the source, every field at fault, its value and what was expected.
    """
    try:
        return SweepSpec.model_validate(data)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'sweep'}={fault.get('input')!r:.80}: "
            f"{fault['msg'].removeprefix('Value error, ')}"
            if fault["loc"]
            else fault["msg"].removeprefix("Value error, ")
            for fault in error.errors()
        )
        raise InputError(f"{source}: {faults}") from None


def plan(base: ExperimentSpec, sweep: SweepSpec) -> list[tuple[Point, ExperimentSpec]]:
    """Return all points with their experiments.

    Raises
    ------
    InputError
        If a key names no field or a value is impossible, naming the point.
    """
    found = []
    for number, point in enumerate(sweep.points()):
        try:
            found.append((point, assign(base, point)))
        except InputError as error:
            raise InputError(f"sweep point {number} ({named(point)}): {error}") from None
    return found
