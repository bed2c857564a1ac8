"""MNIST and the sets published in the same four IDX files: Fashion-MNIST and Kuzushiji-MNIST."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.dataset import Dataset
from lava_ep.data.download import cache_dir, download
from lava_ep.data.files import (
    Files,
    Layout,
    checked_labels,
    first_complete,
    folders_named,
    locate,
    plain,
)
from lava_ep.data.idx import plain_name, read_idx
from lava_ep.data.sources import register_dataset
from lava_ep.errors import InputError

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
"""Names of the four files, each followed by ``.gz`` unless it is uncompressed."""

LAYOUT = Layout(
    description=f"{', '.join(f'{file}.gz' for file in FILES)} (or uncompressed, without .gz)",
    names=tuple((f"{file}.gz", file) for file in FILES),
    spelling=plain_name,
)
"""The four files in a folder; ``TRAIN-IMAGES.IDX3-UBYTE`` and the like will do."""


@dataclass(frozen=True)
class Source:
    """Where one set is published.

    Parameters
    ----------
    base_url : str
        Address to which the names of the four files are appended.
    checksums : tuple of str
        Checksum of each gzipped file, in the order of `FILES`.
    class_names : tuple of str
        Name of each of the ten classes.
    """

    base_url: str
    checksums: tuple[str, str, str, str]
    class_names: tuple[str, ...]


SOURCES: dict[str, Source] = {
    "mnist": Source(
        base_url="https://ossci-datasets.s3.amazonaws.com/mnist/",
        checksums=(
            "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        class_names=tuple("0123456789"),
    ),
    "fashion-mnist": Source(
        base_url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        checksums=(
            "sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
    ),
    "kmnist": Source(
        base_url="http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        checksums=(
            "md5:bdb82020997e1d708af4cf47b453dcf7",
            "md5:e144d726b3acfaa3e44228e80efcd344",
            "md5:5c965bf0a639b31b8f53240b1b52f4d7",
            "md5:7320c461ea6c1c855c0b718fb2a4b134",
        ),
        # Romanized, because the fonts that plots use by default lack kana.
        class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    ),
}


@register_dataset("kmnist", "handwritten hiragana, 28x28, 10 classes, 60000 + 10000 images")
@register_dataset(
    "fashion-mnist", "photographs of clothes, 28x28, 10 classes, 60000 + 10000 images"
)
@register_dataset("mnist", "handwritten digits, 28x28, 10 classes, 60000 + 10000 images")
def load_mnist(name: str, data_dir: Path | None) -> Dataset:
    """Load one of the sets in `SOURCES` from a local folder, or else by download.

    The four files are searched in `data_dir`; without it in the folder that the environment
    variable ``LAVA_EP_DATA`` names, and if the set is not there, in the user's cache, into which
    they are downloaded when needed. A folder may hold the files itself, in a sub-folder named
    after the set (``fashion_mnist``, ``FashionMNIST``, …), or in a folder ``raw`` inside one of
    these. Files in a folder of the user's may differ from the published ones; they must be
    whole and fit together.

    Parameters
    ----------
    name : str
        A key of `SOURCES`.
    data_dir : pathlib.Path or None
        Existing folder to search. A set that is not there is an error, never a download.

    Returns
    -------
    Dataset
        The images in the order of the files, with ``levels`` 255.

    Raises
    ------
    InputError
        If a file is missing, unreadable, truncated, corrupt or does not fit the others.
    """
    files = locate(
        name,
        data_dir,
        search=partial(_search, name),
        download=partial(_download, name),
        expected=f"{LAYOUT.description}, in a sub-folder named {name}, or directly there if the "
        "folder is not named after another set",
    )
    train_images, train_labels, test_images, test_labels = files.paths
    x_train, y_train = _read_part(train_images, train_labels)
    x_test, y_test = _read_part(test_images, test_labels)
    if x_train.shape[1:] != x_test.shape[1:]:
        raise InputError(
            f"{test_images}: wrong image shape: expected {x_train.shape[1:]} as in "
            f"{train_images}, found {x_test.shape[1:]}. Take both from the same set."
        )
    _, height, width = x_train.shape
    return Dataset(
        name=name,
        x_train=x_train.reshape(len(x_train), -1),
        y_train=y_train,
        x_test=x_test.reshape(len(x_test), -1),
        y_test=y_test,
        levels=255,
        image_shape=(height, width),
        class_names=SOURCES[name].class_names,
    )


def _download(name: str, searched: str) -> Files:
    """Return the four files from the user's cache, downloading those that are not there."""
    source = SOURCES[name]
    published = [f"{file}.gz" for file in FILES]
    paths = download(
        source.base_url,
        dict(zip(published, source.checksums, strict=True)),
        cache_dir(name),
        searched=[searched],
    )
    return Files(LAYOUT, tuple(paths[file] for file in published))


def _search(name: str, root: Path) -> Files | None:
    """Return the four files of a set below `root`, or None if none of them is there."""
    files = first_complete(name, _folders(name, root), [LAYOUT])
    if files is not None:
        _refuse_other_set(name, files.paths[FILES.index(TRAIN_LABELS)])
    return files


def _folders(name: str, root: Path) -> Iterator[Path]:
    """Yield the folders that may hold the files of a set: those named after it first."""
    places = folders_named(name, root)
    # The files of all sets have the same names: one must not be taken for another.
    if plain(root.resolve().name) not in {plain(other) for other in SOURCES if other != name}:
        places.append(root)
    for place in places:
        yield place
        yield place / "raw"


def _refuse_other_set(name: str, labels: Path) -> None:
    """Raise InputError if `labels` is the published training label file of another set."""
    if labels.suffix.lower() != ".gz":
        return
    content = labels.read_bytes()
    for other, source in SOURCES.items():
        algorithm, _, digest = source.checksums[FILES.index(TRAIN_LABELS)].partition(":")
        found = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
        if other != name and found == digest:
            raise InputError(
                f"{labels}: wrong data set: expected {name}, found the published file of {other}. "
                f"Put the files of {name} into a sub-folder named {name}."
            )


def _read_part(images: Path, labels: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read images (N, height, width) and labels (N,), and check that they fit together."""
    x, y = read_idx(images, dimensions=3), read_idx(labels, dimensions=1)
    if len(x) != len(y):
        raise InputError(
            f"{labels}: wrong number of labels: expected {len(x)}, one for each image in "
            f"{images}, found {len(y)}. Take both files from the same set."
        )
    way_out = f"For a set of other classes, give its folder: --data {labels.parent}."
    return x, checked_labels(y, str(labels), way_out)
