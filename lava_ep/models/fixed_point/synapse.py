"""Synapse populations whose weights and currents are integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.arrays import as_integers
from lava_ep.dynamics import (
    BOP,
    SGD,
    Connection,
    Phase,
    PhaseSchedule,
    Reading,
    SpikeTrace,
    Stream,
    generator,
)
from lava_ep.dynamics.fixed_point import (
    Factor,
    accumulated,
    bop_update,
    follow_spikes,
    move_weights,
    stored_weights,
    weight_step,
)
from lava_ep.errors import InputError
from lava_ep.loihi2.formats import TAG
from lava_ep.models.fixed_point.format import Rounding, SynapseFormat, TraceFormat
from lava_ep.populations import (
    Clock,
    Contrast,
    Receiver,
    SynapsePopulation,
    Weights,
    read_only,
    receiver,
)
from lava_ep.populations.receiver import PulseReceiver
from lava_ep.populations.synapse import Moment

Array = NDArray[Any]

FLIP_THRESHOLD = 127
"""Momentum, of at most 255, above which a weight flips; what is learned is scaled to it."""


def nearest_weights(weights: Array, unit: float) -> Array:
    """Return the weights nearest to real ones that the memory holds, in units of ``unit``."""
    half = weight_step() // 2
    return stored_weights(np.floor(np.asarray(weights, np.float64) / unit + half).astype(np.int64))


class FixedWeights(Weights):
    """Weights of 8 bits, or signs with momenta of 9 bits.

    They are kept as whole numbers of float64, since only these have fast matrix products; sums of
    them are exact. `get` and `set` speak of real numbers, as all other models do.

    Parameters
    ----------
    connection, rule, binary
        See `Weights`.
    format
        How real numbers are represented.
    schedule, samples
        The phases, and the size of the batch.
    first_batch
        Number of batches learned from before.
    levels, target_levels
        Values of sources and of targets that mean 1.0 in other models, for the unit of momenta.
    """

    def __init__(
        self,
        connection: Connection,
        rule: BOP | SGD | None,
        *,
        format: SynapseFormat,
        schedule: PhaseSchedule,
        samples: int,
        first_batch: int,
        binary: bool,
        levels: int,
        target_levels: int,
    ) -> None:
        options: dict[str, Any] = {"levels": levels, "target_levels": target_levels}
        super().__init__(connection, rule, binary=binary, dtype=np.float64, **options)
        self.format = format
        self._unit = schedule.contrast_span * samples
        self._batches_learned = first_batch
        if binary:
            self.momentum = np.zeros(connection.weight_shape, np.int16)
            self.alpha = np.array([format.unit])

    def get(self, name: str) -> Array:
        """Return one of the arrays of `LayerParameters`, or the number of flips.

        Those that are converted are copies, and read-only, as what is written to them would be
        lost; the scaling factor is read-only, as it is part of the format.
        """
        found = super().get(name)
        if name == "weights" and not self.binary:
            return read_only((found * self.format.unit).astype(np.float32))
        if name == "momentum":
            return read_only((found * self._momentum_unit).astype(np.float32))
        return read_only(found) if name == "alpha" else found

    def set(self, name: str, value: Array) -> None:
        """Replace one of the arrays by the nearest integers.

        Raises
        ------
        InputError
            If another scaling factor is set than the one that the weights were converted for.
        """
        if name == "alpha" and not np.array_equal(value, [self.format.unit]):
            raise InputError(
                f"alpha={value}: expected {self.format.unit}, which these synapses were converted "
                "for; build the network anew"
            )
        if name == "weights" and not self.binary:
            value = nearest_weights(value, self.format.unit)
        elif name == "momentum":
            value = TAG.saturated(np.rint(value / self._momentum_unit).astype(np.int64))
        super().set(name, value)

    @property
    def _momentum_unit(self) -> float:
        """What 1 means in units of the momenta of other models."""
        if not isinstance(self.rule, BOP):
            return 1.0
        unit = self._unit * self.levels * self.target_levels
        last = max(self._batches_learned - 1, 0)
        return self.rule.coefficients(last, unit=unit)[2] / FLIP_THRESHOLD

    def learn(
        self,
        contrast: Callable[[slice], Contrast],
        energy: float,
        *,
        batch: int,
        clock: Clock,
    ) -> None:
        """Learn at the end of a sample; see `Weights.learn`."""
        change = contrast(slice(None)).forward
        address = (self.format.index, Rounding.WEIGHTS, clock.batch)
        rng = generator(clock.schedule.seed, Stream.ROUNDING, *address)
        unit = self._unit * self.format.pre_one * self.format.post_one
        if isinstance(self.rule, BOP) and self.momentum is not None:
            _, gain, threshold = self.rule.coefficients(clock.batch, unit=unit)
            self.flips += bop_update(
                self._forward,
                self.momentum,
                change,
                gain=Factor.nearest(clock.contrast_sign * FLIP_THRESHOLD * gain / threshold),
                decay=Factor.nearest(self.rule.gamma),
                threshold=FLIP_THRESHOLD,
                rng=rng,
            )
        elif isinstance(self.rule, SGD):
            rate = clock.contrast_sign * self.rule.step(clock.batch) / (unit * self.format.unit)
            move_weights(self._forward, change, Factor.nearest(rate), rng)
        self._batches_learned = clock.batch + 1
        self.version += 1


class TraceReceiver(PulseReceiver):
    """Integrate-and-fire neurons: what is learned from is a trace of 7 bits of their spikes.

    It does what `lava_ep.populations.SpikeReceiver` does. Where nothing is learned there are no
    traces.

    Parameters
    ----------
    shape
        (batch, n).
    trace
        How it follows the spikes.
    address
        Where its random bits are among those for rounding.
    """

    def __init__(
        self, shape: tuple[int, int], trace: TraceFormat, address: tuple[int, int]
    ) -> None:
        super().__init__(shape, np.float64)
        self._trace = trace
        self._address = address
        self._free = np.zeros((0, 0))

    def receive(self, clock: Clock, message: Array) -> Array | None:
        """Take in spikes; see `Receiver.receive`."""
        spikes = as_integers(message, np.int8)
        if clock.learning:
            self._follow(clock, spikes)
        return super().receive(clock, spikes)

    def _follow(self, clock: Clock, spikes: Array) -> None:
        if clock.phase is Phase.LOAD:
            address = (*self._address, clock.batch)
            self._rng = generator(clock.schedule.seed, Stream.ROUNDING, *address)
        elif clock.phase is Phase.RESTORE:
            self.activation[...] = self._free
        else:
            trace = self._trace
            follow_spikes(
                self.activation, spikes, impulse=trace.impulse, decay=trace.decay, rng=self._rng
            )
        if clock.restorable:
            self._free = self.activation.copy()


def fixed_receiver(
    shape: tuple[int, int], reading: Reading, format: SynapseFormat, end: Rounding
) -> Receiver:
    """Return the receiver of one end of a synapse population."""
    if isinstance(reading, SpikeTrace) and format.trace is not None:
        return TraceReceiver(shape, format.trace, (format.index, end))
    return receiver(shape, np.float64, reading)


class FixedSynapsePopulation(SynapsePopulation):
    """Synapses whose currents are integers of 16 bits; otherwise a `SynapsePopulation`.

    Parameters
    ----------
    weights
        The weights.
    batch
        Number of samples.
    readings
        How the messages of the two ends are read.
    backward
        Whether anybody listens to the currents back to the sources; may be set later.
    """

    store: FixedWeights

    def __init__(
        self,
        weights: FixedWeights,
        *,
        batch: int,
        readings: tuple[Reading, Reading],
        backward: bool = True,
    ) -> None:
        connection, format = weights.connection, weights.format
        shapes = (batch, connection.n_pre), (batch, connection.n_post)
        ends = Rounding.PRE_TRACES, Rounding.POST_TRACES
        pre, post = (
            fixed_receiver(shape, reading, format, end)
            for shape, reading, end in zip(shapes, readings, ends, strict=True)
        )
        super().__init__(weights, batch=batch, backward=backward, pre=pre, post=post)
        self.current_pre, self.current_post = (np.zeros(shape, np.int32) for shape in shapes)
        self._pixel_unit = 1 << format.pixel_shift

    def _scale(self, *, post: bool, pre: bool) -> None:
        forward, backward = self.store.format.forward, self.store.format.backward
        if post:
            self.current_post = accumulated(self._currents.post, forward.factor, forward.exponent)
        if pre:
            self.current_pre = accumulated(self._currents.pre, backward.factor, backward.exponent)

    def _moment(self) -> Moment:
        """Return the traces of both ends."""
        now = super()._moment()
        return now._replace(pre=now.pre // self._pixel_unit) if self._pixel_unit > 1 else now
