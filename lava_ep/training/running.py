"""A Lava network under supervision that the host shows batches to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import RunConfig
from numpy.typing import ArrayLike, NDArray

from lava_ep.data.own.pixels import as_pixels
from lava_ep.errors import InputError
from lava_ep.runtime import Inbox, supervised

SEND_AHEAD = 8
"""Batches the host sends before it waits for the first result."""


class Ports(NamedTuple):
    """Ports with external pipes: batches, their labels, if any are taken, and class scores."""

    images: InPort
    labels: InPort | None
    scores: OutPort


Running = TypeVar("Running", bound="RunningNetwork")


class RunningNetwork:
    """A network that runs until the ``with`` block ends.

    Parameters
    ----------
    process
        Any Process of it.
    config
        Selects the ProcessModels.
    ports
        How the host talks to it.
    batch, classes
        Number of samples of a batch, and of classes.
    features, levels
        Values of a sample, over all its time steps, and the largest one.
    period
        Lava time steps that a batch takes.
    learning
        Whether the network learns from what it is shown.
    first_batch
        Number of batches learned from before.
    execution
        A key of `lava_ep.models.EXECUTIONS`.
    """

    def __init__(
        self,
        process: AbstractProcess,
        config: RunConfig,
        ports: Ports,
        *,
        batch: int,
        classes: int,
        features: int,
        levels: int,
        period: int,
        learning: bool,
        first_batch: int,
        execution: str,
    ) -> None:
        self.execution = execution
        self._process, self._config, self._ports = process, config, ports
        self.batch = batch
        self.period = period
        self.learning = learning
        self._classes, self._features, self._levels = classes, features, levels
        self._batches_learned = first_batch
        self._stack = ExitStack()

    def __enter__(self: Running) -> Running:
        self._run = self._stack.enter_context(
            supervised(
                self._process,
                run_cfg=self._config,
                channel_size=2,
                execution=self.execution,
            )
        )
        self._images = self._run.inbox(self._ports.images)
        self._labels = None if self._ports.labels is None else self._run.inbox(self._ports.labels)
        self._scores = self._run.outbox(self._ports.scores)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def stream(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64] | None = None
    ) -> Iterator[NDArray[Any]]:
        """Show images batch by batch and yield the class scores of each as it is read.

        Parameters
        ----------
        images
            (samples, pixels), or (samples, steps x pixels) of recordings. With learning, samples
            left over by the last full batch would change the network and are refused; without,
            they are filled up and the filling is cut off again.
        labels
            (samples,); needed with learning.

        Returns
        -------
        iterator of numpy.ndarray
            (batch, classes) each, read before the network learns from the batch.

        Raises
        ------
        InputError
            If images are not whole numbers from 0 to the network's levels in this shape, or labels
            are not classes, one for each image; nothing has been shown then.
        """
        images = as_pixels(images, self._features, self._levels, "images")
        if labels is not None:
            labels = checked_classes(labels, len(images), self._classes)
        if self.learning and (labels is None or len(images) % self.batch):
            raise InputError(
                f"{len(images)} images {'without' if labels is None else 'with'} labels: learning "
                f"needs labels and a multiple of the batch, {self.batch}"
            )
        if self._labels is not None:
            found = np.zeros(len(images), np.int64) if labels is None else labels
            labels = found.astype(self._labels.dtype)
        return self._streamed(images, labels)

    def _streamed(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64] | None
    ) -> Iterator[NDArray[Any]]:
        samples = len(images)
        batches = -(-samples // self.batch)
        self._run.start(batches * self.period)
        sent = 0
        for received in range(batches):
            while sent < min(received + SEND_AHEAD, batches):
                self._send(images, labels, sent)
                sent += 1
            scores = self._learned()
            yield scores[: samples - received * self.batch]
        self._run.wait()
        self._batches_learned += batches if self.learning else 0

    def _learned(self) -> NDArray[Any]:
        """Return the scores of the next batch, and do the host's part in learning from it."""
        return self._scores.get()

    def _send(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64] | None, number: int
    ) -> None:
        chosen = slice(number * self.batch, (number + 1) * self.batch)
        self._put(self._images, images[chosen])
        if self._labels is not None and labels is not None:
            self._put(self._labels, labels[chosen])

    def _put(self, inbox: Inbox, samples: NDArray[Any]) -> None:
        """Send a batch of checked values, with zeros for missing samples."""
        missing = self.batch - len(samples)
        if missing:
            samples = np.pad(samples, [(0, missing)] + [(0, 0)] * (samples.ndim - 1))
        inbox.put(samples)

    def poll(self) -> bool:
        """Whether the network is paused, having taken all steps asked for."""
        return self._run.poll()

    @property
    def pids(self) -> dict[str, int]:
        """Operating-system processes of the network, by the names of its Processes."""
        return self._run.pids

    def scores(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Return class scores of all images, (samples, classes); see `stream`."""
        return np.concatenate(list(self.stream(images)))


def checked_classes(labels: ArrayLike, samples: int, classes: int) -> NDArray[np.int64]:
    """Return labels as int64, having checked that each is a class.

    Parameters
    ----------
    labels : array-like, shape (samples,)
        Integers from 0 to ``classes`` - 1.
    samples, classes : int
        How many there are.

    Raises
    ------
    InputError
        If number, type or a value is another one.
    """
    found = np.asarray(labels)
    if found.shape != (samples,) or not np.issubdtype(found.dtype, np.integer):
        raise InputError(
            f"labels: {found.dtype} of shape {found.shape}: expected integers of shape "
            f"({samples},), one for each image"
        )
    wrong = np.flatnonzero((found < 0) | (found >= classes))
    if wrong.size:
        raise InputError(
            f"labels[{wrong[0]}] is {found[wrong[0]]}: expected a class from 0 to {classes - 1}"
        )
    return found.astype(np.int64)
