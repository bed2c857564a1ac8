"""How the Processes are executed: ProcessModels, one folder for each backend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from lava_ep._lazy import lazily
from lava_ep.errors import InputError
from lava_ep.kinds import import_plugins

if TYPE_CHECKING:
    from lava.magma.core.run_configs import RunConfig

    from lava_ep.models import bmlp, data_parallel, fixed_point, fused, loihi, message_passing
    from lava_ep.models.configuration import BackendCfg
    from lava_ep.models.execution import EXECUTIONS, LARGE, choose_execution
    from lava_ep.spec import AnyNetworkSpec, NetworkSpec
else:
    # They need Lava or compile kernels.
    __getattr__ = lazily(
        __name__,
        {
            "bmlp": (),
            "configuration": ("BackendCfg",),
            "data_parallel": (),
            "execution": ("EXECUTIONS", "LARGE", "choose_execution"),
            "fixed_point": (),
            "fused": (),
            "loihi": (),
            "message_passing": (),
        },
    )


def _with_lava() -> ModuleType:
    """Return the module that needs Lava, or say that it is missing."""
    from lava_ep import _lava

    _lava.require()
    from lava_ep.models import configuration

    return configuration


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
    executes
        What it is for: values of ``executed_as`` of a network's spec.
    arithmetic
        Backends of the same arithmetic give the same results.
    check
        Raises an `InputError` for networks of its kind that the backend cannot execute.
    """

    tag: str
    stepwise_tag: str
    description: str
    executes: tuple[str, ...] = ("ep",)
    arithmetic: Literal["floating-point", "fixed-point"] = "floating-point"
    check: Callable[[NetworkSpec], None] = lambda network: None

    @property
    def whole_batches(self) -> bool:
        """Whether one Lava time step carries a whole batch through all phases."""
        return self.tag != self.stepwise_tag

    def config(self, *, stepwise: bool = False) -> RunConfig:
        """Return the RunConfig; see `run_config`."""
        configuration = _with_lava()
        return configuration.BackendCfg(select_tag=self.stepwise_tag if stepwise else self.tag)


@dataclass(frozen=True)
class LoihiBackend(Backend):
    """A way to execute networks that are made of Lava's own Processes only.

    Parameters
    ----------
    model_name
        Name of the SubProcessModel that makes them, in `lava_ep.models.loihi`.
    on_chip
        Whether they run on Loihi 2 instead of on the CPU.
    """

    executes: tuple[str, ...] = ("stock-lif",)
    model_name: str = "StockNetworkModel"
    on_chip: bool = False

    def config(self, *, stepwise: bool = False) -> RunConfig:
        """Return Lava's own RunConfig of the kind; every Lava time step is one of the network."""
        return _with_lava().stock_config(self.model, self.tag, on_chip=self.on_chip)

    @property
    def model(self) -> type[loihi.StockNetworkModel]:
        """The SubProcessModel that makes them."""
        _with_lava()
        from lava_ep.models import loihi

        found: type[loihi.StockNetworkModel] = getattr(loihi, self.model_name)
        return found


def _fits_fixed_point(network: NetworkSpec) -> None:
    from lava_ep.models.fixed_point import check_covered

    check_covered(network)


OWN = ("ep", "bmlp")
"""Families of networks that are made of our own Processes."""

BACKENDS: dict[str, Backend] = {
    "message-passing": Backend(
        "floating_pt",
        "floating_pt",
        "Processes that exchange events step by step",
        OWN,
    ),
    "fused": Backend(
        "fused",
        "fused_stepwise",
        "the whole network in one compiled, multi-threaded engine",
        OWN,
    ),
    "fixed_point": Backend(
        "fixed_pt_fused",
        "fixed_pt_fused_stepwise",
        "the whole network in integers of Loihi 2's widths, in one OS process",
        arithmetic="fixed-point",
        check=_fits_fixed_point,
    ),
    "fixed_point-message-passing": Backend(
        "fixed_pt",
        "fixed_pt",
        "the same integers, every Process an OS process",
        arithmetic="fixed-point",
        check=_fits_fixed_point,
    ),
    "loihi-fixed": LoihiBackend(
        "fixed_pt",
        "fixed_pt",
        "Lava's own Processes on the CPU, in Loihi's integers; for neurons of kind stock-lif",
        arithmetic="fixed-point",
        model_name="FixedStockNetworkModel",
    ),
    "loihi-float": LoihiBackend(
        "floating_pt",
        "floating_pt",
        "Lava's own Processes on the CPU, in real numbers; for neurons of kind stock-lif",
        model_name="FloatingStockNetworkModel",
    ),
    "loihi2": LoihiBackend(
        "fixed_pt",
        "fixed_pt",
        "Lava's own Processes on Loihi 2, with Intel's lava-loihi extension",
        arithmetic="fixed-point",
        model_name="FixedStockNetworkModel",
        on_chip=True,
    ),
}
"""The backends by name."""


COMPARABLE = ("message-passing", "fused")
"""Names of those that execute all of our own networks, with the same results."""


def register_backend(name: str, backend: Backend) -> None:
    """Add a backend of another package, see `lava_ep.kinds` for plugins.

    Raises
    ------
    InputError
        If there is another of this name.
    """
    if BACKENDS.setdefault(name, backend) != backend:
        raise InputError(f"backend {name!r}: there is one of this name; choose another")


def find_backend(name: str) -> Backend:
    """Return a backend.

    Raises
    ------
    InputError
        If there is no backend of this name.
    """
    if name not in BACKENDS:
        import_plugins()
    if name not in BACKENDS:
        raise InputError(f"backend {name!r}: expected one of {', '.join(BACKENDS)}")
    return BACKENDS[name]


def check_backend(name: str, network: AnyNetworkSpec) -> Backend:
    """Return a backend that can execute a network.

    Raises
    ------
    InputError
        If there is no backend of this name, it is for other networks, or something is missing here.
    """
    from lava_ep.spec import NetworkSpec

    found = find_backend(name)
    if network.executed_as not in found.executes:
        names = (n for n, backend in BACKENDS.items() if network.executed_as in backend.executes)
        raise InputError(
            f"backend {name!r}: expected one of {', '.join(names)} for {network.subject}"
        )
    if isinstance(network, NetworkSpec):
        found.check(network)
    if isinstance(found, LoihiBackend) and found.on_chip:
        _with_lava()
        from lava_ep.models import loihi

        loihi.require_extension()
    return found


def default_backend(network: AnyNetworkSpec) -> str:
    """Return the name of the first backend that can execute a network."""
    return next(n for n, backend in BACKENDS.items() if network.executed_as in backend.executes)


def run_config(backend: str, *, stepwise: bool = False) -> RunConfig:
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
        If there is no backend of this name, or something is missing here.
    """
    return find_backend(backend).config(stepwise=stepwise)


__all__ = [
    "BACKENDS",
    "COMPARABLE",
    "EXECUTIONS",
    "LARGE",
    "Backend",
    "BackendCfg",
    "LoihiBackend",
    "bmlp",
    "check_backend",
    "choose_execution",
    "data_parallel",
    "default_backend",
    "find_backend",
    "fixed_point",
    "fused",
    "loihi",
    "message_passing",
    "register_backend",
    "run_config",
]
