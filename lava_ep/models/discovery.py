"""One decorator that declares a ProcessModel and lets Lava's compiler find it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

Model = TypeVar("Model", bound=type)


def cpu_model(process: type[AbstractProcess], *tags: str) -> Callable[[Model], Model]:
    """Declare a class as a CPU ProcessModel of ``process`` with the given tags.

    Lava looks for ProcessModels only beside the Process, among the classes that claim the same
    module. Ours live in a folder for each backend, so the decorator enters the class in the module
    of its Process; any RunConfig, such as ``Loihi2SimCfg(select_tag=...)``, then finds it.
    """

    def declare(model: Model) -> Model:
        requires(CPU)(model)
        return cpu_sub_model(process, *tags)(model)

    return declare


def cpu_sub_model(process: type[AbstractProcess], *tags: str) -> Callable[[Model], Model]:
    """Declare a class as a SubProcessModel of ``process``; see `cpu_model`."""

    def declare(model: Model) -> Model:
        implements(proc=process, protocol=LoihiProtocol)(model)
        tag(*tags)(model)
        model.__module__ = process.__module__
        setattr(sys.modules[process.__module__], model.__name__, model)
        return model

    return declare
