"""What engines of dense networks have in common: parameters, phases, and how they learn."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from lava_ep.dynamics import SGD, Phase, PhaseSchedule, expand_target, update_bias
from lava_ep.dynamics.events import count_events
from lava_ep.models.fused.parts_engine import pixel_receiver
from lava_ep.models.fused.rows import ROWS_A_TASK, TARGETS, learn_rows, project
from lava_ep.models.fused.threads import Team, available_cores, blocks
from lava_ep.populations import Clock, Weights, levels_of
from lava_ep.spec import NetworkSpec

Array = NDArray[Any]

_NO_MOMENTA = np.zeros((0, 0), np.float32)


class Blocks:
    """Arrays of all layers in one flat array, as the compiled loops want them."""

    def __init__(
        self, shapes: Sequence[tuple[int, ...]], dtype: npt.DTypeLike = np.float32
    ) -> None:
        ends = np.cumsum([0, *map(math.prod, shapes)])
        self.flat = np.zeros(ends[-1], dtype)
        self.views = [
            self.flat[begin:end].reshape(shape)
            for (begin, end), shape in zip(itertools.pairwise(ends), shapes, strict=True)
        ]


class LayeredEngine:
    """Runs the samples of a batch through the phases of a dense network, and learns from them.

    Does what `PartsEngine` does, up to rounding. Subclasses know what neurons do: they implement
    `_load`, `_settle` and `_restore`, and `_keep` the condition to restore.

    Parameters
    ----------
    spec, batch, schedule, learning, first_batch, decay, epoch_batches, threads
        See `PartsEngine`.
    """

    _messages: type[np.generic] = np.float32

    def __init__(
        self,
        spec: NetworkSpec,
        *,
        batch: int,
        schedule: PhaseSchedule,
        learning: bool,
        first_batch: int = 0,
        decay: float = 1.0,
        epoch_batches: int = 1,
        threads: int | None = None,
    ) -> None:
        self.spec = spec
        self.batch = batch
        self.schedule = schedule
        self._clock = Clock(schedule, learning=learning, batch=first_batch)
        self._untied = spec.feedback_angle is not None
        self._levels = levels_of(spec.spikes)
        self._sizes = np.array(spec.sizes)
        self._make_parameters(decay, epoch_batches)
        self._make_samples()
        self._threads = threads or available_cores()
        self._team = Team(self._threads)
        self._blas = ThreadpoolController().limit

    def _make_parameters(self, decay: float, epoch_batches: int) -> None:
        spec, untied = self.spec, self._untied
        shapes = [connection.weight_shape for connection in spec.connections]
        self._forward = Blocks(shapes[1:])
        self._feedback = Blocks(shapes[1:]) if untied else self._forward
        # Transposed, (pixels, n): what a pixel reaches lies side by side.
        self._first_layer = np.zeros(shapes[0][::-1], np.float32)
        self._bias = Blocks([shape[:1] for shape in shapes])
        self._gains = np.ones(len(shapes), np.float32)
        storages = [
            (forward, feedback if untied else None)
            for forward, feedback in zip(self._forward.views, self._feedback.views, strict=True)
        ]
        self.weights = [
            Weights(
                connection,
                layer.rule(decay, epoch_batches),
                binary=layer.binary,
                alpha_rate=layer.alpha_rate,
                levels=self._levels if index else spec.input_encoding.input_levels,
                target_levels=self._levels,
                normalized=index == 0 and spec.normalization is not None,
                storage=storages[index - 1] if index else (self._first_layer.T, None),
            )
            for index, (layer, connection) in enumerate(
                zip(spec.layers, spec.connections, strict=True)
            )
        ]

    def _make_samples(self) -> None:
        batch, sizes = self.batch, self.spec.sizes
        shapes = [(batch, n) for n in sizes[1:]]
        self._state, self._activation = Blocks(shapes), Blocks(shapes)
        self._events = Blocks(shapes, self._messages)
        self._target = np.zeros((batch, sizes[-1]), np.int8)
        self._source = pixel_receiver(self.spec, batch)
        self._inputs = np.zeros((batch, sizes[0]), np.float32)
        self._below = np.zeros(shapes[0], np.float32)
        self._counts = np.zeros((2, len(shapes)), np.int64)
        self._pixel_events = np.zeros(2, np.int64)

    @property
    def batches_learned(self) -> int:
        """Number of batches learned from so far."""
        return self._clock.batch

    def get(self, layer: int, field: str) -> Array:
        """Return an array of a layer, see `EPNetwork`."""
        found: Array
        if field in ("state", "activation"):
            return (self._state if field == "state" else self._activation).views[layer]
        if field == "bias":
            return self._bias.views[layer]
        if field == "events":
            return self._counts[:, layer]
        if field == "synaptic_operations":
            return self._operations(layer)
        found = getattr(self.weights[layer], field)
        return found

    def _operations(self, layer: int) -> Array:
        """Count events times the synapses they reach; none lead back to the pixels."""
        n_below, n = self.spec.sizes[layer : layer + 2]
        if layer == 0:
            return self._pixel_events * n
        found: Array = self._counts[:, layer - 1] * n + self._counts[:, layer] * n_below
        return found

    def set(self, layer: int, field: str, value: Array) -> None:
        """Replace an array of a layer; synaptic operations follow from the events."""
        if field in ("weights", "feedback", "momentum", "alpha", "flips"):
            self.weights[layer].set(field, value)
            self.changed()
        elif field != "synaptic_operations":
            self.get(layer, field)[...] = value

    def changed(self) -> None:
        """Derive anew what follows from the parameters; call it after changing them."""
        self._gains[:] = [weights.gain[0] for weights in self.weights]

    def outputs(self, field: str) -> Array:
        """Return what the output neurons send, (batch, outputs); see `Engine.outputs`."""
        if field == "events":
            return self._events.views[-1]
        return self.get(len(self.weights) - 1, field)

    def set_labels(self, labels: NDArray[np.int32]) -> None:
        """Nudge the outputs towards these classes, (batch,)."""
        self._target[...] = expand_target(labels, self.spec.classes, self.spec.sizes[-1])

    def advance(self, first: int, last: int, pixel_events: Array | None = None) -> None:
        """Take all samples from one position in the schedule to another; see `Engine.advance`."""
        clock = self._clock
        ends = (self.schedule.free_end, self.schedule.first_nudged_end, last - 1)
        while True:
            clock.tick()
            if clock.phase is Phase.LOAD:
                self._load()
            elif clock.phase is Phase.RESTORE:
                self._restore()
            else:
                end = min(end for end in ends if clock.position <= end < last)
                # What is shown in a step acts from the next one on.
                steps = 1 if pixel_events is not None else end + 1 - clock.position
                self._settle(steps)
                clock.position += steps - 1
            if pixel_events is not None:
                self._show(pixel_events)
                pixel_events = None
            elif clock.phase is Phase.LOAD and self.spec.normalization:
                # Black pixels send nothing, but are something else once they are normalized.
                self._show(np.zeros(self._inputs.shape, np.int32))
            if clock.learning:
                self._remember()
            if clock.position >= last - 1:
                return

    def _load(self) -> None:
        """Begin a sample."""
        raise NotImplementedError(f"{type(self).__name__} must implement _load()")

    def _settle(self, steps: int) -> None:
        """Take steps of the same phase."""
        raise NotImplementedError(f"{type(self).__name__} must implement _settle()")

    def _keep(self) -> None:
        """Keep the free state."""
        raise NotImplementedError(f"{type(self).__name__} must implement _keep()")

    def _restore(self) -> None:
        """Return to the free state."""
        raise NotImplementedError(f"{type(self).__name__} must implement _restore()")

    def _clear(self) -> None:
        """Show black images."""
        self._source.reset()
        self._below.fill(0)
        self._inputs = np.zeros_like(self._inputs)

    def _count(self, counter: int) -> None:
        """Count the events of the present step."""
        self._counts[counter] += [np.count_nonzero(events) for events in self._events.views]

    def _show(self, pixel_events: Array) -> None:
        """Take in what the pixels send."""
        before, clock = self._inputs, self._clock
        change = self._source.receive(clock, pixel_events)
        self._inputs = self._source.activation.copy()
        if change is not None:
            # Counted after normalization, which makes something of black pixels that sent nothing.
            self._pixel_events[clock.counter] += count_events(change)
        if rate := self._rates()[0][0]:
            # What the synapses learned in this step was so far told from the image before.
            self._learn_rows(0, self._inputs - before, self._activation.views[0], rate)

        def task(targets: tuple[int, int]) -> None:
            project(self._source.signal, self._first_layer, *targets, self._below)

        targets = self.spec.sizes[1]
        self._team.map(task, list(blocks(targets, -(-targets // TARGETS))))

    def _learn_rows(
        self,
        index: int,
        sources: Array,
        targets: Array,
        rate: float,
        threshold: float = math.inf,
        *,
        feedback: bool = False,
    ) -> int:
        """Let synapses of a layer learn from the contrast of sources and targets.

        Returns how many weights have flipped; see `lava_ep.models.fused.rows.learn_rows`.
        """
        momentum = self.weights[index].momentum
        momenta = _NO_MOMENTA if momentum is None else momentum
        if index == 0:
            ends, others, weights, momenta = sources, targets, self._first_layer, momenta.T
        else:
            weights = (self._feedback if feedback else self._forward).views[index - 1]
            ends, others = targets, sources

        def task(rows: tuple[int, int]) -> int:
            return learn_rows(ends, others, *rows, weights, momenta, rate, threshold)

        number = len(weights)
        parts = max(-(-number // ROWS_A_TASK), self._threads)
        return sum(self._team.map(task, list(blocks(number, parts))))

    def _rates(self) -> tuple[Array, Array]:
        """Return what contrasts summed over samples are multiplied by in this step, by layer."""
        clock = self._clock
        rates = np.zeros((2, len(self.weights)), np.float32)
        if sign := clock.continual_sign:
            span = self.schedule.contrast_span * self.batch
            for index, (layer, weights) in enumerate(
                zip(self.spec.layers, self.weights, strict=True)
            ):
                if isinstance(weights.rule, SGD):
                    rates[0, index] = sign * weights.rule.step(clock.batch) / span / weights.levels
                rates[1, index] = sign * layer.bias_rate / span
        return rates[0], rates[1]

    def _remember(self) -> None:
        clock = self._clock
        if clock.restorable:
            self._keep()
        if clock.remembers:
            self._first = [self._inputs, *(sent.copy() for sent in self._activation.views)]
            self._first_energies = self._energies()

    def _energies(self) -> list[float]:
        r""":math:`\sum b \cdot W a` of each synapse population whose scaling factor learns."""
        return [
            float(np.sum(sent * (source @ weights.layouts()[0].T), dtype=np.float64))
            if weights.alpha_rate
            else 0.0
            for weights, source, sent in zip(
                self.weights,
                [self._inputs, *self._activation.views],
                self._activation.views,
                strict=False,
            )
        ]

    def learn(self) -> None:
        """Learn from the states at the ends of the two contrasted phases, unless every step did."""
        if not self.schedule.continual:
            self._learn()
        self._clock.batch += 1
        self.changed()

    def _learn(self) -> None:
        clock, now = self._clock, [self._inputs, *self._activation.views]
        energies = self._energies()
        for index, (layer, weights) in enumerate(zip(self.spec.layers, self.weights, strict=True)):
            if layer.bias_rate:
                update_bias(
                    self._bias.views[index],
                    self._first[index + 1],
                    now[index + 1],
                    rate=layer.bias_rate,
                    sign=clock.contrast_sign,
                    span=self.schedule.contrast_span * self._levels,
                )
            if weights.rule is not None:
                energy = energies[index] - self._first_energies[index]
                weights.learn_alpha(energy, batch=self.batch, clock=clock)
                self._learn_layer(index, now)

    def _learn_layer(self, index: int, now: list[Array]) -> None:
        """Let the synapses of a layer learn; for the contrasts see `SynapsePopulation`."""
        clock, weights = self._clock, self.weights[index]
        sign = clock.contrast_sign
        rate, threshold = weights.coefficients(batch=self.batch, sign=sign, clock=clock)
        source_before, source = self._first[index], now[index]
        before, after = self._first[index + 1], now[index + 1]
        if weights.untied:
            self._learn_rows(index, source_before, after - before, rate)
            self._learn_rows(index, source - source_before, before, rate, feedback=True)
            return
        moved = after - before
        if source is not source_before:
            # In one go, as it is the whole contrast that decides what flips.
            moved = np.concatenate([moved, before])
            source = np.concatenate([source, source - source_before])
        weights.flips += self._learn_rows(index, source, moved, rate, threshold)
