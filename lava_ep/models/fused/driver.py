"""The driver: what all engines have in common, from the phases of a batch to its learning."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from lava_ep.dynamics import Phase, PhaseSchedule, expand_target, update_bias
from lava_ep.models.fused.threads import Team, available_cores
from lava_ep.populations import Clock, levels_of
from lava_ep.spec import NetworkSpec

Array = NDArray[Any]

WEIGHT_FIELDS = ("weights", "feedback", "momentum", "alpha", "flips")
"""Arrays that belong to the synapses that enter a layer; all others belong to its neurons."""


class Shard:
    """Samples that go through the phases together, without waiting for others.

    Parameters
    ----------
    rows
        Where they are in the batch.
    clock
        Counts their steps.
    """

    def __init__(self, rows: slice, clock: Clock) -> None:
        self.rows = rows
        self.clock = clock


class Driver:
    """Takes the samples of a batch through the phases, and lets the network learn from them.

    An engine derives from it and supplies what differs: it sets ``weights``, one for each layer,
    and says how to `_load`, `_settle`, `_keep` and `_restore` the neurons of a shard, how to
    `_show` pixels, what to `_remember`, the `_ends` that are contrasted, and how to
    `_learn_weights`. An engine with several shards gives each to a thread; one with a single shard
    shares the work of a phase among the threads itself.

    Parameters
    ----------
    spec, batch, learning
        See `EPNetwork`.
    schedule
        The phases.
    first_batch
        Number of batches learned from before.
    threads
        Threads to use; by default one per core.
    """

    weights: Any
    """List of the synapses that enter each layer: `Weights`, or something like them."""

    _readout = "state"
    """Field that predictions are read from."""

    def __init__(
        self,
        spec: NetworkSpec,
        *,
        batch: int,
        schedule: PhaseSchedule,
        learning: bool,
        first_batch: int = 0,
        threads: int | None = None,
    ) -> None:
        self.spec = spec
        self.batch = batch
        self.schedule = schedule
        self.learning = learning
        self.threads = threads or available_cores()
        self._first_batch = first_batch
        self._levels = levels_of(spec.spikes)
        self._target = np.zeros((batch, spec.sizes[-1]), np.int8)
        self._team = Team(self.threads)
        self._stale = True
        self.shards = self._make_shards()

    @functools.cached_property
    def _blas(self) -> Any:
        """Limits the threads of linear algebra."""
        return ThreadpoolController().limit

    def _make_shards(self) -> Any:
        """Return the shards; unless an engine says otherwise, there is one."""
        return [Shard(slice(0, self.batch), self._new_clock())]

    def _new_clock(self) -> Clock:
        return Clock(self.schedule, learning=self.learning, batch=self._first_batch)

    @property
    def _clock(self) -> Clock:
        clock: Clock = self.shards[0].clock
        return clock

    @property
    def batches_learned(self) -> int:
        """Number of batches learned from so far."""
        return self._clock.batch

    def get(self, layer: int, field: str) -> Array:
        """Return an array of a layer, see `EPNetwork`; replace it by `set`."""
        array: Array
        if field in WEIGHT_FIELDS:
            array = self.weights[layer].get(field)
        else:
            array = self._array(layer, field)
        return array

    def set(self, layer: int, field: str, value: Array) -> None:
        """Replace an array of a layer."""
        if field in WEIGHT_FIELDS:
            self.weights[layer].set(field, value)
            self.changed()
        else:
            self._assign(layer, field, value)

    def _assign(self, layer: int, field: str, value: Array) -> None:
        """Replace an array of the neurons of a layer."""
        self._array(layer, field)[...] = value

    def changed(self) -> None:
        """Forget what was derived from the parameters; call it after changing them."""
        self._stale = True

    def outputs(self, field: str) -> Array:
        """Return what the output neurons send, (batch, outputs).

        Parameters
        ----------
        field
            ``events`` for the messages of this step, ``activation`` for what they have added up to,
            ``state`` for what predictions are read from.
        """
        names = {"events": "change", "state": self._readout}
        return self._array(len(self.spec.layers) - 1, names.get(field, field))

    def set_labels(self, labels: NDArray[np.int32]) -> None:
        """Nudge the outputs towards these classes, (batch,)."""
        self._target[...] = expand_target(labels, self.spec.classes, self.spec.sizes[-1])

    def advance(self, first: int, last: int, pixel_events: NDArray[np.int32] | None = None) -> None:
        """Take all samples from one position in the schedule to another.

        Parameters
        ----------
        first, last
            The positions; the last one is not included.
        pixel_events
            Changes of the pixels that arrive in the first step, (batch, inputs).
        """
        if self._stale:
            self._derive()
            self._stale = False
        self._team.map(lambda shard: self._walk(shard, first, last, pixel_events), self.shards)

    def _walk(self, shard: Any, first: int, last: int, pixel_events: Array | None) -> None:
        """Take the samples of a shard from one position to another, phase by phase."""
        clock, pixels = shard.clock, pixel_events
        clock.position = first - 1
        while clock.position < last - 1:
            clock.tick()
            # What is shown in a step acts from the next one on.
            steps = 1 if pixels is not None else clock.steps_until(last)
            self._take(shard, steps, pixels)
            pixels = None

    def _take(self, shard: Any, steps: int, pixel_events: Array | None) -> None:
        """Take steps of the same phase, with pixel events in the first."""
        clock = shard.clock
        if clock.phase is Phase.LOAD:
            self._load(shard)
        elif clock.phase is Phase.RESTORE:
            self._restore(shard)
        else:
            self._settle(shard, steps)
        if pixel_events is not None:
            self._show(shard, pixel_events)
        elif clock.phase is Phase.LOAD and self.spec.normalization:
            # Black pixels send nothing, but are something else once they are normalized.
            self._show(shard, np.zeros((self.batch, self.spec.inputs), np.int32))
        clock.position += steps - 1
        if clock.learning and clock.restorable:
            self._keep(shard)
        if clock.remembers:
            self._remember(shard)

    def learn(self) -> None:
        """Learn from the states at the ends of the two contrasted phases, unless every step did."""
        if not self.schedule.continual:
            self._learn()
        for shard in self.shards:
            shard.clock.batch += 1
        self._stale = True

    def _learn(self) -> None:
        for index, layer in enumerate(self.spec.layers):
            if layer.bias_rate:
                update_bias(
                    self._array(index, "bias"),
                    *self._ends(index),
                    rate=layer.bias_rate,
                    sign=self._clock.contrast_sign,
                    span=self.schedule.contrast_span * self._levels,
                )
        self._learn_weights(
            [index for index, layer in enumerate(self.spec.layers) if not layer.frozen]
        )

    def _array(self, layer: int, field: str) -> Array:
        """Return an array of the neurons of a layer, or a counter."""
        raise NotImplementedError(f"{type(self).__name__} must implement _array()")

    def _derive(self) -> None:
        """Derive anew what follows from the parameters."""

    def _load(self, shard: Any) -> None:
        """Begin a sample."""
        raise NotImplementedError(f"{type(self).__name__} must implement _load()")

    def _settle(self, shard: Any, steps: int) -> None:
        """Take steps of the same phase, and count their events."""
        raise NotImplementedError(f"{type(self).__name__} must implement _settle()")

    def _keep(self, shard: Any) -> None:
        """Keep the free state."""

    def _restore(self, shard: Any) -> None:
        """Return to the free state."""
        raise NotImplementedError(f"{type(self).__name__} must implement _restore()")

    def _show(self, shard: Any, pixel_events: Array) -> None:
        """Take in what the pixels send."""
        raise NotImplementedError(f"{type(self).__name__} must implement _show()")

    def _remember(self, shard: Any) -> None:
        """Remember what the state at the end of the sample is contrasted with."""

    def _ends(self, layer: int) -> tuple[Array, Array]:
        """Return the activations of a layer at the two contrasted ends, (batch, n) each."""
        raise NotImplementedError(f"{type(self).__name__} must implement _ends()")

    def _learn_weights(self, layers: list[int]) -> None:
        """Let the synapses that enter some layers learn, scaling factors included."""
        raise NotImplementedError(f"{type(self).__name__} must implement _learn_weights()")
