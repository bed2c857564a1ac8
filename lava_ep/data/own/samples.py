"""Samples as a user's file holds them, before they become pixels and classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from lava_ep.data.dataset import ImageShape


@dataclass(frozen=True, eq=False)
class RawPart:
    """Samples of one part of a file: all, those for training, or those for testing.

    Parameters
    ----------
    x : numpy.ndarray, shape (samples, features)
        Values of type bool, integer or float; NaN where a table has none. Images are flattened in
        the order of height, width, channels.
    y : numpy.ndarray, shape (samples,), or None
        Labels of type str, integer or bool, as the file has them; None where there are none.
    names : tuple of str
        What identifies each sample to the user, such as its file name; empty: its number.
    """

    x: NDArray[Any] = field(repr=False)
    y: NDArray[Any] | None = field(default=None, repr=False)
    names: tuple[str, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class RawData:
    """Content of a user's file or folder.

    Parameters
    ----------
    source : str
        The file or folder, for messages.
    train, test : RawPart or None
        The samples. A file that makes no difference between them has ``train`` only.
    image_shape : tuple of int or None
        Height, width and, if there are several, channels; None for a table of features.
    feature_names : tuple of str
        Names of the columns of a table; empty where they have none.
    label_name : str or None
        Name of the column of a table that holds the labels.
    full_scale : int or None
        Value that means 1.0, where the type of the values says so (255 for pictures of bytes);
        None: features are scaled by their ranges in the training part.
    """

    source: str
    train: RawPart | None
    test: RawPart | None = None
    image_shape: ImageShape | None = None
    feature_names: tuple[str, ...] = ()
    label_name: str | None = None
    full_scale: int | None = None

    def parts(self) -> Iterator[RawPart]:
        """Yield the parts that are there."""
        yield from (part for part in (self.train, self.test) if part is not None)
