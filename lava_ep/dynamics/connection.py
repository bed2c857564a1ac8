r"""How two layers are connected: the bilinear form that every synapse population adds to Phi.

A connection turns source activations :math:`a` and target activations :math:`b` into the scalar
:math:`\Phi(a, b; W) = b \cdot (W a)`. Everything that a synapse does is a derivative of it: the
current :math:`\partial\Phi/\partial b = W a` to the targets, the current
:math:`\partial\Phi/\partial a = W^\top b` back to the sources, and :math:`\partial\Phi/\partial W`,
whose difference between two states is what equilibrium propagation learns from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lava_ep.dynamics.activation import Reals
from lava_ep.dynamics.events import count_events

DENSE_FRACTION = 1 / 4
"""From this share of changed sources on, a product with all weights beats one with a few."""


class Currents(Protocol):
    r"""Currents of both directions, kept up to date with the activations of both ends.

    Attributes
    ----------
    post
        :math:`W a`, (batch, n_post).
    pre
        :math:`W^\top b`, (batch, n_pre).
    moves_places
        Whether changes of the sources change ``pre``, too, because of pooling.
    """

    post: Reals
    pre: Reals
    moves_places: bool

    def use(self, forward: Reals, backward: Reals) -> None:
        """Take other weights, as `Connection.layouts` returns them, from now on."""

    def reset(self) -> None:
        """Silence both ends."""

    def add_pre(self, change: Reals, total: Reals) -> int:
        """Add changes of the sources to ``post``.

        Parameters
        ----------
        change
            The changes, (batch, n_pre).
        total
            The activations with the changes, (batch, n_pre).

        Returns
        -------
        int
            Number of synaptic operations: changes times the synapses that they reach.
        """

    def add_post(self, change: Reals, total: Reals) -> int:
        """Add changes of the targets to ``pre``; see `add_pre`."""

    def refresh(self, pre: Reals, post: Reals, *, backward: bool) -> None:
        """Compute the currents of both ends anew, after the weights have changed."""

    def located(self, post: Reals) -> Reals:
        """Return the target activations at the places where they meet the sources.

        Pooling gives each target the place it was pooled from; without, nothing happens.
        """


class Connection(Protocol):
    """A way to connect two layers; a frozen description, made by `NetworkSpec.connections`."""

    @property
    def n_pre(self) -> int:
        """Number of sources."""

    @property
    def n_post(self) -> int:
        """Number of targets."""

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weights; the target side is the first axis, the source side the second."""

    @property
    def fan_in(self) -> int:
        """Synapses that enter a target."""

    @property
    def fan_out(self) -> int:
        """Synapses that leave a source, for the initialization of weights."""

    @property
    def biases(self) -> int:
        """Number of biases of the targets."""

    def layouts(self, forward: Reals, feedback: Reals) -> tuple[Reals, Reals]:
        """Return weights of `weight_shape` in the order that `currents` works in."""

    def currents(self, batch: int, dtype: npt.DTypeLike) -> Currents:
        """Return the currents of a batch, at first of silent ends."""

    def gradient(self, pre: Reals, located: Reals) -> Reals:
        r"""Return :math:`\partial\Phi/\partial W` summed over the batch, of `weight_shape`.

        Parameters
        ----------
        pre
            Source activations :math:`a`, (batch, n_pre).
        located
            Target activations :math:`b` as `Currents.located` returns them.
        """


@dataclass(frozen=True)
class Dense:
    """Every source to every target: weights (n_post, n_pre).

    Parameters
    ----------
    n_pre, n_post
        Sizes of the two layers.
    """

    n_pre: int
    n_post: int

    @property
    def weight_shape(self) -> tuple[int, int]:
        """(n_post, n_pre)."""
        return (self.n_post, self.n_pre)

    @property
    def fan_in(self) -> int:
        """All sources."""
        return self.n_pre

    @property
    def fan_out(self) -> int:
        """All targets."""
        return self.n_post

    @property
    def biases(self) -> int:
        """One for each target."""
        return self.n_post

    def layouts(self, forward: Reals, feedback: Reals) -> tuple[Reals, Reals]:
        """Return the weights as they are."""
        return forward, feedback

    def currents(self, batch: int, dtype: npt.DTypeLike) -> DenseCurrents:
        """Return the currents of a batch."""
        return DenseCurrents(self, batch, dtype)

    def gradient(self, pre: Reals, located: Reals) -> Reals:
        r"""Return :math:`\sum b \otimes a`, (n_post, n_pre)."""
        return located.T @ pre


class DenseCurrents:
    """`Currents` of a `Dense` connection."""

    moves_places = False

    def __init__(self, connection: Dense, batch: int, dtype: npt.DTypeLike) -> None:
        self.post: Reals = np.zeros((batch, connection.n_post), dtype)
        self.pre: Reals = np.zeros((batch, connection.n_pre), dtype)
        self._forward, self._backward = self.post, self.pre

    def use(self, forward: Reals, backward: Reals) -> None:
        """Take other weights."""
        self._forward, self._backward = forward.T, backward

    def reset(self) -> None:
        """Silence both ends."""
        self.post.fill(0)
        self.pre.fill(0)

    def add_pre(self, change: Reals, total: Reals) -> int:
        """Add changes of the sources."""
        return _add(change, total, self._forward, self.post)

    def add_post(self, change: Reals, total: Reals) -> int:
        """Add changes of the targets."""
        return _add(change, total, self._backward, self.pre)

    def refresh(self, pre: Reals, post: Reals, *, backward: bool) -> None:
        """Compute the currents anew."""
        np.matmul(pre, self._forward, out=self.post)
        if backward:
            np.matmul(post, self._backward, out=self.pre)

    def located(self, post: Reals) -> Reals:
        """Return the activations themselves."""
        return post


def _add(change: Reals, total: Reals, weights: Reals, currents: Reals) -> int:
    """Add the product of changes and weights to the currents; return the synaptic operations."""
    count = count_events(change)
    if count > DENSE_FRACTION * change.size:
        # As costly as adding the changes, and without their rounding errors.
        np.matmul(total, weights, out=currents)
    elif count:
        changed = np.flatnonzero(change.any(axis=0))
        currents += change[:, changed] @ weights[changed]
    synapses: int = weights.shape[1]
    return count * synapses
