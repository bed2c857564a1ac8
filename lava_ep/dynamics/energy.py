r"""Energies: what the dynamics of the free phase descend, neuron after neuron.

With the scalar product of all synapses and biases,

.. math:: \Phi(a) = \sum_l a_l \cdot (W_l a_{l-1} + \mathrm{bias}_l),

whose derivative by an activation is the input of the neuron, each model has an energy of which a
free state is a minimum along every single neuron. Nothing computes with energies; they are there
to understand the dynamics, and to test them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics.activation import Activation, activate

Float64 = NDArray[np.float64]
Layers = Sequence[NDArray[Any]]


def scalar_product(activations: Layers, inputs: Layers, biases: Layers) -> Float64:
    r"""Return :math:`\Phi(a)` of each sample.

    Parameters
    ----------
    activations
        :math:`a_l` of each layer, (batch, n), lowest first.
    inputs
        What each layer gets from the one below, :math:`W_l a_{l-1}`, (batch, n).
    biases
        Of each layer, (channels,): neuron k has the bias k % channels.

    Returns
    -------
    ndarray
        (batch,).
    """
    total = np.zeros(len(activations[0]))
    for a, current, bias in zip(activations, inputs, biases, strict=True):
        drive = current + np.tile(bias, a.shape[1] // bias.size)
        total += (a * drive).sum(axis=1)
    return total


def potential(activation: Activation, states: Float64) -> Float64:
    r"""Return :math:`G(s)`, the convex function with :math:`G' = \rho^{-1}`.

    Infinite where :math:`\rho` has no inverse, that is, for states that :math:`\rho` never makes.

    ==================  ==============================================================
    hard sigmoid, ReLU  :math:`s^2 / 2`
    shifted sigmoid     :math:`s/2 + (s \ln s + (1 - s) \ln(1 - s)) / 4`
    tanh                :math:`((1 + s) \ln(1 + s) + (1 - s) \ln(1 - s)) / 2`
    ==================  ==============================================================
    """
    s = np.asarray(states, np.float64)
    low = -1.0 if activation is Activation.TANH else 0.0
    high = np.inf if activation is Activation.RELU else 1.0
    inside: Float64 = np.where((s >= low) & (s <= high), s, np.nan)
    if activation is Activation.SHIFTED_SIGMOID:
        found = inside / 2 + (_x_log_x(inside) + _x_log_x(1 - inside)) / 4
    elif activation is Activation.TANH:
        found = (_x_log_x(1 + inside) + _x_log_x(1 - inside)) / 2
    else:
        found = inside**2 / 2
    energy: Float64 = np.where(np.isnan(found), np.inf, found)
    return energy


def _x_log_x(x: Float64) -> Float64:
    found: Float64 = x * np.log(np.where(x == 0, 1.0, x))
    return found


def discrete_energy(
    activation: Activation, states: Sequence[Float64], inputs: Layers, biases: Layers
) -> Float64:
    r"""Return the energy of graded neurons in discrete time, for each sample.

    .. math:: E = \sum_l \sum_n G(s_{ln}) - \Phi(s), \qquad G' = \rho^{-1}

    :math:`s \leftarrow \rho(I + \mathrm{bias})` minimizes it along a layer if all others stand
    still, since then E is convex, and linear but for G. So it never increases if layers take turns;
    if all take their steps together, as networks do here, it may. Max pooling is convex in the
    sources, so that this remains true as long as no activation is negative.

    Parameters
    ----------
    activation
        :math:`\rho`.
    states
        :math:`s_l` of each layer, (batch, n), lowest first.
    inputs, biases
        See `scalar_product`; here, :math:`a = s`.

    Returns
    -------
    ndarray
        (batch,).
    """
    return _sum(potential(activation, s) for s in states) - scalar_product(states, inputs, biases)


def continuous_energy(
    activation: Activation, states: Sequence[Float64], inputs: Layers, biases: Layers
) -> Float64:
    r"""Return the energy of graded neurons with a ``time_step``, for each sample.

    .. math:: E = \tfrac12 \lVert s \rVert^2 - \Phi(\rho(s))

    A free step is a step of size :math:`dt` down its gradient (Scellier and Bengio 2017), which
    does not increase E if layers take turns and :math:`dt` is small, below
    :math:`2 / (1 + |\rho''| \, |I + \mathrm{bias}|)`; and :math:`\rho` has no kinks.

    Parameters
    ----------
    activation, states, biases
        See `discrete_energy`.
    inputs
        See `scalar_product`; here, :math:`a = \rho(s)`.

    Returns
    -------
    ndarray
        (batch,).
    """
    activations = [activate(activation, s) for s in states]
    return _sum(s**2 / 2 for s in states) - scalar_product(activations, inputs, biases)


def binary_energy(activations: Layers, inputs: Layers, biases: Layers, threshold: float) -> Float64:
    r"""Return the energy of binary neurons, for each sample (Hopfield 1982).

    .. math:: E = \theta \sum_l \sum_n b_{ln} - \Phi(b)

    A neuron that goes from :math:`b` to :math:`b'` changes it by
    :math:`(b' - b)(\theta - I - \mathrm{bias})`. So E never increases if neurons take turns and
    have no filter (:math:`\gamma_n = 1`); a filtered state may be above the threshold while its
    input is below it already.

    Parameters
    ----------
    activations
        :math:`b_l` of each layer, (batch, n), 0 or 1, lowest first.
    inputs, biases
        See `scalar_product`.
    threshold
        :math:`\theta`.

    Returns
    -------
    ndarray
        (batch,).
    """
    cost = _sum(threshold * np.asarray(b, np.float64) for b in activations)
    return cost - scalar_product(activations, inputs, biases)


def _sum(layers: Iterable[Float64]) -> Float64:
    """Add up the neurons of all layers, for each sample."""
    total: Float64 = np.sum([layer.sum(axis=1) for layer in layers], axis=0)
    return total
