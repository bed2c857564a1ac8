"""A whole network in one place: its parameters, the samples in it, and the threads at work."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics import (
    BOP,
    Phase,
    PhaseSchedule,
    SignMatrix,
    alpha_gradient,
    current_gain,
    expand_target,
    update_bias,
)
from lava_ep.dynamics._bop import WORD, activation_masks, bop_tile_signs, bop_tile_values
from lava_ep.dynamics.events import check_values
from lava_ep.dynamics.signs import strips_shape
from lava_ep.models.fused.settle import (
    LOAD,
    RESTORE,
    SETTLE,
    Desk,
    Samples,
    Steps,
    Wiring,
    make_desk,
    settle,
)
from lava_ep.models.fused.threads import Team, available_cores, blocks
from lava_ep.spec import NetworkSpec, NeuronSpec

KINDS = {Phase.LOAD: LOAD, Phase.RESTORE: RESTORE, Phase.FREE: SETTLE, Phase.NUDGED: SETTLE}
PARTS_PER_THREAD = 2
"""Parts that synapses are cut into; each thread gets some of every population."""

NO_PIXELS = np.zeros((0, 0), np.int32)

Masks = tuple[NDArray[np.uint64], NDArray[np.uint64]]


def _shapes(spec: NetworkSpec) -> list[tuple[int, int]]:
    """(n_post, n_pre) of all synapse populations."""
    return list(zip(spec.sizes[1:], spec.sizes[:-1], strict=True))


class _Words:
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


class Engine:
    """Runs the samples of a batch through the phases, and learns from them, all with bits.

    It is made for networks of which `NetworkSpec.bits_suffice`; `PartsEngine` runs all others.
    Nothing depends on the number of threads: samples are independent while they settle, and every
    synapse sums integers.

    Parameters
    ----------
    spec, batch, learning, decay, epoch_batches
        See `EPNetwork`.
    schedule
        The phases.
    first_batch
        Number of batches learned from before.
    threads
        Threads to use; by default one for each core.
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
    ) -> None:
        if not isinstance(spec.neuron, NeuronSpec):
            raise TypeError(f"neurons of kind {spec.neuron.kind}: expected binary")
        self.spec = spec
        self.batch = batch
        self._neuron = spec.neuron
        self.schedule = schedule
        self.learning = learning
        self.batches_learned = first_batch
        self.threads = threads or available_cores()
        self._rules = [
            BOP(layer.gamma, layer.theta or 0.0, decay, epoch_batches) for layer in spec.layers
        ]
        self._levels = [spec.input_levels, *[1] * (len(spec.layers) - 1)]
        self._offsets = np.cumsum([0, *spec.sizes[1:]])
        layers, neurons = len(spec.layers), int(self._offsets[-1])
        shapes = _shapes(spec)
        self._backward = _Words(shapes)
        self._forward = _Words([(n_pre, n_post) for n_post, n_pre in shapes])
        words = zip(self._forward.views, self._backward.views, strict=True)
        self.signs = [
            SignMatrix(*shape, storage=pair) for shape, pair in zip(shapes, words, strict=True)
        ]
        self.momentum = [np.zeros((0, 0), np.float32)] * layers
        self.alpha = np.ones((layers, 1))
        self.bias = np.zeros(neurons, np.float32)
        self.events = np.zeros((layers, 2), np.int64)
        self.synaptic_operations = np.zeros((layers, 2), np.int64)
        self.flips = np.zeros((layers, 1), np.int64)
        self.images = np.zeros((batch, spec.inputs), np.int32)
        self.samples = self._new_samples()
        self._sign = 1
        self._steps_by_sign = {sign: self._new_steps(sign) for sign in (1, -1)}
        self._steps = self._steps_by_sign[1]
        self._first_images = self.images
        self._desks: list[Desk] = []
        self._provide_desks(spec.input_levels.bit_length() + 1)
        self._wiring: Wiring | None = None
        self._team = Team(self.threads)

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
            target=np.zeros((batch, self.spec.sizes[-1]), np.int8),
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
        shapes = [matrix.shape for matrix in self.signs]
        desks = [array for desk in self._desks for array in desk if isinstance(array, np.ndarray)]
        return {
            "signs": sum(matrix.nbytes for matrix in self.signs),
            "momenta": sum(4 * n_post * n_pre for n_post, n_pre in shapes),
            "samples": sum(array.nbytes for array in (*self.samples, self.images)),
            "lists": sum(array.nbytes for array in desks),
        }

    def neurons(self, layer: int) -> slice:
        """Where the neurons of a layer are among all."""
        layer %= len(self.signs)
        return slice(int(self._offsets[layer]), int(self._offsets[layer + 1]))

    def changed(self) -> None:
        """Forget what was derived from the parameters; call it after changing them."""
        self._wiring = None

    @property
    def wiring(self) -> Wiring:
        """The parameters as the compiled loop wants them."""
        if self._wiring is None:
            forward, backward = self._forward, self._backward
            # Only samples that start with active neurons need the sums of all signs.
            threshold = np.float32(self._neuron.threshold)
            initial_state = np.float32(self._neuron.initial_state)
            active = initial_state >= threshold
            sums = np.zeros((2, self._offsets[-1]), np.int32)
            for layer in range(1, len(self.signs) if active else 0):
                sums[0, self.neurons(layer)] = self.signs[layer].sums(backward=False)
                sums[1, self.neurons(layer - 1)] = self.signs[layer].sums(backward=True)
            self._wiring = Wiring(
                offsets=self._offsets,
                forward=forward.flat,
                forward_at=forward.at,
                forward_sums=sums[0],
                backward=backward.flat,
                backward_at=backward.at,
                backward_sums=sums[1],
                gain=np.array(list(map(current_gain, self.alpha[:, 0], self._levels)), np.float32),
                bias=self.bias,
                filter_rate=np.float32(self._neuron.filter_rate),
                threshold=threshold,
                initial_state=initial_state,
            )
        return self._wiring

    def get(self, layer: int, field: str) -> NDArray[Any]:
        """Return an array of a layer, see `EPNetwork`; the weights are a copy, and read-only."""
        here = self.neurons(layer)
        if field == "weights":
            signs = self.signs[layer].signs()
            signs.flags.writeable = False
            return signs
        if field == "bias":
            return self.bias[here]
        if field in ("state", "activation"):
            found: NDArray[Any] = getattr(self.samples, field)[:, here]
            return found
        found = getattr(self, field)[layer]
        return found

    def set(self, layer: int, field: str, value: NDArray[Any]) -> None:
        """Replace an array of a layer; momenta are kept, and changed in place."""
        if field == "weights":
            self.signs[layer].assign(value)
        elif field == "momentum":
            # The operating system provides no memory for zeros until they are changed.
            self.momentum[layer] = value if value.any() else np.zeros(value.shape, np.float32)
        else:
            self.get(layer, field)[...] = value
        self.changed()

    def outputs(self, field: str) -> NDArray[Any]:
        """Return what the output neurons send, (batch, outputs).

        Parameters
        ----------
        field
            ``events`` for the messages of this step, ``activation`` for what they have added up to,
            ``state`` for what predictions are read from.
        """
        found: NDArray[Any] = getattr(self.samples, field)[:, self.neurons(-1)]
        return found

    def set_labels(self, labels: NDArray[np.int32]) -> None:
        """Nudge the outputs towards these classes, (batch,)."""
        self.samples.target[...] = expand_target(labels, self.spec.classes, self.spec.sizes[-1])

    def advance(self, first: int, last: int, pixel_events: NDArray[np.int32] | None = None) -> None:
        """Take all samples from one position in the schedule to another.

        Parameters
        ----------
        first, last
            The positions; the last one is not included.
        pixel_events
            Changes of the pixels that arrive in the first step, (batch, inputs).
        """
        if first == 0:
            self._sign = self.schedule.sign(self.batches_learned) if self.learning else 1
            self._steps = self._steps_by_sign[self._sign]
            self.images = np.zeros_like(self.images)
        arriving = NO_PIXELS
        if pixel_events is not None:
            arriving = pixel_events
            self.images = self.images + pixel_events
            self._provide_desks(check_values(pixel_events).bit_length() + 1)
        wiring = self.wiring

        def task(item: tuple[Desk, tuple[int, int]]) -> None:
            desk, rows = item
            settle(wiring, self.samples, self._steps, arriving, NO_PIXELS, *rows, first, last, desk)

        rows = list(blocks(self.batch, self.threads))
        self._team.map(task, list(zip(self._desks, rows, strict=False)))
        for desk in self._desks:
            self.events += desk.events
            self.synaptic_operations += desk.operations
            desk.events[...] = 0
            desk.operations[...] = 0
        if first <= self._steps.first_end < last:
            self._first_images = self.images

    def _provide_desks(self, pixel_bits: int) -> None:
        """Make sure that the threads can handle pixel events of some size."""
        if not self._desks or self._desks[0].pixels.shape[1] < pixel_bits:
            self._desks = [make_desk(self.spec.sizes, pixel_bits) for _ in range(self.threads)]

    def learn(self) -> None:
        """Learn from the states at the ends of the two contrasted phases."""
        sign = self.schedule.contrast_sign(self._sign)
        masks = self._activity_masks()
        owners: list[int] = []
        tiles: list[Callable[[], int]] = []
        for index, layer in enumerate(self.spec.layers):
            if layer.bias_rate:
                self._learn_bias(index, sign)
            if not layer.frozen:
                found = list(self._tiles(index, masks, sign))
                owners += [index] * len(found)
                tiles += found
                if layer.alpha_rate:
                    self._learn_alpha(index, sign)
        for index, flips in zip(owners, self._team.map(lambda tile: tile(), tiles), strict=True):
            self.flips[index] += flips
        self.changed()
        self.batches_learned += 1

    def _activity_masks(self) -> list[Masks]:
        """Collect each neuron's activations over the batch, before and after, for each layer."""
        states = self.samples.first_activation, self.samples.activation
        return [
            (
                activation_masks(states[0], here.start, here.stop),
                activation_masks(states[1], here.start, here.stop),
            )
            for here in map(self.neurons, range(len(self.signs)))
        ]

    def _tiles(self, index: int, masks: list[Masks], sign: int) -> Iterator[Callable[[], int]]:
        """Cut the update of a synapse population into parts that share no word."""
        matrix, momentum = self.signs[index], self.momentum[index]
        limits = self._coefficients(index, self.batch, sign)
        first, second = masks[index]
        synapses = momentum, matrix.forward, matrix.backward
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

    def _coefficients(self, index: int, samples: int, sign: int) -> tuple[np.float32, np.float32]:
        """Tell gain and threshold of an update, and let the momenta decay if they are to."""
        unit = self.schedule.contrast_span * samples * self._levels[index]
        rescale, gain, threshold = self._rules[index].coefficients(self.batches_learned, unit=unit)
        if rescale != 1.0:
            self.momentum[index] *= np.float32(rescale)
        return np.float32(sign * gain), np.float32(threshold)

    def _learn_bias(self, index: int, sign: int) -> None:
        """Move the biases of a layer."""
        here = self.neurons(index)
        update_bias(
            self.bias[here],
            self.samples.first_activation[:, here],
            self.samples.activation[:, here],
            rate=self.spec.layers[index].bias_rate,
            sign=sign,
            span=self.schedule.contrast_span,
        )

    def _learn_alpha(self, index: int, sign: int) -> None:
        """Move the scaling factor of the synapses that enter a layer."""
        here = self.neurons(index)
        gradient = alpha_gradient(
            self.samples.first_total[:, here],
            self.samples.first_activation[:, here],
            self.samples.forward_total[:, here],
            self.samples.activation[:, here],
            alpha=float(self.alpha[index, 0]),
            levels=self._levels[index],
            sign=sign,
            span=self.schedule.contrast_span,
        )
        self.alpha[index] += self.spec.layers[index].alpha_rate * gradient
