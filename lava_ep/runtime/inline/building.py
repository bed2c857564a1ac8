"""How Lava's builder makes a model for this process, and who acts for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.proc.io.injector import PyLoihiInjectorModel, PyLoihiInjectorModelAsync
from scipy.sparse import csr_matrix

from lava_ep._lava_private import INJECTOR_PORT, MGMT_COMMAND, handlers
from lava_ep.runtime.inline.domains import AsyncActor, LoihiActor
from lava_ep.runtime.inline.scheduler import Scheduler


def build_model(builder: Any, parameters: Any) -> AbstractPyProcessModel:
    """Return a new model that shares no value with its Process.

    Parameters
    ----------
    builder : PyProcessBuilder
        Lava's builder, with Vars, ports and channels set.
    parameters : ProcessParameters
        The constructor arguments of the model, see `copied_parameters`.
    """
    original, builder.proc_params = builder.proc_params, parameters
    try:
        model: AbstractPyProcessModel = builder.build()
    finally:
        builder.proc_params = original
    for name in builder.vars:
        value = vars(model).get(name)
        if isinstance(value, csr_matrix):  # the only kind that is not copied by the builder
            setattr(model, name, value.copy())
    if isinstance(model, PyLoihiInjectorModel | PyLoihiInjectorModelAsync):
        # Their __del__ ends a port that they do not have, which would be printed.
        vars(model)[INJECTOR_PORT] = _Nothing()
    return model


def act_for(
    model: AbstractPyProcessModel, name: str, description: str, scheduler: Scheduler
) -> LoihiActor | AsyncActor:
    """Return the actor that carries out the phases of a model; parameters as for `Actor`."""
    is_async = MGMT_COMMAND.RUN[0] in handlers(model)
    return (AsyncActor if is_async else LoihiActor)(model, name, description, scheduler)


def members_of(processes: Iterable[Any]) -> dict[int, Any]:
    """Return Processes with their ports and Vars, which copies of arguments share, by id."""
    shared: dict[int, Any] = {}
    for process in processes:
        members = [process.in_ports, process.out_ports, process.ref_ports, process.var_ports]
        for member in (process, *(m for c in (*members, process.vars) for m in c.members)):
            shared[id(member)] = member
    return shared


class _Nothing:
    """Stands in for a port."""

    def join(self) -> None:
        """Nothing to join."""
