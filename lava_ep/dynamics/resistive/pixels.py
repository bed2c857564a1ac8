"""The synapses of mirrored pixels: most of all conductances, and most of their sources are 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel

Float32 = NDArray[np.float32]


@kernel("void(f4[:,::1], f4[:,::1], int64, int64, f4[:,::1])")
def pixel_currents(
    volts: Float32, conductances: Float32, first: int, last: int, currents: Float32
) -> None:
    r"""Compute the currents that pixels drive into some nodes.

    .. math:: I_k = \sum_j (g^+_{jk} - g^-_{jk})\, A x_j

    Parameters
    ----------
    volts
        :math:`A x`, (batch, inputs).
    conductances
        (2 inputs, n): :math:`g^+` and, after that, :math:`g^-`.
    first, last
        The nodes, the last one not included.
    currents
        Receives the currents, (batch, n).
    """
    inputs = volts.shape[1]
    for row in range(volts.shape[0]):
        total = currents[row, first:last]
        total[:] = 0
        for j in range(inputs):
            volt = volts[row, j]
            if volt != 0:
                plus = conductances[j, first:last]
                minus = conductances[inputs + j, first:last]
                for k in range(total.size):
                    total[k] += volt * (plus[k] - minus[k])


@kernel(
    "void(f4[:,::1], f4[:,::1], f4[:,::1], f4, int64, int64, f4[:,::1], f4[::1])", allocates=True
)
def learn_pixels(
    volts: Float32,
    moved: Float32,
    sums: Float32,
    factor: float,
    first: int,
    last: int,
    conductances: Float32,
    totals: Float32,
) -> None:
    r"""Let the conductances between pixels and some nodes learn.

    What `conductance_contrast` and `add_conductance` do for sources that stay as they are,

    .. math:: g^\pm_{jk} \leftarrow \max\!\left(g^\pm_{jk} + f \sum_\mathrm{batch}
        \left(\pm A x_j \Delta_k - \tfrac12 \Delta_k (v_k' + v_k'')\right), 0\right),

    in one go through the memory.

    Parameters
    ----------
    volts
        :math:`A x`, (batch, inputs).
    moved, sums
        :math:`\Delta = v'' - v'` and :math:`v' + v''`, (batch, n).
    factor
        :math:`f`, see `add_conductance`.
    first, last
        The nodes, the last one not included.
    conductances
        (2 inputs, n), see `pixel_currents`; updated.
    totals
        Receives the sums of the nodes' conductances, (n,).
    """
    inputs, size = volts.shape[1], last - first
    zero, half = np.float32(0), np.float32(0.5)
    common, own = np.zeros(size, np.float32), np.empty(size, np.float32)
    for row in range(volts.shape[0]):
        for k in range(size):
            common[k] += half * factor * moved[row, first + k] * sums[row, first + k]
    total = totals[first:last]
    total[:] = 0
    for j in range(inputs):
        plus = conductances[j, first:last]
        minus = conductances[inputs + j, first:last]
        own[:] = 0
        for row in range(volts.shape[0]):
            scale = factor * volts[row, j]
            if scale != 0:
                step = moved[row, first:last]
                for k in range(size):
                    own[k] += scale * step[k]
        for k in range(size):
            up, down = plus[k] + (own[k] - common[k]), minus[k] - (own[k] + common[k])
            # As in `add_conductance`.
            up, down = zero if up <= zero else up, zero if down <= zero else down
            plus[k], minus[k] = up, down
            total[k] += up + down
