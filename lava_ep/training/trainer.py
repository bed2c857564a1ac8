"""Training a network epoch by epoch, so that a killed run goes on as if it had never stopped."""

from __future__ import annotations

import functools
import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lava_ep.data import (
    Dataset,
    crop_and_flip,
    stratified_split,
)
from lava_ep.dynamics import Stream, generator
from lava_ep.errors import DivergedError, InputError, LavaEPError
from lava_ep.runtime.errors import ProcessFailure
from lava_ep.spec import ExperimentSpec, TrainingSpec
from lava_ep.training.calibration import CALIBRATED, fit_temperature
from lava_ep.training.families import family_of
from lava_ep.training.family import Activity, AnySession, Parameters
from lava_ep.training.fit import check_fit
from lava_ep.training.ranks import Ranks, check_ranks
from lava_ep.training.run_folder import RunFolder, best_epoch, selection
from lava_ep.training.samples import claim

AUGMENTED_SAMPLES = 4096
"""Training images that are changed at random at a time; which changes they get depends on it."""


@dataclass(frozen=True)
class Progress:
    """Where an epoch stands, passed to ``Trainer``'s ``on_progress`` after every batch."""

    epoch: int
    epochs: int
    batch: int
    batches: int
    samples: int
    accuracy: float


class Trainer:
    """Train on a data set and keep everything about it in a run folder.

    An epoch is one random order of the training samples, cut into full batches; the few samples
    left over by that order sit the epoch out. With ``training.augmentation`` every epoch sees
    other random changes of the images. The training accuracy is that of the predictions
    during the epoch, with the weights of the moment; the test set is read after it. Several ranks
    share each batch, and the test set, and end with the same bytes as one.

    With ``training.validation_fraction`` some training samples, drawn by class, are not learned
    from: they select the best epoch. With ``training.patience`` training stops some epochs after
    the best one. Without a validation part the test accuracy selects, which makes it optimistic.

    Parameters
    ----------
    spec
        What to train, and how.
    dataset
        Must have the pixels, levels and classes that ``spec.network`` is made for.
    backend
        Name of the backend.
    threads
        See `EPNetwork`.
    execution
        A key of `lava_ep.models.EXECUTIONS`; ``None`` for the faster one.
    folder
        Where checkpoints and metrics go; ``None`` keeps nothing. Only the first rank writes.
    ranks
        The processes that train together.
    on_progress
        Called after every batch; of several ranks each tells the accuracy of its own samples.
    on_epoch
        Called with the metrics of every finished epoch.

    Raises
    ------
    InputError
        If spec and data, or the backend, do not fit, or the folder is that of a training on other
        samples.

    Attributes
    ----------
    parameters
        What has been learned so far.
    metrics
        One entry per epoch.
    best
        Number of the best epoch and its parameters, where epochs are selected.
    """

    def __init__(
        self,
        spec: ExperimentSpec,
        dataset: Dataset,
        *,
        backend: str = "message-passing",
        threads: int | None = None,
        execution: str | None = None,
        folder: RunFolder | None = None,
        ranks: Ranks | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_epoch: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        check_fit(spec, dataset)
        self.family = family_of(spec.network)
        self.family.check_execution(spec, backend)
        self.ranks = ranks or Ranks()
        check_ranks(spec, backend, self.ranks)
        self.spec = spec
        self.dataset = dataset
        self.backend = backend
        self.threads = threads
        self.execution = execution
        self.folder = folder
        self._x, self._y, self._validation = _parts(spec.training, dataset)
        if self.batch_size > len(self._x):
            raise InputError(
                f"training.batch_size={self.batch_size}: only {len(self._x)} training samples are "
                "left beside the validation part; lower it, or training.validation_fraction"
            )
        if folder is not None and self.ranks.first:
            claim(folder, dataset)
        self.parameters: Any = self.family.initial_parameters(spec, dataset)
        self.metrics: list[dict[str, Any]] = []
        self.best: tuple[int, Any] | None = None
        self.epoch = 0
        self._on_progress = on_progress
        self._on_epoch = on_epoch

    @property
    def batch_size(self) -> int:
        """Samples that are trained on at the same time."""
        return self.spec.training.batch_size

    @property
    def epoch_batches(self) -> int:
        """Batches in an epoch."""
        return len(self._x) // self.batch_size

    def resume(self) -> int:
        """Take up the newest checkpoint of the run folder and return the epochs it covers."""
        if self.folder is None:
            raise InputError("resume: this trainer has no run folder")
        self.epoch, self.parameters, self.metrics = self.ranks.from_first(
            functools.partial(self._newest, self.folder)
        )
        return self.epoch

    def _newest(self, folder: RunFolder) -> tuple[int, Any, list[dict[str, Any]]]:
        """Return the epochs that the newest checkpoint covers, its parameters and their metrics."""
        epoch, parameters = folder.latest(self.spec.network) or (0, self.parameters)
        metrics = folder.keep_covered_metrics()
        best = best_epoch(metrics, self.spec.training)
        kept = folder.checkpoints()
        if best is not None and best.epoch in kept:
            self.best = best.epoch, folder.selected(self.spec.network, best.epoch).parameters
        return epoch, parameters, metrics

    def fit(self) -> list[dict[str, Any]]:
        """Train up to the number of epochs in the spec and return the metrics of all epochs.

        Raises
        ------
        DivergedError
            If parameters are no longer finite, or the network has no state to settle to with
            them. What was kept of the epochs before stays, and the folder tells why.
        """
        epochs = self.spec.training.epochs
        if self.epoch >= epochs or self._exhausted():
            return self.metrics
        training = self.spec.training
        tested = len(self.dataset.x_test[self.ranks.share(len(self.dataset.x_test))])
        test_batch = min(training.test_batch_size, max(tested, 1))
        common: dict[str, Any] = {
            "seed": training.seed,
            "backend": self.backend,
            "threads": self.threads,
            "execution": self.execution,
        }
        with ExitStack() as stack, self._divergence_told():
            learner = stack.enter_context(
                self.family.open_learner(
                    self.spec.network,
                    ranks=self.ranks,
                    batch=self.batch_size,
                    parameters=self.parameters,
                    decay=training.decay,
                    epoch_batches=self.epoch_batches,
                    **common,
                )
            )
            tester = stack.enter_context(
                self.family.open_session(
                    self.spec.network,
                    batch=test_batch,
                    parameters=self.parameters.for_inference(),
                    learning=False,
                    **common,
                )
            )
            before = learner.counters()
            for epoch in range(self.epoch, epochs):
                before = self._epoch(epoch, learner, tester, before)
                if self._exhausted():
                    break
        return self.metrics

    @contextmanager
    def _divergence_told(self) -> Iterator[None]:
        """Keep that training has diverged; what a ProcessModel says of it is raised as that."""
        folder = self.folder if self.ranks.first else None
        if folder is not None:
            folder.set_diverged(None)
        error: LavaEPError
        try:
            yield
            return
        except DivergedError as found:
            reason, error = str(found), found
        except ProcessFailure as failure:
            if failure.error_name != DivergedError.__name__:
                raise
            reason, error = f"epoch {self.epoch + 1}: {failure.message}", failure
        if folder is not None:
            folder.set_diverged(reason)
            if self.epoch:
                reason += f"; {folder.path} keeps what was learned up to epoch {self.epoch}"
        raise DivergedError(reason) from error

    def _epoch(
        self, epoch: int, learner: AnySession, tester: AnySession, before: Activity
    ) -> Activity:
        start = time.perf_counter()
        train_accuracy, shown = self._learn(epoch, learner)
        trained = time.perf_counter()
        counters: Activity = learner.counters()
        activity = counters - before
        if self.ranks.size > 1:
            activity = activity.over(self.ranks)
        # The old momenta are let go first, as there may not be memory for both; an interruption
        # just here leaves them in the checkpoint only.
        self.parameters = self.parameters.for_inference()
        self.parameters = learner.parameters()
        check_finite(self.parameters, epoch + 1)
        tester.set_parameters(self.parameters)
        measured: dict[str, float] = {}
        if self._validation is not None:
            measured["validation_accuracy"], shown = self._measure(tester, *self._validation)
        test_accuracy, _ = self._measure(tester, self.dataset.x_test, self.dataset.y_test)
        samples = self.epoch_batches * self.batch_size
        entry = {
            "epoch": epoch + 1,
            "train_accuracy": train_accuracy,
            "test_accuracy": test_accuracy,
            **measured,
            "temperature": fit_temperature(*shown, self.ranks.sum),
            "seconds": round(time.perf_counter() - start, 3),
            "train_seconds": round(trained - start, 3),
            **activity.metrics(samples),
        }
        self.metrics.append(entry)
        self.epoch = epoch + 1
        if self.ranks.size > 1:
            self.ranks.check_equal(parameters_digest(self.parameters))
        best = best_epoch(self.metrics, self.spec.training)
        if best is not None and best.epoch == epoch + 1:
            self.best = best.epoch, self.parameters.for_inference()
        if self.folder is not None and self.ranks.first:
            self.folder.append_metrics(entry)
            self.folder.write_checkpoint(
                epoch + 1, self.parameters, best=None if best is None else best.epoch
            )
        if self._on_epoch is not None:
            self._on_epoch(entry)
        return counters

    def samples(self, epoch: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return images and labels in the order in which an epoch, counted from 0, shows them."""
        training = self.spec.training
        order = generator(training.seed, Stream.DATA_ORDER, epoch).permutation(len(self._x))[
            : self.epoch_batches * self.batch_size
        ]
        images = self._x[order]
        if training.augmentation == "crop-and-flip":
            rng = generator(training.seed, Stream.AUGMENTATION, epoch)
            # In place, as a second copy of all images may not fit into memory.
            for start in range(0, len(images), AUGMENTED_SAMPLES):
                some = slice(start, start + AUGMENTED_SAMPLES)
                images[some] = crop_and_flip(images[some], self.dataset.image_shape, rng)
        return images, self._y[order]

    def _learn(
        self, epoch: int, learner: AnySession
    ) -> tuple[float, tuple[NDArray[Any], NDArray[np.int64]]]:
        """Return the accuracy during an epoch, and scores and labels of its last samples."""
        size, batches = self.batch_size, self.epoch_batches
        images, labels = self.samples(epoch)
        share = self.ranks.share(size)
        if self.ranks.size > 1:
            images = shares(images, size, share)
            labels = shares(labels, size, share)
            size = share.stop - share.start
        correct = 0
        latest: deque[NDArray[Any]] = deque(maxlen=-(-CALIBRATED // self.batch_size))
        for batch, scores in enumerate(learner.stream(images, labels)):
            latest.append(np.array(scores))
            shown = labels[batch * size : (batch + 1) * size]
            correct += int(np.count_nonzero(scores.argmax(axis=1) == shown))
            seen = (batch + 1) * size
            if self._on_progress is not None:
                self._on_progress(
                    Progress(
                        epoch=epoch + 1,
                        epochs=self.spec.training.epochs,
                        batch=batch + 1,
                        batches=batches,
                        samples=(batch + 1) * self.batch_size,
                        accuracy=correct / seen,
                    )
                )
        found = np.concatenate(latest)
        return self._sum(correct) / (batches * self.batch_size), (found, labels[-len(found) :])

    def _measure(
        self, tester: AnySession, images: NDArray[np.uint8], labels: NDArray[np.int64]
    ) -> tuple[float, Labelled]:
        """Return the accuracy on samples of which each rank reads a share; scores of the share."""
        share = self.ranks.share(len(images))
        own = labels[share]
        # More ranks than samples leave some without any.
        scores = tester.scores(images[share]) if len(own) else np.zeros((0, 1))
        correct = np.count_nonzero(scores.argmax(axis=1) == own)
        return self._sum(int(correct)) / len(images), (scores, own)

    def _sum(self, count: int) -> int:
        """Add a number up over all ranks."""
        return int(self.ranks.sum(np.array([count], np.int64))[0])

    def _exhausted(self) -> bool:
        return exhausted(self.metrics, self.spec.training)


def exhausted(metrics: Sequence[Mapping[str, Any]], training: TrainingSpec) -> bool:
    """Whether the accuracy that selects epochs has not improved for ``patience`` epochs."""
    patience, measure = training.patience, selection(training)
    if patience is None or measure is None or len(metrics) <= patience:
        return False
    accuracies = [entry[measure] for entry in metrics]
    return bool(max(accuracies[-patience:]) <= max(accuracies[:-patience]))


Labelled: TypeAlias = tuple[NDArray[Any], NDArray[np.int64]]
"""Images or scores, and labels."""


def _parts(
    training: TrainingSpec, dataset: Dataset
) -> tuple[NDArray[np.uint8], NDArray[np.int64], Labelled | None]:
    """Return images and labels to learn from, and those of the validation part if there is one."""
    x, y = dataset.x_train, dataset.y_train
    if not training.validation_fraction:
        return x, y, None
    learned, kept = stratified_split(y, training.validation_fraction, training.seed)
    return x[learned], y[learned], (x[kept], y[kept])


def shares(samples: NDArray[Any], batch: int, share: slice) -> NDArray[Any]:
    """Return the same samples of every batch of some that lie one after the other."""
    batches = samples.reshape(-1, batch, *samples.shape[1:])
    return batches[:, share].reshape(-1, *samples.shape[1:])


def check_finite(parameters: Parameters, epoch: int) -> None:
    """Check that training has not diverged.

    Raises
    ------
    DivergedError
        If parameters are not finite, naming the first of them.
    """
    for name, array in parameters.to_arrays().items():
        if not np.isfinite(array).all():
            raise DivergedError(
                f"epoch {epoch}: {name} holds values that are not finite, so training has "
                "diverged; lower the learning rates or network.phases.beta"
            )


def parameters_digest(parameters: Parameters) -> bytes:
    """Return a checksum of all parameters."""
    digest = hashlib.sha256()
    for array in parameters.to_arrays().values():
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
