"""Where images and labels enter a network: from memory, or from the host while it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from numpy.typing import NDArray

from lava_ep.dynamics import PhaseSchedule
from lava_ep.errors import InputError


class ImageSource(AbstractProcess):
    """Show stored images to a network, one batch after another and then from the start again.

    An image is clamped: its pixel values are sent once, as graded events, when a sample is loaded,
    and stay valid until the next one.

    Parameters
    ----------
    images
        (samples, pixels) of non-negative integers; the number of samples is a multiple of
        ``batch``.
    labels
        (samples,) integers.
    batch
        Number of images shown at the same time.
    schedule, learning
        The source's own copy of the phases, and whether samples have nudged phases.

    Attributes
    ----------
    s_out : OutPort
        Pixel events, (batch, pixels) int32, every step, non-zero only in the load step.
    label_out : OutPort
        Labels of the batch on show, (batch,) int32, every step.
    events : Var
        Number of pixel events since the start, (2,): free phases, nudged phases.

    Raises
    ------
    InputError
        If the shapes do not fit, or images or labels are not made of integers.
    """

    def __init__(
        self,
        *,
        images: NDArray[np.integer[Any]],
        labels: NDArray[np.integer[Any]],
        batch: int,
        schedule: PhaseSchedule,
        learning: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            images=images,
            labels=labels,
            batch=batch,
            schedule=schedule,
            learning=learning,
            name=name,
            **kwargs,
        )
        if images.ndim != 2 or labels.shape != images.shape[:1]:
            raise InputError(
                f"images {images.shape} and labels {labels.shape}: expected (samples, pixels) "
                "and (samples,)"
            )
        for values, what in ((images, "images"), (labels, "labels")):
            if not np.issubdtype(values.dtype, np.integer):
                raise InputError(
                    f"{what} of type {values.dtype}: expected integers (the network divides pixels "
                    "by its input_levels)"
                )
        if batch < 1 or len(images) == 0 or len(images) % batch:
            raise InputError(
                f"{len(images)} images for batch {batch}: expected a positive multiple of the batch"
            )
        if images.min() < 0:
            raise InputError(f"images hold {images.min()}: expected no negative pixels")
        self.s_out = OutPort(shape=(batch, images.shape[1]))
        self.label_out = OutPort(shape=(batch,))
        self.events = Var(shape=(2,), init=0)


class ImageInjector(AbstractProcess):
    """Show images that the host sends while the network runs.

    The host puts one batch into ``image_in`` and ``label_in`` for every sample (see
    `lava_ep.runtime.SupervisedRun.inbox`); the network waits for it.

    Parameters
    ----------
    shape
        (batch, pixels).
    schedule, learning
        The injector's own copy of the phases, and whether samples have nudged phases.
    buffer_size
        Number of batches that the host may send ahead.

    Attributes
    ----------
    image_in, label_in : InPort
        External pipes, (batch, pixels) and (batch,) int32, one message a sample.
    s_out, label_out, events
        As in `ImageSource`.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, int],
        schedule: PhaseSchedule,
        learning: bool = True,
        buffer_size: int = 8,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(shape=shape, schedule=schedule, learning=learning, name=name, **kwargs)
        self.image_in = InPort(shape=shape)
        self.label_in = InPort(shape=shape[:1])
        for port in (self.image_in, self.label_in):
            port.flag_external_pipe(buffer_size=buffer_size)
        self.s_out = OutPort(shape=shape)
        self.label_out = OutPort(shape=shape[:1])
        self.events = Var(shape=(2,), init=0)
