"""What a layer of local binary errors does with a batch, without ports."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lava_ep.bmlp_parameters import BMLPLayerParameters
from lava_ep.dynamics import Stream, check_labels, generator
from lava_ep.dynamics.bmlp import (
    LayerRule,
    bernoulli_places,
    packed,
    reinforcement_probability,
    signs,
)
from lava_ep.dynamics.bmlp.packed import Words


class BMLPLayerPart:
    """Neurons of one layer with their synapses and their classifier.

    Parameters
    ----------
    parameters
        What it starts from.
    rule
        How it computes and learns.
    batch
        Number of samples.
    index, seed
        Which layer it is, counted from 0, and the seed of the run; for its random numbers.
    first_batch, epoch_batches
        Batches learned from before, and batches of an epoch.

    Attributes
    ----------
    hidden, classifier, right
        See `BMLPLayerParameters`. They are changed in place; where others have done so, `changed`
        has to be called.
    scores
        Logits of the classifier, (batch, classes) int32.
    flips, updates, reinforced, errors
        Since the start: weight flips, times a neuron learned from a sample, hidden weights that
        were moved away from 0, and samples that were wrong; (1,) int64.
    """

    def __init__(
        self,
        parameters: BMLPLayerParameters,
        rule: LayerRule,
        *,
        batch: int,
        index: int,
        seed: int = 0,
        first_batch: int = 0,
        epoch_batches: int = 1,
    ) -> None:
        self.rule = rule
        self._batch, self._index, self._seed = first_batch, index, seed
        self._epoch_batches = epoch_batches
        neurons, self._inputs = parameters.hidden.shape
        classes, self._outputs = parameters.classifier.shape
        self.hidden = parameters.hidden.copy()
        self.classifier = parameters.classifier.copy()
        self.right = parameters.right.copy()
        self._z = np.zeros((batch, neurons), np.int32)
        self._a = packed.empty_rows(batch, self._outputs)
        self.scores = np.zeros((batch, classes), np.int32)
        self._correct, self._wrong = np.zeros((2, batch), np.uint8)
        self._rivals = np.zeros(batch, np.int32)
        self._steps = np.zeros((0 if rule.frozen else batch, self._inputs), np.int8)
        self._picks = np.full((batch, neurons // rule.group), -1, np.int32)
        self.flips, self.updates, self.reinforced, self.errors = np.zeros((4, 1), np.int64)
        self.changed()

    def changed(self) -> None:
        """Derive weights and classifier from new hidden weights."""
        self._stale = np.zeros(len(self.hidden), np.uint8)
        self._weights = packed.packed_signs(self.hidden)
        self._derive_classifier()

    def _derive_classifier(self) -> None:
        self._signs = signs(self.classifier)
        self._rho = packed.packed_signs(self.classifier)

    @property
    def groups(self) -> int:
        """Number of groups of neurons."""
        number: int = self._picks.shape[1]
        return number

    def forward(self, x: Words, first: int = 0, last: int | None = None) -> Words:
        """Take packed inputs, (batch, words), and return the packed bits that are passed on.

        They are overwritten in the next batch. Samples of a range do not depend on others.
        """
        samples = (first, len(self._z) if last is None else last)
        group = self.rule.group if self.rule.majority else 1
        packed.sums(x, self._weights, self._inputs, self._z, *samples)
        packed.activate(self._z, group, self._a, *samples)
        packed.sums(self._a, self._rho, self._outputs, self.scores, *samples)
        self._x = x
        return self._a

    def learn(self, labels: NDArray[np.int32]) -> None:
        """Learn from the batch that was shown last; its inputs must not have changed.

        It is `choose` for all samples, `move` for all groups, and `finish`.

        Raises
        ------
        InputError
            If a label is no class.
        """
        check_labels(labels, self.scores.shape[1])
        self.choose(labels, 0, len(self._z))
        self.finish(labels, self.move(labels, 0, self.groups))

    def choose(self, labels: NDArray[np.int32], first: int, last: int) -> None:
        """Find the errors among a range of samples, and the neurons that learn from them."""
        rule, samples = self.rule, (first, last)
        found = self._correct, self._wrong, self._rivals
        packed.judge(self.scores, labels, rule.margin, *found, *samples)
        if rule.frozen:
            return
        packed.unpack_steps(self._x, self._wrong, self._steps, *samples)
        packed.choose(
            self._z,
            self._a,
            self._signs,
            labels,
            self._wrong,
            rule.group,
            rule.majority,
            self._picks,
            *samples,
        )

    def move(self, labels: NDArray[np.int32], first: int, last: int) -> int:
        """Move the hidden weights of a range of groups; return how many weights have flipped."""
        rule = self.rule
        if rule.frozen:
            return 0
        packed.move(
            self.hidden,
            self._steps,
            self._signs,
            labels,
            self._picks,
            rule.majority,
            self._stale,
            first,
            last,
        )
        neurons = (rule.group * first, rule.group * last)
        return packed.pack_signs(self.hidden, self._weights, self._stale, *neurons)

    def finish(self, labels: NDArray[np.int32], flips: int) -> None:
        """Count what the batch did, and do what concerns the layer as a whole."""
        if self._batch % self._epoch_batches == 0:
            self.right[:] = self.right[1], 0
        self.right[1] += np.count_nonzero(self._correct)
        self.updates += np.count_nonzero(self._picks >= 0)
        self.flips += flips
        wrong = np.count_nonzero(self._wrong)
        self.errors += wrong
        if wrong and self.rule.reinforcement and not self.rule.frozen:
            places = self._reinforced_places()
            self.reinforced += len(places)
            packed.reinforce(self.hidden.reshape(-1), places)
        if wrong and self.rule.learned_classifier:
            packed.teach(self.classifier, self._a, labels, self._rivals, self._wrong)
            self._derive_classifier()
        self._batch += 1

    def _reinforced_places(self) -> NDArray[np.int64]:
        """Draw which hidden weights move away from 0."""
        accuracy = self.right[0] / (self._epoch_batches * len(self._z))
        probability = reinforcement_probability(
            self.rule.reinforcement, float(accuracy), self._inputs
        )
        rng = generator(self._seed, Stream.REINFORCEMENT, self._index, self._batch)
        return bernoulli_places(self.hidden.size, probability, rng)
