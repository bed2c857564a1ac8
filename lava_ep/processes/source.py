"""Where images and labels enter a network: from memory, or from the host while it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import LogConfig
from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike

from lava_ep.dynamics import Code, Encoding, PhaseSchedule
from lava_ep.errors import InputError
from lava_ep.processes.arguments import EPProcess, as_count, as_numbers, as_pair


class ImageSource(EPProcess):
    """Show stored images to a network, one batch after another and then from the start again.

    Each pass shows every image, in order. Where their number is not a multiple of the batch, the
    last batch of a pass is filled up with the first images, which are then shown twice in it; none
    is left out. The scores of a pass are therefore those of all images, followed by ``filled_up``
    repeated ones.

    An image is clamped: by default its pixel values are sent once, as graded events, when a sample
    is loaded, and stay valid until the next one. Other encodings spread it over time.

    Parameters
    ----------
    images
        (samples, pixels) of non-negative integers, or (samples, steps x pixels) of recordings.
    labels
        (samples,) integers.
    batch
        Number of images shown at the same time.
    schedule, learning
        The source's own copy of the phases, and whether samples have nudged phases.
    encoding
        How images are sent. The synapses have to be told its ``reading``.
    first_batch
        Number of batches learned from before this run; random spikes depend on it.

    Attributes
    ----------
    s_out : OutPort
        Pixel events, (batch, pixels) int32, every step; as they are, only the load step has any.
    label_out : OutPort
        Labels of the batch on show, (batch,) int32, every step.
    events : Var
        Number of pixel events since the start, (2,): free phases, nudged phases.
    batches_per_pass, filled_up : int
        Number of batches in which every image is shown, and of places in the last of them that the
        first images fill up.

    Raises
    ------
    InputError
        If an argument is unknown, the shapes do not fit, or images or labels are not made of
        integers.
    """

    def __init__(
        self,
        *,
        images: ArrayLike,
        labels: ArrayLike,
        batch: int,
        schedule: PhaseSchedule,
        learning: bool = True,
        encoding: Encoding = Encoding(),  # noqa: B008 - frozen
        first_batch: int = 0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        images, labels = as_numbers(images, "images"), as_numbers(labels, "labels")
        batch = as_count(batch, "batch")
        super().__init__(
            images=images,
            labels=labels,
            batch=batch,
            schedule=schedule,
            learning=learning,
            encoding=encoding,
            first_batch=first_batch,
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
        if images.size == 0:
            raise InputError(f"images {images.shape}: expected at least one image and one pixel")
        if images.min() < 0:
            raise InputError(f"images hold {images.min()}: expected no negative pixels")
        frames = encoding.frames_a_sample
        if images.shape[1] % frames:
            raise InputError(
                f"images {images.shape}: expected a multiple of {frames} values a sample, as many "
                "for each step of a recording"
            )
        self.s_out = OutPort(shape=(batch, images.shape[1] // frames))
        self.label_out = OutPort(shape=(batch,))
        self.events = Var(shape=(2,), init=0)
        self.batches_per_pass = -(-len(images) // batch)
        self.filled_up = self.batches_per_pass * batch - len(images)


class EventSource(ImageSource):
    """Show recordings of an event camera, as spikes at their own times.

    EP takes every difference between the free and the nudged phase for what the nudge has done, so
    the input has to be the same at the end of both. Either the events add up to a picture in the
    first time steps of the free phase, which then stays; or the recording is played over and over
    again, and synapses read each pixel by its mean rate.

    Parameters
    ----------
    recordings
        (samples, steps, pixels): numbers of events in each time step, as
        `lava_ep.data.integrated_events` or `lava_ep.data.binned_events` make them of a recording.
    labels, batch, schedule, learning, first_batch
        See `ImageSource`.
    levels
        Number of events of a pixel that means 1.0.
    repeated
        Whether recordings are played over and over again. The synapses have to be told
        ``Encoding(Code.REPEATED_EVENTS, levels, steps).reading`` then, and nothing otherwise.

    Attributes
    ----------
    s_out : OutPort
        Events, (batch, pixels) int32, every step.
    label_out, events, batches_per_pass, filled_up
        As in `ImageSource`.

    Raises
    ------
    InputError
        If an argument is unknown, the recordings do not have three axes, or as `ImageSource` does.
    """

    def __init__(
        self,
        *,
        recordings: ArrayLike,
        labels: ArrayLike,
        batch: int,
        schedule: PhaseSchedule,
        learning: bool = True,
        levels: int = 1,
        repeated: bool = False,
        first_batch: int = 0,
        name: str | None = None,
        log_config: LogConfig | None = None,
    ) -> None:
        recordings = as_numbers(recordings, "recordings")
        if recordings.ndim != 3:
            raise InputError(
                f"recordings of shape {recordings.shape}: expected (samples, steps, pixels)"
            )
        code = Code.REPEATED_EVENTS if repeated else Code.EVENTS
        steps = max(recordings.shape[1], 1)
        super().__init__(
            images=recordings.reshape(len(recordings), np.prod(recordings.shape[1:], dtype=int)),
            labels=labels,
            batch=batch,
            schedule=schedule,
            learning=learning,
            encoding=Encoding(code, levels, steps),
            first_batch=first_batch,
            name=name,
            log_config=log_config,
        )


class ImageInjector(EPProcess):
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
    encoding, first_batch
        See `ImageSource`.

    Attributes
    ----------
    image_in, label_in : InPort
        External pipes, (batch, pixels) and (batch,) int32, one message a sample; (batch, steps x
        pixels) of recordings.
    s_out, label_out, events
        As in `ImageSource`.

    Raises
    ------
    InputError
        If an argument is unknown, or ``shape`` is not that of a batch.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, int],
        schedule: PhaseSchedule,
        learning: bool = True,
        buffer_size: int = 8,
        encoding: Encoding = Encoding(),  # noqa: B008 - frozen
        first_batch: int = 0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        shape = as_pair(shape)
        super().__init__(
            shape=shape,
            schedule=schedule,
            learning=learning,
            encoding=encoding,
            first_batch=first_batch,
            name=name,
            **kwargs,
        )
        self.image_in = InPort(shape=(shape[0], shape[1] * encoding.frames_a_sample))
        self.label_in = InPort(shape=shape[:1])
        for port in (self.image_in, self.label_in):
            port.flag_external_pipe(buffer_size=buffer_size)
        self.s_out = OutPort(shape=shape)
        self.label_out = OutPort(shape=shape[:1])
        self.events = Var(shape=(2,), init=0)
