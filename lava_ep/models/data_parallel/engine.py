"""The engine that counts bits, for one rank's share of each batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._bop import WORD, bop_tile_contrasts, contrasts_of_signs, contrasts_of_values
from lava_ep.dynamics.bop import energy_contrast, energy_gradient
from lava_ep.dynamics.neuron import bias_contrast, move_bias
from lava_ep.errors import InputError
from lava_ep.models.fused.engines.bits import PARTS_PER_THREAD, BitEngine, Masks
from lava_ep.models.fused.threads import blocks
from lava_ep.spec import NetworkSpec

Array = NDArray[Any]


class Exchange(Protocol):
    """Adds up the whole numbers that each rank has; of a single rank they are the sum."""

    def sum(self, values: Array) -> Array:
        """Return the sum over all ranks of signed integers, (values,), in their own type."""

    def finish(self) -> None:
        """Tell that there is nothing more to add up in this batch."""


def check_covered(spec: NetworkSpec) -> None:
    """Check that a network learns the same from a batch however it is spread over ranks.

    Raises
    ------
    InputError
        If it does not.
    """
    if not spec.bits_suffice:
        raise InputError(
            f"neurons of kind {spec.neuron.kind} with "
            f"{' and '.join(sorted({layer.weights for layer in spec.layers}))} weights: expected a "
            "dense network of binary neurons and weights with two-phase updates for more than one "
            "rank. Its contrasts are whole numbers, whose sum is the same in every order; sums of "
            "real numbers are rounded, so that the weights would depend on the number of ranks. "
            "Train it on one rank"
        )


class Touched(NamedTuple):
    """Where contrasts of a batch may be other than 0, and the contrasts of the biases.

    Parameters
    ----------
    changed
        Whether pixels or neurons differ between the two states in any sample: of pixels, (inputs,),
        and of all neurons.
    active
        Whether neurons are active in the first state of any sample.
    biases
        Contrasts of the biases of all neurons.
    """

    changed: NDArray[np.bool_]
    active: NDArray[np.bool_]
    biases: Array


class Block(NamedTuple):
    """Synapses whose contrasts are exchanged: those from some sources to some targets."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of targets and sources."""
        return self.rows.size, self.columns.size


def smallest_type(bound: int) -> np.dtype[Any]:
    """Return the smallest signed integers that hold values from -bound to bound."""
    return np.min_scalar_type(-max(bound, 1) - 1)


class RankEngine(BitEngine):
    r"""Does what `BitEngine` does with some samples of each batch, and learns from all of them.

    The contrast of a batch is the sum of those of its samples, :math:`C_{ij} = \sum_r C_{ij}^{(r)}`
    over ranks r. It can only differ from 0 in the rows of targets that changed in some sample, and
    in the columns of sources that changed, in rows of active targets. Ranks therefore first add up
    which ones those are, and then the contrasts of these rows and columns only, in the smallest
    integers that hold the sum, whose bound is the size of the batch times the levels of the source.
    What is touched everywhere is sent as the dense matrix; nothing is larger.

    Parameters
    ----------
    spec
        One that `check_covered` lets pass.
    exchange
        Adds up what the ranks have.
    whole_batch
        Samples in the batches of all ranks together.
    options
        See `BitEngine`.
    """

    def __init__(
        self, spec: NetworkSpec, *, exchange: Exchange, whole_batch: int, **options: Any
    ) -> None:
        check_covered(spec)
        super().__init__(spec, **options)
        self.whole_batch = whole_batch
        self._exchange = exchange

    def _learn(self) -> None:
        masks = self._activity_masks()
        touched = self._touched(masks)
        common: dict[str, Any] = {
            "samples": self.whole_batch,
            "sign": self._clock.contrast_sign,
            "span": self.schedule.contrast_span,
        }
        for index, (layer, weights) in enumerate(zip(self.spec.layers, self.weights, strict=True)):
            here = self.neurons(index)
            if layer.bias_rate:
                biases = self.bias[here], touched.biases[here]
                move_bias(*biases, rate=layer.bias_rate, **common)
            if layer.frozen:
                continue
            if layer.alpha_rate:
                gradient = energy_gradient(
                    self._energy(index),
                    alpha=float(weights.alpha[0]),
                    levels=weights.levels,
                    **common,
                )
                weights.alpha += layer.alpha_rate * gradient
            weights.flips += self._exchange_contrasts(index, masks, touched)
        self._exchange.finish()

    def _touched(self, masks: list[Masks]) -> Touched:
        """Tell what the samples of all ranks touch."""
        pixels = np.zeros(self.spec.inputs, np.bool_)
        if self._first_images is not self.images:
            pixels = (self._first_images != self.images).any(axis=0)
        first, second = (np.concatenate(both, axis=1) for both in zip(*masks, strict=True))
        biases = bias_contrast(
            self.samples.first_activation, self.samples.activation, first.shape[1]
        )
        changed = np.concatenate([pixels, (first != second).any(axis=0)])
        parts = changed, first.any(axis=0), biases
        own = np.concatenate(parts).astype(smallest_type(self.whole_batch))
        ends = np.cumsum([part.size for part in parts])[:-1]
        changes, actives, contrasts = np.split(self._exchange.sum(own), ends)
        return Touched(changes > 0, actives > 0, contrasts)

    def _energy(self, index: int) -> int:
        """Return the contrast of the energies of all samples, see `energy_contrast`."""
        here, samples = self.neurons(index), self.samples
        own = energy_contrast(
            samples.first_total[:, here],
            samples.first_activation[:, here],
            samples.forward_total[:, here],
            samples.activation[:, here],
        )
        return int(self._exchange.sum(np.array([own], np.int64))[0])

    def _blocks(self, index: int, touched: Touched) -> list[Block]:
        """Return the synapses into a layer that a batch touches."""
        offset, here = self.spec.inputs, self.neurons(index)
        changed = touched.changed[offset:][here]
        sources = touched.changed[:offset]
        if index:
            sources = touched.changed[offset:][self.neurons(index - 1)]
        touching = [
            Block(np.flatnonzero(changed), np.arange(sources.size)),
            Block(np.flatnonzero(touched.active[here] & ~changed), np.flatnonzero(sources)),
        ]
        return [block for block in touching if all(block.shape)]

    def _exchange_contrasts(self, index: int, masks: list[Masks], touched: Touched) -> int:
        """Flip weights by the contrasts of all samples; return how many."""
        weights, clock = self.weights[index], self._clock
        limits = weights.coefficients(self.whole_batch, clock.contrast_sign, clock)
        touching = self._blocks(index, touched)
        if not touching:
            return 0
        bound = self.whole_batch * weights.levels
        own = [self._contrasts(index, masks, block) for block in touching]
        flat = np.concatenate([part.reshape(-1) for part in own]).astype(smallest_type(bound))
        total = self._exchange.sum(flat).astype(np.int32)
        ends = np.cumsum([part.size for part in own])[:-1]
        flips = 0
        for block, values in zip(touching, np.split(total, ends), strict=True):
            contrasts = values.reshape(block.shape)
            flips += sum(
                self._team.map(
                    lambda part: part(), list(self._parts(index, block, contrasts, limits))
                )
            )
        return flips

    def _contrasts(self, index: int, masks: list[Masks], block: Block) -> NDArray[np.int32]:
        """Compute the contrasts of its own samples."""
        contrasts = np.empty(block.shape, np.int32)
        first, second = masks[index]
        kernel: Callable[..., None] = contrasts_of_values
        before: Array
        after: Array
        before, after = self._first_images, self.images
        if index:
            kernel, (before, after) = contrasts_of_signs, masks[index - 1]
        if block.columns.size < before.shape[1]:
            before, after = (np.ascontiguousarray(x[:, block.columns]) for x in (before, after))

        def task(rows: tuple[int, int]) -> None:
            some = slice(*rows)
            kernel(block.rows[some], before, first, after, second, contrasts[some])

        self._team.map(task, list(blocks(len(contrasts), PARTS_PER_THREAD * self.threads)))
        return contrasts

    def _parts(
        self, index: int, block: Block, contrasts: Array, limits: tuple[np.float32, np.float32]
    ) -> Iterator[partial[int]]:
        """Cut an update into parts that share no word."""
        matrix = self.weights[index].matrix
        synapses = self.weights[index].momentum, matrix.forward, matrix.backward
        for post in blocks(matrix.shape[0], PARTS_PER_THREAD * self.threads, WORD):
            some = slice(*np.searchsorted(block.rows, post))
            states = block.rows[some], block.columns, contrasts[some]
            yield partial(bop_tile_contrasts, *states, *synapses, *limits)
