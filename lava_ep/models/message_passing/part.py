"""ProcessModels whose Vars live in a part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from lava.magma.core.model.py.type import LavaPyType

from lava_ep.errors import InputError
from lava_ep.models.message_passing.clock import ScheduledModel

VarTypes = dict[str, type[np.generic]]
"""Types of Vars by name."""


class _DeclaresVars(type(ScheduledModel)):  # type: ignore[misc]
    """Declares the Vars in ``VARS`` to Lava, whether or not a Process has all of them."""

    def __getattr__(cls, name: str) -> LavaPyType:
        for base in cls.__mro__:
            if name in vars(base).get("VARS", {}):
                return LavaPyType(np.ndarray, vars(base)["VARS"][name])
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")


def has_noise(proc_params: Mapping[str, Any]) -> bool:
    """Whether a Process was given noise of measurements, see `lava_ep.dynamics.Noise`."""
    noises = (proc_params.get("noise"), *(proc_params.get("noises") or ()))
    return any(noise is not None for noise in noises)


class PartModel(ScheduledModel, metaclass=_DeclaresVars):
    """A ProcessModel that receives, calls its part, and sends.

    Subclasses make the ``part``, and declare in ``VARS`` the types of those of its attributes that
    are Vars.
    """

    VARS: ClassVar[VarTypes] = {}
    part: Any

    def __init__(self, proc_params: Mapping[str, Any]) -> None:
        super().__init__(proc_params)
        if has_noise(proc_params) and self.clock.schedule.continual:
            raise InputError("noise with continual updates: expected two-phase updates")
        self.part = self.make_part(proc_params)

    def make_part(self, proc_params: Mapping[str, Any]) -> Any:
        """Return the part for the arguments of the Process."""
        raise NotImplementedError(f"{type(self).__name__} must implement make_part()")

    def _is_var(self, name: str) -> bool:
        return any(name in vars(base).get("VARS", {}) for base in type(self).__mro__)

    def __getattr__(self, name: str) -> Any:
        if self._is_var(name):
            return self.part.get(name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if self._is_var(name):
            self.part.set(name, value)
        else:
            super().__setattr__(name, value)

    def learn(self) -> None:
        """Learn at the end of a sample."""
        self.part.learn(self.clock)
