"""What Lava and the host ask of a runtime, in operating-system processes or in one."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.run_conditions import AbstractRunCondition, RunContinuous
from scipy.sparse import csr_matrix

from lava_ep._lava_private import Runtime, find
from lava_ep.runtime.errors import RunStateError


class HostCalls(Runtime):
    """A runtime that starts, waits and pauses, and moves whole Vars where Lava moves elements."""

    stop_requested = False

    @abstractmethod
    def check(self) -> None:
        """Raise the failure of the network, if there is one."""

    @abstractmethod
    def is_done(self) -> bool:
        """Return whether all time steps asked for are taken."""

    @abstractmethod
    def begin_steps(self, n_steps: int) -> None:
        """Have a paused network take time steps."""

    @abstractmethod
    def wait_for(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until a condition holds, or some seconds have passed; return whether it holds."""

    @abstractmethod
    def ask_to_pause(self) -> None:
        """Have all that still run end after the present time step."""

    def start(self, run_condition: AbstractRunCondition) -> None:
        """Run as Lava's ``Process.run`` asks.

        Parameters
        ----------
        run_condition : RunSteps or RunContinuous
            How long to run, and whether to wait for the end.
        """
        continuous = isinstance(run_condition, RunContinuous)
        self.num_steps = sys.maxsize if continuous else run_condition.num_steps
        self.start_steps(self.num_steps)
        if run_condition.blocking and not continuous:
            self.wait()

    def start_steps(self, n_steps: int) -> None:
        """Start time steps and return."""
        self.require_paused("start")
        if self.stop_requested:
            raise RunStateError("A ProcessModel has asked to stop; the run cannot go on.")
        self.begin_steps(n_steps)

    def require_paused(self, call: str) -> None:
        """Raise if time steps are left."""
        self.check()
        if not self.is_done():
            raise RunStateError(f"{call}() while the network is running; call wait() first.")

    def pause(self) -> None:
        """Pause the network after the present time step."""
        self.check()
        self.ask_to_pause()
        self.wait()

    def var_model(self, var_id: int) -> Any:
        """Return Lava's record of a Var of this network, None for another Var."""
        return self._executable.node_configs[0].var_models.get(var_id)

    @abstractmethod
    def read(self, var_id: int) -> Any:
        """Return a copy of the attribute behind a Var."""

    @abstractmethod
    def write(self, var_id: int, convert: Callable[[dict[str, Any]], Any]) -> None:
        """Replace the attribute behind a Var by what ``convert`` makes for its description."""

    def get_var(self, var_id: int, idx: Any = None) -> npt.NDArray[np.float64]:
        """Answer Lava's ``Var.get``.

        Parameters
        ----------
        var_id : int
            Lava's id of the Var.
        idx : optional
            Index into the value.

        Returns
        -------
        numpy.ndarray
            The value as Lava gives it, in double precision.
        """
        value = self.read(var_id)
        if isinstance(value, csr_matrix):
            value = find(value, explicit_zeros=True)[2]
        elif isinstance(value, str):
            value = list(value.encode("ascii"))
        else:
            value = np.reshape(value, self.var_model(var_id).shape)
        array = np.asarray(value, np.float64)
        return array if idx is None else array[idx]

    def set_var(self, var_id: int, value: Any, idx: Any = None) -> None:
        """Carry out Lava's ``Var.set``, which converts elements to the model's type unasked.

        Parameters
        ----------
        var_id : int
            Lava's id of the Var.
        value : array-like
            The elements, in the order in which `get_var` returns them.
        idx : optional
            Index into ``value``.
        """
        elements = np.asarray(value if idx is None else value[idx]).reshape(-1)

        def convert(found: dict[str, Any]) -> Any:
            if found["kind"] == "pickle":
                old = self.read(var_id)
                if isinstance(old, str):
                    return bytes(elements.tolist()).decode("ascii")
                rows, columns, _ = find(old, explicit_zeros=True)
                return csr_matrix((elements, (rows, columns)), old.shape)
            return elements.astype(found["dtype"]).reshape(found["shape"])

        self.write(var_id, convert)
