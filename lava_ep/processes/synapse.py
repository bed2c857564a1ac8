"""Bidirectional synapses of equilibrium-propagation networks as Lava Processes."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from numpy.typing import NDArray

from lava_ep.dynamics import BOP, PhaseSchedule
from lava_ep.errors import InputError


class BinarySynapse(AbstractProcess):
    r"""Dense binary synapses :math:`W = \alpha\,\mathrm{sign}(W)`, used in both directions.

    Forward :math:`I_\mathrm{post} = W a_\mathrm{pre}`, backward
    :math:`I_\mathrm{pre} = W^\top b_\mathrm{post}`, both from the events received up to the step
    before, which gives the one step of delay of Lava's ``Dense``. At the end of a nudged phase the
    synapses contrast what they received themselves and flip by BOP.

    Parameters
    ----------
    weights
        Signs, (n_post, n_pre), each -1 or +1.
    batch
        Size of the batch axis.
    schedule
        The synapses' own copy of the phases.
    learning_rule
        `BOP`, or ``None`` for synapses that never change.
    learning
        Whether samples have nudged phases at all.
    alpha
        Scaling factor.
    alpha_rate
        Learning rate of alpha; 0 keeps it fixed.
    levels
        Source value that means 1.0: 1 for binary neurons, e.g. 255 for pixels.
    momentum
        Initial BOP momenta, (n_post, n_pre), or 0.
    first_batch
        Number of batches learned from before this run.

    Attributes
    ----------
    s_in_pre, s_in_post : InPort
        Events of the two ends, (batch, n_pre) and (batch, n_post), every step.
    a_out_post, a_out_pre : OutPort
        Currents to the two ends, (batch, n_post) and (batch, n_pre) float32, every step. Nothing is
        computed backward where ``a_out_pre`` is not connected, as with pixels.
    weights, momentum, alpha : Var
        Signs (n_post, n_pre), momenta (n_post, n_pre) and scaling factor (1,).
    synaptic_operations : Var
        Events times the synapses they reach since the start, (2,): free phases, nudged phases.
    flips : Var
        Number of weight flips since the start, (1,).

    Raises
    ------
    InputError
        If ``weights`` is not a matrix of signs, ``momentum`` does not fit it, or ``batch`` or
        ``levels`` is below 1.
    """

    def __init__(
        self,
        *,
        weights: NDArray[np.int8],
        batch: int,
        schedule: PhaseSchedule,
        learning_rule: BOP | None = None,
        learning: bool = True,
        alpha: float = 1.0,
        alpha_rate: float = 0.0,
        levels: int = 1,
        momentum: NDArray[np.float32] | float = 0.0,
        first_batch: int = 0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        weights = np.asarray(weights)
        super().__init__(
            schedule=schedule,
            learning_rule=learning_rule,
            learning=learning,
            alpha_rate=alpha_rate,
            levels=levels,
            first_batch=first_batch,
            name=name,
            **kwargs,
        )
        if weights.ndim != 2 or not np.isin(weights, (-1, 1)).all():
            raise InputError(
                f"weights of shape {weights.shape}: expected a (n_post, n_pre) matrix of -1 and +1"
            )
        if np.ndim(momentum) and np.shape(momentum) != weights.shape:
            raise InputError(
                f"momentum has shape {np.shape(momentum)}: expected {weights.shape} or a number"
            )
        for value, what in ((batch, "batch"), (levels, "levels")):
            if value < 1:
                raise InputError(f"{what}={value}: expected at least 1")
        n_post, n_pre = weights.shape
        self.s_in_pre = InPort(shape=(batch, n_pre))
        self.s_in_post = InPort(shape=(batch, n_post))
        self.a_out_post = OutPort(shape=(batch, n_post))
        self.a_out_pre = OutPort(shape=(batch, n_pre))
        self.weights = Var(shape=weights.shape, init=weights)
        self.momentum = Var(shape=weights.shape, init=momentum)
        self.alpha = Var(shape=(1,), init=alpha)
        self.synaptic_operations = Var(shape=(2,), init=0)
        self.flips = Var(shape=(1,), init=0)
