"""Products, shifts and roundings of integers, as neuromorphic cores do them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.errors import InputError
from lava_ep.loihi2.formats import DECAY

Array = NDArray[Any]

MOST_SHIFT = 40
"""Factors below 2**-29 or so lose bits; nothing that learns is that slow."""


@dataclass(frozen=True)
class Factor:
    r"""A number to multiply by, :math:`m\,2^{-k}`, of a sign and as many bits as a decay.

    Parameters
    ----------
    mantissa
        :math:`m`.
    shift
        :math:`k \ge 0`.
    """

    mantissa: int
    shift: int

    @classmethod
    @lru_cache(maxsize=256)
    def nearest(cls, value: float) -> Factor:
        """Return the factor nearest to a number.

        Raises
        ------
        InputError
            If the number is too large.
        """
        if value == 0:
            return cls(0, 0)
        shift = min(DECAY.bits - math.frexp(value)[1], MOST_SHIFT)
        mantissa = round(math.ldexp(value, shift))
        if abs(mantissa) > DECAY.highest:
            shift, mantissa = shift - 1, mantissa // 2
        if shift < 0:
            raise InputError(
                f"factor {value:g}: expected at most {DECAY.highest}, as factors have "
                f"{DECAY.bits} bits"
            )
        return cls(mantissa, shift)

    @property
    def value(self) -> float:
        """The number."""
        return math.ldexp(self.mantissa, -self.shift)

    def times(self, values: Array) -> Array:
        """Return products, rounded towards zero."""
        return towards_zero(values.astype(np.int64) * self.mantissa, self.shift)

    def times_at_random(
        self, values: Array, rng: np.random.Generator, dropped_bits: int = 0
    ) -> Array:
        r"""Return products, rounded up or down at random so that their mean is exact.

        A random number of the bits that are dropped is added before they are, so a product is
        rounded up with a probability equal to its fraction.

        Parameters
        ----------
        values
            What to multiply.
        rng
            Source of the random bits, as many for each value.
        dropped_bits
            Further bits of the result that its memory does not hold; they may be dropped, too.
        """
        products = values.astype(np.int64) * self.mantissa
        random = rng.integers(0, 1 << (self.shift + dropped_bits), values.shape, np.int64)
        rounded: Array = (products + random) >> self.shift
        return rounded


def towards_zero(products: Array, shift: int) -> Array:
    """Divide by 2**shift, rounding towards zero."""
    products = products + ((products >> 63) & ((1 << shift) - 1))
    products >>= shift
    return products


def decayed(values: Array, decay: int) -> Array:
    r"""Return :math:`x\,(2^{12} - d)\,2^{-12}`, rounded towards zero."""
    unity = 1 << DECAY.bits
    return towards_zero(values.astype(np.int64) * (unity - decay), DECAY.bits)


def share(values: Array, decay: int) -> Array:
    r"""Return :math:`x\,d\,2^{-12}`, rounded towards zero: what `decayed` takes away."""
    return towards_zero(values.astype(np.int64) * decay, DECAY.bits)


def shifted(values: Array, exponent: int) -> Array:
    """Multiply by 2**exponent; negative exponents round down."""
    return values << exponent if exponent > 0 else values >> -exponent
