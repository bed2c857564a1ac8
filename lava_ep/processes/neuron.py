"""Neurons of equilibrium-propagation networks as Lava Processes."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from numpy.typing import NDArray

from lava_ep.dynamics import PhaseSchedule
from lava_ep.errors import InputError


class BinaryNeuron(AbstractProcess):
    r"""A layer of neurons with binary activation that send an event when it changes.

    .. math::
        s \leftarrow \mathrm{clip}((1-\gamma_n) s
            + \gamma_n (I + \mathrm{bias} + \beta (y - s)), 0, 1), \qquad b = [s \ge \theta]

    The nudging term is there for neurons with a connected ``target_in`` and in nudged phases only.
    Every sample starts with ``initial_state``; the events of that step are relative to silence, so
    a receiver that starts from zero and adds up what it gets always knows :math:`b`.
    (Laydevant et al. 2021, section 4.)

    Parameters
    ----------
    shape
        (batch, n).
    schedule
        The neurons' own copy of the phases.
    learning
        Whether samples have nudged phases, after which the biases learn.
    bias
        Initial biases, (n,).
    filter_rate, threshold, initial_state
        :math:`\gamma_n`, :math:`\theta` and the start value of :math:`s`.
    bias_rate
        Learning rate of the biases; 0 keeps them fixed.
    first_batch
        Number of batches learned from before this run; it selects the random sign of beta.

    Attributes
    ----------
    a_in : InPort
        Synaptic current :math:`I`, (batch, n) float, every step; several connections are added.
    target_in : InPort
        Target :math:`y`, (batch, n), 0 or 1, every step; connect it to output neurons.
    s_out : OutPort
        Events, (batch, n) int8, -1, 0 or +1, every step.
    state_out : OutPort
        Pre-activation :math:`s`, (batch, n) float32, every step.
    state, activation, bias : Var
        :math:`s` (batch, n), :math:`b` (batch, n) and the biases (n,).
    events : Var
        Number of events since the start, (2,): free phases, nudged phases.

    Raises
    ------
    InputError
        If the shapes of ``shape`` and ``bias`` do not fit, or a constant is out of range.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, int],
        schedule: PhaseSchedule,
        bias: NDArray[np.float32] | float = 0.0,
        learning: bool = True,
        filter_rate: float = 0.5,
        threshold: float = 0.5,
        initial_state: float = 1.0,
        bias_rate: float = 0.0,
        first_batch: int = 0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            shape=shape,
            schedule=schedule,
            learning=learning,
            filter_rate=filter_rate,
            threshold=threshold,
            initial_state=initial_state,
            bias_rate=bias_rate,
            first_batch=first_batch,
            name=name,
            **kwargs,
        )
        if np.ndim(bias) and np.shape(bias) != shape[1:]:
            raise InputError(f"bias has shape {np.shape(bias)}: expected {shape[1:]} or a number")
        for value, what in ((filter_rate, "filter_rate"), (threshold, "threshold")):
            if not 0 < value <= 1:
                raise InputError(f"{what}={value}: expected a value in (0, 1]")
        if not 0 <= initial_state <= 1:
            raise InputError(f"initial_state={initial_state}: expected a value in [0, 1]")
        self.a_in = InPort(shape=shape)
        self.target_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.state_out = OutPort(shape=shape)
        self.state = Var(shape=shape, init=initial_state)
        self.activation = Var(shape=shape, init=0)
        self.bias = Var(shape=shape[1:], init=bias)
        self.events = Var(shape=(2,), init=0)
