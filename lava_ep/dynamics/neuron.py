"""Binary-activation neurons: a filtered pre-activation and a threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.errors import InputError

Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]


@kernel("int64(f4[:,::1], i1[:,::1], f4[:,::1], f4[::1], f4, f4, i1[:,::1], i1[:,::1], f4)")
def _binary_step(
    state: Float32,
    activation: Int8,
    current: Float32,
    bias: Float32,
    filter_rate: np.float32,
    threshold: np.float32,
    events: Int8,
    target: Int8,
    beta: np.float32,
) -> int:
    keep = np.float32(1.0) - filter_rate
    count = 0
    for row in range(state.shape[0]):
        for n in range(state.shape[1]):
            drive = current[row, n] + bias[n]
            if beta != 0:
                drive = drive + beta * (np.float32(target[row, n]) - state[row, n])
            s = keep * state[row, n] + filter_rate * drive
            s = min(max(s, np.float32(0.0)), np.float32(1.0))
            state[row, n] = s
            b = np.int8(s >= threshold)
            e = np.int8(b - activation[row, n])
            activation[row, n] = b
            events[row, n] = e
            count += e != 0
    return count


_NO_TARGET = np.zeros((0, 0), np.int8)


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
    if target is None:
        target = _NO_TARGET
    if beta != 0 and target.shape != state.shape:
        raise InputError(f"beta={beta}: expected a target of shape {state.shape}")
    return _binary_step(
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


def update_bias(
    bias: Float32,
    first: Int8,
    second: Int8,
    *,
    rate: float,
    sign: int,
    span: float,
) -> None:
    r"""Move the biases by the EP estimate of minus the gradient, in place.

    .. math::
        \mathrm{bias} \leftarrow \mathrm{bias}
        + \eta_b \frac{\mathrm{sign}}{\mathrm{span}\,B} \sum_\mathrm{batch} (b'' - b')

    Parameters
    ----------
    bias
        (n,); updated.
    first, second
        Activations at the end of the two contrasted phases, (batch, n). For symmetric nudging
        ``first`` is the one at :math:`+\beta`, and ``sign`` is -1.
    rate
        Learning rate :math:`\eta_b`.
    sign
        +1 if ``second`` lies at the larger :math:`\beta`, else -1.
    span
        Distance of the two states in :math:`\beta`, see `PhaseSchedule.contrast_span`.
    """
    contrast = second.sum(axis=0, dtype=np.int32) - first.sum(axis=0, dtype=np.int32)
    bias += np.float32(rate * sign / (span * first.shape[0])) * contrast.astype(np.float32)
