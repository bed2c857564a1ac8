"""Testing trained parameters on the test set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.data import Dataset
from lava_ep.spec import ExperimentSpec
from lava_ep.training.families import family_of
from lava_ep.training.family import Parameters


@dataclass(frozen=True)
class Evaluation:
    """Result of one pass over the test set.

    Parameters
    ----------
    predictions
        Predicted classes, (samples,).
    labels
        True classes, (samples,).
    counters
        What the network's session counted of the batches shown, such as `Counters`; ``shown``
        samples made it.
    shown
        Samples shown, including those that filled up the last batch.
    scores
        Class scores, (samples, classes).
    """

    predictions: NDArray[np.int64]
    labels: NDArray[np.int64]
    counters: Any
    shown: int
    scores: NDArray[Any] = field(repr=False)

    @property
    def accuracy(self) -> float:
        """Fraction of correct predictions."""
        return float(np.mean(self.predictions == self.labels))

    def confusion(self, classes: int) -> NDArray[np.int64]:
        """Count samples by true class (rows) and predicted class (columns)."""
        table = np.zeros((classes, classes), np.int64)
        np.add.at(table, (self.labels, self.predictions), 1)
        return table


def evaluate(
    spec: ExperimentSpec,
    parameters: Parameters,
    dataset: Dataset,
    *,
    backend: str = "message-passing",
    threads: int | None = None,
    execution: str | None = None,
) -> Evaluation:
    """Show every test sample without learning and compare the predictions with the labels."""
    batch = min(spec.training.test_batch_size, len(dataset.x_test))
    with family_of(spec.network).open_session(
        spec.network,
        batch=batch,
        parameters=parameters.for_inference(),
        seed=spec.training.seed,
        learning=False,
        backend=backend,
        threads=threads,
        execution=execution,
    ) as session:
        scores = session.scores(dataset.x_test)
        counters = session.counters()
    shown = -(-len(dataset.x_test) // batch) * batch
    return Evaluation(scores.argmax(axis=1), dataset.y_test, counters, shown, scores)
