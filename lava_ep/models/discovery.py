"""One decorator that declares a ProcessModel and lets Lava's compiler find it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

Model = TypeVar("Model", bound=type)

STEPWISE = (
    "floating_pt",
    "fused_stepwise",
    "fixed_pt",
    "bit_accurate_loihi",
    "fixed_pt_fused_stepwise",
)
"""Tags of models for every backend with one Lava time step for each time step of the network."""


def cpu_model(process: type[AbstractProcess], *tags: str) -> Callable[[Model], Model]:
    """Declare a class as a Python ProcessModel of ``process`` with the given tags.

    Lava looks for ProcessModels only beside the Process, among the classes that claim the same
    module. Ours live in a folder for each backend, so the decorator enters the class in the module
    of its Process; any RunConfig, such as ``Loihi2SimCfg(select_tag=...)``, then finds it.
    """

    def declare(model: Model) -> Model:
        requires(CPU)(model)
        return _publish(model, process, tags)

    return declare


def sub_model(process: type[AbstractProcess], *tags: str) -> Callable[[Model], Model]:
    """Declare a class as a SubProcessModel of ``process``; see `cpu_model`.

    Where a Process has a Python model, too, Lava's RunConfigs for simulation look for tags among
    its Python models only, unless they are told ``select_sub_proc_model=True``. A SubProcessModel
    that counts as one of them is found by its tag alone.
    """

    def declare(model: Model) -> Model:
        AbstractPyProcessModel.register(model)
        return _publish(model, process, tags)

    return declare


def _publish(model: Model, process: type[AbstractProcess], tags: tuple[str, ...]) -> Model:
    implements(proc=process, protocol=LoihiProtocol)(model)
    tag(*tags)(model)
    model.__module__ = process.__module__
    setattr(sys.modules[process.__module__], model.__name__, model)
    return model
