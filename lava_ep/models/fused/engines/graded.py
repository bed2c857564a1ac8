"""Dense networks of graded neurons in one place, in a compiled loop around matrix products."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics import Dense, activate
from lava_ep.dynamics._words import ROWS
from lava_ep.dynamics.activation import CODES
from lava_ep.kinds import register
from lava_ep.models.fused.driver import Shard
from lava_ep.models.fused.engines.dense import DenseEngine
from lava_ep.models.fused.kernels.graded import pack_layers, panels_size, settle_graded
from lava_ep.models.fused.threads import blocks
from lava_ep.spec import GradedNeuronSpec, NetworkSpec

Array = NDArray[Any]


ARRAYS = 6
"""Arrays of the size of the states that a step goes through."""

CACHE_BYTES = 1 << 19
"""What a core has at hand without going to memory that it shares."""


@register("graded", "engine")
class GradedEngine(DenseEngine):
    """Runs networks that it `suits`; all samples of a block take a time step together.

    Parameters
    ----------
    spec, options
        See `DenseEngine`.
    """

    @staticmethod
    def suits(spec: NetworkSpec) -> bool:
        """Whether it can run a network: a dense one; only real weights continually."""
        continual = spec.phases.updates.value == "continual"
        return (
            not spec.noise.sigma
            and all(isinstance(connection, Dense) for connection in spec.connections)
            and not (continual and any(layer.binary for layer in spec.layers))
        )

    def __init__(self, spec: NetworkSpec, **options: Any) -> None:
        if not isinstance(spec.neuron, GradedNeuronSpec):
            raise TypeError(f"neurons of kind {spec.neuron.kind}: expected graded")
        super().__init__(spec, **options)
        self._neuron = spec.neuron
        self._upward = np.zeros(panels_size(self._sizes, False), np.float32)
        self._downward = np.zeros(panels_size(self._sizes, True), np.float32)
        self._rows = list(self._blocks_of_rows(self.threads))

    def _make_samples(self) -> None:
        super()._make_samples()
        self._moved = np.zeros((self.batch, self.spec.sizes[1]), np.float32)
        self._similarity = np.zeros((self.batch, self.batch), np.float32)

    def _blocks_of_rows(self, threads: int) -> Iterator[tuple[int, int]]:
        """Cut the batch into samples that go through a phase together: as many as fit the cache."""
        bytes_a_sample = self._state.flat.nbytes // self.batch * ARRAYS
        most = min(-(-self.batch // threads), max(CACHE_BYTES // bytes_a_sample, 1))
        parts = -(-self.batch // (max(most // ROWS, 1) * ROWS))
        return blocks(self.batch, max(parts, 1), min(ROWS, most))

    def _derive(self) -> None:
        """Derive anew what follows from the parameters."""
        super()._derive()
        pack_layers(
            self._sizes, self._forward.flat, self._feedback.flat, self._upward, self._downward
        )

    def _load(self, shard: Shard) -> None:
        neuron = self._neuron
        start = np.full((1, 1), neuron.initial_state, np.float32)
        self._state.flat.fill(neuron.initial_state)
        if neuron.time_step is not None:
            start = activate(neuron.activation, start)
        self._activation.flat.fill(start[0, 0])
        self._events.flat[...] = self._activation.flat
        self._count(0)
        self._clear()

    def _keep(self, shard: Shard) -> None:
        self._free = self._state.flat.copy(), self._activation.flat.copy()

    def _restore(self, shard: Shard) -> None:
        state, activation = self._free
        np.subtract(activation, self._activation.flat, out=self._events.flat)
        # Not assigned: receivers add up what they get, and rounding shall be the same here.
        self._activation.flat += self._events.flat
        self._state.flat[...] = state
        self._count(1)

    def _show(self, shard: Shard, pixel_events: Array) -> None:
        """Take in what the pixels send."""
        super()._show(shard, pixel_events)
        if self.schedule.continual:
            with self._blas(limits=1):
                self._similarity = self._inputs @ self._inputs.T

    def _settle(self, shard: Shard, steps: int) -> None:
        """Take steps of the same phase."""
        neuron, clock = self._neuron, self._clock
        rates, bias_rates = self._rates()
        learns = bool(rates.any() or bias_rates.any())
        self._moved.fill(0)

        def task(rows: tuple[int, int]) -> NDArray[np.int64]:
            counts = np.zeros(len(self.weights), np.int64)
            settle_graded(
                steps,
                self._sizes,
                self.batch,
                *rows,
                self._forward.flat,
                self._feedback.flat,
                self._untied,
                self._upward,
                self._downward,
                self._bias.flat,
                self._below,
                self._gains,
                self._state.flat,
                self._activation.flat,
                self._events.flat,
                CODES[neuron.activation],
                neuron.filter_rate,
                neuron.time_step or 0.0,
                neuron.nudge == "current",
                self._target,
                clock.beta,
                neuron.event_threshold,
                rates,
                bias_rates,
                self._similarity,
                self._moved,
                counts,
            )
            return counts

        # All samples change the weights together.
        rows = [(0, self.batch)] if learns else self._rows
        self._counts[clock.counter] += sum(self._team.map(task, rows))
        if rates[0]:
            self._learn_rows(0, self._inputs, self._moved, rates[0])
