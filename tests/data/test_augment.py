"""Cropping and mirroring: against a plain transcription with a padded image, and its statistics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_ep.data import augment, crop_and_flip
from lava_ep.errors import InputError

SHAPES = [(5, 4), (4, 5, 1), (3, 6, 3), (1, 1), (32, 32, 3)]


def random_images(image_shape, samples=7):
    size = (samples, int(np.prod(image_shape)))
    return np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)


def crops_of(image, padding):
    """Return the bytes of every crop of the padded image, and of its mirror image, in turn."""
    height, width = image.shape[:2]
    sides = ((padding, padding), (padding, padding)) + ((0, 0),) * (image.ndim - 2)
    padded = np.pad(image, sides, mode="edge")
    crops = []
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            crop = padded[top : top + height, left : left + width]
            crops += [crop.tobytes(), crop[:, ::-1].tobytes()]
    return crops


@given(
    image_shape=st.sampled_from(SHAPES),
    padding=st.integers(0, 5),
    samples=st.integers(0, 4),
    seed=st.integers(0, 2**32),
)
def test_each_image_becomes_one_of_its_crops(image_shape, padding, samples, seed):
    images = random_images(image_shape, samples)
    before = images.copy()
    images.flags.writeable = False
    made = crop_and_flip(images, image_shape, np.random.default_rng(seed), padding=padding)
    assert (made.dtype, made.shape) == (np.uint8, images.shape)
    assert not np.shares_memory(made, images)
    np.testing.assert_array_equal(images, before)
    for image, new in zip(images, made, strict=True):
        assert new.tobytes() in crops_of(image.reshape(image_shape), padding)


def test_every_crop_is_as_likely_as_any_other():
    padding, samples = 2, 20_000
    image = np.arange(7 * 7 * 3, dtype=np.uint8)
    crops = crops_of(image.reshape(7, 7, 3), padding)
    assert len(set(crops)) == len(crops) == 50
    images = np.tile(image, (samples, 1))
    made = crop_and_flip(images, (7, 7, 3), np.random.default_rng(3), padding=padding)
    found = [crops.index(new.tobytes()) for new in made]
    counts = np.bincount(found, minlength=len(crops))
    expected = samples / len(crops)
    # Chi-squared with 49 degrees of freedom: 95 is passed once in ten thousand cases.
    assert ((counts - expected) ** 2 / expected).sum() < 95


def test_padding_is_four_unless_told():
    images = random_images((32, 32, 3))
    default = crop_and_flip(images, (32, 32, 3), np.random.default_rng(0))
    four = crop_and_flip(images, (32, 32, 3), np.random.default_rng(0), padding=4)
    np.testing.assert_array_equal(default, four)


def test_generator_alone_decides(monkeypatch):
    images = random_images((5, 4, 3), samples=50)
    made = crop_and_flip(images, (5, 4, 3), np.random.default_rng(7))
    monkeypatch.setattr(augment, "CHUNK_SAMPLES", 3)
    again = crop_and_flip(images, (5, 4, 3), np.random.default_rng(7))
    np.testing.assert_array_equal(made, again)
    other = crop_and_flip(images, (5, 4, 3), np.random.default_rng(8))
    assert not np.array_equal(made, other)


def test_images_need_not_lie_together_in_memory():
    images = random_images((5, 4, 3), samples=20)
    made = crop_and_flip(images[::2], (5, 4, 3), np.random.default_rng(7))
    copied = crop_and_flip(images[::2].copy(), (5, 4, 3), np.random.default_rng(7))
    np.testing.assert_array_equal(made, copied)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((2, 6))}, "images is an array of float64 .* expected uint8"),
        ({"images": np.zeros((2, 5), np.uint8)}, r"shape \(2, 5\), expected .* \(samples, 6\)"),
        ({"images": np.zeros((2, 2, 3), np.uint8)}, r"shape \(2, 2, 3\), expected"),
        ({"image_shape": (6,)}, r"image_shape is \(6,\), expected \(height, width\) or"),
        ({"image_shape": (3, 2, 0)}, r"image_shape is \(3, 2, 0\), expected"),
        ({"padding": -1}, "padding is -1, expected an integer of at least 0"),
        ({"padding": 1.5}, "padding is 1.5, expected an integer of at least 0"),
    ],
)
def test_unfit_arguments_are_refused(changes, message):
    arguments = {"images": np.zeros((2, 6), np.uint8), "image_shape": (3, 2), "padding": 1}
    with pytest.raises(InputError, match=message):
        crop_and_flip(**arguments | changes, rng=np.random.default_rng(0))
