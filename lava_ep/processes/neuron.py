"""Neurons of equilibrium-propagation networks as Lava Processes."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike, NDArray

from lava_ep.dynamics import Activation, Noise, PhaseSchedule
from lava_ep.errors import InputError
from lava_ep.processes.arguments import EPProcess, as_bias, as_pair, check_noise, further


def check_biases(bias: NDArray[np.float32] | float, shape: tuple[int, int]) -> None:
    """Check that biases fit neurons of ``shape`` (batch, n)."""
    if np.ndim(bias) == 0:
        return
    if np.ndim(bias) != 1 or np.size(bias) < 1 or shape[1] % np.size(bias):
        raise InputError(
            f"bias has shape {np.shape(bias)}: expected ({shape[1]},), one for each channel of "
            "convolutional layers, or a number"
        )


def add_ports_and_vars(
    process: AbstractProcess,
    shape: tuple[int, int],
    bias: NDArray[np.float32] | float,
    initial_state: float = 0.0,
) -> None:
    """Add the ports and Vars that all neurons have."""
    process.a_in = InPort(shape=shape)
    process.target_in = InPort(shape=shape)
    process.s_out = OutPort(shape=shape)
    process.state_out = OutPort(shape=shape)
    process.state = Var(shape=shape, init=initial_state)
    process.activation = Var(shape=shape, init=0)
    process.bias = Var(shape=(process.proc_params["biases"],), init=bias)
    process.events = Var(shape=(2,), init=0)


class BinaryNeuron(EPProcess):
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
        Initial biases, (n,); or fewer, one for each channel: neuron k has the bias k % channels.
    filter_rate, threshold, initial_state
        :math:`\gamma_n`, :math:`\theta` and the start value of :math:`s`.
    bias_rate
        Learning rate of the biases; 0 keeps them fixed.
    first_batch
        Number of batches learned from before this run; it selects the random sign of beta.
    noise
        Measurement noise of the activations that the biases learn from, or ``None``; give the
        synapses the same, see ``noises`` there. With models of tag ``floating_pt`` only.
    fixed_point
        Widths of the integers, a `lava_ep.models.fixed_point.NeuronFormat`; needed by models of
        tag ``fixed_pt`` and ignored by others.

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
        :math:`s` (batch, n), :math:`b` (batch, n) and the biases.
    events : Var
        Number of events since the start, (2,): free phases, nudged phases.

    Raises
    ------
    InputError
        If an argument is unknown, ``shape`` and ``bias`` do not fit, or a constant is out of range.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, int],
        schedule: PhaseSchedule,
        bias: ArrayLike = 0.0,
        learning: bool = True,
        filter_rate: float = 0.5,
        threshold: float = 0.5,
        initial_state: float = 1.0,
        bias_rate: float = 0.0,
        first_batch: int = 0,
        noise: Noise | None = None,
        fixed_point: object | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        shape, bias = as_pair(shape), as_bias(bias)
        super().__init__(
            shape=shape,
            schedule=schedule,
            learning=learning,
            filter_rate=filter_rate,
            threshold=threshold,
            initial_state=initial_state,
            bias_rate=bias_rate,
            first_batch=first_batch,
            biases=int(np.size(bias)) if np.ndim(bias) else shape[1],
            noise=check_noise(noise),
            fixed_point=fixed_point,
            name=name,
            **further(BinaryNeuron, self, kwargs),
        )
        check_biases(bias, shape)
        for value, what in ((filter_rate, "filter_rate"), (threshold, "threshold")):
            if not 0 < value <= 1:
                raise InputError(f"{what}={value}: expected a value in (0, 1]")
        if not 0 <= initial_state <= 1:
            raise InputError(f"initial_state={initial_state}: expected a value in [0, 1]")
        add_ports_and_vars(self, shape, bias, initial_state)


class GradedNeuron(EPProcess):
    r"""A layer of neurons with full-precision states that send their changes as graded events.

    In discrete time :math:`s \leftarrow \rho(I + \mathrm{bias}) + \beta (y - s)`, filtered if told
    so, or energy-based with a time step; see `lava_ep.dynamics.graded_step`. Events add up to the
    activation that receivers know, up to ``event_threshold``; every sample starts from silence.
    (Ernoult et al. 2019, arXiv 1905.13633.)

    Parameters
    ----------
    shape
        (batch, n).
    schedule
        The neurons' own copy of the phases.
    learning
        Whether samples have nudged phases, in or after which the biases learn.
    bias
        Initial biases, (n,); or fewer, one for each channel: neuron k has the bias k % channels.
    activation
        :math:`\rho`, an `Activation` or its value.
    filter_rate
        :math:`\gamma` of the filter of the states, in (0, 1]; in discrete time only.
    time_step
        dt of the energy-based form, in (0, 1]; ``None`` for discrete time.
    nudge_current
        Whether the nudge is added to the current instead of the state; in discrete time only.
    event_threshold
        Smallest change that is not sent; 0 sends every change.
    initial_state
        Start value of :math:`s`.
    bias_rate
        Learning rate of the biases; 0 keeps them fixed.
    first_batch
        Number of batches learned from before this run; it selects the random sign of beta.
    noise
        Measurement noise of the activations that the biases learn from, or ``None``; give the
        synapses the same, see ``noises`` there. With models of tag ``floating_pt`` only.

    Attributes
    ----------
    a_in : InPort
        Synaptic current :math:`I`, (batch, n) float, every step; several connections are added.
    target_in : InPort
        Target :math:`y`, (batch, n), 0 or 1, every step; connect it to output neurons.
    s_out : OutPort
        Events, (batch, n) float32, every step.
    state_out : OutPort
        :math:`s`, (batch, n) float32, every step.
    state, activation, bias : Var
        :math:`s` (batch, n), what receivers know (batch, n), and the biases.
    events : Var
        Number of events since the start, (2,): free phases, nudged phases.

    Raises
    ------
    InputError
        If an argument is unknown, ``shape`` and ``bias`` do not fit, or a constant is out of range.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, int],
        schedule: PhaseSchedule,
        bias: ArrayLike = 0.0,
        learning: bool = True,
        activation: Activation | str = Activation.SHIFTED_SIGMOID,
        filter_rate: float = 1.0,
        time_step: float | None = None,
        nudge_current: bool = False,
        event_threshold: float = 0.0,
        initial_state: float = 0.0,
        bias_rate: float = 0.0,
        first_batch: int = 0,
        noise: Noise | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        shape, bias = as_pair(shape), as_bias(bias)
        super().__init__(
            shape=shape,
            schedule=schedule,
            learning=learning,
            activation=activation,
            filter_rate=filter_rate,
            time_step=time_step,
            nudge_current=nudge_current,
            event_threshold=event_threshold,
            initial_state=initial_state,
            bias_rate=bias_rate,
            first_batch=first_batch,
            biases=int(np.size(bias)) if np.ndim(bias) else shape[1],
            noise=check_noise(noise),
            name=name,
            **further(GradedNeuron, self, kwargs),
        )
        check_biases(bias, shape)
        if activation not in tuple(Activation):
            choices = ", ".join(choice.value for choice in Activation)
            raise InputError(f"activation={activation!r}: expected one of {choices}")
        if not 0 < filter_rate <= 1:
            raise InputError(f"filter_rate={filter_rate}: expected a value in (0, 1]")
        if filter_rate != 1 and time_step is not None:
            raise InputError("filter_rate is for discrete time: leave out time_step")
        if time_step is not None and not 0 < time_step <= 1:
            raise InputError(f"time_step={time_step}: expected a value in (0, 1], or None")
        if nudge_current and time_step is not None:
            raise InputError("nudge_current is for discrete time: leave out time_step")
        if not event_threshold >= 0:
            raise InputError(f"event_threshold={event_threshold}: expected 0 or more")
        add_ports_and_vars(self, shape, bias, initial_state)
