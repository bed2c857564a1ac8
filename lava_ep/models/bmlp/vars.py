"""ProcessModels whose Vars are arrays of the parts that compute."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.type import LavaPyType
from numpy.typing import NDArray

from lava_ep.processes.bmlp import LAYER_COUNTERS, LAYER_PARAMETERS

VAR_TYPES: dict[str, type[np.generic]] = {
    "hidden": np.int32,
    "classifier": np.int32,
    "right": np.int64,
    **dict.fromkeys(LAYER_COUNTERS, np.int64),
    "thresholds": np.uint8,
}
"""Of the Vars, by the last word of their names."""

LAYER_VARS = (*LAYER_PARAMETERS, *LAYER_COUNTERS)


class _DeclaresVars(type(PyLoihiProcessModel)):  # type: ignore[misc]
    """Declares the Vars to Lava, however many layers a network has."""

    def __getattr__(cls, name: str) -> LavaPyType:
        kind = VAR_TYPES.get(name.rpartition("_")[2])
        if kind is None:
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        return LavaPyType(np.ndarray, kind)


class ModelWithArrays(PyLoihiProcessModel, metaclass=_DeclaresVars):
    """A ProcessModel that hands the values of Vars to arrays of its parts, and back.

    Subclasses fill ``arrays`` when they are made.
    """

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by the names of the Vars."""
        found: dict[str, NDArray[Any]] = self.__dict__.setdefault("_arrays", {})
        return found

    def __getattr__(self, name: str) -> NDArray[Any]:
        try:
            return self.arrays[name]
        except KeyError:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.arrays:
            self.arrays[name][...] = value
        else:
            super().__setattr__(name, value)
