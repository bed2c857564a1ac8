"""Networks of binary neurons and weights, with bits: the samples, and the threads at work."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics import BOP, Phase, PhaseSchedule, SignMatrix, alpha_gradient, current_gain
from lava_ep.dynamics._bop import WORD, activation_masks, bop_tile_signs, bop_tile_values
from lava_ep.dynamics.events import check_values
from lava_ep.dynamics.signs import strips_shape
from lava_ep.models.fused.driver import Driver, Shard
from lava_ep.models.fused.kernels.bit_memory import (
    Samples,
    Steps,
    Wiring,
    Workspace,
    make_workspace,
)
from lava_ep.models.fused.kernels.bits import LOAD, RESTORE, SETTLE, settle
from lava_ep.models.fused.threads import blocks
from lava_ep.populations import Clock
from lava_ep.spec import NetworkSpec, NeuronSpec

PARTS_PER_THREAD = 2
"""Parts that synapses are cut into; each thread gets some of every population."""

KINDS = {Phase.LOAD: LOAD, Phase.RESTORE: RESTORE, Phase.FREE: SETTLE, Phase.NUDGED: SETTLE}

NO_PIXELS = np.zeros((0, 0), np.int32)

Masks = tuple[NDArray[np.uint64], NDArray[np.uint64]]


class Words:
    """Words of all populations in one flat array, as the compiled loop wants them."""

    def __init__(self, matrices: Iterable[tuple[int, int]]) -> None:
        shapes = [strips_shape(*matrix) for matrix in matrices]
        self.at = np.cumsum([0, *map(math.prod, shapes)])
        self.flat = np.empty(self.at[-1], np.uint64)
        ends = itertools.pairwise(self.at)
        self.views = [
            self.flat[begin:end].reshape(shape)
            for (begin, end), shape in zip(ends, shapes, strict=True)
        ]


class SignWeights:
    """The synapses that enter a layer: bits, and how they learn.

    Parameters
    ----------
    matrix
        The signs.
    rule
        How they learn; of no use if they are frozen.
    levels
        Value of sources that means 1.0.
    """

    def __init__(self, matrix: SignMatrix, rule: BOP, levels: int) -> None:
        self.matrix = matrix
        self.rule = rule
        self.levels = levels
        self.momentum = np.zeros((0, 0), np.float32)
        self.alpha = np.ones(1)
        self.flips = np.zeros(1, np.int64)

    @property
    def weights(self) -> NDArray[np.int8]:
        """A copy of the signs, read-only, as `set` has to know of changes."""
        signs = self.matrix.signs()
        signs.flags.writeable = False
        return signs

    def get(self, name: str) -> NDArray[Any]:
        """Return one of the arrays."""
        array: NDArray[Any] = getattr(self, name)
        return array

    def set(self, name: str, value: NDArray[Any]) -> None:
        """Replace an array; momenta are kept, and changed in place."""
        if name == "weights":
            self.matrix.assign(value)
        elif name == "momentum":
            # The operating system provides no memory for zeros until they are changed.
            self.momentum = value if value.any() else np.zeros(value.shape, np.float32)
        else:
            getattr(self, name)[...] = value

    def coefficients(self, samples: int, sign: int, clock: Clock) -> tuple[np.float32, np.float32]:
        """Return gain and threshold of an update, and let the momenta decay if they are to."""
        unit = clock.schedule.contrast_span * samples * self.levels
        rescale, gain, threshold = self.rule.coefficients(clock.batch, unit=unit)
        if rescale != 1.0:
            self.momentum *= np.float32(rescale)
        return np.float32(sign * gain), np.float32(threshold)


class BitShard(Shard):
    """Some samples, and the memory that a thread works on them with.

    Parameters
    ----------
    rows, clock
        See `Shard`.
    workspace
        The memory.
    """

    def __init__(self, rows: slice, clock: Clock, workspace: Workspace) -> None:
        super().__init__(rows, clock)
        self.workspace = workspace


class BitEngine(Driver):
    """Runs networks of which `NetworkSpec.bits_suffice`; `PopulationEngine` runs all others.

    Nothing depends on the number of threads: samples are independent while they settle, and every
    synapse sums integers.

    Parameters
    ----------
    spec, options
        See `Driver`.
    decay, epoch_batches
        See `EPNetwork`.
    """

    weights: list[SignWeights]
    shards: list[BitShard]

    def __init__(
        self,
        spec: NetworkSpec,
        *,
        batch: int,
        schedule: PhaseSchedule,
        decay: float = 1.0,
        epoch_batches: int = 1,
        **options: Any,
    ) -> None:
        if not isinstance(spec.neuron, NeuronSpec):
            raise TypeError(f"neurons of kind {spec.neuron.kind}: expected binary")
        super().__init__(spec, batch=batch, schedule=schedule, **options)
        self._neuron = spec.neuron
        self._offsets = np.cumsum([0, *spec.sizes[1:]])
        layers, neurons = len(spec.layers), int(self._offsets[-1])
        shapes = list(zip(spec.sizes[1:], spec.sizes[:-1], strict=True))
        self._backward = Words(shapes)
        self._forward = Words([(n_pre, n_post) for n_post, n_pre in shapes])
        words = zip(self._forward.views, self._backward.views, strict=True)
        self.weights = [
            SignWeights(
                SignMatrix(*shape, storage=pair),
                BOP(layer.gamma, layer.theta or 0.0, decay, epoch_batches),
                spec.input_levels if index == 0 else 1,
            )
            for index, (shape, pair, layer) in enumerate(
                zip(shapes, words, spec.layers, strict=True)
            )
        ]
        self.bias = np.zeros(neurons, np.float32)
        self.events = np.zeros((layers, 2), np.int64)
        self.synaptic_operations = np.zeros((layers, 2), np.int64)
        self.images = np.zeros((batch, spec.inputs), np.int32)
        self.samples = self._new_samples()
        self._first_images = self.images
        self._steps = {sign: self._new_steps(sign) for sign in (1, -1)}

    def _make_shards(self) -> list[BitShard]:
        bits = self.spec.input_levels.bit_length() + 1
        return [
            BitShard(slice(*rows), self._new_clock(), make_workspace(self.spec.sizes, bits))
            for rows in blocks(self.batch, self.threads)
        ]

    def _new_samples(self) -> Samples:
        batch, neurons = self.batch, int(self._offsets[-1])
        all_neurons = (batch, neurons)
        contrasted = all_neurons if self.learning else (0, 0)
        restored = contrasted if self.schedule.symmetric else (0, 0)
        learns_alpha = any(layer.alpha_rate and not layer.frozen for layer in self.spec.layers)
        return Samples(
            state=np.zeros(all_neurons, np.float32),
            activation=np.zeros(all_neurons, np.int8),
            events=np.zeros(all_neurons, np.int8),
            forward_total=np.zeros(all_neurons, np.int32),
            backward_total=np.zeros(all_neurons, np.int32),
            current=np.zeros((batch, self.spec.sizes[-1]), np.float32),
            filtered=np.zeros(all_neurons, np.float32),
            free_state=np.zeros(restored, np.float32),
            free_activation=np.zeros(restored, np.int8),
            first_activation=np.zeros(contrasted, np.int8),
            first_total=np.zeros(contrasted if learns_alpha else (0, 0), np.int32),
            target=self._target,
            pixels=NO_PIXELS,
        )

    def _new_steps(self, sign: int) -> Steps:
        """Return the steps of a batch with the given sign of beta."""
        schedule = self.schedule
        positions = range(schedule.period(learning=self.learning))
        phases = [schedule.phase(position) for position in positions]
        kinds = [KINDS[phase] for phase in phases]
        betas = [schedule.beta_at(position, sign) for position in positions]
        same_until = list(positions)
        for position in reversed(positions[:-1]):
            follower, after = position + 1, min(position + 2, positions[-1])
            alike = (kinds[follower], betas[follower]) == (kinds[after], betas[after])
            if kinds[follower] == SETTLE:
                same_until[position] = same_until[follower] if alike else follower
        return Steps(
            kind=np.array(kinds, np.int8),
            beta=np.array(betas, np.float32),
            counter=np.array([p in (Phase.NUDGED, Phase.RESTORE) for p in phases], np.int8),
            same_until=np.array(same_until),
            restored_from=schedule.free_end if self.learning and schedule.symmetric else -1,
            first_end=schedule.remembered_end if self.learning else -1,
        )

    def footprint(self) -> dict[str, int]:
        """Memory in bytes: of signs, momenta, the samples under way, and the threads' lists.

        Signs take one bit for each direction in which their rows are read, and a little filling.
        """
        matrices = [weights.matrix for weights in self.weights]
        lists = [
            array
            for shard in self.shards
            for array in shard.workspace
            if isinstance(array, np.ndarray)
        ]
        return {
            "signs": sum(matrix.nbytes for matrix in matrices),
            "momenta": sum(4 * math.prod(matrix.shape) for matrix in matrices),
            "samples": sum(array.nbytes for array in (*self.samples, self.images)),
            "lists": sum(array.nbytes for array in lists),
        }

    def neurons(self, layer: int) -> slice:
        """Where the neurons of a layer are among all."""
        return slice(int(self._offsets[layer]), int(self._offsets[layer + 1]))

    def _array(self, layer: int, field: str) -> NDArray[Any]:
        """Return an array of the neurons of a layer, or a counter."""
        array: NDArray[Any]
        if field in ("events", "synaptic_operations"):
            array = getattr(self, field)[layer]
        elif field == "bias":
            array = self.bias[self.neurons(layer)]
        else:
            name = "events" if field == "change" else field
            array = getattr(self.samples, name)[:, self.neurons(layer)]
        return array

    def _derive(self) -> None:
        """Arrange the parameters as the compiled loop wants them."""
        # Only samples that start with active neurons need the sums of all signs.
        threshold = np.float32(self._neuron.threshold)
        initial_state = np.float32(self._neuron.initial_state)
        active = initial_state >= threshold
        sums = np.zeros((2, self._offsets[-1]), np.int32)
        for layer in range(1, len(self.weights) if active else 0):
            matrix = self.weights[layer].matrix
            sums[0, self.neurons(layer)] = matrix.sums(backward=False)
            sums[1, self.neurons(layer - 1)] = matrix.sums(backward=True)
        gains = [current_gain(weights.alpha[0], weights.levels) for weights in self.weights]
        self._wiring = Wiring(
            offsets=self._offsets,
            forward=self._forward.flat,
            forward_at=self._forward.at,
            forward_sums=sums[0],
            backward=self._backward.flat,
            backward_at=self._backward.at,
            backward_sums=sums[1],
            gain=np.array(gains, np.float32),
            bias=self.bias,
            filter_rate=np.float32(self._neuron.filter_rate),
            threshold=threshold,
            initial_state=initial_state,
        )

    def advance(self, first: int, last: int, pixel_events: NDArray[np.int32] | None = None) -> None:
        """Take all samples from one position in the schedule to another; see `Driver.advance`."""
        if first == 0:
            self.images = np.zeros_like(self.images)
        if pixel_events is not None:
            self.images = self.images + pixel_events
            self._make_room(check_values(pixel_events).bit_length() + 1)
        super().advance(first, last, pixel_events)
        for shard in self.shards:
            events, operations = shard.workspace.events, shard.workspace.operations
            self.events += events
            self.synaptic_operations += operations
            events[...] = 0
            operations[...] = 0
        if self.learning and first <= self.schedule.remembered_end < last:
            self._first_images = self.images

    def _make_room(self, pixel_bits: int) -> None:
        """Make sure that the threads can handle pixel events of some size."""
        if self.shards[0].workspace.pixels.shape[1] < pixel_bits:
            for shard in self.shards:
                shard.workspace = make_workspace(self.spec.sizes, pixel_bits)

    def _walk(
        self, shard: BitShard, first: int, last: int, pixel_events: NDArray[np.int32] | None
    ) -> None:
        """Take the samples of a shard from one position to another, in one compiled loop.

        Phases are not called one by one, as engines of other neurons do: a phase of a small network
        takes hardly longer than a call with that many arrays (`binary-digits`: 7 to 10 % slower).
        """
        clock, rows = shard.clock, shard.rows
        clock.position = first - 1
        clock.tick()
        samples, steps = self.samples, self._steps[clock.sign]
        if pixel_events is not None:
            samples = samples._replace(pixels=pixel_events)
        settle(self._wiring, samples, steps, rows.start, rows.stop, first, last, shard.workspace)
        clock.position = last - 1

    def _ends(self, layer: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the activations of a layer at the two contrasted ends, (batch, n) each."""
        here = self.neurons(layer)
        return self.samples.first_activation[:, here], self.samples.activation[:, here]

    def _learn_weights(self, layers: list[int]) -> None:
        """Let the synapses that enter some layers learn, scaling factors included."""
        masks = self._activity_masks()
        owners: list[int] = []
        tiles: list[Callable[[], int]] = []
        for index in layers:
            own = list(self._tiles(index, masks))
            owners += [index] * len(own)
            tiles += own
            if self.spec.layers[index].alpha_rate:
                self._learn_alpha(index)
        for index, flips in zip(owners, self._team.map(lambda tile: tile(), tiles), strict=True):
            self.weights[index].flips += flips

    def _activity_masks(self) -> list[Masks]:
        """Collect each neuron's activations over the batch, before and after, for each layer."""
        states = self.samples.first_activation, self.samples.activation
        return [
            (
                activation_masks(states[0], here.start, here.stop),
                activation_masks(states[1], here.start, here.stop),
            )
            for here in map(self.neurons, range(len(self.weights)))
        ]

    def _tiles(self, index: int, masks: list[Masks]) -> Iterator[Callable[[], int]]:
        """Cut the update of a synapse population into parts that share no word."""
        weights, clock = self.weights[index], self._clock
        matrix = weights.matrix
        limits = weights.coefficients(self.batch, clock.contrast_sign, clock)
        first, second = masks[index]
        synapses = weights.momentum, matrix.forward, matrix.backward
        n_post, n_pre = matrix.shape
        parts = PARTS_PER_THREAD * self.threads
        # Where there are few neurons to share among threads, their sources are shared instead.
        tall = n_post >= WORD * parts or n_post >= n_pre
        pres = list(blocks(n_pre, 1 if tall else parts, WORD))
        tile: Callable[..., int] = bop_tile_signs
        before: NDArray[Any]
        after: NDArray[Any]
        if index == 0:
            tile, before, after = bop_tile_values, self._first_images, self.images
        else:
            before, after = masks[index - 1]
        states = before, first, after, second
        for post in blocks(n_post, parts if tall else 1, WORD):
            for pre in pres:
                yield partial(tile, *post, *pre, *states, *synapses, *limits)

    def _learn_alpha(self, index: int) -> None:
        """Move the scaling factor of the synapses that enter a layer."""
        here, weights = self.neurons(index), self.weights[index]
        gradient = alpha_gradient(
            self.samples.first_total[:, here],
            self.samples.first_activation[:, here],
            self.samples.forward_total[:, here],
            self.samples.activation[:, here],
            alpha=float(weights.alpha[0]),
            levels=weights.levels,
            sign=self._clock.contrast_sign,
            span=self.schedule.contrast_span,
        )
        weights.alpha += self.spec.layers[index].alpha_rate * gradient
