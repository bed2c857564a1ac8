"""A whole network of any neurons, synapses and updates in one place, made of populations."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from lava_ep import kinds
from lava_ep.dynamics import BOP, SGD, Phase, PhaseSchedule, expand_target, update_bias
from lava_ep.errors import InputError
from lava_ep.models.fused.threads import Team, available_cores, blocks
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
    found: NeuronPopulation = population(shape, biases, neuron=neuron.constants, **options)
    return found


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


class Shard:
    """Some samples of a batch on their way through the phases.

    Parameters
    ----------
    neurons, synapses
        The layers, and the synapses that enter them.
    rows
        First and last sample, the last one not included.
    clock
        Tells the phase.
    """

    def __init__(
        self,
        neurons: list[NeuronPopulation],
        synapses: list[SynapsePopulation],
        rows: tuple[int, int],
        clock: Clock,
    ) -> None:
        self.rows = slice(*rows)
        batch = rows[1] - rows[0]
        self.neurons = neurons
        self.synapses = synapses
        self.target = np.zeros((batch, neurons[-1].state.shape[1]), np.int8)
        self.clock = clock
        self._quiet_states: list[Array] = []
        self._none = np.zeros((batch, synapses[0].current_pre.shape[1]), np.int32)

    def advance(self, last: int, pixels: Array | None) -> None:
        """Go on to before a position in the schedule, showing changed pixels in the next step."""
        clock = self.clock
        while True:
            clock.tick()
            events = self._step(pixels)
            if pixels is None and self._settled(events):
                clock.skip(last)
            pixels = None
            if clock.position >= last - 1:
                return

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


class PartsEngine:
    """Runs the samples of a batch through the phases, and learns from them.

    Does for every network what `Engine` does, with bits, for those of
    `NetworkSpec.bits_suffice`. A phase in which nothing moves any more is cut short, as nothing
    would until its end.

    Parameters
    ----------
    spec, batch, learning, decay, epoch_batches
        See `EPNetwork`.
    schedule
        The phases.
    first_batch
        Number of batches learned from before.
    threads
        Threads to use; by default one for each core. With continual updates only the algebra of
        matrices is shared among threads, as every step changes the weights of all samples; neither
        with noise of measurements.
    dtype
        Type that is computed with: float32, or float64 for studies of graded networks.

    Raises
    ------
    InputError
        If others than graded neurons shall compute with another type than float32.
    """

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
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.spec = spec
        self.batch = batch
        self._dtype = dtype
        if not isinstance(spec.neuron, GradedNeuronSpec) and np.dtype(dtype) != np.float32:
            raise InputError(
                f"dtype={np.dtype(dtype)}: expected float32 for neurons of kind {spec.neuron.kind}"
            )
        threads = threads or available_cores()
        rules = [layer.rule(decay, epoch_batches) for layer in spec.layers]
        layers = range(len(spec.layers))
        self.weights = [self.make_weights(index, rules[index]) for index in layers]
        # The noise of a batch is drawn at once.
        whole = schedule.continual or spec.noise.sigma > 0
        shards = 1 if whole else min(threads, batch)
        self.shards = [
            Shard(
                [self.make_neurons(index, last - first) for index in layers],
                [self.make_synapses(index, last - first) for index in layers],
                (first, last),
                Clock(schedule, learning=learning, batch=first_batch),
            )
            for first, last in blocks(batch, shards)
        ]
        for shard in self.shards[1:]:
            for own, shared in zip(shard.neurons, self.shards[0].neurons, strict=True):
                own.bias = shared.bias
        self._team = Team(len(self.shards))
        # Shards that have the cores to themselves shall not share them with the threads of BLAS.
        self._blas = ThreadpoolController().limit
        self._blas_threads = max(1, threads // len(self.shards))

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

    @property
    def batches_learned(self) -> int:
        """Number of batches learned from so far."""
        return self.shards[0].clock.batch

    def get(self, layer: int, field: str) -> Array:
        """Return an array of a layer, see `EPNetwork`; a copy where shards have a part each.

        Copies are read-only, so that nobody writes to them for `set`.
        """
        weights, neurons = self.weights[layer], [shard.neurons[layer] for shard in self.shards]
        found: Array
        if field in ("state", "activation"):
            found = read_only(np.concatenate([part.get(field) for part in neurons]))
        elif field == "bias":
            found = neurons[0].get(field)
        elif field == "events":
            found = read_only(np.sum([part.events for part in neurons], axis=0))
        elif field == "synaptic_operations":
            counts = [shard.synapses[layer].synaptic_operations for shard in self.shards]
            found = read_only(np.sum(counts, axis=0))
        else:
            found = weights.get(field)
        return found

    def set(self, layer: int, field: str, value: Array) -> None:
        """Replace an array of a layer."""
        if field in ("weights", "feedback", "momentum", "alpha", "flips"):
            self.weights[layer].set(field, value)
            return
        for index, shard in enumerate(self.shards):
            if field in ("state", "activation"):
                shard.neurons[layer].set(field, value[shard.rows])
            elif field == "synaptic_operations":
                shard.synapses[layer].set(field, value if index == 0 else np.zeros_like(value))
            elif field == "events":
                shard.neurons[layer].set(field, value if index == 0 else np.zeros_like(value))
            else:
                shard.neurons[layer].set(field, value)

    def changed(self) -> None:
        """Nothing is derived from the parameters but what follows them anyway."""

    def outputs(self, field: str) -> Array:
        """Return what the output neurons send, (batch, outputs); see `Engine.outputs`."""
        neurons = [shard.neurons[-1] for shard in self.shards]
        sent = {"events": "change", "state": "readout", "activation": "activation"}[field]
        return np.concatenate([getattr(part, sent) for part in neurons])

    def set_labels(self, labels: NDArray[np.int32]) -> None:
        """Nudge the outputs towards these classes, (batch,)."""
        target = expand_target(labels, self.spec.classes, self.spec.sizes[-1])
        for shard in self.shards:
            shard.target[...] = target[shard.rows]

    def advance(self, first: int, last: int, pixel_events: Array | None = None) -> None:
        """Take all samples from one position in the schedule to another; see `Engine.advance`."""
        with self._blas(limits=self._blas_threads):
            self._team.map(lambda shard: shard.advance(last, pixel_events), self.shards)

    def learn(self) -> None:
        """Learn from the states at the ends of the two contrasted phases, unless every step did."""
        with self._blas(limits=self._blas_threads):
            if not self.shards[0].clock.schedule.continual:
                self._learn_biases()
                for index, weights in enumerate(self.weights):
                    if weights.rule is not None:
                        self._learn_weights(index, weights)
        for shard in self.shards:
            shard.clock.batch += 1

    def _learn_biases(self) -> None:
        for index, layer in enumerate(self.spec.layers):
            if not layer.bias_rate:
                continue
            neurons = [shard.neurons[index] for shard in self.shards]
            pairs = zip(*(part.bias_contrast() for part in neurons), strict=True)
            first, second = (np.concatenate(both) for both in pairs)
            clock = self.shards[0].clock
            update_bias(
                neurons[0].bias,
                first,
                second,
                rate=layer.bias_rate,
                sign=clock.contrast_sign,
                span=clock.schedule.contrast_span * levels_of(self.spec.spikes),
            )

    def _learn_weights(self, index: int, weights: Weights) -> None:
        synapses = [shard.synapses[index] for shard in self.shards]
        contrasts: list[Contrast] = self._team.map(SynapsePopulation.contrast, synapses)
        total = functools.reduce(Contrast.plus, contrasts)
        energy = sum(synapse.energy_change() for synapse in synapses)
        weights.learn(total.rows, energy, batch=self.batch, clock=self.shards[0].clock)
