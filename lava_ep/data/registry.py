"""Names of the data sets and the one function that loads any of them."""

from __future__ import annotations

import dataclasses
import operator
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lava_ep.data.cifar10 import load_cifar10
from lava_ep.data.dataset import Dataset
from lava_ep.data.digits import load_digits
from lava_ep.data.files import is_readable_folder
from lava_ep.data.mnist import load_mnist
from lava_ep.errors import InputError

DATASETS: Mapping[str, str] = MappingProxyType(
    {
        "digits": "handwritten digits, 8x8, 10 classes, 1437 + 360 images, bundled, no download",
        "mnist": "handwritten digits, 28x28, 10 classes, 60000 + 10000 images",
        "fashion-mnist": "photographs of clothes, 28x28, 10 classes, 60000 + 10000 images",
        "kmnist": "handwritten hiragana, 28x28, 10 classes, 60000 + 10000 images",
        "cifar10": "photographs in colour, 32x32x3, 10 classes, 50000 + 10000 images",
    }
)
"""Name of each data set and what it holds, in one line."""


def load_dataset(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    limit_train: int | None = None,
    limit_test: int | None = None,
) -> Dataset:
    """Load a data set by name.

    ``digits`` comes with scikit-learn. The other sets are read from their published files (four
    IDX files, or the batches of CIFAR-10), found in `data_dir`; without it in the folder named by
    the environment variable ``LAVA_EP_DATA``; and if they are not there, downloaded once into the
    user's cache and verified by checksum.

    Parameters
    ----------
    name : str
        A key of `DATASETS`.
    data_dir : path or None
        Folder that holds the files, itself or in a sub-folder named after the set.
    limit_train, limit_test : int or None
        Keep only the first so many training or test samples; None keeps all.

    Returns
    -------
    Dataset
        The images and labels, always in the same order.

    Raises
    ------
    InputError
        If the name is unknown, `data_dir` does not exist or lacks the set, a limit is below 1 or
        above the number of samples, a file is unusable, or a download fails.
    """
    if name not in DATASETS:
        raise InputError(f"unknown data set {name!r}: expected one of {', '.join(DATASETS)}.")
    limits = {
        "train": _checked_limit("--limit-train", limit_train),
        "test": _checked_limit("--limit-test", limit_test),
    }
    folder = None if data_dir is None else Path(data_dir).expanduser()
    if folder is not None and not is_readable_folder(folder):
        raise InputError(
            f"--data-dir {data_dir}: expected an existing, readable folder, found none there. "
            "Correct the path."
        )
    dataset = _load_whole(name, folder)
    kept: dict[str, Any] = {}
    for part, limit in limits.items():
        if limit is None:
            continue
        x, y = getattr(dataset, f"x_{part}"), getattr(dataset, f"y_{part}")
        if limit > len(x):
            raise InputError(
                f"--limit-{part} {limit}: expected at most {len(x)}, the number of {part} samples "
                f"in {name}. Give a smaller number or leave it out."
            )
        kept[f"x_{part}"], kept[f"y_{part}"] = x[:limit], y[:limit]
    return dataclasses.replace(dataset, **kept)


def _load_whole(name: str, folder: Path | None) -> Dataset:
    """Return all samples of the data set `name`."""
    if name == "digits":
        return load_digits()
    if name == "cifar10":
        return load_cifar10(folder)
    return load_mnist(name, folder)


def _checked_limit(option: str, limit: int | None) -> int | None:
    """Return `limit` as a plain int, or raise InputError if it is not an integer above 0."""
    if limit is None:
        return None
    try:
        number = operator.index(limit)
    except TypeError:
        number = 0
    if number < 1:
        raise InputError(
            f"{option} {limit!r}: expected an integer of at least 1. "
            "Give a larger number or leave it out to keep all samples."
        )
    return number
