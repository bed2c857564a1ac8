"""A whole network of integers in one OS process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lava_ep import kinds
from lava_ep.dynamics import BOP, SGD, PhaseSchedule
from lava_ep.models.fixed_point.format import LayerFormat
from lava_ep.models.fixed_point.neuron import (
    FixedNeuronPopulation,
)
from lava_ep.models.fixed_point.synapse import FixedSynapsePopulation, FixedWeights
from lava_ep.models.fused.parts_engine import PartsEngine
from lava_ep.populations import levels_of
from lava_ep.spec import NetworkSpec


class FixedEngine(PartsEngine):
    """Runs the samples of a batch through the phases, all at once, and learns from them.

    Parameters
    ----------
    spec, batch, schedule, first_batch
        See `PartsEngine`.
    formats
        How the numbers of each layer are represented.
    threads
        Of no use here: NumPy does all the work.
    options
        Further arguments of `PartsEngine`.
    """

    weights: list[FixedWeights]  # type: ignore[assignment]

    def __init__(
        self,
        spec: NetworkSpec,
        *,
        batch: int,
        schedule: PhaseSchedule,
        formats: Sequence[LayerFormat],
        first_batch: int = 0,
        threads: int | None = None,
        **options: Any,
    ) -> None:
        self._formats = formats
        self._schedule = schedule
        self._first_batch = first_batch
        options |= {"batch": batch, "schedule": schedule, "first_batch": first_batch}
        super().__init__(spec, threads=1, **options)

    def make_weights(self, index: int, rule: BOP | SGD | None) -> FixedWeights:
        """Make the weights of the synapses that enter a layer."""
        spec = self.spec
        return FixedWeights(
            spec.connections[index],
            rule,
            format=self._formats[index].synapses,
            schedule=self._schedule,
            samples=self.batch,
            first_batch=self._first_batch,
            binary=spec.layers[index].binary,
            levels=levels_of(spec.spikes) if index else spec.input_encoding.input_levels,
            target_levels=levels_of(spec.spikes),
        )

    def make_neurons(self, index: int, batch: int) -> FixedNeuronPopulation:
        """Make the neurons of a layer."""
        spec, neuron = self.spec, self.spec.neuron
        connection = spec.connections[index]
        shape, biases = (batch, connection.n_post), connection.biases
        found: FixedNeuronPopulation = kinds.find(neuron.kind, "fixed_population")(
            shape,
            biases,
            neuron=neuron.constants,
            format=self._formats[index].neurons,
            bias_rate=spec.layers[index].bias_rate,
        )
        return found

    def make_synapses(self, index: int, batch: int) -> FixedSynapsePopulation:
        """Make the synapses that enter a layer."""
        spec = self.spec
        source = spec.spikes if index else spec.input_encoding.reading
        return FixedSynapsePopulation(
            self.weights[index],
            batch=batch,
            readings=(source, spec.spikes),
            backward=index > 0,
        )

    def learn(self) -> None:
        """Learn from the states at the ends of the two contrasted phases."""
        (shard,) = self.shards
        with self._blas(limits=1):
            for neuron, synapse in zip(shard.neurons, shard.synapses, strict=True):
                neuron.learn(shard.clock)
                synapse.learn(shard.clock)
        shard.clock.batch += 1
