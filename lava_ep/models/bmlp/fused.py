"""The whole network in one OS process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType

from lava_ep._lava_private import is_connected
from lava_ep.arrays import as_integers
from lava_ep.errors import InputError
from lava_ep.models.bmlp.engine import BMLPEngine
from lava_ep.models.bmlp.vars import LAYER_VARS, ModelWithArrays
from lava_ep.models.discovery import cpu_model
from lava_ep.models.messages import SummingInPort
from lava_ep.processes.bmlp import BMLPNetwork


@cpu_model(BMLPNetwork, "fused", "fused_stepwise")
class PyBMLPNetworkModelFused(ModelWithArrays):
    """Ports and Vars of a `BMLPNetwork` in front of a `BMLPEngine`."""

    pixels_in: SummingInPort = LavaPyType(SummingInPort, np.uint8)
    label_in: SummingInPort = LavaPyType(SummingInPort, np.int32)
    score_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Mapping[str, Any]) -> None:
        super().__init__(proc_params)
        names = ("batch", "seed", "epoch_batches", "threads")
        spec = proc_params["spec"]
        self.engine = BMLPEngine(
            spec, proc_params["parameters"], **{name: proc_params[name] for name in names}
        )
        self._learning: bool = proc_params["learning"]
        self.arrays["thresholds"] = self.engine.thresholds
        for name, layer in zip(spec.layer_names, self.engine.layers, strict=True):
            self.arrays.update({f"{name}_{var}": getattr(layer, var) for var in LAYER_VARS})

    def run_spk(self) -> None:
        """Take a batch.

        Raises
        ------
        InputError
            If there is nothing to learn from.
        """
        self.score_out.send(self.engine.forward(as_integers(self.pixels_in.recv(), np.uint8)))
        if not self._learning:
            return
        if not is_connected(self.label_in):
            raise InputError(
                "label_in is not connected, so there is nothing to learn from; connect it or set "
                "learning=False"
            )
        self.engine.learn(as_integers(self.label_in.recv(), np.int32))

    def on_var_update(self) -> None:
        """Forget what was derived from the parameters."""
        for layer in self.engine.layers:
            layer.changed()
