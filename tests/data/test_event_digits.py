"""The simulated event camera, and the data set that it sees."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lava_ep.data import EVENT, camera_events, count_maps, load_events, moving_digit
from lava_ep.data.event_digits import (
    FRAME_MICROSECONDS,
    SENSOR_SIZE,
    THRESHOLD,
    load_event_digits,
)
from lava_ep.errors import InputError

FIRST_SHA256 = "4e31c5254813b49f17eeaea218c224463b8a974c653b579b10e21c825cf156d0"


@pytest.fixture(scope="module")
def digits():
    return load_event_digits()


def reconstruct(events, light, times, threshold):
    """Return the log intensity at each frame that the events up to it amount to."""
    seen = np.repeat(light[:1], len(times), axis=0)
    for event in events:
        seen[times >= event["t"], event["y"], event["x"]] += threshold * (2 * event["p"] - 1)
    return seen


@st.composite
def scenes(draw):
    frames = draw(st.integers(1, 6))
    light = draw(arrays.arrays(np.int64, (frames, 2, 3), elements=st.integers(-500, 500)))
    gaps = draw(st.lists(st.integers(1, 400), min_size=frames, max_size=frames))
    return light, np.cumsum(gaps), draw(st.integers(1, 120))


@given(scenes())
def test_events_tell_the_log_intensity_to_within_a_threshold(scene):
    light, times, threshold = scene
    events = camera_events(light, times, threshold=threshold)
    assert (np.abs(reconstruct(events, light, times, threshold) - light) < threshold).all()


@given(scenes())
def test_no_event_is_sent_in_vain(scene):
    """Compare with the definition, pixel by pixel and event by event."""
    light, times, threshold = scene
    expected = []
    for y, x in np.ndindex(light.shape[1:]):
        level = light[0, y, x]
        for frame in range(len(times) - 1):
            a, b = light[frame : frame + 2, y, x]
            sign = 1 if b > a else -1
            while sign * (b - level) >= threshold:
                level += sign * threshold
                span = times[frame + 1] - times[frame]
                t = times[frame] + -(-abs(level - a) * span // abs(b - a))
                expected.append((t, x, y, sign > 0))
    events = camera_events(light, times, threshold=threshold)
    assert sorted((e["t"], e["x"], e["y"], e["p"]) for e in events) == sorted(expected)
    assert (np.diff(events["t"]) >= 0).all()
    assert events.dtype == EVENT


def test_events_lie_between_frames_in_proportion():
    light = np.array([[[0]], [[1000]], [[400]]])
    events = camera_events(light, np.array([0, 100, 400]), threshold=250)
    assert events["t"].tolist() == [25, 50, 75, 100, 225, 350]
    assert events["p"].tolist() == [True] * 4 + [False] * 2


@pytest.mark.parametrize(
    ("light", "times", "threshold", "message"),
    [
        (np.zeros((2, 3), int), [0, 1], 1, "expected .frames, height, width."),
        (np.zeros((2, 1, 1), int), [0, 1, 2], 1, "one time a frame"),
        (np.zeros((2, 1, 1), int), [1, 1], 1, "a rising time"),
        (np.zeros((2, 1, 1), int), [0, 1], 0, "threshold=0"),
        (np.zeros((2, 1, 1)), [0, 1], 1, "float64"),
    ],
)
def test_what_the_camera_refuses(light, times, threshold, message):
    with pytest.raises(InputError, match=message):
        camera_events(light, np.array(times), threshold=threshold)


@pytest.mark.parametrize("threshold", [250.5, True, "1"])
def test_thresholds_are_whole_numbers(threshold):
    with pytest.raises(InputError, match="expected integers"):
        camera_events([[[0]], [[1000]]], [0, 100], threshold=threshold)
    assert camera_events([[[0]], [[1000]]], [0, 100], threshold=250)["t"].tolist() == [
        25,
        50,
        75,
        100,
    ]


@pytest.mark.parametrize(
    "pixels", [np.full(64, 17), np.full(64, -1), np.full(64, 0.5), np.zeros(63, int)]
)
def test_digits_that_are_none(pixels):
    with pytest.raises(InputError, match=r"expected .*integers from 0 to 16"):
        moving_digit(pixels, np.random.default_rng(0))


def test_recordings_do_not_depend_on_what_is_loaded(digits):
    few = load_events("event-digits", limit_train=5, limit_test=2)
    for index in (4, 0):
        np.testing.assert_array_equal(few.train[index][0], digits.train[index][0])
    np.testing.assert_array_equal(few.test[1][0], digits.test[1][0])
    again = load_event_digits()
    assert again.train[7][0].tobytes() == digits.train[7][0].tobytes()
    assert digits.train[7][0].tobytes() != digits.test[7][0].tobytes()


def test_recordings_are_the_same_on_every_machine(digits):
    sha256 = hashlib.sha256()
    for index in range(20):
        sha256.update(digits.train[index][0].tobytes())
    assert sha256.hexdigest() == FIRST_SHA256


def test_the_eye_is_unsteady_only_by_its_seed():
    pixels = np.arange(64, dtype=np.uint8) % 17
    first, second, other = (moving_digit(pixels, np.random.default_rng(s))[0] for s in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    np.testing.assert_array_equal(first[0], first[-1])  # back to where it was


def test_split_and_sizes(digits):
    assert (len(digits.train), len(digits.test)) == (1437, 360)
    assert digits.sensor_size == SENSOR_SIZE == (16, 16, 2)
    assert str(digits) == "event-digits: 1437 + 360 recordings, 16 x 16 pixels, 2 polarities"
    events, label = digits.train[3]
    assert label == digits.train.labels[3]
    assert 500 < len(events) < 5000
    assert 0 < events["t"][0] < events["t"][-1] <= 60 * FRAME_MICROSECONDS


def test_what_was_seen_can_be_reconstructed(digits):
    from lava_ep.data import load_dataset
    from lava_ep.data.event_digits import SEED

    seed = np.random.SeedSequence(SEED, spawn_key=(1, 9))
    image = load_dataset("digits").x_test[9]
    light, times = moving_digit(image, np.random.default_rng(seed))
    seen = reconstruct(digits.test[9][0], light, times, THRESHOLD)
    assert np.abs(seen - light).max() < THRESHOLD


def test_digits_can_be_told_from_their_events(digits):
    from sklearn.linear_model import LogisticRegression

    maps = count_maps(digits)
    assert (maps.image_shape, maps.levels) == ((16, 16, 2), 4)
    classifier = LogisticRegression(max_iter=500).fit(maps.x_train / maps.levels, maps.y_train)
    assert classifier.score(maps.x_test / maps.levels, maps.y_test) > 0.94
