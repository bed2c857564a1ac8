"""Message-passing models of the image sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from numpy.typing import NDArray

from lava_ep.dynamics import Encoding
from lava_ep.models.discovery import STEPWISE, cpu_model
from lava_ep.models.message_passing.base import ScheduledModel
from lava_ep.models.messages import SummingInPort
from lava_ep.processes.source import EventSource, ImageInjector, ImageSource


class ClampedImages(ScheduledModel):
    """Show images, each until the next one."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    label_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    events: NDArray[np.int64] = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Mapping[str, Any]) -> None:
        super().__init__(proc_params)
        self._encoding: Encoding = proc_params["encoding"]
        self._batch: int = proc_params["first_batch"]
        self._period = self.clock.schedule.period(learning=self.clock.learning)

    def load(self) -> None:
        """Encode the next batch."""
        images, self.labels = self.next_batch()
        self.frames = self._encoding.frames(
            images, self._period, seed=self.clock.schedule.seed, batch=self._batch
        )
        self._batch += self.clock.learning
        free = self.clock.schedule.free_end + 1
        self.events[0] += np.count_nonzero(self.frames[:free])
        if len(self.frames) > free:
            self.events[1] += np.count_nonzero(self.frames[free:])

    def step(self) -> None:
        """Send what the pixels have to say in this step, and silence when that is all."""
        position = self.clock.position
        if position == 0:
            self.load()
        silent = position >= len(self.frames)
        self.s_out.send(np.zeros(self.s_out.shape, np.int32) if silent else self.frames[position])
        self.label_out.send(self.labels)

    def next_batch(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the images and labels to show next."""
        raise NotImplementedError(f"{type(self).__name__} must implement next_batch()")


class StoredImages(ClampedImages):
    """Walk through the stored images."""

    def __init__(self, proc_params: Mapping[str, Any]) -> None:
        super().__init__(proc_params)
        self._images: NDArray[np.integer[Any]] = proc_params["images"]
        self._all_labels: NDArray[np.integer[Any]] = proc_params["labels"]
        self._size: int = proc_params["batch"]
        self._next = 0

    def next_batch(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the next stored batch; the last one of a pass is filled up from the start."""
        end = self._next + self._size
        chosen: slice | NDArray[np.intp] = slice(self._next, end)
        if end > len(self._images):
            chosen = np.arange(self._next, end) % len(self._images)
        self._next = end if end < len(self._images) else 0
        return self._images[chosen].astype(np.int32), self._all_labels[chosen].astype(np.int32)


class SentImages(ClampedImages):
    """Wait for the host to send the next batch."""

    image_in: SummingInPort = LavaPyType(SummingInPort, np.int32)
    label_in: SummingInPort = LavaPyType(SummingInPort, np.int32)

    def next_batch(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the batch that the host has sent."""
        return self.image_in.recv(), self.label_in.recv()


@cpu_model(ImageSource, *STEPWISE)
class PyImageSourceModel(StoredImages):
    """Stored images, step by step."""


@cpu_model(EventSource, *STEPWISE)
class PyEventSourceModel(StoredImages):
    """Stored recordings, step by step."""


@cpu_model(ImageInjector, *STEPWISE)
class PyImageInjectorModel(SentImages):
    """Images from the host, step by step."""
