"""A simulated event camera, and the handwritten digits that move in front of it."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.digits import LEVELS, load_digits
from lava_ep.data.events import EVENT, EventDataset, Recordings, SensorSize
from lava_ep.data.sources import register_dataset
from lava_ep.errors import InputError
from lava_ep.spec import EventsSpec

NAME = "event-digits"
"""Name of the data set."""

SEED = 0
"""Seed of the eye's unsteadiness."""

SENSOR_SIZE: SensorSize = (16, 16, 2)
"""Width, height and polarities of the camera."""

UNITS = 1000
"""Units of log intensity in a factor of e. Integers keep recordings the same on any machine."""

THRESHOLD = 200
"""Change of log intensity, in these units, that makes an event: a contrast of 22 %."""

BACKGROUND = 0.3
"""Intensity of the background, where that of a full stroke is 1 more."""

GRAY_LEVELS = 4095
"""Steps of the intensity between the background and a full stroke."""

ZOOM = (3, 2)
"""Camera pixels in a pixel of a digit, as numerator and denominator."""

SUBPIXELS = 64
"""Steps of a position in a camera pixel."""

CORNERS = ((-128, -128), (128, 0), (-128, 128), (-128, -128))
"""Rows and columns, in subpixels, between which the three saccades go: a triangle."""

UNSTEADINESS = 8
"""Largest deviation of a corner in each direction, in subpixels."""

FRAMES = 20
"""Simulated frames in a saccade."""

FRAME_MICROSECONDS = 5000
"""Time between two frames: a saccade takes 100 ms, as in N-MNIST."""


def camera_events(
    log_intensity: NDArray[Any], times: NDArray[Any], *, threshold: int
) -> NDArray[np.void]:
    r"""Return the events that a camera sends while it sees a sequence of frames.

    Each pixel remembers the log intensity :math:`R`, which is :math:`L` of the first frame to begin
    with. Whenever :math:`L \ge R + \theta` it sends an event of polarity 1 and :math:`R` grows by
    :math:`\theta`; whenever :math:`L \le R - \theta`, an event of polarity 0, and :math:`R` falls
    by :math:`\theta`; a large change makes several events. Between frames :math:`L` is linear in
    time, and an event has the first microsecond at which its level is reached. So
    :math:`|L - R| < \theta` at every frame. Pixels are free of noise and of refractory time.

    Parameters
    ----------
    log_intensity : array-like of int, shape (frames, height, width)
        :math:`L` in any unit.
    times : array-like of int, shape (frames,)
        Time of each frame in microseconds, rising.
    threshold : int
        :math:`\theta` in the unit of the log intensity.

    Returns
    -------
    numpy.ndarray of `EVENT`, shape (events,)
        The events in the order of their times.

    Raises
    ------
    InputError
        If frames and times do not fit together, the times do not rise, or the threshold is below 1.

    References
    ----------
    P. Lichtsteiner, C. Posch, T. Delbruck, "A 128x128 120 dB 15 µs latency asynchronous temporal
    contrast vision sensor", IEEE J. Solid-State Circuits 43(2), 2008; interpolation in time as in
    H. Rebecq, D. Gehrig, D. Scaramuzza, "ESIM: an open event camera simulator", CoRL 2018.
    """
    light = np.asarray(log_intensity)
    times = np.asarray(times)
    if light.ndim != 3 or times.shape != light.shape[:1] or not (np.diff(times) > 0).all():
        raise InputError(
            f"log_intensity has shape {light.shape} and times {times.shape}: expected (frames, "
            "height, width) and a rising time for each frame. Give one time a frame."
        )
    if (
        np.asarray(threshold).dtype.kind not in "iu"
        or threshold < 1
        or light.dtype.kind not in "iu"
        or times.dtype.kind not in "iu"
    ):
        raise InputError(
            f"threshold={threshold} with {light.dtype} and {times.dtype}: expected integers, the "
            "threshold at least 1. Scale the log intensity and round it."
        )
    change = light.astype(np.int64) - light[0]
    # R - L(0), in thresholds: it stays between the two multiples on either side of L - L(0).
    below, rest = np.divmod(change, threshold)
    above = below + (rest > 0)
    level = np.zeros_like(change)
    for now in range(1, len(light)):
        np.maximum(level[now - 1], below[now], out=level[now])
        np.minimum(level[now], above[now], out=level[now])
    crossed = np.diff(level, axis=0)
    frame, y, x = np.nonzero(crossed)
    number = np.abs(crossed[frame, y, x])
    # One row an event: the how-manieth of its pixel since the last frame, from 1 on.
    row = np.repeat(np.arange(len(number)), number)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(number) - number, number) + 1
    frame, y, x = frame[row], y[row], x[row]
    sign = np.sign(crossed[frame, y, x])
    way = (level[frame, y, x] + sign * nth) * threshold - change[frame, y, x]
    whole = change[frame + 1, y, x] - change[frame, y, x]
    start, span = times[frame], np.diff(times)[frame]
    events = np.empty(len(row), EVENT)
    events["x"], events["y"], events["p"] = x, y, sign > 0
    events["t"] = start - (-np.abs(way) * span // np.abs(whole))
    ordered: NDArray[np.void] = events[np.argsort(events["t"], kind="stable")]
    return ordered


def moving_digit(
    pixels: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what the camera sees of a digit during three saccades.

    The digit is magnified by bilinear interpolation and moves along a triangle back to where it
    started, at constant speed between corners that differ a little from recording to recording.

    Parameters
    ----------
    pixels : numpy.ndarray of uint8, shape (64,)
        A digit of 8 x 8 pixels, integers from 0 to 16.
    rng : numpy.random.Generator
        Source of the unsteadiness; its state alone decides it.

    Returns
    -------
    log_intensity : numpy.ndarray of int64, shape (61, 16, 16)
        Log intensity of each frame, in thousandths.
    times : numpy.ndarray of int64, shape (61,)
        Time of each frame in microseconds.

    Raises
    ------
    InputError
        If the pixels are no digit of this kind.

    References
    ----------
    G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor, "Converting static image datasets to spiking
    neuromorphic datasets using saccades", Frontiers in Neuroscience 9:437, 2015.
    """
    pixels = np.asarray(pixels)
    if pixels.size != 64 or pixels.dtype.kind not in "iu" or pixels.min() < 0:
        raise InputError(
            f"pixels of type {pixels.dtype} and shape {pixels.shape}: expected 64 integers from 0 "
            f"to {LEVELS}."
        )
    if pixels.max() > LEVELS:
        raise InputError(
            f"pixels up to {pixels.max()}: expected integers from 0 to {LEVELS}. Scale them."
        )
    corners = np.array(CORNERS)
    corners[:3] += rng.integers(-UNSTEADINESS, UNSTEADINESS, (3, 2), endpoint=True)
    corners[3] = corners[0]
    along = np.arange(FRAMES)[:, np.newaxis]
    legs = [a + (b - a) * along // FRAMES for a, b in itertools.pairwise(corners)]
    positions = np.concatenate([*legs, corners[3:]])
    rows, columns = (_interpolation(positions[:, axis]) for axis in (0, 1))
    # Integers below 2**24 all through: exact in float32, in whatever order they are added.
    digit = pixels.reshape(8, 8).astype(np.float32)
    intensity = (rows @ digit @ columns.transpose(0, 2, 1)).astype(np.int64)
    gray = intensity * GRAY_LEVELS // (LEVELS * _unit() ** 2)
    return _log_table()[gray], np.arange(len(positions)) * FRAME_MICROSECONDS


def _unit() -> int:
    """Return the steps of a position in a pixel of a digit; twice, as centres lie at halves."""
    return 2 * SUBPIXELS * ZOOM[0]


def _interpolation(positions: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the weights, times `_unit`, of a digit's 8 rows or columns for the 16 of the camera.

    The shape is (positions, 16, 8).
    """
    size, unit = SENSOR_SIZE[0], _unit()
    places = 2 * SUBPIXELS * np.arange(size) - SUBPIXELS * (size - 1)
    onto = ZOOM[1] * (places - 2 * positions[:, np.newaxis]) + unit * 7 // 2
    distance = np.abs(onto[:, :, np.newaxis] - unit * np.arange(8))
    overlaps: NDArray[np.float32] = np.maximum(unit - distance, 0).astype(np.float32)
    return overlaps


@functools.cache
def _log_table() -> NDArray[np.int64]:
    """Return the log intensity of each gray level."""
    intensity = BACKGROUND + np.arange(GRAY_LEVELS + 1) / GRAY_LEVELS
    table: NDArray[np.int64] = np.rint(UNITS * np.log(intensity)).astype(np.int64)
    return table


@register_dataset(
    "event-digits",
    "events of moving digits, 16x16x2, 10 classes, 1437 + 360 recordings, simulated, no download",
    events=True,
)
def load_event_digits() -> EventDataset:
    """Return recordings of the digits of `lava_ep.data.digits`, with the same split and order.

    A recording is simulated when it is read, from a random stream of its own, so that it does not
    depend on which others are read.

    Returns
    -------
    EventDataset
        1437 + 360 recordings of 0.3 s.
    """
    digits = load_digits()

    def part(number: int, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Recordings:
        def read(index: int) -> NDArray[np.void]:
            seed = np.random.SeedSequence(SEED, spawn_key=(number, index))
            light, times = moving_digit(images[index], np.random.default_rng(seed))
            return camera_events(light, times, threshold=THRESHOLD)

        def where(index: int) -> str:
            return f"{NAME}: {('training', 'test')[number]} recording {index}"

        return Recordings(labels, read, SENSOR_SIZE, where)

    return EventDataset(
        name=NAME,
        train=part(0, digits.x_train, digits.y_train),
        test=part(1, digits.x_test, digits.y_test),
        sensor_size=SENSOR_SIZE,
        class_names=digits.class_names,
        # The first saccade: over the way there and back, both polarities count the same.
        defaults=EventsSpec(window=(0, 100_000), levels=4),
        fingerprint=f"seed {SEED}",
    )
