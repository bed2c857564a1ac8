"""What stands in for Lava's runtime after a supervised run, so that nothing is silently wrong."""

from __future__ import annotations

from typing import Any, NoReturn

from lava_ep.runtime.errors import RunStateError


class EndedRuntime:
    """Refuses Lava's calls that need a runtime, and allows those that end one.

    Without it, Lava's ``Var.get`` would return the initial value of a Var.
    """

    _is_started = False

    def start(self, run_condition: Any) -> NoReturn:
        """Refuse to run on."""
        raise RunStateError(
            "The supervised run of this network has ended, and run() cannot resume it. Run it "
            "within the 'with' block, or enter supervised() again, which starts from the "
            "initial values."
        )

    def get_var(self, var_id: int, idx: Any = None) -> NoReturn:
        """Refuse to read a Var."""
        raise RunStateError(
            "The supervised run of this network has ended, and the values of its Vars are gone. "
            "Read them within the 'with' block: value = run.get(process.var)."
        )

    def set_var(self, var_id: int, value: Any, idx: Any = None) -> NoReturn:
        """Refuse to change a Var."""
        raise RunStateError(
            "The supervised run of this network has ended, and its Vars can no longer be set. Set "
            "them within the 'with' block, with run.set(process.var, value), or give the initial "
            "value to a new Process."
        )

    def wait(self) -> None:
        """Nothing runs."""

    def pause(self) -> None:
        """Nothing runs."""

    def stop(self) -> None:
        """Nothing runs; Lava calls this when a Process is deleted."""
