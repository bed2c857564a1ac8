"""Neurons of equilibrium-propagation networks as Lava Processes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike, NDArray

from lava_ep import kinds
from lava_ep.dynamics import (
    LIF,
    Binary,
    Graded,
    NeuronConstants,
    Noise,
    PhaseSchedule,
    SigmaDelta,
)
from lava_ep.errors import InputError
from lava_ep.processes.arguments import EPProcess, as_bias, as_pair, check_noise


class Neuron(EPProcess):
    r"""Base of all layers of neurons: their ports, Vars and options.

    A subclass names the class of its ``CONSTANTS`` and is then the Process of that kind of neurons.

    Parameters
    ----------
    shape
        (batch, n).
    schedule
        The neurons' own copy of the phases.
    neuron
        The constants of the neurons; by default those of their class.
    bias
        Initial biases, (n,); or, where `SHARES_BIASES`, fewer, one for each channel: neuron k has
        the bias k % channels.
    learning
        Whether samples have nudged phases, in or after which the biases learn.
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
        Events, (batch, n), every step.
    state_out : OutPort
        What predictions are read from, (batch, n) float32, every step: :math:`s`, unless a class
        says otherwise.
    state, activation, bias : Var
        :math:`s` (batch, n), what receivers know (batch, n), and the biases.
    events : Var
        Number of events since the start, (2,): free phases, nudged phases.

    Raises
    ------
    InputError
        If an argument is unknown or missing, or ``shape`` and ``bias`` do not fit.
    """

    CONSTANTS: ClassVar[type[NeuronConstants]]
    SHARES_BIASES: ClassVar[bool] = True
    """Whether channels of a convolutional layer may share biases."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "CONSTANTS" in vars(cls):
            kinds.register(cls.CONSTANTS.kind, "process")(cls)

    def __init__(
        self,
        *,
        shape: tuple[int, int],
        schedule: PhaseSchedule,
        neuron: NeuronConstants | None = None,
        bias: ArrayLike = 0.0,
        learning: bool = True,
        bias_rate: float = 0.0,
        first_batch: int = 0,
        noise: Noise | None = None,
        fixed_point: object | None = None,
        name: str | None = None,
        **further: Any,
    ) -> None:
        shape, bias = as_pair(shape), as_bias(bias)
        neuron = self.CONSTANTS() if neuron is None else neuron
        if not isinstance(neuron, self.CONSTANTS):
            raise InputError(f"neuron={neuron!r}: expected a {self.CONSTANTS.__name__}")
        super().__init__(
            shape=shape,
            schedule=schedule,
            neuron=neuron,
            learning=learning,
            bias_rate=bias_rate,
            first_batch=first_batch,
            biases=int(np.size(bias)) if np.ndim(bias) else shape[1],
            noise=check_noise(noise),
            fixed_point=fixed_point,
            name=name,
            **further,
        )
        self._check_biases(bias, shape[1])
        self.a_in = InPort(shape=shape)
        self.target_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.state_out = OutPort(shape=shape)
        self.state = Var(shape=shape, init=getattr(neuron, "initial_state", 0.0))
        self.activation = Var(shape=shape, init=0)
        self.bias = Var(shape=(self.proc_params["biases"],), init=bias)
        self.events = Var(shape=(2,), init=0)

    def _check_biases(self, bias: NDArray[Any] | float, neurons: int) -> None:
        found = np.shape(bias)
        if found in ((), (neurons,)):
            return
        if not self.SHARES_BIASES:
            raise InputError(f"bias has shape {found}: expected ({neurons},) or a number")
        if len(found) != 1 or found[0] < 1 or neurons % found[0]:
            raise InputError(
                f"bias has shape {found}: expected ({neurons},), one for each channel of "
                "convolutional layers, or a number"
            )

    @classmethod
    def with_constants(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments in which constants that stand alone have become one ``neuron``."""
        names = {declared.name for declared in fields(cls.CONSTANTS)}
        constants = {name: value for name, value in arguments.items() if name in names}
        others = {name: value for name, value in arguments.items() if name not in names}
        return {**others, "neuron": cls.CONSTANTS(**constants)} if constants else others

    @classmethod
    def _current(cls, given: dict[str, Any], declared: dict[str, bool]) -> dict[str, Any]:
        older = {name: value for name, value in given.items() if name not in declared}
        found = cls.with_constants(older)
        if "neuron" in found:
            warnings.warn(
                f"{cls.__name__}: constants as arguments of their own are deprecated; use "
                f"neuron={found['neuron']!r}",
                DeprecationWarning,
                stacklevel=3,
            )
        return {name: value for name, value in given.items() if name in declared} | found


class BinaryNeuron(Neuron):
    r"""A layer of neurons with binary activation that send an event when it changes.

    .. math::
        s \leftarrow \mathrm{clip}((1-\gamma_n) s
            + \gamma_n (I + \mathrm{bias} + \beta (y - s)), 0, 1), \qquad b = [s \ge \theta]

    The nudging term is there for neurons with a connected ``target_in`` and in nudged phases only.
    Every sample starts with the constants' ``initial_state``; the events of that step are relative
    to silence, so a receiver that starts from zero and adds up what it gets always knows
    :math:`b`. Events are -1, 0 or +1 (int8). (Laydevant et al. 2021, section 4.)

    Arguments, ports and Vars are those of `Neuron`; the constants are a `Binary`.
    """

    CONSTANTS = Binary


class GradedNeuron(Neuron):
    r"""A layer of neurons with full-precision states that send their changes as graded events.

    In discrete time :math:`s \leftarrow \rho(I + \mathrm{bias}) + \beta (y - s)`, filtered or
    energy-based on request; see `lava_ep.dynamics.graded_step`. Events (float32) add up to the
    activation that receivers know, up to ``event_threshold``; every sample starts from silence.
    (Ernoult et al. 2019, arXiv 1905.13633.)

    Arguments, ports and Vars are those of `Neuron`; the constants are a `Graded`.
    """

    CONSTANTS = Graded

    @classmethod
    def with_constants(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `Neuron.with_constants`."""
        found = dict(arguments)
        if "nudge_current" in found:
            found["nudge"] = "current" if found.pop("nudge_current") else "state"
        return super().with_constants(found)


class SigmaDeltaNeuron(Neuron):
    r"""A layer of neurons with full-precision states that send signed unit spikes.

    .. math::
        s \leftarrow \mathrm{clip}((1-\epsilon) s
            + \epsilon (I + \mathrm{bias} + \beta (y - s)), 0, 1)

    and a spike (int8), +1 or -1, wherever s is more than half a step away from what receivers know,
    which moves that by a step; see `lava_ep.dynamics.sigma_delta_step` and `StepSize`. Every sample
    starts with state 0. In the step that restores the free state before the second phase of
    symmetric nudging, several steps at once are sent as one graded spike. (O'Connor et al. 2019;
    Lin et al. 2024, arXiv 2405.02546.)

    Arguments, ports and Vars are those of `Neuron`; the constants are a `SigmaDelta`, and synapses
    get its ``step_size`` as a reading. The activation is counted in smallest steps.
    """

    CONSTANTS = SigmaDelta


class LIFNeuron(Neuron):
    r"""A layer of leaky integrate-and-fire neurons that learn from traces of their spikes.

    .. math::
        u &\leftarrow (1 - du)\,u + du\,I \\
        v &\leftarrow \max((1 - dv)\,v + u + \mathrm{bias} + \beta\,(y - r), -\theta)

    with a spike (int8, 0 or 1) where v reaches the threshold :math:`\theta`, and the trace r of the
    spikes as the rate that is nudged; see `lava_ep.dynamics.lif_step` for reset and refractory
    time. Every sample starts from the potentials of `LIF.initial_membrane`. The step that restores
    the free state before the second phase of symmetric nudging restores u, v, r and refractory
    times, and sends the last spikes of the free phase again. (EqSpike; Martin et al. 2021, arXiv
    2010.07859.)

    Arguments, ports and Vars are those of `Neuron`, but for biases of channels; the constants are a
    `LIF`, and synapses get its ``trace`` as a reading.

    Attributes
    ----------
    state_out : OutPort
        Rates :math:`r`, (batch, n) float32, every step.
    state, activation, synaptic : Var
        :math:`v`, :math:`r` and :math:`u`, (batch, n).
    """

    CONSTANTS = LIF
    SHARES_BIASES = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.synaptic = Var(shape=self.state.shape, init=0)
