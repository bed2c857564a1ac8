"""A synapse population of binary weights between binary neurons, which counts bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.arrays import as_integers
from lava_ep.dynamics import (
    BOP,
    SignMatrix,
    alpha_gradient,
    bop_update,
    current,
    integrate_events,
)
from lava_ep.populations.clock import Clock


class BitSynapsePopulation:
    """Dense binary synapses that learn once per batch; a faster `SynapsePopulation`.

    Parameters
    ----------
    shape
        (n_post, n_pre).
    batch
        Number of samples.
    rule
        `BOP`, or ``None`` for synapses that do not learn.
    alpha_rate
        Learning rate of the scaling factor.
    levels
        Source value that means 1.0.
    backward
        Whether anybody listens to the currents back to the sources; may be set later.

    Attributes
    ----------
    current_post, current_pre
        Currents to the two ends, (batch, n_post) and (batch, n_pre).
    momentum, alpha, synaptic_operations, flips
        See `BinarySynapse`.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        batch: int,
        rule: BOP | None,
        alpha_rate: float = 0.0,
        levels: int = 1,
        backward: bool = True,
    ) -> None:
        n_post, n_pre = shape
        self.momentum = np.zeros((0, 0), np.float32)
        self.alpha = np.ones(1)
        self.flips = np.zeros(1, np.int64)
        self.synaptic_operations = np.zeros(2, np.int64)
        self.current_post = np.zeros((batch, n_post), np.float32)
        self.current_pre = np.zeros((batch, n_pre), np.float32)
        self._signs = SignMatrix(n_post, n_pre)
        self._rule = rule
        self._alpha_rate = alpha_rate
        self._levels = levels
        self.backward = backward
        self._total_post = np.zeros((batch, n_post), np.int32)
        self._total_pre = np.zeros((batch, n_pre), np.int32)
        self._pre_type: type[np.signedinteger[Any]] = np.int8 if levels == 1 else np.int32
        self._pre: NDArray[Any] = np.zeros((batch, n_pre), self._pre_type)
        self._post = np.zeros((batch, n_post), np.int8)

    @property
    def weights(self) -> NDArray[np.int8]:
        """Signs, unpacked; a copy, and read-only, as what is written to it would be lost."""
        signs = self._signs.signs()
        signs.flags.writeable = False
        return signs

    def get(self, name: str) -> NDArray[Any]:
        """Return one of the arrays of `LayerParameters`, or a counter."""
        found: NDArray[Any] = getattr(self, name)
        return found

    def set(self, name: str, value: NDArray[Any]) -> None:
        """Replace one of the arrays of `LayerParameters`."""
        if name == "weights":
            self._signs.assign(value)
        else:
            setattr(self, name, value)

    def reset(self) -> None:
        """Forget what was received."""
        for array in (self._total_post, self._total_pre, self._pre, self._post):
            array.fill(0)
        self.current_post.fill(0)
        self.current_pre.fill(0)

    def step(self, clock: Clock, pre: NDArray[Any], post: NDArray[np.int8]) -> None:
        """Take in the events of both ends of this step; see `SynapsePopulation.step`."""
        pre = as_integers(pre, self._pre_type)
        post = as_integers(post, np.int8)
        n_post, n_pre = self._signs.shape
        alpha = float(self.alpha[0])
        # Currents change only with events, so a silent step costs nothing here.
        if events := integrate_events(pre, self._signs, self._total_post):
            current(self._total_post, alpha, self._levels, out=self.current_post)
            self.synaptic_operations[clock.counter] += events * n_post
        if self.backward and (
            events := integrate_events(post, self._signs, self._total_pre, backward=True)
        ):
            current(self._total_pre, alpha, 1, out=self.current_pre)
            self.synaptic_operations[clock.counter] += events * n_pre
        if clock.learning and self._rule is not None:
            self._pre += pre
            self._post += post
            if clock.remembers:
                self._first = self._pre.copy(), self._post.copy(), self._total_post.copy()

    def learn(self, clock: Clock) -> None:
        """Contrast the two remembered states; move alpha and flip weights."""
        if self._rule is None:
            return
        pre, post, total = self._first
        sign, span = clock.contrast_sign, clock.schedule.contrast_span
        gradient = 0.0
        if self._alpha_rate:
            gradient = alpha_gradient(
                total,
                post,
                self._total_post,
                self._post,
                alpha=float(self.alpha[0]),
                levels=self._levels,
                sign=sign,
                span=span,
            )
        unit = span * post.shape[0] * self._levels
        rescale, gain, threshold = self._rule.coefficients(clock.batch, unit=unit)
        if rescale != 1.0:
            self.momentum *= np.float32(rescale)
        self.flips += bop_update(
            self._signs,
            self.momentum,
            pre,
            post,
            self._pre,
            self._post,
            np.float32(sign * gain),
            np.float32(threshold),
        )
        self.alpha += self._alpha_rate * gradient
