"""Message-passing models of the image sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from numpy.typing import NDArray

from lava_ep.dynamics import Phase
from lava_ep.models.discovery import cpu_model
from lava_ep.models.message_passing.clock import ScheduledModel
from lava_ep.processes.source import ImageInjector, ImageSource


class ClampedImages(ScheduledModel):
    """Show images, each until the next one."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    label_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    events: NDArray[np.int64] = LavaPyType(np.ndarray, np.int64)

    def send_next_batch(self) -> None:
        """Send the pixel events and labels of a new batch."""
        images, self._labels = self.next_batch()
        self.events[0] += np.count_nonzero(images)
        self.s_out.send(images)
        self.label_out.send(self._labels)

    def step(self) -> None:
        """Send a new batch in every load step, and silence in between."""
        if self.clock.phase is Phase.LOAD:
            self.send_next_batch()
        else:
            self.s_out.send(np.zeros(self.s_out.shape, np.int32))
            self.label_out.send(self._labels)

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
        """Return the next stored batch."""
        chosen = slice(self._next, self._next + self._size)
        self._next = (self._next + self._size) % len(self._images)
        return self._images[chosen].astype(np.int32), self._all_labels[chosen].astype(np.int32)


class SentImages(ClampedImages):
    """Wait for the host to send the next batch."""

    image_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    label_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)

    def next_batch(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the batch that the host has sent."""
        return self.image_in.recv(), self.label_in.recv()


@cpu_model(ImageSource, "floating_pt", "fused_stepwise")
class PyImageSourceModel(StoredImages):
    """Stored images, step by step."""


@cpu_model(ImageInjector, "floating_pt", "fused_stepwise")
class PyImageInjectorModel(SentImages):
    """Images from the host, step by step."""
