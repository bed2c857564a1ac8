"""Message-passing model of binary neurons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from numpy.typing import NDArray

from lava_ep.dynamics import Phase, binary_step, update_bias
from lava_ep.models.discovery import cpu_model
from lava_ep.models.message_passing.clock import ScheduledModel
from lava_ep.models.message_passing.messages import SummingInPort, as_integers, as_reals
from lava_ep.processes.neuron import BinaryNeuron


@cpu_model(BinaryNeuron, "floating_pt")
class PyBinaryNeuronModelFloat(ScheduledModel):
    """Float32 states, int8 events."""

    a_in: SummingInPort = LavaPyType(SummingInPort, np.float32)
    target_in: SummingInPort = LavaPyType(SummingInPort, np.int8)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    state_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    state: NDArray[np.float32] = LavaPyType(np.ndarray, np.float32)
    activation: NDArray[np.int8] = LavaPyType(np.ndarray, np.int8)
    bias: NDArray[np.float32] = LavaPyType(np.ndarray, np.float32)
    events: NDArray[np.int64] = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Mapping[str, Any]) -> None:
        super().__init__(proc_params)
        self._filter_rate = np.float32(proc_params["filter_rate"])
        self._threshold = np.float32(proc_params["threshold"])
        self._initial_state = np.float32(proc_params["initial_state"])
        self._bias_rate: float = proc_params["bias_rate"]
        self._change = np.zeros(proc_params["shape"], np.int8)

    def step(self) -> None:
        """Update the states from the currents of this step and send what changed."""
        current = as_reals(self.a_in.recv())
        nudgeable = bool(self.target_in.csp_ports)
        target = as_integers(self.target_in.recv(), np.int8) if nudgeable else None
        if self.ep_phase is Phase.LOAD:
            self._reset()
        elif self.ep_phase is Phase.RESTORE:
            self._restore()
        else:
            self._settle(current, target)
        self.s_out.send(self._change)
        self.state_out.send(self.state)
        if self.learning:
            self._remember()

    def _reset(self) -> None:
        self.state.fill(self._initial_state)
        self.activation.fill(self._initial_state >= self._threshold)
        self._change[...] = self.activation
        self.events[0] += np.count_nonzero(self._change)

    def _restore(self) -> None:
        np.subtract(self._free_activation, self.activation, out=self._change)
        self.state[...] = self._free_state
        self.activation[...] = self._free_activation
        self.events[1] += np.count_nonzero(self._change)

    def _settle(self, current: NDArray[np.float32], target: NDArray[np.int8] | None) -> None:
        count = binary_step(
            self.state,
            self.activation,
            current,
            self.bias,
            self._filter_rate,
            self._threshold,
            self._change,
            target,
            0.0 if target is None else self.schedule.beta_at(self.position, self.sign),
        )
        self.events[self.counter] += count

    def _remember(self) -> None:
        """Keep the free state, and the activation that the final one is contrasted with."""
        if self.position == self.schedule.free_end:
            self._free_state = self.state.copy()
            self._free_activation = self._first = self.activation.copy()
        elif self.schedule.symmetric and self.position == self.schedule.first_nudged_end:
            self._first = self.activation.copy()

    def learn(self) -> None:
        """Move the biases by the contrast of the activations."""
        if self._bias_rate:
            update_bias(
                self.bias,
                self._first,
                self.activation,
                rate=self._bias_rate,
                sign=self.contrast_sign,
                span=self.schedule.contrast_span,
            )
