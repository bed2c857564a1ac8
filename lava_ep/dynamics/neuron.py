"""Binary-activation neurons: a filtered pre-activation and a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics._words import lowest_bit, popcount, where_at_least, where_equal
from lava_ep.dynamics.activation import Reals
from lava_ep.dynamics.constants import NeuronConstants, constant
from lava_ep.dynamics.events import count_events
from lava_ep.dynamics.readout import checked_target

Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]


@dataclass(frozen=True)
class Binary(NeuronConstants):
    r"""Constants of binary neurons, see `binary_step`.

    Parameters
    ----------
    filter_rate, threshold
        :math:`\gamma_n` and :math:`\theta` in (0, 1].
    initial_state
        :math:`s` at the start of every sample, in [0, 1].

    Raises
    ------
    InputError
        If a value is out of range.
    """

    WHOLE: ClassVar[bool] = True
    kind: ClassVar[str] = "binary"
    filter_rate: float = constant(0.5, "gamma_n of the pre-activation filter", gt=0, le=1)
    threshold: float = constant(0.5, "theta: b = [s >= theta]", gt=0, le=1)
    initial_state: float = constant(1.0, "s at the start of every sample", ge=0, le=1)

    @property
    def payload_bits(self) -> int:
        """Messages are -1 or +1."""
        return 2


@kernel("void(f4[::1], f4[::1], f4, f4[::1])")
def input_row(current: Float32, bias: Float32, filter_rate: np.float32, filtered: Float32) -> None:
    """Return the part of a free step that lasts as long as the currents do; see `binary_step`."""
    for n in range(filtered.size):
        filtered[n] = filter_rate * (current[n] + bias[n])


@kernel("void(f4[::1], f4[::1], f4)")
def free_row(state: Float32, filtered: Float32, filter_rate: np.float32) -> None:
    """Filter the states of one sample in a free step; see `binary_step`."""
    keep = np.float32(1.0) - filter_rate
    for n in range(state.size):
        s = keep * state[n] + filtered[n]
        s = s if s > np.float32(0.0) else np.float32(0.0)
        state[n] = s if s < np.float32(1.0) else np.float32(1.0)


@kernel("void(f4[::1], f4[::1], f4[::1], f4, i1[::1], f4)")
def nudged_row(
    state: Float32,
    current: Float32,
    bias: Float32,
    filter_rate: np.float32,
    target: Int8,
    beta: np.float32,
) -> None:
    """Filter the states of one sample in a nudged step; see `binary_step`."""
    keep = np.float32(1.0) - filter_rate
    for n in range(state.size):
        drive = current[n] + bias[n] + beta * (np.float32(target[n]) - state[n])
        s = keep * state[n] + filter_rate * drive
        s = s if s > np.float32(0.0) else np.float32(0.0)
        state[n] = s if s < np.float32(1.0) else np.float32(1.0)


@kernel("void(f4[::1], i1[::1], f4, i1[::1])")
def fire_row(state: Float32, activation: Int8, threshold: np.float32, events: Int8) -> None:
    """Compare the states of one sample with the threshold; see `binary_step`."""
    whole = state.size // 32 * 32
    for start in range(0, whole, 32):
        events[start : start + 32] = 0
        active = where_at_least(state, start, threshold)
        changed = active ^ where_equal(activation, start, np.int8(1))
        if popcount(changed) > 8:
            for k in range(start, start + 32):
                b = np.int8(state[k] >= threshold)
                events[k] = b - activation[k]
                activation[k] = b
            continue
        while changed:
            k = lowest_bit(changed)
            changed &= changed - np.uint64(1)
            b = np.int8(active >> np.uint64(k) & np.uint64(1))
            activation[start + k] = b
            events[start + k] = 2 * b - 1
    for n in range(whole, state.size):
        b = np.int8(state[n] >= threshold)
        events[n] = b - activation[n]
        activation[n] = b


@kernel(
    "void(f4[:,::1], i1[:,::1], f4[:,::1], f4[::1], f4, f4, i1[:,::1], i1[:,::1], f4)",
    allocates=True,
)
def _binary_batch(
    state: Float32,
    activation: Int8,
    current: Float32,
    bias: Float32,
    filter_rate: np.float32,
    threshold: np.float32,
    events: Int8,
    target: Int8,
    beta: np.float32,
) -> None:
    filtered = np.empty(state.shape[1], np.float32)
    for row in range(state.shape[0]):
        if beta != 0:
            nudged_row(state[row], current[row], bias, filter_rate, target[row], beta)
        else:
            input_row(current[row], bias, filter_rate, filtered)
            free_row(state[row], filtered, filter_rate)
        fire_row(state[row], activation[row], threshold, events[row])


def binary_step(
    state: Float32,
    activation: Int8,
    current: Float32,
    bias: Float32,
    filter_rate: np.float32,
    threshold: np.float32,
    events: Int8,
    target: Int8 | None = None,
    beta: float = 0.0,
) -> int:
    r"""Advance a layer of neurons by one time step, in place.

    .. math::
        s &\leftarrow \mathrm{clip}((1-\gamma_n)\,s
            + \gamma_n\,(I + \mathrm{bias} + \beta\,(y - s)), 0, 1) \\
        b' &= [s \ge \theta], \quad e = b' - b, \quad b \leftarrow b'

    with :math:`I = W b_\mathrm{below} + W_\mathrm{above}^\top b_\mathrm{above}` computed from the
    activations of the step before (Laydevant et al. 2021, section 4). Only output neurons in a
    nudged phase have a target.

    Parameters
    ----------
    state
        Pre-activation :math:`s`, (batch, n), in [0, 1]; updated.
    activation
        Binary activation :math:`b`, (batch, n), 0 or 1; updated.
    current
        Summed synaptic input :math:`I`, (batch, n).
    bias
        (n,).
    filter_rate
        :math:`\gamma_n` in (0, 1].
    threshold
        :math:`\theta`.
    events
        Receives the changes :math:`e`, (batch, n), -1, 0 or +1.
    target
        Target :math:`y`, (batch, n), 0 or 1; needed where ``beta`` is not 0.
    beta
        Nudging strength :math:`\beta` of either sign.

    Returns
    -------
    int
        Number of events, that is, of non-zero changes.

    Raises
    ------
    InputError
        If ``beta`` is not 0 and no target of the state's shape is given.
    """
    target = checked_target(target, beta, state.shape)
    _binary_batch(
        state,
        activation,
        current,
        bias,
        filter_rate,
        threshold,
        events,
        target,
        np.float32(beta),
    )
    return count_events(events)


@kernel("void(i1[:,:], i1[:,:], i4[::1])")
def _contrast(first: Int8, second: Int8, contrast: Int32) -> None:
    for row in range(first.shape[0]):
        for n in range(contrast.size):
            contrast[n] += np.int32(second[row, n]) - np.int32(first[row, n])


def bias_contrast(first: NDArray[Any], second: NDArray[Any], biases: int) -> NDArray[Any]:
    r"""Return :math:`\sum_\mathrm{batch} (b'' - b')` of each bias; see `update_bias`.

    Parameters
    ----------
    first, second
        Activations at the two states, (batch, n); of int8 ones the contrast is int32, and exact.
    biases
        Number of biases: neuron k has the bias k % biases.
    """
    rows = first.reshape(-1, biases), second.reshape(-1, biases)
    if first.dtype != np.int8:
        difference: NDArray[Any] = (rows[1] - rows[0]).sum(axis=0)
        return difference
    contrast = np.zeros(biases, np.int32)
    _contrast(*rows, contrast)
    return contrast


def move_bias(
    bias: Reals, contrast: NDArray[Any], *, samples: int, rate: float, sign: int, span: float
) -> None:
    r"""Move the biases by the EP estimate of minus the gradient, in place.

    .. math::
        \mathrm{bias} \leftarrow \mathrm{bias}
        + \eta_b \frac{\mathrm{sign}}{\mathrm{span}\,B} \sum_\mathrm{batch} (b'' - b')

    Parameters
    ----------
    bias
        (channels,); updated.
    contrast
        The sum, see `bias_contrast`.
    samples
        :math:`B`.
    rate, sign, span
        See `update_bias`.
    """
    real = bias.dtype.type
    bias += real(rate * sign / (span * samples)) * contrast.astype(bias.dtype)


def update_bias(
    bias: Reals,
    first: NDArray[Any],
    second: NDArray[Any],
    *,
    rate: float,
    sign: int,
    span: float,
) -> None:
    r"""Do what `move_bias` does, by the `bias_contrast` of two states, in place.

    Parameters
    ----------
    bias
        (channels,): neuron k has the bias k % channels; updated.
    first, second
        Activations at the end of the two contrasted phases, (batch, n). Where
        both signs are used, ``first`` is the one at :math:`+\beta`, and ``sign`` is -1.
    rate
        Learning rate :math:`\eta_b`.
    sign
        +1 if ``second`` lies at the larger :math:`\beta`, else -1.
    span
        Distance of the two states in :math:`\beta`, see `PhaseSchedule.contrast_span`.
    """
    contrast = bias_contrast(first, second, bias.size)
    move_bias(bias, contrast, samples=first.shape[0], rate=rate, sign=sign, span=span)
