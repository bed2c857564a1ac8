"""A whole network of integers in one OS process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lava_ep import kinds
from lava_ep.dynamics import BOP, SGD
from lava_ep.models.fixed_point.format import LayerFormat
from lava_ep.models.fixed_point.neuron import (
    FixedNeuronPopulation,
)
from lava_ep.models.fixed_point.synapse import FixedSynapsePopulation, FixedWeights
from lava_ep.models.fused.engines.populations import PopulationEngine
from lava_ep.populations import levels_of
from lava_ep.spec import NetworkSpec


class FixedEngine(PopulationEngine):
    """Runs the samples of a batch through the phases, all at once, and learns from them.

    Parameters
    ----------
    spec, options
        See `PopulationEngine`.
    formats
        How the numbers of each layer are represented.
    threads
        Of no use here: NumPy does all the work.
    """

    weights: list[FixedWeights]

    def __init__(
        self,
        spec: NetworkSpec,
        *,
        formats: Sequence[LayerFormat],
        threads: int | None = None,
        **options: Any,
    ) -> None:
        self._formats = formats
        super().__init__(spec, threads=1, **options)

    def make_weights(self, index: int, rule: BOP | SGD | None) -> FixedWeights:
        """Make the weights of the synapses that enter a layer."""
        spec = self.spec
        return FixedWeights(
            spec.connections[index],
            rule,
            format=self._formats[index].synapses,
            schedule=self.schedule,
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

    def _learn(self) -> None:
        (shard,) = self.shards
        for neuron, synapse in zip(shard.neurons, shard.synapses, strict=True):
            neuron.learn(shard.clock)
            synapse.learn(shard.clock)
