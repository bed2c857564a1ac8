"""Fixed-point models of a whole `EPNetwork` in one OS process."""

from __future__ import annotations

import functools
from collections.abc import Callable

from lava_ep.models.discovery import cpu_model
from lava_ep.models.fixed_point.conversion import convert
from lava_ep.models.fixed_point.engine import FixedEngine
from lava_ep.models.fused.network import EngineModel, StepwiseModel, WholeBatchModel
from lava_ep.parameters import NetworkParameters
from lava_ep.processes.network import EPNetwork
from lava_ep.spec import NetworkSpec


class _IntegerEngine(EngineModel):
    """Runs a `FixedEngine`."""

    def engine_type(
        self, spec: NetworkSpec, parameters: NetworkParameters
    ) -> Callable[..., FixedEngine]:
        """Return what makes the engine."""
        return functools.partial(FixedEngine, formats=convert(spec, parameters).layers)


@cpu_model(EPNetwork, "fixed_pt_fused")
class PyEPNetworkModelFixed(_IntegerEngine, WholeBatchModel):
    """Integers, batch by batch."""


@cpu_model(EPNetwork, "fixed_pt_fused_stepwise")
class PyEPNetworkModelFixedStepwise(_IntegerEngine, StepwiseModel):
    """Integers, step by step."""
