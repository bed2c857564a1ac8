"""Dense spiking networks in one place: samples take all steps of a phase one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics import Dense, Reset, Updates
from lava_ep.kinds import register
from lava_ep.models.fused.driver import Shard
from lava_ep.models.fused.engines.dense import Blocks, DenseEngine
from lava_ep.models.fused.kernels.spiking import settle_lif, settle_sigma_delta, transpose_layers
from lava_ep.models.fused.threads import blocks
from lava_ep.spec import LIFNeuronSpec, NetworkSpec, SigmaDeltaNeuronSpec

Array = NDArray[Any]


class SpikingEngine(DenseEngine):
    """Runs networks that it `suits`; the work of a step is proportional to its spikes.

    Results of a sample depend neither on the others in the batch nor on the number of threads.

    Parameters
    ----------
    spec, options
        See `DenseEngine`.
    """

    _messages = np.int8

    @staticmethod
    def suits(spec: NetworkSpec) -> bool:
        """Whether it can run a network: a dense and tied one that learns once per batch."""
        return (
            not spec.noise.sigma
            and all(isinstance(connection, Dense) for connection in spec.connections)
            and spec.feedback_angle is None
            and spec.phases.updates is Updates.TWO_PHASE
        )

    def __init__(self, spec: NetworkSpec, **options: Any) -> None:
        super().__init__(spec, **options)
        shapes = [(self.batch, n) for n in spec.sizes[1:]]
        self._transposed = np.zeros_like(self._forward.flat)
        self._sums = Blocks(shapes), Blocks(shapes)
        self._dynamic = [
            self._state.flat,
            self._activation.flat,
            *(sums.flat for sums in self._sums),
        ]
        self._rows = list(blocks(self.batch, self.threads))

    def _derive(self) -> None:
        """Derive anew what follows from the parameters."""
        super()._derive()
        transpose_layers(self._sizes, self._forward.flat, self._transposed)

    def _load(self, shard: Shard) -> None:
        for array in self._dynamic:
            array.fill(0)
        self._events.flat.fill(0)
        self._clear()

    def _keep(self, shard: Shard) -> None:
        self._free = [array.copy() for array in self._dynamic]

    def _restore(self, shard: Shard) -> None:
        for array, kept in zip(self._dynamic, self._free, strict=True):
            array[...] = kept
        self._count(1)

    def _network(self, rows: tuple[int, int], counts: NDArray[np.int64]) -> tuple[Any, ...]:
        """Return the arguments that compiled loops have in common; see `settle_lif`."""
        return (
            self._sizes,
            self.batch,
            *rows,
            self._forward.flat,
            self._transposed,
            self._bias.flat,
            self._below,
            self._gains,
            self._sums[0].flat,
            self._sums[1].flat,
            self._state.flat,
            self._activation.flat,
            self._events.flat,
            self._target,
            np.float32(self._clock.beta),
            counts,
        )

    def _settle(self, shard: Shard, steps: int) -> None:
        def task(rows: tuple[int, int]) -> NDArray[np.int64]:
            counts = np.zeros(len(self.weights), np.int64)
            self._advance_rows(steps, self._network(rows, counts))
            return counts

        self._counts[self._clock.counter] += sum(self._team.map(task, self._rows))

    def _advance_rows(self, steps: int, network: tuple[Any, ...]) -> None:
        """Let some samples take steps; ``network`` is what `_network` returns."""
        raise NotImplementedError(f"{type(self).__name__} must implement _advance_rows()")


@register("sigma-delta", "engine")
class SigmaDeltaEngine(SpikingEngine):
    """Runs sigma-delta neurons."""

    def __init__(self, spec: NetworkSpec, **options: Any) -> None:
        if not isinstance(spec.neuron, SigmaDeltaNeuronSpec):
            raise TypeError(f"neurons of kind {spec.neuron.kind}: expected sigma-delta")
        super().__init__(spec, **options)
        self._filter_rate = np.float32(spec.neuron.filter_rate)
        self._step_size = spec.neuron.step_size
        self._multiple = np.zeros(self._state.flat.shape, np.int32)
        self._previous = np.zeros(self._state.flat.shape, np.int8)
        self._dynamic += [self._multiple, self._previous]

    def _load(self, shard: Shard) -> None:
        super()._load(shard)
        self._multiple.fill(self._step_size.start)

    def _restore(self, shard: Shard) -> None:
        change = self._free[1] - self._activation.flat
        self._events.flat[...] = change
        super()._restore(shard)

    def _advance_rows(self, steps: int, network: tuple[Any, ...]) -> None:
        first, size = self._clock.position, self._step_size
        multiples = [size.multiple(step) for step in range(first, first + steps)]
        settle_sigma_delta(
            np.array(multiples, np.int32),
            size.adaptive,
            np.int32(size.start),
            self._filter_rate,
            np.float32(size.levels),
            self._multiple,
            self._previous,
            *network,
        )


@register("lif", "engine")
class LIFEngine(SpikingEngine):
    """Runs leaky integrate-and-fire neurons."""

    _readout = "activation"

    def __init__(self, spec: NetworkSpec, **options: Any) -> None:
        if not isinstance(spec.neuron, LIFNeuronSpec):
            raise TypeError(f"neurons of kind {spec.neuron.kind}: expected lif")
        super().__init__(spec, **options)
        self._neuron = spec.neuron.constants
        self._synaptic = np.zeros(self._state.flat.shape, np.float32)
        self._waiting = np.zeros(self._state.flat.shape, np.int32)
        self._dynamic += [self._synaptic, self._waiting, self._events.flat]

    def _load(self, shard: Shard) -> None:
        super()._load(shard)
        for state in self._state.views:
            state[...] = self._neuron.initial_membrane(state.shape[1])

    def _advance_rows(self, steps: int, network: tuple[Any, ...]) -> None:
        neuron = self._neuron
        settle_lif(
            steps,
            np.float32(neuron.du),
            np.float32(neuron.dv),
            np.float32(neuron.threshold),
            neuron.reset is Reset.ZERO,
            np.int32(neuron.refractory),
            np.float32(neuron.trace.rate),
            self._synaptic,
            self._waiting,
            *network,
        )
