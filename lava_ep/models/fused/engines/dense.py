"""What engines of dense layers of real numbers have in common: memory, pixels, and contrasts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from lava_ep.dynamics import SGD
from lava_ep.dynamics.events import count_events
from lava_ep.models.fused.driver import Driver, Shard
from lava_ep.models.fused.engines.populations import pixel_receiver
from lava_ep.models.fused.kernels.sparse_rows import ROWS_A_TASK, TARGETS, learn_rows, project
from lava_ep.models.fused.threads import blocks
from lava_ep.populations import Weights
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


class DenseEngine(Driver):
    """Runs dense networks; does what `PopulationEngine` does, up to rounding.

    Engines of graded, spiking and resistive neurons derive from it.

    Parameters
    ----------
    spec, options
        See `Driver`.
    decay, epoch_batches
        See `EPNetwork`.
    """

    _messages: type[np.generic] = np.float32

    def __init__(
        self, spec: NetworkSpec, *, decay: float = 1.0, epoch_batches: int = 1, **options: Any
    ) -> None:
        super().__init__(spec, **options)
        self._untied = spec.feedback_angle is not None
        self._sizes = np.array(spec.sizes)
        self._make_parameters(decay, epoch_batches)
        self._make_samples()

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
        self._source = pixel_receiver(self.spec, batch)
        self._inputs = np.zeros((batch, sizes[0]), np.float32)
        self._below = np.zeros(shapes[0], np.float32)
        self._counts = np.zeros((2, len(shapes)), np.int64)
        self._pixel_events = np.zeros(2, np.int64)

    def _array(self, layer: int, field: str) -> Array:
        """Return an array of the neurons of a layer, or a counter."""
        blocks = {
            "state": self._state,
            "activation": self._activation,
            "bias": self._bias,
            "change": self._events,
        }
        if field == "events":
            return self._counts[:, layer]
        if field == "synaptic_operations":
            return self._operations(layer)
        return blocks[field].views[layer]

    def _assign(self, layer: int, field: str, value: Array) -> None:
        """Replace an array of the neurons; synaptic operations follow from the events."""
        if field != "synaptic_operations":
            super()._assign(layer, field, value)

    def _operations(self, layer: int) -> Array:
        """Count events times the synapses they reach; none lead back to the pixels."""
        n_below, n = self.spec.sizes[layer : layer + 2]
        if layer == 0:
            return self._pixel_events * n
        operations: Array = self._counts[:, layer - 1] * n + self._counts[:, layer] * n_below
        return operations

    def _derive(self) -> None:
        """Derive anew what follows from the parameters."""
        self._gains[:] = [weights.gain[0] for weights in self.weights]

    def _clear(self) -> None:
        """Show black images."""
        self._source.reset()
        self._below.fill(0)
        self._inputs = np.zeros_like(self._inputs)

    def _count(self, counter: int) -> None:
        """Count the events of the present step."""
        self._counts[counter] += [np.count_nonzero(events) for events in self._events.views]

    def _show(self, shard: Shard, pixel_events: Array) -> None:
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

        Returns how many weights have flipped; see `kernels.sparse_rows.learn_rows`.
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
        parts = max(-(-number // ROWS_A_TASK), self.threads)
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

    def _remember(self, shard: Shard) -> None:
        """Remember what the state at the end of the sample is contrasted with."""
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

    def _ends(self, layer: int) -> tuple[Array, Array]:
        """Return the activations of a layer at the two contrasted ends, (batch, n) each."""
        return self._first[layer + 1], self._activation.views[layer]

    def _learn_weights(self, layers: list[int]) -> None:
        """Let the synapses that enter some layers learn, scaling factors included."""
        now, energies = [self._inputs, *self._activation.views], self._energies()
        for index in layers:
            energy = energies[index] - self._first_energies[index]
            self.weights[index].learn_alpha(energy, batch=self.batch, clock=self._clock)
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
