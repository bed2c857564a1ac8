r"""Energy, exact block updates and learning rule of a deep resistive network.

Nodes in layers with voltages :math:`v`, conductances :math:`g_{jk} \ge 0` between neighboring
layers, currents :math:`b_k` into the nodes, and at the output the nudge:

.. math:: E = \tfrac12 \sum_{jk} g_{jk} (v_j - v_k)^2 - \sum_k b_k v_k
    + \tfrac{\beta}{2} \|v^L - y\|^2

Ideal diodes keep the first half of each hidden layer at :math:`v \ge 0` and the second half at
:math:`v \le 0`. (Scellier 2024, "A fast algorithm to simulate nonlinear resistive networks"; there
the currents have the opposite sign.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics.activation import Reals
from lava_ep.dynamics.constants import NeuronConstants, constant
from lava_ep.dynamics.schedule import Phase, PhaseSchedule
from lava_ep.errors import DivergedError

MARGIN = 0.1
r"""Conductance, in units of :math:`|\beta|`, that a node has to have left under a nudge."""


@dataclass(frozen=True)
class Resistive(NeuronConstants):
    """Constants of a resistive network.

    Parameters
    ----------
    input_voltage
        A in volts, up to a million: pixels x are sources of voltage +A x and -A x.

    Raises
    ------
    InputError
        If it is out of range.
    """

    SENDS_VALUES: ClassVar[bool] = True
    kind: ClassVar[str] = "resistive"
    input_voltage: float = constant(
        100.0, "A: pixels x are sources of voltage +A x and -A x", gt=0, le=1e6
    )


def moves(schedule: PhaseSchedule, position: int, layer: int) -> bool:
    """Whether a layer updates in a time step: odd layers first, even ones in the next step.

    Two steps are a sweep. As a synapse adds one step of delay, each block sees the newest voltages
    of its neighbors, which makes its update exact.

    Parameters
    ----------
    schedule
        The phases, each of an even number of time steps.
    position
        Of the time step within a sample.
    layer
        Number of the layer, 1 for the first one above the pixels.
    """
    phase = schedule.phase(position)
    if phase in (Phase.LOAD, Phase.RESTORE):
        return False
    first = 1
    if phase is Phase.NUDGED:
        first = schedule.free_end + 1
        if position > schedule.first_nudged_end:
            first = schedule.first_nudged_end + 1 + schedule.symmetric
    return (position - first) % 2 == (layer + 1) % 2


def _signature(real: str) -> str:
    rows, row = f"{real}[:,::1]", f"{real}[::1]"
    return f"int64({rows}, {rows}, {row}, {row}, boolean, i1[:,::1], {real}, {rows})"


@kernel(_signature("f4"), _signature("f8"))
def _settle(
    voltage: Reals,
    current: Reals,
    conductance: Reals,
    bias: Reals,
    diodes: bool,
    target: NDArray[np.int8],
    beta: float,
    change: Reals,
) -> int:
    count = 0
    real = voltage.dtype.type
    half = voltage.shape[1] // 2 if diodes else 0
    nudged = target.shape[0] > 0
    for row in range(voltage.shape[0]):
        for k in range(voltage.shape[1]):
            total, weight = current[row, k] + bias[k], conductance[k]
            if nudged:
                total += beta * real(target[row, k])
                weight += beta
            new = total / weight
            if diodes and (new > 0) != (k < half):
                new = real(0)
            # What receivers add up, so that both ends know the same voltage.
            step = new - voltage[row, k]
            change[row, k] = step
            voltage[row, k] += step
            count += step != 0
    return count


def settle_block(
    voltage: Reals,
    current: Reals,
    conductance: Reals,
    bias: Reals,
    change: Reals,
    *,
    diodes: bool,
    target: NDArray[np.int8] | None = None,
    beta: float = 0.0,
) -> int:
    r"""Put the nodes of a layer where the energy is lowest, given their neighbors, in place.

    .. math:: v_k \leftarrow \mathrm{clamp}\!\left(
        \frac{I_k + b_k + \beta y_k}{G_k + \beta}\right), \qquad
        I_k = \sum_j g_{jk} v_j, \quad G_k = \sum_j g_{jk}

    over the nodes j of both neighboring layers. As nodes of a layer are not connected, this is the
    exact minimum, and the energy never grows, provided that there is one, see `check_nudging`.

    Parameters
    ----------
    voltage
        :math:`v`, (batch, n) float32 or float64; updated. All reals have this type.
    current
        :math:`I`, (batch, n).
    conductance
        :math:`G`, (n,).
    bias
        :math:`b`, (n,).
    change
        Receives by how much the voltages change, (batch, n).
    diodes
        Whether ideal diodes clamp the nodes: the first half to 0 or more, the rest to 0 or less.
    target
        :math:`y`, (batch, n), 0 or 1; needed where ``beta`` is not 0.
    beta
        Nudging strength :math:`\beta` of either sign.

    Returns
    -------
    int
        Number of voltages that have changed.
    """
    if target is None or beta == 0:
        target = np.zeros((0, 0), np.int8)
    return _settle(
        voltage, current, conductance, bias, diodes, target, voltage.dtype.type(beta), change
    )


def check_nudging(conductance: NDArray[Any], beta: float) -> None:
    r"""Check that a layer has a minimum of the energy under a nudge.

    Under :math:`-\beta` the nudge pushes nodes away from the target with a negative conductance;
    what is left, :math:`G_k + \beta`, has to be more than `MARGIN` times :math:`|\beta|`.

    Parameters
    ----------
    conductance
        :math:`G`, (n,).
    beta
        Nudging strength of the phase, of either sign; 0 where there is no nudge.

    Raises
    ------
    DivergedError
        Naming the node and its conductance.
    """
    weakest = int(np.argmin(conductance))
    total = float(conductance[weakest])
    if beta == 0 and not total > 0:
        raise DivergedError(
            f"node {weakest} has a total conductance of {total:g}: expected more than 0; "
            "lower the learning rates of its layer or raise its scale"
        )
    if not total + beta > MARGIN * abs(beta):
        raise DivergedError(
            f"output node {weakest} has a total conductance of {total:g}: expected more than "
            f"{(1 + MARGIN) * abs(beta):g} for a nudge of {beta:g}; lower network.phases.beta or "
            "raise the scale of the last layer"
        )


def conductance_contrast(
    pre_first: NDArray[Any],
    pre_second: NDArray[Any],
    post_first: NDArray[Any],
    post_second: NDArray[Any],
) -> NDArray[Any]:
    r"""Return by how much more power conductances take at the first of two moments.

    .. math:: c_{kj} = \sum_\mathrm{batch} \left(\tfrac12 (v_j' - v_k')^2
        - \tfrac12 (v_j'' - v_k'')^2\right)
        = \sum_\mathrm{batch} \left(v_j'' \Delta_k + \Delta_j v_k'
        - \tfrac12 \Delta_j (v_j' + v_j'') - \tfrac12 \Delta_k (v_k' + v_k'')\right)

    with :math:`\Delta = v'' - v'`. Only the second form has the precision of float32: the squares
    are so much larger than their difference that 5 to 76 % of it would be rounding.

    Parameters
    ----------
    pre_first, pre_second
        :math:`v_j'` and :math:`v_j''`, (batch, n_pre).
    post_first, post_second
        :math:`v_k'` and :math:`v_k''`, (batch, n_post).

    Returns
    -------
    ndarray
        (n_post, n_pre).
    """
    half = pre_first.dtype.type(0.5)
    moved_pre, moved_post = pre_second - pre_first, post_second - post_first
    found: NDArray[Any] = moved_post.T @ pre_second
    if moved_pre.any():
        found += post_first.T @ moved_pre
        found -= half * np.sum(moved_pre * (pre_first + pre_second), axis=0)
    found -= half * np.sum(moved_post * (post_first + post_second), axis=0)[:, np.newaxis]
    return found


@kernel("void(f4[::1], f4, f4[::1])", "void(f8[::1], f8, f8[::1])")
def _add(conductances: Reals, factor: float, contrast: Reals) -> None:
    zero = conductances.dtype.type(0)
    for n in range(conductances.size):
        new = conductances[n] + factor * contrast[n]
        # Not the other way round, as what is not a number shall stay one and be found.
        conductances[n] = zero if new <= zero else new


def add_conductance(conductances: Reals, factor: float, contrast: Reals) -> None:
    r"""Move conductances by their contrasts, in place: :math:`g \leftarrow \max(g + f c, 0)`.

    With :math:`f = \mathrm{sign}\,\eta / (\mathrm{span}\,B)`, see `PhaseSchedule.contrast_span`,
    and the contrast of `conductance_contrast` this descends the loss by EP's estimate,
    :math:`\Delta g = -\frac{\eta}{2\beta} \langle \tfrac12 (v_j - v_k)^2|_{+\beta}
    - \tfrac12 (v_j - v_k)^2|_{-\beta} \rangle` where both signs are used.

    Parameters
    ----------
    conductances
        :math:`g`, of any shape; C-contiguous.
    factor
        :math:`f`.
    contrast
        :math:`c`, of the same shape and type.
    """
    flat = np.ascontiguousarray(contrast).reshape(-1)
    _add(conductances.reshape(-1), conductances.dtype.type(factor), flat)


def initial_conductances(
    shape: tuple[int, ...], scale: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    r"""Draw :math:`\max(U(-u, u), 0)` with :math:`u = c/\sqrt{n_\mathrm{in}}`, (n_post, n_in)."""
    bound = scale / np.sqrt(shape[1])
    drawn: NDArray[np.float32] = np.maximum(rng.uniform(-bound, bound, shape), 0).astype(np.float32)
    return drawn


def mirrored(pixels: NDArray[Any], levels: int, voltage: float) -> NDArray[np.float32]:
    r"""Return the voltages of the sources: :math:`[A x, -A x]`, as conductances have no sign.

    Parameters
    ----------
    pixels
        :math:`x` times ``levels``, (batch, inputs), or changes of it.
    levels
        Pixel value that means 1.0.
    voltage
        :math:`A`.

    Returns
    -------
    ndarray
        (batch, 2 inputs).
    """
    half = pixels * np.float32(voltage / levels)
    return np.concatenate([half, -half], axis=1, dtype=np.float32)


def energy(
    voltages: Sequence[NDArray[Any]],
    conductances: Sequence[NDArray[Any]],
    biases: Sequence[NDArray[Any]],
    *,
    target: NDArray[Any] | None = None,
    beta: float = 0.0,
) -> NDArray[np.float64]:
    """Return the energy E of every sample, (batch,), see the top of this module.

    Parameters
    ----------
    voltages
        Of all layers from the sources on, each (batch, n).
    conductances
        Between neighboring layers, each (n_post, n_pre).
    biases
        Currents into the nodes of all layers but the sources, each (n,).
    target, beta
        See `settle_block`.
    """
    real = [np.asarray(v, np.float64) for v in voltages]
    total = np.zeros(len(real[0]))
    for pre, post, g, b in zip(real[:-1], real[1:], conductances, biases, strict=True):
        differences = post[:, :, np.newaxis] - pre[:, np.newaxis, :]
        total += 0.5 * np.sum(g * differences**2, axis=(1, 2)) - post @ b
    if target is not None:
        total += 0.5 * beta * np.sum((real[-1] - target) ** 2, axis=1)
    return total
