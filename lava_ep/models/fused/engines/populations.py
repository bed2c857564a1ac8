"""A whole network of any neurons, synapses and updates in one place, made of populations."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from lava_ep import kinds
from lava_ep.dynamics import BOP, SGD, Phase
from lava_ep.errors import InputError
from lava_ep.models.fused.driver import Driver, Shard
from lava_ep.models.fused.threads import blocks
from lava_ep.populations import (
    Clock,
    Contrast,
    NeuronPopulation,
    Receiver,
    SynapsePopulation,
    Weights,
    levels_of,
    read_only,
    receiver,
)
from lava_ep.spec import (
    GradedNeuronSpec,
    NetworkSpec,
)

Array = NDArray[Any]


def _neurons(spec: NetworkSpec, index: int, batch: int, dtype: npt.DTypeLike) -> NeuronPopulation:
    """Make the neurons of a layer."""
    connection, layer, neuron = spec.connections[index], spec.layers[index], spec.neuron
    shape, biases = (batch, connection.n_post), connection.biases
    options: dict[str, Any] = {
        "bias_rate": layer.bias_rate,
        "noise": spec.noise.of_layer(index),
    }
    if spec.resistive:
        raise TypeError("neurons of kind resistive: expected ResistiveEngine for them")
    if np.dtype(dtype) != np.float32:
        options["dtype"] = dtype
    population = kinds.find(neuron.kind, "population")
    made: NeuronPopulation = population(shape, biases, neuron=neuron.constants, **options)
    return made


def pixel_receiver(spec: NetworkSpec, batch: int, dtype: npt.DTypeLike = np.float32) -> Receiver:
    """Return what reads the pixels of a network."""
    return receiver(
        (batch, spec.inputs),
        dtype,
        spec.input_encoding.reading,
        levels=spec.input_levels,
        normalization=spec.normalization.arrays if spec.normalization else None,
    )


def _synapses(
    spec: NetworkSpec, index: int, weights: Weights, batch: int, dtype: npt.DTypeLike
) -> SynapsePopulation:
    """Make the synapses that enter a layer."""
    connection = spec.connections[index]
    if index:
        pre = receiver((batch, connection.n_pre), dtype, spec.spikes)
    else:
        pre = pixel_receiver(spec, batch, dtype)
    post = receiver((batch, connection.n_post), dtype, spec.spikes)
    noises = spec.noise.of_layer(index - 1) if index else None, spec.noise.of_layer(index)
    return SynapsePopulation(
        weights, batch=batch, backward=index > 0, pre=pre, post=post, noises=noises
    )


class PopulationShard(Shard):
    """Some samples of a batch on their way through the phases.

    Parameters
    ----------
    rows, clock
        See `Shard`.
    neurons, synapses
        The layers, and the synapses that enter them.
    target
        What the outputs are nudged towards, (samples, outputs).
    """

    def __init__(
        self,
        rows: slice,
        clock: Clock,
        neurons: list[NeuronPopulation],
        synapses: list[SynapsePopulation],
        target: Array,
    ) -> None:
        super().__init__(rows, clock)
        self.neurons = neurons
        self.synapses = synapses
        self.target = target
        self._quiet_states: list[Array] = []
        self._none = np.zeros((len(target), synapses[0].current_pre.shape[1]), np.int32)

    def take(self, steps: int, pixels: Array | None) -> None:
        """Take steps of the present phase, the first of them with changed pixels."""
        clock, last = self.clock, self.clock.position + steps - 1
        while True:
            events = self._step(pixels)
            if pixels is None and self._settled(events):
                # The last step is taken, as populations remember after it.
                clock.position = max(clock.position, last - 1)
            pixels = None
            if clock.position >= last:
                return
            clock.tick()

    def _step(self, pixels: Array | None) -> int:
        """Take a time step, and return the number of events."""
        clock, neurons, synapses = self.clock, self.neurons, self.synapses
        if clock.phase is Phase.LOAD:
            for synapse in synapses:
                synapse.reset()
        last = len(neurons) - 1
        events = 0
        for index, (neuron, synapse) in enumerate(zip(neurons, synapses, strict=True)):
            current = synapse.current_post
            if index < last:
                current = current + synapses[index + 1].current_pre
            events += neuron.step(clock, current, self.target if index == last else None)
        below = self._none if pixels is None else pixels[self.rows]
        for neuron, synapse in zip(neurons, synapses, strict=True):
            synapse.step(clock, below, neuron.change)
            below = neuron.change
        return events

    def _settled(self, events: int) -> bool:
        """Whether neither messages nor states have changed in the last step."""
        if events or self.clock.phase in (Phase.LOAD, Phase.RESTORE):
            self._quiet_states = []
            return False
        before = self._quiet_states
        self._quiet_states = [
            array.copy() for neuron in self.neurons for array in neuron.state_vars
        ]
        pairs = zip(before, self._quiet_states, strict=False)
        return (
            bool(before)
            and all(neuron.steady(self.clock) for neuron in self.neurons)
            and all(np.array_equal(*pair) for pair in pairs)
        )


class PopulationEngine(Driver):
    """Runs networks of any neurons, synapses and updates, whatever their weights.

    Does for every network what `BitEngine` does, with bits, for those of
    `NetworkSpec.bits_suffice`. Populations know the phases by themselves, as they also stand in
    Processes that nobody drives: they load, restore, keep and remember without being asked.
    A phase in which nothing moves any more is cut short, as nothing would until its end.

    Parameters
    ----------
    spec, options
        See `Driver`. With continual updates only the algebra of matrices is shared among threads,
        as every step changes the weights of all samples; neither with noise of measurements.
    decay, epoch_batches
        See `EPNetwork`.
    dtype
        Type that is computed with: float32, or float64 for studies of graded networks.

    Raises
    ------
    InputError
        If neurons other than graded ones are to compute with a type other than float32.
    """

    shards: list[PopulationShard]

    def __init__(
        self,
        spec: NetworkSpec,
        *,
        decay: float = 1.0,
        epoch_batches: int = 1,
        dtype: npt.DTypeLike = np.float32,
        **options: Any,
    ) -> None:
        if not isinstance(spec.neuron, GradedNeuronSpec) and np.dtype(dtype) != np.float32:
            raise InputError(
                f"dtype={np.dtype(dtype)}: expected float32 for neurons of kind {spec.neuron.kind}"
            )
        self._dtype = dtype
        self._rules = [layer.rule(decay, epoch_batches) for layer in spec.layers]
        super().__init__(spec, **options)
        # Shards that have the cores to themselves must not share them with the threads of BLAS.
        self._blas_threads = max(1, self.threads // len(self.shards))

    def _make_shards(self) -> list[PopulationShard]:
        spec, layers = self.spec, range(len(self.spec.layers))
        self.weights = [self.make_weights(index, self._rules[index]) for index in layers]
        # The noise of a batch is drawn at once.
        whole = self.schedule.continual or spec.noise.sigma > 0
        shards = [
            PopulationShard(
                slice(first, last),
                self._new_clock(),
                [self.make_neurons(index, last - first) for index in layers],
                [self.make_synapses(index, last - first) for index in layers],
                self._target[first:last],
            )
            for first, last in blocks(self.batch, 1 if whole else min(self.threads, self.batch))
        ]
        for shard in shards[1:]:
            for own, shared in zip(shard.neurons, shards[0].neurons, strict=True):
                own.bias = shared.bias
        return shards

    def make_weights(self, index: int, rule: BOP | SGD | None) -> Weights:
        """Make the weights of the synapses that enter a layer."""
        spec, layer = self.spec, self.spec.layers[index]
        return Weights(
            spec.connections[index],
            rule,
            binary=layer.binary,
            untied=spec.feedback_angle is not None and index > 0,
            alpha_rate=layer.alpha_rate,
            levels=levels_of(spec.spikes) if index else spec.input_encoding.input_levels,
            target_levels=levels_of(spec.spikes),
            normalized=index == 0 and spec.normalization is not None,
            dtype=self._dtype,
        )

    def make_neurons(self, index: int, batch: int) -> NeuronPopulation:
        """Make the neurons of a layer, for some samples."""
        return _neurons(self.spec, index, batch, self._dtype)

    def make_synapses(self, index: int, batch: int) -> SynapsePopulation:
        """Make the synapses that enter a layer, for some samples."""
        return _synapses(self.spec, index, self.weights[index], batch, self._dtype)

    def get(self, layer: int, field: str) -> Array:
        """Return an array of a layer, see `EPNetwork`; a copy where shards have a part each.

        Copies are read-only, so that nobody writes to them for `set`.
        """
        array = super().get(layer, field)
        copied = field in ("state", "activation", "events", "synaptic_operations")
        return read_only(array) if copied else array

    def _array(self, layer: int, field: str) -> Array:
        """Return an array of the neurons of a layer, or a counter."""
        neurons = [shard.neurons[layer] for shard in self.shards]
        array: Array
        if field == "bias":
            array = neurons[0].get(field)
        elif field == "events":
            array = np.sum([population.events for population in neurons], axis=0)
        elif field == "synaptic_operations":
            counts = [shard.synapses[layer].synaptic_operations for shard in self.shards]
            array = np.sum(counts, axis=0)
        else:
            array = np.concatenate([population.get(field) for population in neurons])
        return array

    def _assign(self, layer: int, field: str, value: Array) -> None:
        """Replace an array of the neurons of a layer; the first shard gets the counts of all."""
        counts = field in ("events", "synaptic_operations")
        for index, shard in enumerate(self.shards):
            target = shard.synapses if field == "synaptic_operations" else shard.neurons
            own = value if field == "bias" else value[shard.rows]
            if counts:
                own = np.zeros_like(value) if index else value
            target[layer].set(field, own)

    def outputs(self, field: str) -> Array:
        """Return what the output neurons send, (batch, outputs); see `Driver.outputs`."""
        name = {"events": "change", "state": "readout", "activation": "activation"}[field]
        return np.concatenate([getattr(shard.neurons[-1], name) for shard in self.shards])

    def advance(self, first: int, last: int, pixel_events: Array | None = None) -> None:
        """Take all samples from one position in the schedule to another; see `Driver.advance`."""
        with self._blas(limits=self._blas_threads):
            super().advance(first, last, pixel_events)

    def _take(self, shard: PopulationShard, steps: int, pixel_events: Array | None) -> None:
        """Take steps of the same phase, with pixel events in the first."""
        shard.take(steps, pixel_events)

    def learn(self) -> None:
        """Learn from the states at the ends of the two contrasted phases, unless every step did."""
        with self._blas(limits=self._blas_threads):
            super().learn()

    def _ends(self, layer: int) -> tuple[Array, Array]:
        """Return the activations of a layer at the two contrasted ends, (batch, n) each."""
        pairs = [shard.neurons[layer].bias_contrast() for shard in self.shards]
        first, second = (np.concatenate(both) for both in zip(*pairs, strict=True))
        return first, second

    def _learn_weights(self, layers: list[int]) -> None:
        """Let the synapses that enter some layers learn, scaling factors included."""
        for index in layers:
            synapses = [shard.synapses[index] for shard in self.shards]
            contrasts: list[Contrast] = self._team.map(SynapsePopulation.contrast, synapses)
            rows = functools.reduce(Contrast.plus, contrasts).rows
            energy = sum(synapse.energy_change() for synapse in synapses)
            self.weights[index].learn(rows, energy, batch=self.batch, clock=self._clock)
