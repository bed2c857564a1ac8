"""Leaky integrate-and-fire neurons: spikes that say only that they happened."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from numbers import Integral
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics.constants import Constants, NeuronConstants, constant
from lava_ep.dynamics.readout import checked_target
from lava_ep.errors import InputError

Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]

GOLDEN = 0.6180339887498949
"""Fractional parts of its multiples lie as evenly as can be, whatever their number."""


class Reset(str, Enum):
    """What becomes of the membrane potential at a spike."""

    SUBTRACT = "subtract"
    """The threshold is subtracted: what is above it is kept, so rates are exact."""
    ZERO = "zero"
    """It starts again from 0."""


@dataclass(frozen=True)
class SpikeTrace(Constants):
    r"""How a synapse reads spikes: their trace :math:`r \leftarrow r + \kappa (e - r)` is a rate.

    Parameters
    ----------
    rate
        :math:`\kappa` in (0, 1].

    Raises
    ------
    InputError
        If it is out of range.
    """

    rate: float = constant(0.1, "kappa of the spike traces", gt=0, le=1)


@dataclass(frozen=True)
class LIF(NeuronConstants):
    r"""Constants of leaky integrate-and-fire neurons, see `lif_step`.

    Parameters
    ----------
    du, dv
        Decay of current and membrane potential in a time step, as of Lava's ``LIF``; ``dv`` 0
        means no leak.
    threshold
        :math:`\theta` of the membrane potential.
    reset
        A `Reset` or its value.
    refractory
        Time steps after a spike in which the membrane potential stays as it is.
    trace
        The trace of the neuron's own spikes.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    kind: ClassVar[str] = "lif"
    du: float = constant(0.2, "decay of the synaptic current", gt=0, le=1)
    dv: float = constant(0.0, "decay of the membrane potential; 0: no leak", ge=0, lt=1)
    threshold: float = constant(1.0, "membrane potential that makes a spike", gt=0)
    reset: Reset = constant(Reset.SUBTRACT, "membrane potential after a spike")
    refractory: int = constant(0, "time steps without spikes after a spike")
    trace: SpikeTrace = SpikeTrace()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reset not in tuple(Reset):
            choices = ", ".join(choice.value for choice in Reset)
            raise InputError(f"reset={self.reset!r}: expected one of {choices}")
        object.__setattr__(self, "reset", Reset(self.reset))
        if not isinstance(self.refractory, Integral) or self.refractory < 0:
            raise InputError(
                f"refractory={self.refractory}: expected a whole number of time steps, 0 or more"
            )

    @property
    def reading(self) -> SpikeTrace:
        """Spikes are read by their trace."""
        return self.trace

    @property
    def payload_bits(self) -> int:
        """Spikes say only that they happened."""
        return 0

    @property
    def state_words(self) -> tuple[int, int]:
        """Potential, current, trace, bias, refractory time; all but the bias are kept."""
        return 5, 4 + 1

    def initial_membrane(self, neurons: int) -> Float32:
        r"""Return the potentials at the start of every sample, (neurons,), evenly in [0, theta).

        Neurons that start together would spike together for long. Neuron n starts at
        :math:`\theta\,\mathrm{frac}((n + 1)\varphi)` with the golden ratio :math:`\varphi`.
        """
        starts = np.arange(1, neurons + 1) * GOLDEN % 1.0
        return (self.threshold * starts).astype(np.float32)


@kernel("void(f4[::1], i1[::1], f4)")
def trace_row(trace: Float32, spikes: Int8, rate: np.float32) -> None:
    """Let the traces of one sample follow its spikes; see `SpikeTrace`."""
    for n in range(trace.size):
        trace[n] = trace[n] + rate * (np.float32(spikes[n]) - trace[n])


@kernel("void(f4[:,::1], i1[:,::1], f4)")
def _trace_batch(trace: Float32, spikes: Int8, rate: np.float32) -> None:
    for row in range(trace.shape[0]):
        trace_row(trace[row], spikes[row], rate)


def follow_spikes(trace: Float32, spikes: Int8, rate: float) -> None:
    """Let (batch, n) traces follow spikes, in place; see `SpikeTrace`."""
    _trace_batch(trace, spikes, np.float32(rate))


@kernel(
    "int64(f4[::1], f4[::1], f4[::1], i4[::1], f4[::1], f4[::1], f4, f4, f4, boolean, i4, f4,"
    "i1[::1], f4, i1[::1])"
)
def lif_row(
    membrane: Float32,
    synaptic: Float32,
    trace: Float32,
    waiting: Int32,
    current: Float32,
    bias: Float32,
    du: np.float32,
    dv: np.float32,
    threshold: np.float32,
    to_zero: bool,
    refractory: np.int32,
    trace_rate: np.float32,
    target: Int8,
    beta: np.float32,
    spikes: Int8,
) -> int:
    """Do `lif_step` for one sample, and return the number of spikes."""
    keep_u, keep_v = np.float32(1.0) - du, np.float32(1.0) - dv
    for n in range(membrane.size):
        synaptic[n] = keep_u * synaptic[n] + du * current[n]
    count = np.int32(0)
    for n in range(membrane.size):
        drive = synaptic[n] + bias[n]
        if beta != 0:
            drive += beta * (np.float32(target[n]) - trace[n])
        v = keep_v * membrane[n] + drive
        v = v if v > -threshold else -threshold
        left = waiting[n]
        v = v if left == 0 else membrane[n]
        spike = np.int32(v >= threshold) * np.int32(left == 0)
        rest = np.float32(0.0) if to_zero else v - threshold
        membrane[n] = rest if spike else v
        left = left - np.int32(left > 0)
        waiting[n] = refractory if spike else left
        spikes[n] = np.int8(spike)
        count = np.int32(count + spike)
    trace_row(trace, spikes, trace_rate)
    return int(count)


@kernel(
    "int64(f4[:,::1], f4[:,::1], f4[:,::1], i4[:,::1], f4[:,::1], f4[::1], f4, f4, f4, boolean, "
    "i4, f4, i1[:,::1], f4, i1[:,::1])",
    allocates=True,
)
def _lif_batch(
    membrane: Float32,
    synaptic: Float32,
    trace: Float32,
    waiting: Int32,
    current: Float32,
    bias: Float32,
    du: np.float32,
    dv: np.float32,
    threshold: np.float32,
    to_zero: bool,
    refractory: np.int32,
    trace_rate: np.float32,
    target: Int8,
    beta: np.float32,
    spikes: Int8,
) -> int:
    """Do `lif_row` for all samples; ``target`` may be empty where beta is 0."""
    nobody = np.empty(0, np.int8)
    count = 0
    for row in range(membrane.shape[0]):
        count += lif_row(
            membrane[row],
            synaptic[row],
            trace[row],
            waiting[row],
            current[row],
            bias,
            du,
            dv,
            threshold,
            to_zero,
            refractory,
            trace_rate,
            target[row] if beta != 0 else nobody,
            beta,
            spikes[row],
        )
    return count


def lif_step(
    membrane: Float32,
    synaptic: Float32,
    trace: Float32,
    waiting: Int32,
    current: Float32,
    bias: Float32,
    spikes: Int8,
    *,
    neuron: LIF,
    target: Int8 | None = None,
    beta: float = 0.0,
) -> int:
    r"""Advance a layer of leaky integrate-and-fire neurons by one time step, in place.

    .. math::
        u &\leftarrow (1 - du)\,u + du\,I \\
        v &\leftarrow \max((1 - dv)\,v + u + \mathrm{bias} + \beta\,(y - r), -\theta) \\
        e &= [v \ge \theta], \quad v \leftarrow v - \theta e \ \text{or}\ (1 - e)\,v \\
        r &\leftarrow r + \kappa\,(e - r)

    In the refractory time after a spike v stays as it is and there are no spikes. The nudge pulls
    the rate :math:`r` towards the target (EqSpike; Martin et al. 2021, arXiv 2010.07859).

    Parameters
    ----------
    membrane, synaptic, trace
        :math:`v`, :math:`u` and :math:`r`, (batch, n); updated.
    waiting
        Time steps left of the refractory time, (batch, n); updated.
    current
        Summed synaptic input :math:`I`, (batch, n): of spikes, what those of the step before bring.
    bias
        (n,).
    spikes
        Receives :math:`e`, (batch, n), 0 or 1.
    neuron
        The constants.
    target
        Target :math:`y`, (batch, n), 0 or 1; needed where ``beta`` is not 0.
    beta
        Nudging strength :math:`\beta` of either sign.

    Returns
    -------
    int
        Number of spikes.

    Raises
    ------
    InputError
        If ``beta`` is not 0 and no target of the state's shape is given.
    """
    target = checked_target(target, beta, membrane.shape)
    return _lif_batch(
        membrane,
        synaptic,
        trace,
        waiting,
        current,
        bias,
        np.float32(neuron.du),
        np.float32(neuron.dv),
        np.float32(neuron.threshold),
        neuron.reset is Reset.ZERO,
        np.int32(neuron.refractory),
        np.float32(neuron.trace.rate),
        target,
        np.float32(beta),
        spikes,
    )
