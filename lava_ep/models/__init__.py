"""How the Processes are executed: ProcessModels, one folder for each backend."""

from __future__ import annotations

from dataclasses import dataclass

from lava.magma.core.run_configs import Loihi2SimCfg

from lava_ep.errors import InputError

# The order matters to Lava: asked for SubProcessModels, it wants them first.
from lava_ep.models import message_passing  # isort: skip
from lava_ep.models import fused  # isort: skip


@dataclass(frozen=True)
class Backend:
    """A way to execute a network.

    Parameters
    ----------
    tag
        By which Lava selects the ProcessModels.
    stepwise_tag
        By which it selects those with one Lava time step for each time step of the network.
    description
        One line about it.
    """

    tag: str
    stepwise_tag: str
    description: str

    @property
    def whole_batches(self) -> bool:
        """Whether one Lava time step carries a whole batch through all phases."""
        return self.tag != self.stepwise_tag


BACKENDS = {
    "message-passing": Backend(
        "floating_pt", "floating_pt", "every Process an OS process, exchanging events step by step"
    ),
    "fused": Backend(
        "fused", "fused_stepwise", "the whole network in one compiled, multi-threaded engine"
    ),
}
"""The backends by name."""


def find_backend(name: str) -> Backend:
    """Return a backend.

    Raises
    ------
    InputError
        If there is no backend of this name.
    """
    if name not in BACKENDS:
        raise InputError(f"backend {name!r}: expected one of {', '.join(BACKENDS)}")
    return BACKENDS[name]


def run_config(backend: str, *, stepwise: bool = False) -> Loihi2SimCfg:
    """Return the RunConfig that executes a network on a backend.

    Parameters
    ----------
    backend
        Its name.
    stepwise
        Whether one Lava time step shall be one time step of the network on every backend.

    Raises
    ------
    InputError
        If there is no backend of this name.
    """
    found = find_backend(backend)
    return Loihi2SimCfg(select_tag=found.stepwise_tag if stepwise else found.tag)


__all__ = ["BACKENDS", "Backend", "find_backend", "fused", "message_passing", "run_config"]
