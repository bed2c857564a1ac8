"""How the Processes are executed: ProcessModels, one folder for each backend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lava.magma.core.model.model import AbstractProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg

from lava_ep.errors import InputError
from lava_ep.spec import NetworkSpec

# The order matters to Lava: asked for SubProcessModels, it wants them first.
from lava_ep.models import message_passing  # isort: skip
from lava_ep.models import fixed_point  # isort: skip
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
    arithmetic
        Backends of the same arithmetic give the same results.
    check
        Raises an `InputError` if the backend cannot execute a network.
    """

    tag: str
    stepwise_tag: str
    description: str
    arithmetic: Literal["floating-point", "fixed-point"] = "floating-point"
    check: Callable[[NetworkSpec], None] = lambda spec: None

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
    "fixed_point": Backend(
        "fixed_pt_fused",
        "fixed_pt_fused_stepwise",
        "the whole network in integers of Loihi 2's widths, in one OS process",
        "fixed-point",
        fixed_point.check_covered,
    ),
    "fixed_point-message-passing": Backend(
        "fixed_pt",
        "fixed_pt",
        "the same integers, every Process an OS process",
        "fixed-point",
        fixed_point.check_covered,
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


class BackendCfg(Loihi2SimCfg):
    """Lava's RunConfig by tag, for graphs that have Processes of others in them, too.

    A Process without a model of the tag gets its floating-point model.
    """

    def select(
        self, process: AbstractProcess, proc_models: list[type[AbstractProcessModel]]
    ) -> type[AbstractProcessModel]:
        """Choose the ProcessModel of a Process."""
        if any(self.select_tag in model.tags for model in proc_models):
            chosen = super().select(process, proc_models)
        else:
            chosen = Loihi2SimCfg(select_tag="floating_pt").select(process, proc_models)
        model: type[AbstractProcessModel] = chosen
        return model


def run_config(backend: str, *, stepwise: bool = False) -> BackendCfg:
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
    return BackendCfg(select_tag=found.stepwise_tag if stepwise else found.tag)


__all__ = [
    "BACKENDS",
    "Backend",
    "BackendCfg",
    "find_backend",
    "fixed_point",
    "fused",
    "message_passing",
    "run_config",
]
