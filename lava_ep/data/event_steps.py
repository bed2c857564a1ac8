"""Events of each time step: a recording cut into slices, played in a loop, or integrated."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.events import SensorSize, checked_events, checked_size
from lava_ep.errors import InputError


def binned_events(
    events: NDArray[Any],
    sensor_size: Sequence[int],
    *,
    steps: int,
    window: tuple[int, int] | None = None,
) -> NDArray[np.int32]:
    r"""Return the events of each of a number of equal slices of time.

    An event at time :math:`t` falls into slice
    :math:`\lfloor (t - t_0)\,\text{steps} / (t_1 - t_0) \rfloor`.

    Parameters
    ----------
    events : numpy.ndarray, shape (events,)
        A recording, which may be empty; see `checked_events`.
    sensor_size : sequence of int
        Width, height and polarities, which all events fit; see `checked_size`.
    steps : int
        Number of slices.
    window : tuple of int, or None
        :math:`t_0` and :math:`t_1` in microseconds; events outside :math:`t_0 \le t < t_1` are left
        out. None: from the first event to the last, with both. Slices last equally long in all
        recordings only with a window.

    Returns
    -------
    numpy.ndarray of int32, shape (steps, features)
        Number of events in each slice; features in the order of the images of `count_maps`: height,
        width, polarity. The sum over the slices is the unclipped count map.

    Raises
    ------
    InputError
        If there is no slice, the window ends before it starts, or the events are unusable or do
        not fit the sensor.
    """
    check_number("steps", steps, 1)
    size = checked_size(sensor_size, "events")
    checked = checked_events(events, size, "events", allow_empty=True)
    return binned(checked, size, steps=steps, window=window)


def binned(
    events: NDArray[np.void],
    sensor_size: SensorSize,
    *,
    steps: int,
    window: tuple[int, int] | None,
) -> NDArray[np.int32]:
    """Return `binned_events` of events that are checked."""
    width, height, polarities = sensor_size
    features = width * height * polarities
    if window is None:
        window = (int(events["t"][0]), int(events["t"][-1]) + 1) if len(events) else (0, 1)
    try:
        start, end = map(operator.index, window)
    except (TypeError, ValueError):
        raise InputError(
            f"window={window!r}: expected two integers, start and end in microseconds."
        ) from None
    if start >= end:
        raise InputError(
            f"window={window}: expected the end above the start. Exchange the two times."
        )
    inside = events[(events["t"] >= start) & (events["t"] < end)]
    step = (inside["t"] - start) * steps // (end - start)
    place = (inside["y"].astype(np.int64) * width + inside["x"]) * polarities
    if polarities == 2:
        place += inside["p"]
    counts = np.bincount(step * features + place, minlength=steps * features)
    return counts.astype(np.int32).reshape(steps, features)


def repeated_events(
    events: NDArray[Any],
    sensor_size: Sequence[int],
    *,
    steps: int,
    period: int,
    window: tuple[int, int] | None = None,
) -> NDArray[np.int32]:
    """Return the events of each time step while a recording is played in a loop.

    Step ``t`` shows slice ``t % period`` of `binned_events`. The receiver integrates the events
    with a trace, whose time constant should be about a period or longer; once the trace has
    forgotten how it began, it is periodic, and the same in the last step of the free and of the
    nudged phase if both last whole periods. That is as static as a loop can be.

    Parameters
    ----------
    events, sensor_size, window
        As for `binned_events`.
    steps : int
        Number of time steps: those of both phases, since the loop goes on in the nudged phase.
    period : int
        Time steps in which the recording is played once.

    Returns
    -------
    numpy.ndarray of int32, shape (steps, features)
        Number of events in each time step. Any `period` of them add up to the unclipped count map.

    Raises
    ------
    InputError
        If `steps` or `period` is below 1, or the window ends before it starts.
    """
    check_number("steps", steps, 1)
    check_number("period", period, 1)
    bins = binned_events(events, sensor_size, steps=period, window=window)
    looped: NDArray[np.int32] = bins[np.arange(steps) % period]
    return looped


def integrated_events(
    events: NDArray[Any],
    sensor_size: Sequence[int],
    *,
    steps: int,
    build_steps: int,
    levels: int,
    window: tuple[int, int] | None = None,
) -> NDArray[np.int32]:
    """Return the events of each time step while a recording is integrated and then held.

    The recording is played once in the first `build_steps` steps. Each event adds 1/`levels` to its
    pixel at the receiver, until the pixel is full; later events of a full pixel are not sent. From
    then on nothing is sent and the picture stays, through the rest of the free phase, which must
    be long enough to settle, and through the nudged phase: both phases end with the same input.

    Parameters
    ----------
    events, sensor_size, window
        As for `binned_events`.
    steps : int
        Number of time steps.
    build_steps : int
        Time steps in which the picture builds up, at most `steps`.
    levels : int
        Number of events that means 1.0.

    Returns
    -------
    numpy.ndarray of int32, shape (steps, features)
        Number of events to be added in each time step. Their sum is exactly the `count_map` of the
        events in the window.

    Raises
    ------
    InputError
        If a number is out of range, or the window ends before it starts.
    """
    check_number("steps", steps, 1)
    check_number("build_steps", build_steps, 1, steps)
    check_number("levels", levels, 1, 255)
    bins = binned_events(events, sensor_size, steps=build_steps, window=window)
    sent = np.zeros((steps, bins.shape[1]), np.int32)
    sent[:build_steps] = integrated(bins, levels)
    return sent


def integrated(bins: NDArray[np.int32], levels: int) -> NDArray[np.int32]:
    """Return the events of each time step without those of full pixels."""
    full = np.minimum(np.cumsum(bins, axis=0), levels)
    sent: NDArray[np.int32] = np.diff(full, axis=0, prepend=0).astype(np.int32)
    return sent


def check_number(name: str, value: int, low: int, high: int | None = None) -> None:
    """Raise InputError unless `value` is an integer in ``low..high``."""
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if number < low or (high is not None and number > high):
        upper = f"of at least {low}" if high is None else f"in {low}..{high}"
        raise InputError(f"{name}={value!r}: expected an integer {upper}.")
