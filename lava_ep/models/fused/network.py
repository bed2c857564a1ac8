"""ProcessModels that run a whole `EPNetwork` in one OS process."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from numpy.typing import NDArray

from lava_ep._lava_private import is_connected
from lava_ep.arrays import as_integers
from lava_ep.dynamics import PhaseSchedule
from lava_ep.errors import InputError
from lava_ep.models.discovery import cpu_model
from lava_ep.models.fused.choice import engine_for
from lava_ep.models.fused.driver import Driver
from lava_ep.models.messages import SummingInPort
from lava_ep.parameters import NetworkParameters
from lava_ep.processes.network import EPNetwork
from lava_ep.spec import NetworkSpec

LAYER_FIELDS: dict[str, type[np.generic]] = {
    "weights": np.float32,
    "feedback": np.float32,
    "momentum": np.float32,
    "alpha": np.float64,
    "bias": np.float32,
    "state": np.float32,
    "activation": np.float32,
    "events": np.int64,
    "synaptic_operations": np.int64,
    "flips": np.int64,
}
"""What a layer may have, see `EPNetwork`, and types that initial values fit into.

The engines keep signs as bits and binary activations as int8.
"""

_LAYER_VAR = re.compile(rf"(hidden\d+|output)_({'|'.join(LAYER_FIELDS)})")


class _LayerVarTypes(type(PyLoihiProcessModel)):  # type: ignore[misc]
    """Declares the Vars of all layers to Lava, however many layers a network has."""

    def __getattr__(cls, name: str) -> LavaPyType:
        match = _LAYER_VAR.fullmatch(name)
        if match is None:
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        return LavaPyType(np.ndarray, LAYER_FIELDS[match[2]])


class EngineModel(PyLoihiProcessModel, metaclass=_LayerVarTypes):
    """Ports and Vars of an `EPNetwork` in front of an engine."""

    s_in: SummingInPort = LavaPyType(SummingInPort, np.int32)
    label_in: SummingInPort = LavaPyType(SummingInPort, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    state_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)

    def __init__(self, proc_params: Mapping[str, Any]) -> None:
        super().__init__(proc_params)
        spec: NetworkSpec = proc_params["spec"]
        parameters: NetworkParameters = proc_params["parameters"]
        self.schedule: PhaseSchedule = spec.schedule(proc_params["seed"])
        self.learning: bool = proc_params["learning"]
        self.period = self.schedule.period(learning=self.learning)
        self.messages = spec.input_encoding.messages(self.period)
        self._layer_names = spec.layer_names
        self.engine = self.engine_type(spec, parameters)(
            spec,
            batch=proc_params["batch"],
            schedule=self.schedule,
            learning=self.learning,
            first_batch=parameters.batch,
            decay=proc_params["decay"],
            epoch_batches=proc_params["epoch_batches"],
            threads=proc_params["threads"],
        )

    def engine_type(
        self, spec: NetworkSpec, parameters: NetworkParameters
    ) -> Callable[..., Driver]:
        """Return what makes the engine, of the arguments of `PopulationEngine`."""
        return engine_for(spec)

    def __getattr__(self, name: str) -> NDArray[Any]:
        match = _LAYER_VAR.fullmatch(name)
        if match is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self.engine.get(self._layer_names.index(match[1]), match[2])

    def __setattr__(self, name: str, value: Any) -> None:
        match = _LAYER_VAR.fullmatch(name)
        if match is None:
            super().__setattr__(name, value)
        else:
            self.engine.set(self._layer_names.index(match[1]), match[2], value)

    def on_var_update(self) -> None:
        """Forget what was derived from the parameters."""
        self.engine.changed()

    def receive_labels(self) -> None:
        """Tell the engine the labels.

        Raises
        ------
        InputError
            If there is nothing to learn from.
        """
        if is_connected(self.label_in):
            self.engine.set_labels(as_integers(self.label_in.recv(), np.int32))
        elif self.learning:
            raise InputError(
                "label_in is not connected, so there is nothing to learn from; connect it or set "
                "learning=False"
            )

    def receive_pixels(self) -> NDArray[np.int32]:
        """Return what the pixels send."""
        pixels: NDArray[np.int32] = as_integers(self.s_in.recv(), np.int32)
        return pixels


class WholeBatchModel(EngineModel):
    """One Lava time step carries a whole batch through all phases.

    ``label_in`` is received once a batch, ``s_in`` once for each time step in which pixels send
    something, see `lava_ep.dynamics.Encoding.messages`. What is sent tells of the end of the free
    phase: ``state_out`` the pre-activations, ``s_out`` the sum of the events since the load step,
    that is, the activations.
    """

    def run_spk(self) -> None:
        """Show a batch to the network, and learn from it."""
        self.receive_labels()
        free = self.schedule.free_end + 1
        self._advance(0, free)
        # The readout does not have to wait for the nudged phase.
        self.s_out.send(self.engine.outputs("activation"))
        self.state_out.send(self.engine.outputs("state"))
        if self.learning:
            self._advance(free, self.period)
            self.engine.learn()

    def _advance(self, first: int, last: int) -> None:
        """Go from one position in the schedule to another, receiving what pixels send on the way.

        Of several messages each takes a step of its own; the last one goes with the rest.
        """
        messages = min(self.messages, last)
        for position in range(first, messages):
            end = last if position == messages - 1 else position + 1
            self.engine.advance(position, end, self.receive_pixels())
        if messages <= first:
            self.engine.advance(first, last)


class StepwiseModel(EngineModel):
    """One Lava time step is one time step of the network, as with message passing."""

    def __init__(self, proc_params: Mapping[str, Any]) -> None:
        super().__init__(proc_params)
        self._position = -1

    def run_spk(self) -> None:
        """Take one step."""
        self._position = (self._position + 1) % self.period
        self.receive_labels()
        pixels = self.receive_pixels()
        told = pixels.any() or self._position < self.messages
        self.engine.advance(self._position, self._position + 1, pixels if told else None)
        self.s_out.send(self.engine.outputs("events"))
        self.state_out.send(self.engine.outputs("state"))

    def lrn_guard(self) -> bool:
        """Ask for a learning phase in the last step of a sample."""
        return self.learning and self._position == self.period - 1

    def run_lrn(self) -> None:
        """Learn from the sample that ends with this step."""
        self.engine.learn()


@cpu_model(EPNetwork, "fused")
class PyEPNetworkModelFused(WholeBatchModel):
    """The fastest engine for the network, batch by batch."""


@cpu_model(EPNetwork, "fused_stepwise")
class PyEPNetworkModelFusedStepwise(StepwiseModel):
    """The fastest engine for the network, step by step."""
