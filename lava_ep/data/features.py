"""Features that another program has extracted, in a NumPy file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.dataset import Dataset
from lava_ep.data.files import Files, Layout, locate
from lava_ep.data.own.arrays import opened, refuse_not_finite
from lava_ep.data.own.preprocessing import Preprocessing
from lava_ep.data.sources import register_dataset
from lava_ep.errors import InputError

PREFIX = "features:"
"""How the names of these data sets begin; the name of the file without ``.npz`` follows."""

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
"""What the file holds."""

LEVELS = 255

MOST_CLASSES = 10_000
"""Labels beyond are taken for a mistake, such as numbers that identify classes elsewhere."""


@register_dataset(
    f"{PREFIX}NAME", "features that NAME.npz holds as x_train, y_train, x_test, y_test"
)
def load_features(name: str, data_dir: Path | None) -> Dataset:
    """Load ``NAME.npz`` with features such as those of a convolutional network.

    The file has the arrays ``x_train`` and ``x_test``, (samples, features), and ``y_train`` and
    ``y_test``, (samples,) classes from 0 on. Features of uint8 are taken as they are; others are
    spread over 0 to 255, each between its least and its largest value in the training set, and cut
    off there in the test set. Nothing in the file is executed.

    Parameters
    ----------
    name : str
        ``features:NAME``.
    data_dir : pathlib.Path or None
        Folder that holds the file; without it the one that ``LAVA_EP_DATA`` names.

    Raises
    ------
    InputError
        If there is no such file, or it does not hold what is told above.
    """
    stem = name.removeprefix(PREFIX)
    file = f"{stem}.npz"
    if not stem or Path(file).name != file:
        raise InputError(
            f"data set {name!r}: expected the name of a file without .npz after {PREFIX}, such as "
            f"{PREFIX}cifar10tl."
        )

    def search(root: Path) -> Files | None:
        path = root / file
        return Files(Layout(file, ((file,),)), (path,)) if path.is_file() else None

    def download(searched: str) -> Files:
        raise InputError(
            f"{name}: no file {file}: expected it in --data-dir, or in {searched}. It holds "
            f"{', '.join(ARRAYS)} (numpy.savez); features are not downloaded."
        )

    files = locate(
        name,
        data_dir,
        search=search,
        download=download,
        expected=file,
        way_out="Put it there, or correct the name or the folder; features are not downloaded.",
    )
    (path,) = files.paths
    x_train, y_train, x_test, y_test = _read(path)
    classes = tuple(range(int(y_train.max()) + 1))
    preprocessing = Preprocessing(
        classes=classes, levels=LEVELS, features=x_train.shape[1], image_shape=(1, x_train.shape[1])
    )
    if x_train.dtype != np.uint8:
        low, high = (x.astype(np.float64) for x in (x_train.min(axis=0), x_train.max(axis=0)))
        preprocessing = replace(preprocessing, low=low, high=high)
    return Dataset(
        name=name,
        x_train=preprocessing.pixels(x_train, f"{path}: x_train"),
        y_train=y_train.astype(np.int64),
        x_test=preprocessing.pixels(x_test, f"{path}: x_test"),
        y_test=y_test.astype(np.int64),
        levels=LEVELS,
        image_shape=preprocessing.image_shape,
        class_names=tuple(str(number) for number in classes),
        preprocessing=preprocessing,
    )


def _read(path: Path) -> list[NDArray[np.generic]]:
    """Return the four arrays of a file."""
    with opened(path) as content:
        found = [] if isinstance(content, np.ndarray) else content.files
        missing = [array for array in ARRAYS if array not in found]
        if missing:
            raise InputError(
                f"{path}: no array {' and '.join(missing)}: expected {', '.join(ARRAYS)}, "
                f"found {', '.join(found) or 'none'}. Add the missing arrays; if the file has "
                f"no test part, use --data {path}, which sets training samples aside for testing."
            )
        arrays = [content[array] for array in ARRAYS]
    for array_name, array in zip(ARRAYS, arrays, strict=True):
        features = array_name.startswith("x")
        fits = array.ndim == (2 if features else 1) and len(array) > 0
        kinds = (np.integer, np.floating) if features else (np.integer,)
        number = any(np.issubdtype(array.dtype, kind) for kind in kinds)
        if not (fits and number):
            raise InputError(
                f"{path}: {array_name} is {array.dtype}{list(array.shape)}: expected "
                + ("finite numbers (samples, features)." if features else "classes (samples,).")
            )
        refuse_not_finite(array, f"{path}: {array_name}")
    x_train, y_train, x_test, _ = arrays
    if x_test.shape[1] != x_train.shape[1]:
        raise InputError(
            f"{path}: x_test has {x_test.shape[1]} features: expected as many as x_train, "
            f"{x_train.shape[1]}."
        )
    if not 0 <= y_train.min() <= y_train.max() < MOST_CLASSES:
        raise InputError(
            f"{path}: y_train has classes from {y_train.min()} to {y_train.max()}: expected them "
            f"within 0 to {MOST_CLASSES - 1}, counted from 0."
        )
    return arrays
