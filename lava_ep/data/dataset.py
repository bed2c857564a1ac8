"""The `Dataset` record: integer images with their labels, split into training and test."""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lava_ep.errors import InputError

if TYPE_CHECKING:
    from lava_ep.data.own.preprocessing import Preprocessing

ImageShape: TypeAlias = tuple[int, int] | tuple[int, int, int]
"""Height and width of an image in pixels, and its number of channels if there are several."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images as integers, split into a training and a test part.

    A pixel is an integer ``p`` in ``0..levels``; the brightness it stands for is ``p / levels``.
    Keeping the integer and its scale apart keeps every sum over pixels exact. The arrays are
    read-only, so one data set can be shared by several runs.

    Parameters
    ----------
    name : str
        Name of the data set.
    x_train, x_test : numpy.ndarray of uint8, shape (samples, features)
        One flattened image a row: its pixels in the order of height, width, channels, so that
        the rows of the image follow one another and the channels of a pixel stay together.
    y_train, y_test : numpy.ndarray of int64, shape (samples,)
        Class of each image, an index into `class_names`.
    levels : int
        Pixel value that means 1.0, from 1 to 255.
    image_shape : tuple of int
        Height and width of an image in pixels, or height, width and number of channels; their
        product is the number of features.
    class_names : tuple of str
        Name of each class, for reports.
    steps : int
        Time steps of recordings, which have one image for each, one after the other in a row of
        ``x_train`` and ``x_test``: (samples, steps x features).
    preprocessing : Preprocessing or None
        How the user's values became these pixels; None: they have been pixels.
    notes : tuple of str
        Lines that say what was decided for the user when the samples were read.

    Raises
    ------
    InputError
        If the parts do not fit together as described.
    """

    name: str
    x_train: NDArray[np.uint8] = field(repr=False)
    y_train: NDArray[np.int64] = field(repr=False)
    x_test: NDArray[np.uint8] = field(repr=False)
    y_test: NDArray[np.int64] = field(repr=False)
    levels: int
    image_shape: ImageShape
    class_names: tuple[str, ...]
    steps: int = 1
    preprocessing: Preprocessing | None = field(default=None, repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """Check every part and make the arrays read-only."""
        if not 1 <= self.levels <= 255:
            raise InputError(
                f"data set {self.name!r}: levels is {self.levels}, expected 1..255. "
                "Give the pixel value that means 1.0."
            )
        features = count_features(self.image_shape, f"data set {self.name!r}") * self.steps
        if not self.class_names:
            raise InputError(
                f"data set {self.name!r}: class_names is empty. Give one name for each class."
            )
        for part in ("train", "test"):
            self._check_part(part, features)
        for array_name in ("x_train", "y_train", "x_test", "y_test"):
            # A view: the caller's own array keeps its flags.
            array = getattr(self, array_name).view()
            array.flags.writeable = False
            object.__setattr__(self, array_name, array)

    @functools.cached_property
    def sha256(self) -> str:
        """Checksum of the samples and labels, which cannot change."""
        digest = hashlib.sha256()
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def picture(self, sample: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return what a row of ``x_train`` or ``x_test`` looks like, of `image_shape`, in [0, 1].

        The images of a recording are added up.
        """
        total = sample.reshape(self.steps, *self.image_shape).sum(axis=0) / self.levels
        picture: NDArray[np.float64] = np.minimum(total, 1.0)
        return picture

    def _check_part(self, part: str, features: int) -> None:
        """Raise InputError unless images and labels of one part are whole and fit together."""
        where = f"data set {self.name!r}"
        x, y = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
        for array_name, array, dtype, shape in (
            (f"x_{part}", x, "uint8", f"(samples, {features})"),
            (f"y_{part}", y, "int64", "(samples,)"),
        ):
            if not isinstance(array, np.ndarray) or array.dtype != dtype:
                found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
                raise InputError(
                    f"{where}: {array_name} is {found}, expected a NumPy array of {dtype}. "
                    f"Convert it with numpy.asarray({array_name}, dtype=numpy.{dtype})."
                )
            wanted = array.shape[:1] + ((features,) if dtype == "uint8" else ())
            if array.ndim == 0 or array.shape != wanted or len(array) == 0:
                raise InputError(
                    f"{where}: {array_name} has shape {array.shape}, expected {shape} "
                    f"with at least one sample, for images of shape {tuple(self.image_shape)}."
                )
        if len(x) != len(y):
            raise InputError(
                f"{where}: x_{part} has {len(x)} samples and y_{part} has {len(y)}, "
                "expected as many. Give one label for each image."
            )
        if x.max() > self.levels:
            raise InputError(
                f"{where}: x_{part} holds pixel value {x.max()}, expected 0..{self.levels} "
                f"(levels is {self.levels}). Rescale the pixels or raise levels."
            )
        wrong = np.flatnonzero((y < 0) | (y >= len(self.class_names)))
        if wrong.size:
            raise InputError(
                f"{where}: y_{part}[{wrong[0]}] is {y[wrong[0]]}, "
                f"expected a class in 0..{len(self.class_names) - 1}. Correct the labels."
            )


def count_features(image_shape: ImageShape, where: str) -> int:
    """Return the number of features of a flattened image.

    Parameters
    ----------
    image_shape : tuple of int
        Height and width of the image, or height, width and number of channels.
    where : str
        What has this shape, for the error message.

    Returns
    -------
    int
        The product of the sizes.

    Raises
    ------
    InputError
        If there are not two or three sizes of at least 1.
    """
    if len(image_shape) not in (2, 3) or min(image_shape) < 1:
        raise InputError(
            f"{where}: image_shape is {image_shape}, "
            "expected (height, width) or (height, width, channels), each at least 1. "
            "Give the shape of one image."
        )
    return math.prod(image_shape)
