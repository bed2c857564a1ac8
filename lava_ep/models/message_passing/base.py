"""Bases of all message-passing models: they count steps, and their Vars live in a population."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.type import LavaPyType

from lava_ep.errors import InputError
from lava_ep.populations import Clock


class ScheduledModel(PyLoihiProcessModel):
    """A ProcessModel that knows from its own count which phase a time step belongs to.

    Subclasses implement ``step``, called in every time step, and may implement ``learn``, called in
    the learning phase of the last step of every sample.

    Attributes
    ----------
    clock
        The count.
    """

    def __init__(self, proc_params: Mapping[str, Any]) -> None:
        super().__init__(proc_params)
        self.clock = Clock(
            proc_params["schedule"],
            learning=proc_params["learning"],
            batch=proc_params.get("first_batch", 0),
        )

    def run_spk(self) -> None:
        """Advance the count and take the step."""
        self.clock.tick()
        self.step()

    def lrn_guard(self) -> bool:
        """Ask for a learning phase in the last step of a sample."""
        return self.clock.learning and self.clock.at_end

    def run_lrn(self) -> None:
        """Learn from the sample that ends with this step."""
        self.learn()
        self.clock.batch += 1

    def step(self) -> None:
        """Receive, compute and send for one time step."""
        raise NotImplementedError(f"{type(self).__name__} must implement step()")

    def learn(self) -> None:
        """Change the parameters at the end of a sample; nothing by default."""


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


class PopulationModel(ScheduledModel, metaclass=_DeclaresVars):
    """A ProcessModel that receives, calls its population, and sends.

    Subclasses make the ``population``, and declare in ``VARS`` the types of those of its attributes
    that are Vars.
    """

    VARS: ClassVar[VarTypes] = {}
    population: Any

    def __init__(self, proc_params: Mapping[str, Any]) -> None:
        super().__init__(proc_params)
        if has_noise(proc_params) and self.clock.schedule.continual:
            raise InputError("noise with continual updates: expected two-phase updates")
        self.population = self.make_population(proc_params)

    def make_population(self, proc_params: Mapping[str, Any]) -> Any:
        """Return the population for the arguments of the Process."""
        raise NotImplementedError(f"{type(self).__name__} must implement make_population()")

    def _is_var(self, name: str) -> bool:
        return any(name in vars(base).get("VARS", {}) for base in type(self).__mro__)

    def __getattr__(self, name: str) -> Any:
        if self._is_var(name):
            return self.population.get(name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if self._is_var(name):
            self.population.set(name, value)
        else:
            super().__setattr__(name, value)

    def learn(self) -> None:
        """Learn at the end of a sample."""
        self.population.learn(self.clock)
