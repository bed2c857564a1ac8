"""The `Dataset` record refuses parts that do not fit together."""

import dataclasses

import numpy as np
import pytest

from lava_ep.data import Dataset
from lava_ep.errors import InputError


def parts(**changes):
    """Return valid arguments of `Dataset`, with `changes`."""
    return {
        "name": "toy",
        "x_train": np.arange(12, dtype=np.uint8).reshape(2, 6),
        "y_train": np.array([0, 1]),
        "x_test": np.zeros((1, 6), np.uint8),
        "y_test": np.array([1]),
        "levels": 16,
        "image_shape": (2, 3),
        "class_names": ("no", "yes"),
    } | changes


def test_valid_parts_are_kept_and_read_only():
    arguments = parts()
    dataset = Dataset(**arguments)
    np.testing.assert_array_equal(dataset.x_train, arguments["x_train"])
    with pytest.raises(ValueError, match="read-only"):
        dataset.x_train[0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset.levels = 1
    arguments["x_train"][0, 0] = 1  # the caller's own array stays writable


@pytest.mark.parametrize("image_shape", [(2, 3), (1, 2, 3), (6, 1, 1)])
def test_image_shape_with_and_without_channels(image_shape):
    assert Dataset(**parts(image_shape=image_shape)).image_shape == image_shape


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"levels": 0}, "levels is 0, expected 1..255"),
        ({"levels": 256}, "levels is 256, expected 1..255"),
        ({"levels": 10}, "x_train holds pixel value 11, expected 0..10"),
        ({"image_shape": (6,)}, "image_shape is"),
        ({"image_shape": (6, 0)}, "image_shape is"),
        ({"image_shape": ()}, "image_shape is"),
        ({"image_shape": (6, 1, 0)}, r"image_shape is \(6, 1, 0\), expected \(height, width\) or"),
        ({"image_shape": (6, 1, 1, 1)}, "image_shape is"),
        ({"image_shape": (2, 3, 3)}, r"x_train has shape \(2, 6\), expected \(samples, 18\)"),
        ({"image_shape": (3, 3)}, r"x_train has shape \(2, 6\), expected \(samples, 9\)"),
        ({"class_names": ()}, "class_names is empty"),
        ({"class_names": ("one",)}, r"y_train\[1\] is 1, expected a class in 0..0"),
        ({"y_test": np.array([-1])}, r"y_test\[0\] is -1, expected a class in 0..1"),
        ({"y_test": np.array([1, 1])}, "x_test has 1 samples and y_test has 2"),
        ({"y_test": np.array([[1]])}, r"y_test has shape \(1, 1\)"),
        ({"y_test": np.array(1)}, r"y_test has shape \(\)"),
        ({"y_test": np.array([1], np.uint8)}, "y_test is uint8, expected .* int64"),
        ({"x_test": np.zeros((1, 6))}, "x_test is float64, expected .* uint8"),
        ({"x_test": [[0] * 6]}, "x_test is list, expected"),
        ({"x_test": np.zeros((0, 6), np.uint8)}, "at least one sample"),
        ({"x_test": np.zeros((1, 5), np.uint8)}, r"x_test has shape \(1, 5\)"),
        ({"x_test": np.zeros((1, 2, 3), np.uint8)}, r"x_test has shape \(1, 2, 3\)"),
    ],
)
def test_unfit_parts_are_refused(changes, message):
    with pytest.raises(InputError, match=message) as caught:
        Dataset(**parts(**changes))
    assert "toy" in str(caught.value)
