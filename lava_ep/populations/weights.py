"""The weights of a synapse population, and how its learning rule changes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from lava_ep.dynamics import BOP, SGD, Connection, add_multiple, bop_contrast_update
from lava_ep.populations.clock import Clock

Array = NDArray[Any]


class Contrast(NamedTuple):
    """Difference between what a synapse population sees at two moments, summed over samples.

    Parameters
    ----------
    forward
        For the forward weights, or for both directions; of the shape of the weights.
    feedback
        For feedback weights of their own.
    """

    forward: Array
    feedback: Array | None = None

    def rows(self, rows: slice) -> Contrast:
        """Return the contrasts of some targets."""
        return Contrast(self.forward[rows], None if self.feedback is None else self.feedback[rows])

    def plus(self, other: Contrast) -> Contrast:
        """Return the contrast of the samples of both."""
        if self.feedback is None or other.feedback is None:
            return Contrast(self.forward + other.forward)
        return Contrast(self.forward + other.forward, self.feedback + other.feedback)


TILE = 256
"""Targets whose synapses learn at a time, so that their contrasts stay in the cache."""


class Weights:
    """Binary weights with their scaling factor and momenta, or real weights.

    Parameters
    ----------
    connection
        What the weights connect.
    rule
        `BOP` for binary weights, `SGD` for real ones, or ``None`` if they do not learn.
    binary
        Whether the weights are signs times a scaling factor.
    untied
        Whether there are feedback weights apart from the forward ones.
    alpha_rate
        Learning rate of the scaling factor.
    levels, target_levels
        Values of sources and of targets that mean 1.0.
    normalized
        Whether sources are pixels that are normalized before the weights see them.
    storage
        Arrays for weights, and for feedback weights if they are apart; new ones if not given.
    dtype
        Type that is computed with. Sums of signs are exact in it, as they stay below 2**24.

    Attributes
    ----------
    momentum, alpha
        Of binary weights, else ``None``.
    flips
        Number of weight flips, (1,).
    version
        Counts the changes.
    """

    def __init__(
        self,
        connection: Connection,
        rule: BOP | SGD | None,
        *,
        binary: bool,
        untied: bool = False,
        alpha_rate: float = 0.0,
        levels: int = 1,
        target_levels: int = 1,
        normalized: bool = False,
        storage: tuple[Array, Array | None] | None = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.connection = connection
        self.rule = rule
        self.binary = binary
        self.levels = 1 if normalized else levels
        self.target_levels = target_levels
        self.alpha_rate = alpha_rate
        shape = connection.weight_shape
        feedback: Array | None = np.zeros(shape, dtype) if untied else None
        self._forward: Array
        self._feedback: Array | None
        self._forward, self._feedback = storage or (np.zeros(shape, dtype), feedback)
        self.momentum = np.zeros_like(self._forward) if binary else None
        self.alpha = np.ones(1) if binary else None
        self.flips = np.zeros(1, np.int64)
        self.version = 0
        self._rescaled = -1

    @property
    def untied(self) -> bool:
        """Whether there are feedback weights apart from the forward ones."""
        return self._feedback is not None

    @property
    def weights(self) -> Array:
        """The weights as `LayerParameters` has them; read-only, as `set` has to know of changes."""
        return read_only(self._forward.astype(np.int8) if self.binary else self._forward)

    @property
    def feedback(self) -> Array | None:
        """Feedback weights, if they are apart; read-only as well."""
        return None if self._feedback is None else read_only(self._feedback)

    def get(self, name: str) -> Array:
        """Return one of the arrays of `LayerParameters`, or the number of flips."""
        found: Array = getattr(self, name)
        return found

    def set(self, name: str, value: Array) -> None:
        """Replace one of the arrays of `LayerParameters`."""
        own: dict[str, Any] = {"weights": self._forward, "feedback": self._feedback}
        target = own.get(name, getattr(self, name))
        target[...] = value
        self.version += 1

    def layouts(self) -> tuple[Array, Array]:
        """Return the weights as `Currents` want them; signs without their scaling factor."""
        feedback = self._forward if self._feedback is None else self._feedback
        return self.connection.layouts(self._forward, feedback)

    @property
    def gain(self) -> tuple[float, float]:
        """Factors between sums over weights and currents: to the targets, and to the sources."""
        alpha = 1.0 if self.alpha is None else float(self.alpha[0])
        return alpha / self.levels, alpha / self.target_levels

    def learn(
        self,
        contrast: Callable[[slice], Contrast],
        energy: float,
        *,
        batch: int,
        clock: Clock,
    ) -> None:
        r"""Learn at the end of a sample.

        Parameters
        ----------
        contrast
            Gives the contrasts of the synapses into some targets.
        energy
            Change of :math:`\sum b \cdot W a` without the scaling factor; for that.
        batch, clock
            See `apply`.
        """
        self.learn_alpha(energy, batch=batch, clock=clock)
        sign, targets = clock.contrast_sign, len(self._forward)
        for first in range(0, targets, TILE):
            rows = slice(first, min(first + TILE, targets))
            self.apply(contrast(rows), batch=batch, sign=sign, clock=clock, rows=rows)

    def apply(
        self,
        contrast: Contrast,
        *,
        batch: int,
        sign: int,
        clock: Clock,
        rows: slice = slice(None),
    ) -> None:
        """Change the weights.

        Parameters
        ----------
        contrast
            What they learn from.
        batch
            Number of samples.
        sign
            +1 if the contrast goes from the smaller to the larger beta, else -1.
        clock
            Tells the batch and the distance in beta.
        rows
            The targets that the contrast belongs to.
        """
        rate, threshold = self.coefficients(batch=batch, sign=sign, clock=clock)
        if self.momentum is not None:
            self.flips += bop_contrast_update(
                self._forward[rows], self.momentum[rows], contrast.forward, rate, threshold
            )
        else:
            add_multiple(self._forward[rows], rate, contrast.forward)
            if self._feedback is not None and contrast.feedback is not None:
                add_multiple(self._feedback[rows], rate, contrast.feedback)
        self.version += 1

    def coefficients(self, *, batch: int, sign: int, clock: Clock) -> tuple[float, float]:
        """Tell how contrasts change the weights, and let the momenta decay if they are to.

        Parameters
        ----------
        batch, sign, clock
            See `apply`.

        Returns
        -------
        rate
            What contrasts are multiplied by.
        threshold
            Of the momenta, see `BOP.coefficients`; infinite for real weights.
        """
        unit = clock.schedule.contrast_span * batch * self.levels * self.target_levels
        if isinstance(self.rule, SGD):
            return sign * self.rule.step(clock.batch) / unit, math.inf
        if self.rule is None or self.momentum is None:
            return 0.0, math.inf
        rescale, gain, threshold = self.rule.coefficients(clock.batch, unit=unit)
        if rescale != 1.0 and self._rescaled != clock.batch:
            real: Any = self.dtype.type
            self.momentum *= real(rescale)
        self._rescaled = clock.batch
        return sign * gain, threshold

    def learn_alpha(self, energy: float, *, batch: int, clock: Clock) -> None:
        """Let the scaling factor learn, if there is one that does; see `learn`."""
        if self.alpha is not None and self.alpha_rate:
            gradient = self._alpha_gradient(energy, batch=batch, clock=clock)
            self.alpha += self.alpha_rate * gradient

    def _alpha_gradient(self, energy: float, *, batch: int, clock: Clock) -> float:
        """See `lava_ep.dynamics.alpha_gradient`."""
        unit = self.levels * self.target_levels * clock.schedule.contrast_span * batch
        alpha = 0.0 if self.alpha is None else float(self.alpha[0])
        return 0.5 * clock.contrast_sign * alpha * energy / unit


def read_only(array: Array) -> Array:
    """Return a view that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view
