"""Sigma-delta neurons: full-precision states inside, signed unit spikes outside."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics.constants import NeuronConstants, constant
from lava_ep.dynamics.readout import checked_target
from lava_ep.errors import InputError

Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]

MOST_LEVELS = 100
"""More would not fit a graded spike of 8 bits, which restores the free state."""


@dataclass(frozen=True)
class StepSize:
    r"""How far one spike moves what receivers know.

    Every step is a whole multiple :math:`m` of the smallest one, :math:`\lambda = m/L`, so that
    what receivers add up are integers. In time step :math:`t` after a sample was loaded,

    .. math:: m_t = \max(1, \mathrm{round}(m_0\, d^t))

    (O'Connor et al. 2019 let steps shrink during a phase). Adaptive steps differ from neuron to
    neuron and start with :math:`m_0`: a spike of the same sign as that of the step before doubles
    the next step, up to :math:`m_0`; anything else halves it, down to 1. Neuron and receivers tell
    this from the spikes alone (adaptive delta modulation; Jayant 1970).

    Parameters
    ----------
    levels
        :math:`L`, the number of smallest steps from 0 to 1; at most `MOST_LEVELS`.
    start
        :math:`m_0`, in smallest steps; at most ``levels``.
    decay
        :math:`d` in (0, 1]; 1 for constant steps.
    adaptive
        Whether neurons adapt their steps to their own spikes; needs ``decay`` 1.

    Raises
    ------
    InputError
        If a value is out of range, or steps shall both decay and adapt.
    """

    levels: int = constant(5, "L: the smallest step of a spike is 1 / L")
    start: int = constant(1, "first step of a sample, in smallest steps")
    decay: float = constant(1.0, "factor by which steps shrink in every time step")
    adaptive: bool = constant(False, "each neuron adapts its steps to its own spikes")

    def __post_init__(self) -> None:
        if not isinstance(self.levels, Integral) or not 1 <= self.levels <= MOST_LEVELS:
            raise InputError(
                f"step size levels={self.levels}: expected a whole number from 1 to {MOST_LEVELS}"
            )
        if not isinstance(self.start, Integral) or not 1 <= self.start <= self.levels:
            raise InputError(
                f"step size start={self.start}: expected a whole number of smallest steps, from 1 "
                f"to levels={self.levels}"
            )
        if not 0 < self.decay <= 1:
            raise InputError(f"step size decay={self.decay}: expected a factor in (0, 1]")
        if self.adaptive and self.decay < 1:
            raise InputError(
                f"step size decay={self.decay} with adaptive steps: expected 1; choose one of both"
            )

    def multiple(self, step: int) -> int:
        """Return :math:`m_t`; of adaptive steps, the one that all neurons start with."""
        return max(1, round(self.start * self.decay**step))

    def final(self, step: int) -> bool:
        """Whether steps stay as they are from this one on, unless there are spikes."""
        return self.adaptive or self.decay == 1 or self.multiple(step) == 1


@dataclass(frozen=True)
class SigmaDelta(NeuronConstants):
    r"""Constants of sigma-delta neurons, see `sigma_delta_step`.

    Parameters
    ----------
    filter_rate
        :math:`\epsilon` in (0, 1].
    step_size
        How far a spike goes.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    WHOLE: ClassVar[bool] = True
    kind: ClassVar[str] = "sigma-delta"
    filter_rate: float = constant(0.5, "epsilon of the filter of the state", gt=0, le=1)
    step_size: StepSize = StepSize()

    @property
    def reading(self) -> StepSize:
        """Spikes are steps of this size."""
        return self.step_size

    @property
    def payload_bits(self) -> int:
        """Spikes are -1 or +1, but up to L steps of either sign restore the free state."""
        return self.step_size.levels.bit_length() + 1

    @property
    def state_words(self) -> tuple[int, int]:
        """Adaptive steps are one more variable, which is kept, too."""
        adaptive = int(self.step_size.adaptive)
        return 4 + adaptive, 2 + adaptive + 1


@kernel("int64(f4[::1], f4[::1], f4[::1], f4[::1], f4, f4, i4[::1], i1[::1], f4, i1[::1])")
def sigma_delta_row(
    state: Float32,
    level: Float32,
    current: Float32,
    bias: Float32,
    filter_rate: np.float32,
    levels: np.float32,
    multiple: Int32,
    target: Int8,
    beta: np.float32,
    spikes: Int8,
) -> int:
    """Do `sigma_delta_step` for one sample, and return the number of spikes."""
    keep = np.float32(1.0) - filter_rate
    half = np.float32(0.5)
    if beta != 0:
        for n in range(state.size):
            drive = current[n] + bias[n] + beta * (np.float32(target[n]) - state[n])
            state[n] = keep * state[n] + filter_rate * drive
    else:
        for n in range(state.size):
            state[n] = keep * state[n] + filter_rate * (current[n] + bias[n])
    count = np.int32(0)
    for n in range(state.size):
        s = state[n] if state[n] > np.float32(0.0) else np.float32(0.0)
        s = s if s < np.float32(1.0) else np.float32(1.0)
        state[n] = s
        error = s * levels - level[n]
        step = np.float32(multiple[n])
        spike = np.int32(error > half * step) - np.int32(error < -half * step)
        level[n] += step * np.float32(spike)
        spikes[n] = np.int8(spike)
        count = np.int32(count + spike * spike)
    return int(count)


@kernel("void(i4[::1], i1[::1], i1[::1], i4)")
def adapt_row(multiple: Int32, previous: Int8, spikes: Int8, most: np.int32) -> None:
    """Adapt the steps of one sample to its spikes, and remember these; see `StepSize`."""
    one = np.int32(1)
    for n in range(multiple.size):
        repeated = spikes[n] * previous[n] > 0
        m = multiple[n] * np.int32(2) if repeated else multiple[n] // np.int32(2)
        m = m if m > one else one
        multiple[n] = m if m < most else most
        previous[n] = spikes[n]


@kernel(
    "int64(f4[:,::1], f4[:,::1], f4[:,::1], f4[::1], f4, f4, i4[:,::1], i1[:,::1], f4, i1[:,::1])",
    allocates=True,
)
def _sigma_delta_batch(
    state: Float32,
    level: Float32,
    current: Float32,
    bias: Float32,
    filter_rate: np.float32,
    levels: np.float32,
    multiple: Int32,
    target: Int8,
    beta: np.float32,
    spikes: Int8,
) -> int:
    """Do `sigma_delta_row` for all samples; ``target`` may be empty where beta is 0."""
    nobody = np.empty(0, np.int8)
    biases = np.empty(state.shape[1], np.float32)
    for first in range(0, biases.size, bias.size):
        biases[first : first + bias.size] = bias
    count = 0
    for row in range(state.shape[0]):
        count += sigma_delta_row(
            state[row],
            level[row],
            current[row],
            biases,
            filter_rate,
            levels,
            multiple[row],
            target[row] if beta != 0 else nobody,
            beta,
            spikes[row],
        )
    return count


def sigma_delta_step(
    state: Float32,
    level: Float32,
    current: Float32,
    bias: Float32,
    spikes: Int8,
    *,
    filter_rate: float,
    levels: int,
    multiple: Int32,
    target: Int8 | None = None,
    beta: float = 0.0,
) -> int:
    r"""Advance a layer of sigma-delta neurons by one time step, in place.

    .. math::
        s &\leftarrow \mathrm{clip}((1-\epsilon)\,s
            + \epsilon\,(I + \mathrm{bias} + \beta\,(y - s)), 0, 1) \\
        e &= [L s - k > m/2] - [L s - k < -m/2], \quad k \leftarrow k + m\,e

    with the unit spike :math:`e` and :math:`k/L` what receivers know of :math:`s`, from which
    :math:`I` was computed in the step before (O'Connor et al. 2019; Lin et al. 2024, arXiv
    2405.02546).

    Parameters
    ----------
    state
        :math:`s`, (batch, n), in [0, 1]; updated.
    level
        :math:`k`, (batch, n) whole numbers; updated.
    current
        Summed synaptic input :math:`I`, (batch, n).
    bias
        (channels,): neuron j has the bias j % channels.
    spikes
        Receives :math:`e`, (batch, n), -1, 0 or +1.
    filter_rate
        :math:`\epsilon` in (0, 1].
    levels
        :math:`L` of `StepSize`.
    multiple
        :math:`m`, (batch, n), of `StepSize`.
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
    target = checked_target(target, beta, state.shape)
    return _sigma_delta_batch(
        state,
        level,
        current,
        bias,
        np.float32(filter_rate),
        np.float32(levels),
        multiple,
        target,
        np.float32(beta),
        spikes,
    )
