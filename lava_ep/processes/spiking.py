"""Spiking neurons of equilibrium-propagation networks as Lava Processes."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike

from lava_ep.dynamics import LIF, Noise, PhaseSchedule, StepSize
from lava_ep.errors import InputError
from lava_ep.processes.arguments import EPProcess, as_bias, as_pair, check_noise, further
from lava_ep.processes.neuron import add_ports_and_vars, check_biases


class SigmaDeltaNeuron(EPProcess):
    r"""A layer of neurons with full-precision states that send signed unit spikes.

    .. math::
        s \leftarrow \mathrm{clip}((1-\epsilon) s
            + \epsilon (I + \mathrm{bias} + \beta (y - s)), 0, 1)

    and a spike, +1 or -1, wherever s is more than half a step away from what receivers know, which
    moves that by a step; see `lava_ep.dynamics.sigma_delta_step` and `StepSize`. Every sample
    starts with state 0. In the step that restores the free state before the second phase of
    symmetric nudging, several steps at once are sent as one graded spike. (O'Connor et al. 2019;
    Lin et al. 2024, arXiv 2405.02546.)

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
    filter_rate
        :math:`\epsilon` in (0, 1].
    step_size
        How far a spike goes. Receivers have to be told the same, see ``readings`` of the synapses.
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
        Spikes, (batch, n) int8, -1, 0 or +1, every step.
    state_out : OutPort
        :math:`s`, (batch, n) float32, every step.
    state, activation, bias : Var
        :math:`s` (batch, n), what receivers know in smallest steps (batch, n), and the biases.
    events : Var
        Number of spikes since the start, (2,): free phases, nudged phases.

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
        step_size: StepSize = StepSize(),  # noqa: B008 - frozen
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
            step_size=step_size,
            bias_rate=bias_rate,
            first_batch=first_batch,
            biases=int(np.size(bias)) if np.ndim(bias) else shape[1],
            noise=check_noise(noise),
            fixed_point=fixed_point,
            name=name,
            **further(SigmaDeltaNeuron, self, kwargs),
        )
        if not 0 < filter_rate <= 1:
            raise InputError(f"filter_rate={filter_rate}: expected a value in (0, 1]")
        check_biases(bias, shape)
        add_ports_and_vars(self, shape, bias)


class LIFNeuron(EPProcess):
    r"""A layer of leaky integrate-and-fire neurons that learn from traces of their spikes.

    .. math::
        u &\leftarrow (1 - du)\,u + du\,I \\
        v &\leftarrow \max((1 - dv)\,v + u + \mathrm{bias} + \beta\,(y - r), -\theta)

    with a spike where v reaches the threshold :math:`\theta`, and the trace r of the spikes as the
    rate that is nudged; see `lava_ep.dynamics.lif_step` for reset and refractory time. Every sample
    starts from the potentials of `LIF.initial_membrane`. The step that restores the free state
    before the second phase of symmetric nudging restores u, v, r and refractory times, and sends
    the last spikes of the free phase again. (EqSpike; Martin et al. 2021, arXiv 2010.07859.)

    Parameters
    ----------
    shape
        (batch, n).
    schedule
        The neurons' own copy of the phases.
    learning
        Whether samples have nudged phases, in or after which the biases learn.
    bias
        Initial biases, (n,).
    neuron
        Decays, threshold, reset, refractory time and trace. Receivers have to be told the same
        trace, see ``readings`` of the synapses.
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
        Spikes, (batch, n) int8, 0 or 1, every step.
    state_out : OutPort
        Rates :math:`r`, (batch, n) float32, every step.
    state, activation, synaptic, bias : Var
        :math:`v`, :math:`r` and :math:`u` (batch, n), and the biases.
    events : Var
        Number of spikes since the start, (2,): free phases, nudged phases.

    Raises
    ------
    InputError
        If an argument is unknown, ``shape`` and ``bias`` do not fit.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, int],
        schedule: PhaseSchedule,
        bias: ArrayLike = 0.0,
        learning: bool = True,
        neuron: LIF = LIF(),  # noqa: B008 - frozen
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
            neuron=neuron,
            bias_rate=bias_rate,
            first_batch=first_batch,
            biases=int(np.size(bias)) if np.ndim(bias) else shape[1],
            noise=check_noise(noise),
            fixed_point=fixed_point,
            name=name,
            **further(LIFNeuron, self, kwargs),
        )
        if np.ndim(bias) and np.shape(bias) != shape[1:]:
            raise InputError(f"bias has shape {np.shape(bias)}: expected {shape[1:]} or a number")
        add_ports_and_vars(self, shape, bias)
        self.synaptic = Var(shape=shape, init=0)
