"""Images as spikes: what is sent adds up to, or averages to, the image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_ep.dynamics import Code, Encoding, Latency, Rate
from lava_ep.errors import InputError


def test_constant_pixels_are_sent_once():
    images = np.array([[0, 3], [5, 1]], np.uint8)
    encoding = Encoding(levels=5)
    frames = encoding.frames(images, 20)
    assert frames.dtype == np.int32
    np.testing.assert_array_equal(frames, images[None])
    assert encoding.reading is None
    assert (encoding.input_levels, encoding.frames_a_sample, encoding.messages(20)) == (5, 1, 1)


@given(levels=st.integers(1, 255), steps=st.integers(1, 40))
def test_latencies_tell_values_to_the_nearest_step(levels, steps):
    encoding = Encoding(Code.LATENCY, levels, steps)
    pixels = np.arange(levels + 1)[None]
    frames = encoding.frames(pixels, 60)
    assert len(frames) == steps
    spikes = frames[:, 0].sum(axis=0)
    np.testing.assert_array_equal(spikes, pixels[0] > 0)
    reading = encoding.reading
    assert reading == Latency(levels, steps)
    times = frames[:, 0].argmax(axis=0)
    decoded = np.array([reading.value(step) for step in times]) * spikes
    assert np.abs(decoded - pixels[0]).max() <= levels / steps + 0.5
    # The brighter, the earlier.
    assert (np.diff(times[1:]) <= 0).all()


def test_random_spikes_have_the_rate_of_the_pixels_and_depend_on_nothing_else_shown():
    images = np.array([[0, 64, 255, 128]] * 2 + [[255, 0, 1, 254]], np.uint8)
    encoding = Encoding("rate", 255)
    assert encoding.reading == Rate()
    assert encoding.messages(30) == 30
    frames = encoding.frames(images, 4000, seed=3, batch=7)
    assert set(np.unique(frames)) == {0, 1}
    np.testing.assert_allclose(frames.mean(axis=0), images / 255, atol=0.03)
    assert not frames[:, 0, 0].any() and frames[:, 0, 2].all()
    alone = encoding.frames(images[2:], 4000, seed=3, batch=7)
    np.testing.assert_array_equal(alone[:, 0], frames[:, 2])
    for other in ({"seed": 4, "batch": 7}, {"seed": 3, "batch": 8}):
        assert not np.array_equal(encoding.frames(images, 4000, **other), frames)


def test_recordings_are_played_once_or_over_and_over_again():
    recordings = np.arange(2 * 3 * 4).reshape(2, 12)
    once = Encoding(Code.EVENTS, 9, 3)
    assert (once.reading, once.input_levels, once.frames_a_sample) == (None, 9, 3)
    frames = once.frames(recordings, 8)
    assert frames.shape == (3, 2, 4)
    np.testing.assert_array_equal(frames[1, 0], [4, 5, 6, 7])
    again = Encoding(Code.REPEATED_EVENTS, 9, 3)
    assert (again.reading, again.input_levels, again.messages(8)) == (Rate(), 1, 8)
    repeated = again.frames(recordings, 8)
    np.testing.assert_array_equal(repeated, frames[np.arange(8) % 3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"code": "morse"}, "code='morse': expected one of constant, latency, rate"),
        ({"code": "latency", "steps": 0}, "steps=0: expected a whole number of at least 1"),
        ({"code": "latency", "steps": 1.5}, "steps=1.5"),
        ({"code": "rate", "steps": 4}, "steps=4 with code rate: expected 1"),
        ({"steps": 2}, "steps=2 with code constant"),
    ],
)
def test_bad_encodings_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        Encoding(**options)
