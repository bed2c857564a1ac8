"""A whole network of local binary errors in one OS process."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.bmlp_parameters import BMLPParameters, rule_of
from lava_ep.dynamics import check_labels
from lava_ep.dynamics.bmlp import packed
from lava_ep.errors import InputError
from lava_ep.models.bmlp.part import BMLPLayerPart
from lava_ep.models.fused.threads import Team, available_cores, blocks
from lava_ep.spec import BMLPSpec


class BMLPEngine:
    """Binarize pixels, and hand packed bits from layer to layer.

    Parameters
    ----------
    spec, parameters, batch, seed, epoch_batches, threads
        See `BMLPNetwork`.

    Attributes
    ----------
    layers
        The parts, from the input upwards.
    thresholds
        See `BMLPParameters`.
    """

    def __init__(
        self,
        spec: BMLPSpec,
        parameters: BMLPParameters,
        *,
        batch: int,
        seed: int = 0,
        epoch_batches: int = 1,
        threads: int | None = None,
    ) -> None:
        self._team = Team(threads or available_cores())
        self.thresholds = parameters.thresholds.copy()
        self._copies = np.empty(spec.sizes[0], np.uint8)
        self._x = packed.empty_rows(batch, spec.sizes[0])
        self.layers = [
            BMLPLayerPart(
                values,
                rule_of(layer),
                batch=batch,
                index=index,
                seed=seed,
                first_batch=parameters.batch,
                epoch_batches=epoch_batches,
            )
            for index, (layer, values) in enumerate(
                zip(spec.layers, parameters.layers, strict=True)
            )
        ]
        threads = self._team.threads
        self._samples = list(blocks(batch, threads, packed.TILE))
        self._groups = [
            (layer, *groups)
            for layer in self.layers
            for groups in blocks(layer.groups, min(threads, layer.groups))
        ]

    def forward(self, pixels: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Show a batch, (batch, pixels), and return the scores, (batch, classes).

        Raises
        ------
        InputError
            If the pixels are of another shape, which compiled loops would not notice.
        """
        expected = len(self._x), len(self.thresholds)
        if pixels.shape != expected:
            raise InputError(f"pixels {pixels.shape}: expected {expected}")
        packed.pack_above(pixels, self.thresholds, self._copies, self._x)

        def show(samples: tuple[int, int]) -> None:
            bits = self._x
            for layer in self.layers:
                bits = layer.forward(bits, *samples)

        self._team.map(show, self._samples)
        return self.layers[-1].scores

    def learn(self, labels: NDArray[np.int32]) -> None:
        """Let every layer learn from the batch that was shown last, (batch,) labels.

        Each has its inputs and its activations from before any of them changes.

        Raises
        ------
        InputError
            If a label is no class, or there is not one for each sample.
        """
        if labels.shape != (len(self._x),):
            raise InputError(f"labels {labels.shape}: expected ({len(self._x)},)")
        check_labels(labels, self.layers[-1].scores.shape[1])

        def choose(samples: tuple[int, int]) -> None:
            for layer in self.layers:
                layer.choose(labels, *samples)

        def move(part: tuple[BMLPLayerPart, int, int]) -> int:
            layer, first, last = part
            return layer.move(labels, first, last)

        self._team.map(choose, self._samples)
        flips = self._team.map(move, self._groups)
        for layer in self.layers:
            own = (n for (part, *_), n in zip(self._groups, flips, strict=True) if part is layer)
            layer.finish(labels, sum(own))
