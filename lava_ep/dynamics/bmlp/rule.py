r"""One layer of binary neurons that learns from its own binary errors, as equations in NumPy.

All numbers are integers. Bits of inputs, weights and activations mean -1 and +1. The compiled form
of the same, on packed words, is in `lava_ep.dynamics.bmlp.packed`; tests hold the two against each
other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Signs = NDArray[np.int8]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class LayerRule:
    r"""How a layer computes and learns.

    Parameters
    ----------
    group
        :math:`\gamma`: contiguous neurons of which at most one learns from a sample; divides their
        number.
    margin
        Lead in logits below which a right class is an error, too: :math:`\lfloor rK \rfloor` of a
        layer that passes on :math:`K` bits.
    reinforcement
        :math:`p_r`.
    majority
        Whether a group passes on one bit, that of most of its neurons, and learns only if that bit
        is wrong (CP+R). Equally many neurons of both signs make +1.
    frozen
        Whether hidden weights stay as they are.
    learned_classifier
        Whether the classifier learns.
    """

    group: int = 1
    margin: int = 0
    reinforcement: float = 0.0
    majority: bool = False
    frozen: bool = False
    learned_classifier: bool = False

    def outputs(self, neurons: int) -> int:
        """Bits that so many neurons pass on."""
        return neurons // self.group if self.majority else neurons


def signs(values: NDArray[np.signedinteger[Any]]) -> Signs:
    """Sign of integers, +1 for 0."""
    return np.where(values >= 0, 1, -1).astype(np.int8)


def sums(x: Signs, hidden: NDArray[np.int32]) -> Integers:
    r"""Return the pre-activations :math:`z = W x` with :math:`W = \mathrm{sign}(h)`.

    Parameters
    ----------
    x
        (batch, inputs) of -1 and +1.
    hidden
        Hidden weights :math:`h`, (neurons, inputs), all odd.

    Returns
    -------
    z
        (batch, neurons).
    """
    return x.astype(np.int64) @ signs(hidden).astype(np.int64).T


def passed_on(z: Integers, rule: LayerRule) -> Signs:
    r"""Return the activations :math:`a = \mathrm{sign}(z)`, or the majority of every group."""
    a = signs(z)
    if not rule.majority:
        return a
    return signs(a.reshape(len(a), -1, rule.group).sum(axis=2, dtype=np.int64))


def logits(a: Signs, classifier: Signs) -> Integers:
    r"""Return :math:`o = \rho^\top a`, (batch, classes), of a (outputs, classes) classifier."""
    return a.astype(np.int64) @ classifier.astype(np.int64)


def errors(o: Integers, labels: NDArray[np.integer[Any]], margin: int) -> NDArray[np.bool_]:
    r"""Tell which samples are wrong.

    A sample is wrong if :math:`\arg\max_c o_c` (the first of equal ones) is not its class, or if
    the largest logit leads the second by less than the margin.

    Parameters
    ----------
    o
        (batch, classes), at least two classes.
    labels
        (batch,).
    margin
        See `LayerRule`.
    """
    second, first = np.sort(o, axis=1)[:, -2:].T
    found: NDArray[np.bool_] = (o.argmax(axis=1) != labels) | (first - second < margin)
    return found


def chosen(
    z: Integers,
    classifier: Signs,
    labels: NDArray[np.integer[Any]],
    wrong: NDArray[np.bool_],
    rule: LayerRule,
) -> Integers:
    r"""Return the neuron of each group that learns from a sample, (batch, groups); -1 for none.

    The classifier wants :math:`d = \rho_{\cdot, y}`. Of the neurons of a group with
    :math:`z d < 0` the one with the smallest :math:`|z|` (the first of equal ones) learns, if
    the sample is wrong. With ``majority`` it has to be the group's bit, too.
    """
    wanted = classifier[:, labels].T.astype(np.int64)
    candidate = np.ones(z.shape, bool)
    if rule.majority:
        candidate = np.repeat(passed_on(z, rule) != wanted, rule.group, axis=1)
        wanted = np.repeat(wanted, rule.group, axis=1)
    candidate &= (z * wanted < 0) & wrong[:, None]
    distance = np.where(candidate, np.abs(z), np.iinfo(np.int64).max)
    grouped = distance.reshape(len(z), -1, rule.group)
    first = np.arange(grouped.shape[1]) * rule.group
    return np.where(
        candidate.reshape(grouped.shape).any(axis=2), first + grouped.argmin(axis=2), -1
    )


def moved(
    hidden: NDArray[np.int32],
    x: Signs,
    classifier: Signs,
    labels: NDArray[np.integer[Any]],
    picks: Integers,
    rule: LayerRule,
) -> NDArray[np.int32]:
    r"""Return :math:`h + 2 \sum d_k x` over the samples for which neuron k was chosen.

    Odd numbers stay odd, so that no hidden weight is ever 0.
    """
    found = hidden.astype(np.int64)
    for sample, neurons in enumerate(picks):
        for neuron in neurons[neurons >= 0]:
            output = neuron // rule.group if rule.majority else neuron
            found[neuron] += 2 * int(classifier[output, labels[sample]]) * x[sample]
    return found.astype(np.int32)


def reinforcement_probability(p_r: float, accuracy: float, inputs: int) -> float:
    r"""Return :math:`p_r \sqrt{1 - \mathrm{acc}} \sqrt{2 / (\pi n)}` for n inputs."""
    return p_r * math.sqrt(1 - accuracy) * math.sqrt(2 / (math.pi * inputs))


def reinforced(hidden: NDArray[np.int32], places: Integers) -> NDArray[np.int32]:
    r"""Return h with :math:`h + 2\,\mathrm{sign}(h)` at some places, counted row by row."""
    found = hidden.copy().reshape(-1)
    found[places] += 2 * signs(found[places])
    return found.reshape(hidden.shape)


def taught(
    learned: NDArray[np.int32],
    a: Signs,
    o: Integers,
    labels: NDArray[np.integer[Any]],
    wrong: NDArray[np.bool_],
) -> NDArray[np.int32]:
    r"""Return the hidden weights of a classifier that learns.

    For every wrong sample :math:`h_{\cdot, y} + 2a`, and :math:`h_{\cdot, c} - 2a` for the class c
    with the largest logit of all others (the first of equal ones): the perceptron rule.
    """
    found = learned.astype(np.int64)
    others = o.astype(np.float64)
    others[np.arange(len(o)), labels] = -np.inf
    rivals = others.argmax(axis=1)
    for sample in np.flatnonzero(wrong):
        found[:, labels[sample]] += 2 * a[sample].astype(np.int64)
        found[:, rivals[sample]] -= 2 * a[sample].astype(np.int64)
    return found.astype(np.int32)
