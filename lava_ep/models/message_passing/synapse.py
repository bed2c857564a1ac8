"""Message-passing model of bidirectional binary synapses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from numpy.typing import NDArray

from lava_ep.dynamics import (
    BOP,
    Phase,
    SignMatrix,
    alpha_gradient,
    bop_update,
    current,
    integrate_events,
)
from lava_ep.models.discovery import cpu_model
from lava_ep.models.message_passing.clock import ScheduledModel
from lava_ep.models.message_passing.messages import SummingInPort, as_integers
from lava_ep.processes.synapse import BinarySynapse


class SignsType(LavaPyType):
    """Declares a Var of signs that the model keeps packed, one bit each, in ``model.signs``."""

    def __init__(self) -> None:
        super().__init__(np.ndarray, np.int8)

    def __get__(self, model: Any, owner: type | None = None) -> Any:
        if model is None:
            return self
        signs = model.signs.signs()
        signs.flags.writeable = False  # a copy: what is written to it would be lost
        return signs


@cpu_model(BinarySynapse, "floating_pt")
class PyBinarySynapseModelFloat(ScheduledModel):
    """Integer sums of events; currents leave as float32."""

    s_in_pre: SummingInPort = LavaPyType(SummingInPort, np.int8)
    s_in_post: SummingInPort = LavaPyType(SummingInPort, np.int8)
    a_out_post: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    a_out_pre: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    weights = SignsType()
    signs: SignMatrix
    momentum: NDArray[np.float32] = LavaPyType(np.ndarray, np.float32)
    alpha: NDArray[np.float64] = LavaPyType(np.ndarray, np.float64)
    synaptic_operations: NDArray[np.int64] = LavaPyType(np.ndarray, np.int64)
    flips: NDArray[np.int64] = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Mapping[str, Any]) -> None:
        super().__init__(proc_params)
        self._rule: BOP | None = proc_params["learning_rule"]
        self._alpha_rate: float = proc_params["alpha_rate"]
        self._levels: int = proc_params["levels"]
        self._pre_type = np.int8 if self._levels == 1 else np.int32

    def __setattr__(self, key: str, value: Any) -> None:
        # Lava's models write attributes past any descriptor.
        if key == "weights":
            self.signs = SignMatrix.from_signs(value)
        else:
            super().__setattr__(key, value)

    def step(self) -> None:
        """Send the currents of the events received so far, then receive the new events."""
        if self.ep_phase is Phase.LOAD:
            self._reset()
        self.a_out_post.send(self._current_post)
        backward = bool(self.a_out_pre.csp_ports)
        if backward:
            self.a_out_pre.send(self._current_pre)
        pre = as_integers(self.s_in_pre.recv(), self._pre_type)
        post = as_integers(self.s_in_post.recv(), np.int8)
        alpha = float(self.alpha[0])
        # Currents change only with events, so a silent step costs nothing here.
        n_post, n_pre = self.signs.shape
        if events := integrate_events(pre, self.signs, self._total_post):
            current(self._total_post, alpha, self._levels, out=self._current_post)
            self.synaptic_operations[self.counter] += events * n_post
        if backward and (
            events := integrate_events(post, self.signs, self._total_pre, backward=True)
        ):
            current(self._total_pre, alpha, 1, out=self._current_pre)
            self.synaptic_operations[self.counter] += events * n_pre
        if self.learning and self._rule is not None:
            self._pre += pre
            self._post += post
            self._remember()

    def _reset(self) -> None:
        (n_post, n_pre), batch = self.signs.shape, self.a_out_post.shape[0]
        self._total_post = np.zeros((batch, n_post), np.int32)
        self._total_pre = np.zeros((batch, n_pre), np.int32)
        self._current_post = np.zeros((batch, n_post), np.float32)
        self._current_pre = np.zeros((batch, n_pre), np.float32)
        self._pre: NDArray[Any] = np.zeros((batch, n_pre), self._pre_type)
        self._post = np.zeros((batch, n_post), np.int8)

    def _remember(self) -> None:
        """Keep the state that the final one is contrasted with."""
        symmetric = self.schedule.symmetric
        end = self.schedule.first_nudged_end if symmetric else self.schedule.free_end
        if self.position == end:
            self._first = self._pre.copy(), self._post.copy(), self._total_post.copy()

    def learn(self) -> None:
        """Contrast the two remembered states; move alpha and flip weights."""
        if self._rule is None:
            return
        pre, post, total = self._first
        sign, span = self.contrast_sign, self.schedule.contrast_span
        if self._alpha_rate:
            gradient = alpha_gradient(
                total,
                post,
                self._total_post,
                self._post,
                alpha=float(self.alpha[0]),
                levels=self._levels,
                sign=sign,
                span=span,
            )
        unit = span * post.shape[0] * self._levels
        rescale, gain, threshold = self._rule.coefficients(self.batch, unit=unit)
        if rescale != 1.0:
            self.momentum *= np.float32(rescale)
        self.flips += bop_update(
            self.signs,
            self.momentum,
            pre,
            post,
            self._pre,
            self._post,
            np.float32(sign * gain),
            np.float32(threshold),
        )
        if self._alpha_rate:
            self.alpha += self._alpha_rate * gradient
