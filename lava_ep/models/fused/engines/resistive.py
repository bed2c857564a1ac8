"""Deep resistive networks in one place: matrix products between exact updates of whole blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics import SGD
from lava_ep.dynamics.events import count_events
from lava_ep.dynamics.resistive import (
    add_conductance,
    check_nudging,
    conductance_contrast,
    learn_pixels,
    moves,
    pixel_currents,
    settle_block,
)
from lava_ep.kinds import register
from lava_ep.models.fused.driver import Shard
from lava_ep.models.fused.engines.dense import DenseEngine
from lava_ep.models.fused.threads import blocks
from lava_ep.spec import NetworkSpec, ResistiveNeuronSpec

Array = NDArray[Any]

NODES = 64
"""Nodes whose conductances a thread takes at a time, at least."""


@register("resistive", "engine")
class ResistiveEngine(DenseEngine):
    """Runs networks of resistive neurons.

    A node sends a change of its voltage only when its block is updated, so that the currents of
    whole blocks are computed where the message-passing Processes add up changes; both agree up to
    rounding.

    Parameters
    ----------
    spec, options
        See `DenseEngine`.
    """

    @staticmethod
    def suits(spec: NetworkSpec) -> bool:
        """Whether it can run a network: any of its kind."""
        return True

    def __init__(self, spec: NetworkSpec, **options: Any) -> None:
        if not isinstance(spec.neuron, ResistiveNeuronSpec):
            raise TypeError(f"neurons of kind {spec.neuron.kind}: expected resistive")
        self._volts_a_level = np.float32(spec.neuron.input_voltage / spec.input_levels)
        super().__init__(spec, **options)
        self._nodes = list(blocks(spec.sizes[1], max(self.threads, 1), NODES))
        self._pixel_totals = np.zeros(spec.sizes[1], np.float32)
        self._totals = [np.ones(n, np.float32) for n in spec.sizes[1:]]
        self._replaced = True

    def _make_samples(self) -> None:
        super()._make_samples()
        # What receivers know of a node is its voltage.
        self._activation = self._state

    def _operations(self, layer: int) -> Array:
        """Count events times the synapses they reach; every pixel is two sources."""
        operations = super()._operations(layer)
        return operations if layer else 2 * operations

    def changed(self) -> None:
        """Forget what was derived from the parameters; call it after changing them."""
        super().changed()
        self._replaced = True

    def _derive(self) -> None:
        """Sum the conductances of all nodes; those to pixels follow what they learn."""
        if self._replaced:
            self._pixel_totals = self._first_layer.sum(axis=0)
            self._replaced = False
        inner = self._forward.views
        self._totals = [self._pixel_totals, *(g.sum(axis=1) for g in inner)]
        for below, g in enumerate(inner):
            self._totals[below] = self._totals[below] + g.sum(axis=0)

    def _load(self, shard: Shard) -> None:
        self._state.flat.fill(0)
        self._events.flat.fill(0)
        self._clear()

    def _show(self, shard: Shard, pixel_events: Array) -> None:
        """Take in what the pixels send."""
        change = self._source.receive(self._clock, pixel_events)
        if change is not None:
            self._pixel_events[self._clock.counter] += count_events(change)
        self._inputs = self._source.activation * self._volts_a_level

        def task(nodes: tuple[int, int]) -> None:
            pixel_currents(self._inputs, self._first_layer, *nodes, self._below)

        self._team.map(task, self._nodes)

    def _settle(self, shard: Shard, steps: int) -> None:
        """Take steps of the same phase."""
        clock, layers = self._clock, range(len(self.weights))
        nudges = [clock.beta if layer == layers[-1] else 0.0 for layer in layers]
        for totals, beta in zip(self._totals, nudges, strict=True):
            check_nudging(totals, beta)
        moving = [
            [layer for layer in layers if moves(self.schedule, clock.position + step, layer + 1)]
            for step in range(min(steps, 2))
        ]
        counts = self._counts[clock.counter]
        with self._blas(limits=self.threads):
            for step in range(steps):
                for layer in moving[step % 2]:
                    counts[layer] += settle_block(
                        self._state.views[layer],
                        self._current(layer),
                        self._totals[layer],
                        self._bias.views[layer],
                        self._events.views[layer],
                        diodes=layer != layers[-1],
                        target=self._target,
                        beta=nudges[layer],
                    )
        # The others have sent nothing in the last step.
        for layer in set(layers).difference(moving[(steps - 1) % 2]):
            self._events.views[layer].fill(0)

    def _current(self, layer: int) -> Array:
        """Return the current that would flow into the nodes of a layer at voltage 0."""
        voltages, inner = self._state.views, self._forward.views
        current: Array = self._below
        if layer > 0:
            current = voltages[layer - 1] @ inner[layer - 1].T
        if layer < len(inner):
            current = current + voltages[layer + 1] @ inner[layer]
        return current

    def _keep(self, shard: Shard) -> None:
        self._free = self._state.flat.copy()

    def _restore(self, shard: Shard) -> None:
        np.subtract(self._free, self._state.flat, out=self._events.flat)
        # Not assigned: receivers add up what they get, and rounding shall be the same here.
        self._state.flat += self._events.flat
        self._count(1)

    def _learn(self) -> None:
        self._measurements = (
            self._measured(self._first[1:], 0),
            self._measured(self._state.views, 1),
        )
        with self._blas(limits=self.threads):
            super()._learn()

    def _ends(self, layer: int) -> tuple[Array, Array]:
        """Return the measured voltages of a layer at the two contrasted ends, (batch, n) each."""
        first, second = self._measurements
        return first[layer], second[layer]

    def _learn_weights(self, layers: list[int]) -> None:
        """Let the conductances learn."""
        clock, samples = self._clock, self.schedule.contrast_span * self.batch
        for index in layers:
            rule: SGD = self.weights[index].rule
            before, after = self._ends(index)
            factor = clock.contrast_sign * rule.step(clock.batch) / samples
            if index:
                ends = *self._ends(index - 1), before, after
                add_conductance(self._forward.views[index - 1], factor, conductance_contrast(*ends))
            else:
                self._learn_pixels(after - before, before + after, factor)

    def _measured(self, voltages: list[Array], phase: int) -> list[Array]:
        """Return the voltages of all nodes as they are measured."""
        noises = [self.spec.noise.of_layer(layer) for layer in range(len(voltages))]
        return [
            voltage
            if noise is None
            else noise.measured(
                voltage, seed=self.schedule.seed, batch=self._clock.batch, phase=phase
            )
            for noise, voltage in zip(noises, voltages, strict=True)
        ]

    def _learn_pixels(self, moved: Array, sums: Array, factor: float) -> None:
        """Let the conductances of the first layer learn."""

        def task(nodes: tuple[int, int]) -> None:
            learn_pixels(
                self._inputs, moved, sums, factor, *nodes, self._first_layer, self._pixel_totals
            )

        self._team.map(task, self._nodes)
