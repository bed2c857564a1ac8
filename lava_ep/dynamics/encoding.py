"""Images as spikes: how pixels are sent over time, and what synapses make of them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import Enum
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics.integrate_fire import SpikeTrace
from lava_ep.dynamics.seeds import Stream, generator
from lava_ep.dynamics.sigma_delta import StepSize
from lava_ep.errors import InputError


class Code(str, Enum):
    """How pixels are sent."""

    CONSTANT = "constant"
    """As they are, once, when a sample is loaded: a constant current until the next one."""
    LATENCY = "latency"
    """One spike each, the earlier the brighter; its time tells the value (time to first spike)."""
    RATE = "rate"
    """A spike in every time step with probability p / levels (Poisson)."""
    EVENTS = "events"
    """Events of a camera at their own times, which add up to a picture that then stays."""
    REPEATED_EVENTS = "repeated-events"
    """Events of a camera at their own times, over and over again."""


@dataclass(frozen=True)
class Latency:
    """A spike at time step k stands for the value that pixels with this latency have.

    Parameters
    ----------
    levels
        Pixel value that means 1.0.
    steps
        Time steps between the brightest pixels and the darkest that spike.
    """

    levels: int
    steps: int

    def value(self, step: int) -> int:
        r"""Return :math:`\mathrm{round}(L\,(1 - k/S))`, at least 1."""
        return max(1, round(self.levels * (1 - step / self.steps)))

    def latency(self, pixels: NDArray[Any]) -> NDArray[np.int64]:
        """Return the time step at which pixels spike; one past the last where they never do."""
        values = np.array([self.value(step) for step in range(self.steps)])
        # The last step whose value is not smaller, or the first one for the brightest.
        found = np.searchsorted(-values, -pixels.astype(np.int64), side="right") - 1
        return np.where(pixels > 0, np.maximum(found, 0), self.steps)


@dataclass(frozen=True)
class Rate:
    r"""Spikes that last one time step; their mean since a sample was loaded is the activation.

    EP contrasts what a synapse sees at two moments, and takes all differences for those that the
    nudge has made. The input has to be the same at both, so it is read by its mean, which
    fluctuates the less the longer it is taken.
    """


Reading = StepSize | SpikeTrace | Latency | Rate | None
"""How synapses read the messages of one end; ``None`` if they are changes that add up."""


@dataclass(frozen=True)
class Encoding:
    """How images are sent, and read.

    Parameters
    ----------
    code
        A `Code` or its value.
    levels
        Pixel value that means 1.0.
    steps
        Time steps over which latencies or recordings are spread; 1 for other codes.

    Raises
    ------
    InputError
        If a value is out of range, or the code has no use for more than one step.
    """

    code: Code = Code.CONSTANT
    levels: int = 1
    steps: int = 1

    def __post_init__(self) -> None:
        if self.code not in tuple(Code):
            choices = ", ".join(code.value for code in Code)
            raise InputError(f"code={self.code!r}: expected one of {choices}")
        object.__setattr__(self, "code", Code(self.code))
        if not isinstance(self.steps, Integral) or self.steps < 1:
            raise InputError(f"steps={self.steps}: expected a whole number of at least 1")
        if self.steps > 1 and self.code in (Code.CONSTANT, Code.RATE):
            raise InputError(
                f"steps={self.steps} with code {self.code.value}: expected 1; this code takes all "
                "the time that there is"
            )

    @property
    def reading(self) -> Latency | Rate | None:
        """How synapses read it; ``None`` if what is sent adds up to the pixels."""
        if self.code is Code.LATENCY:
            return Latency(self.levels, self.steps)
        return Rate() if self.code in (Code.RATE, Code.REPEATED_EVENTS) else None

    @property
    def input_levels(self) -> int:
        """Activation of a source that means 1.0."""
        return 1 if isinstance(self.reading, Rate) else self.levels

    @property
    def frames_a_sample(self) -> int:
        """Frames that the host has to provide for a sample: more than one of recordings."""
        return self.steps if self.code in (Code.EVENTS, Code.REPEATED_EVENTS) else 1

    def messages(self, period: int) -> int:
        """Return how many time steps of a sample bring messages; ``period`` is all of them."""
        return period if isinstance(self.reading, Rate) else min(self.steps, period)

    def frames(
        self, images: NDArray[Any], period: int, *, seed: int = 0, batch: int = 0
    ) -> NDArray[np.int32]:
        """Return what is sent of some images.

        Random spikes of an image depend on the seed, the image, and the number of the batch, but
        not on what else is shown.

        Parameters
        ----------
        images
            (samples, pixels) integers, or (samples, steps x pixels) of recordings.
        period
            Time steps of a sample.
        seed
            Seed of the run.
        batch
            Number of batches learned from before.

        Returns
        -------
        frames
            (messages, samples, pixels), see `messages`; the first goes with loading.
        """
        count = self.messages(period)
        if self.code is Code.CONSTANT:
            return images[None].astype(np.int32, copy=False)
        if self.code is Code.LATENCY:
            latency = Latency(self.levels, self.steps).latency(images)
            spikes: NDArray[np.int32] = latency == np.arange(count)[:, None, None]
            return spikes.astype(np.int32)
        frames: NDArray[np.int32]
        if self.code is Code.RATE:
            frames = np.empty((count, *images.shape), np.int32)
            for row, image in enumerate(images):
                rng = generator(seed, Stream.ENCODING, batch, zlib.crc32(image.tobytes()))
                frames[:, row] = rng.random((count, image.size)) * self.levels < image
            return frames
        recorded = images.reshape(len(images), self.steps, -1).swapaxes(0, 1)
        frames = np.ascontiguousarray(recorded[np.arange(count) % self.steps], np.int32)
        return frames
