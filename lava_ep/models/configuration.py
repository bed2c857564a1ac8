"""Lava's RunConfigs for the backends."""

from __future__ import annotations

import lava_ep.processes  # isort: skip  (first: it imports Lava as it must be)

from lava.magma.core.model.model import AbstractProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg, RunConfig

from lava_ep.models import loihi


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


def stock_config(
    model: type[loihi.StockNetworkModel], tag: str, *, on_chip: bool = False
) -> RunConfig:
    """Return Lava's own RunConfig for networks that a SubProcessModel makes of its Processes."""
    models = {lava_ep.processes.EPNetwork: model}
    if on_chip:
        return loihi.hardware_config(models)
    return Loihi2SimCfg(select_tag=tag, exception_proc_model_map=models)
