"""What a synapse knows of the neurons at one of its ends, from the messages they send."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from lava_ep.arrays import as_integers
from lava_ep.dynamics import (
    Latency,
    Phase,
    Rate,
    Reading,
    SpikeTrace,
    StepSize,
    count_events,
    follow_spikes,
)
from lava_ep.dynamics.sigma_delta import adapt_row
from lava_ep.populations.clock import Clock

Array = NDArray[Any]


class Receiver:
    """Neurons that send changes of their activations; these add up.

    Parameters
    ----------
    shape
        (batch, n).
    dtype
        Type that is computed with.

    Attributes
    ----------
    activation
        What synapses learn from, (batch, n).
    signal
        What the present currents are made of, (batch, n).
    lasting
        Whether the signal stays until the next message; else it lasts one time step.
    """

    lasting = True

    def __init__(self, shape: tuple[int, int], dtype: npt.DTypeLike) -> None:
        self.activation = np.zeros(shape, dtype)

    @property
    def signal(self) -> Array:
        """See above."""
        return self.activation

    def reset(self) -> None:
        """Forget what was received."""
        self.activation.fill(0)

    def receive(self, clock: Clock, message: Array) -> Array | None:
        """Take in a message, and return what is added to the signal; ``None`` if nothing is."""
        if count_events(message) == 0:
            return None
        change = message.astype(self.activation.dtype, copy=False)
        self.activation += change
        return change


class PixelReceiver(Receiver):
    """Pixels that are normalized before they mean anything.

    Parameters
    ----------
    shape, dtype
        See `Receiver`.
    levels
        Pixel value that means 1.0.
    normalization
        Means and standard deviations, one for each channel.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        dtype: npt.DTypeLike,
        levels: int,
        normalization: tuple[Array, Array],
    ) -> None:
        super().__init__(shape, dtype)
        self._levels = levels
        self._normalization = normalization
        # Of float64, as Processes of other people send pixels of any type.
        self._pixels = np.zeros(shape)
        self._unseen = False

    def reset(self) -> None:
        """Forget what was received."""
        super().reset()
        self._pixels.fill(0)
        self._unseen = True

    def receive(self, clock: Clock, message: Array) -> Array | None:
        """Take in changes of the pixels; see `Receiver.receive`."""
        # Black pixels send nothing, but are something else once they are normalized.
        if count_events(message) == 0 and not self._unseen:
            return None
        self._unseen = False
        self._pixels += message
        dtype = self.activation.dtype
        change = normalized(self._pixels, self._levels, self._normalization, dtype)
        change -= self.activation
        self.activation += change
        return change


class Steps:
    """The steps that the spikes of sigma-delta neurons stand for, known at both ends of an axon.

    Parameters
    ----------
    shape
        (batch, n).
    size
        How large steps are.

    Attributes
    ----------
    multiple
        Size of the next step, (batch, n), in smallest steps.
    """

    def __init__(self, shape: tuple[int, int], size: StepSize) -> None:
        self.multiple = np.full(shape, size.multiple(0), np.int32)
        self._previous = np.zeros(shape, np.int8)
        self._size = size

    def begin(self, clock: Clock) -> None:
        """Prepare for the spikes of a time step."""
        if clock.phase is Phase.LOAD:
            self.multiple.fill(self._size.multiple(0))
            self._previous.fill(0)
        elif clock.phase is Phase.RESTORE and self._size.adaptive:
            self.multiple[...], self._previous[...] = self._free
        elif not self._size.adaptive:
            self.multiple.fill(self._size.multiple(clock.position))

    def end(self, clock: Clock, spikes: Array) -> None:
        """Adapt to the spikes of a time step."""
        if not self._size.adaptive:
            return
        if clock.phase not in (Phase.LOAD, Phase.RESTORE):
            for row in range(len(spikes)):
                adapt_row(
                    self.multiple[row], self._previous[row], spikes[row], np.int32(self._size.start)
                )
        if clock.learning and clock.restorable:
            self._free = self.multiple.copy(), self._previous.copy()


class StepReceiver(Receiver):
    """Sigma-delta neurons: each unit spike is a step of the activation.

    Activations are counted in smallest steps. Loading and restoring are sent as graded spikes, in
    smallest steps, too.

    Parameters
    ----------
    shape, dtype
        See `Receiver`.
    size
        How large steps are.
    """

    def __init__(self, shape: tuple[int, int], dtype: npt.DTypeLike, size: StepSize) -> None:
        super().__init__(shape, dtype)
        self._steps = Steps(shape, size)

    def receive(self, clock: Clock, message: Array) -> Array | None:
        """Take in spikes; see `Receiver.receive`."""
        spikes = as_integers(message, np.int8)
        self._steps.begin(clock)
        graded = clock.phase in (Phase.LOAD, Phase.RESTORE)
        steps = spikes if graded else spikes * self._steps.multiple
        self._steps.end(clock, spikes)
        return super().receive(clock, steps.astype(self.activation.dtype))


class PulseReceiver(Receiver):
    """Spikes that make a current for one time step.

    Parameters
    ----------
    shape, dtype
        See `Receiver`.
    """

    lasting = False

    def __init__(self, shape: tuple[int, int], dtype: npt.DTypeLike) -> None:
        super().__init__(shape, dtype)
        self._spikes = np.zeros(shape, dtype)

    @property
    def signal(self) -> Array:
        """The spikes of this time step."""
        return self._spikes

    def reset(self) -> None:
        """Forget what was received."""
        super().reset()
        self._spikes.fill(0)

    def receive(self, clock: Clock, message: Array) -> Array | None:
        """Take in spikes; see `Receiver.receive`."""
        self._spikes[...] = message
        return self._spikes if count_events(message) else None


class SpikeReceiver(PulseReceiver):
    """Integrate-and-fire neurons: what is learned from is the trace of their spikes.

    In the step that restores the free state the last spikes of the free phase come again, and the
    traces are those of then.

    Parameters
    ----------
    shape, dtype
        See `Receiver`.
    trace
        How the traces follow the spikes.
    """

    def __init__(self, shape: tuple[int, int], dtype: npt.DTypeLike, trace: SpikeTrace) -> None:
        super().__init__(shape, dtype)
        self._rate = trace.rate
        self._free = np.zeros((0, 0), dtype)

    def receive(self, clock: Clock, message: Array) -> Array | None:
        """Take in spikes; see `Receiver.receive`."""
        spikes = as_integers(message, np.int8)
        if clock.phase is Phase.RESTORE:
            self.activation[...] = self._free
        elif clock.phase is not Phase.LOAD:
            follow_spikes(self.activation, spikes, self._rate)
        if clock.learning and clock.restorable:
            self._free = self.activation.copy()
        return super().receive(clock, spikes)


class LatencyReceiver(Receiver):
    """Pixels that spike once, and mean what their latency tells from then on.

    Parameters
    ----------
    shape, dtype
        See `Receiver`.
    latency
        What latencies stand for.
    """

    def __init__(self, shape: tuple[int, int], dtype: npt.DTypeLike, latency: Latency) -> None:
        super().__init__(shape, dtype)
        self._latency = latency

    def receive(self, clock: Clock, message: Array) -> Array | None:
        """Take in spikes; see `Receiver.receive`."""
        if count_events(message) == 0:
            return None
        value = self._latency.value(clock.position)
        return super().receive(clock, message.astype(self.activation.dtype) * value)


class MeanReceiver(PulseReceiver):
    """Pixels that spike again and again: what is learned from is the mean of their spikes."""

    def __init__(self, shape: tuple[int, int], dtype: npt.DTypeLike) -> None:
        super().__init__(shape, dtype)
        self._total = np.zeros(shape, np.int64)

    def reset(self) -> None:
        """Forget what was received."""
        super().reset()
        self._total.fill(0)

    def receive(self, clock: Clock, message: Array) -> Array | None:
        """Take in spikes; see `Receiver.receive`."""
        self._total += as_integers(message, np.int64)
        self.activation[...] = self._total / (clock.position + 1)
        return super().receive(clock, message)


def receiver(
    shape: tuple[int, int],
    dtype: npt.DTypeLike,
    reading: Reading,
    *,
    levels: int = 1,
    normalization: tuple[Array, Array] | None = None,
) -> Receiver:
    """Return the receiver that reads messages as told; see `PixelReceiver` for the options."""
    if normalization is not None:
        return PixelReceiver(shape, dtype, levels, normalization)
    if isinstance(reading, StepSize):
        return StepReceiver(shape, dtype, reading)
    if isinstance(reading, SpikeTrace):
        return SpikeReceiver(shape, dtype, reading)
    if isinstance(reading, Latency):
        return LatencyReceiver(shape, dtype, reading)
    return MeanReceiver(shape, dtype) if isinstance(reading, Rate) else Receiver(shape, dtype)


def levels_of(reading: Reading) -> int:
    """Return the activation that means 1.0 to a receiver of neurons."""
    return reading.levels if isinstance(reading, StepSize) else 1


def normalized(
    pixels: Array,
    levels: int,
    normalization: tuple[Array, Array] | None,
    dtype: npt.DTypeLike = np.float32,
) -> Array:
    """Return what synapses make of pixels.

    Parameters
    ----------
    pixels
        (batch, pixels x channels).
    levels
        Pixel value that means 1.0.
    normalization
        Means and standard deviations, one for each channel. Without them pixels stay integers, and
        the currents are divided by the levels.
    dtype
        Type of the result.
    """
    if normalization is None:
        return pixels.astype(dtype)
    mean, std = normalization
    values = pixels.reshape(len(pixels), -1, mean.size) / levels
    return ((values - mean) / std).reshape(pixels.shape).astype(dtype)
