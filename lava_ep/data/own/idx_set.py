"""A user's samples in IDX files, the format of MNIST, EMNIST and many others."""

from __future__ import annotations

import re
from pathlib import Path

from lava_ep.data.files import is_readable_folder, only_file
from lava_ep.data.idx import plain_name, read_idx, read_idx_integers
from lava_ep.data.own.samples import RawData, RawPart
from lava_ep.errors import InputError

NAME = re.compile(
    r"(?P<prefix>.*?)-?(?P<part>train|t10k|test)-(?P<content>images|labels)"
    r"(-idx\d?)?(-(ubyte|byte|short|int))?"
)
"""Names of the files of a set, as `plain_name` spells them."""

PARTS = {"train": "train", "t10k": "test", "test": "test"}


def is_idx_name(name: str) -> bool:
    """Return whether the name of a file says that it is an IDX file."""
    return re.search(r"-idx\d?(-(ubyte|byte|short|int))?$|-ubyte$", plain_name(name)) is not None


def holds_sets(folder: Path, prefix: str | None = None) -> bool:
    """Return whether a folder, or one named ``raw`` in it, has the files of IDX sets.

    Parameters
    ----------
    folder : pathlib.Path
        Where to look.
    prefix : str or None
        Prefix of the file names; None: any.
    """
    sets = _sets(folder)
    return bool(sets) if prefix is None else _plain_prefix(prefix) in sets


def read_idx_set(path: Path) -> RawData:
    """Read an IDX set of any number of classes.

    The files are named as those of MNIST, in any case, with dots or hyphens, gzipped or not, and
    with anything before ``train`` and ``t10k`` or ``test``. The images are kept as they are: those
    of EMNIST are published transposed. So are the labels: those of EMNIST's letters begin at 1.

    Parameters
    ----------
    path : pathlib.Path
        The folder; if it holds several sets, followed by the prefix of their names, such as
        ``gzip/emnist-letters``.

    Raises
    ------
    InputError
        If a file is missing, damaged, or does not fit the others, or it is not clear which set is
        meant.
    """
    folder = path if path.is_dir() else path.parent
    if path.is_file():
        raise InputError(
            f"{path}: one file of images or labels: expected the folder of an IDX set, which holds "
            f"both. Give the folder: {path.parent}."
        )
    sets = _sets(folder)
    if path != folder:
        prefix = _plain_prefix(path.name)
    elif len(sets) > 1:
        names = [name or "(none)" for name in sorted(sets)]
        raise InputError(
            f"{path}: several IDX sets, whose names begin with {', '.join(names)}: expected one. "
            f"Choose it by --data {path / max(sets)}."
        )
    else:
        prefix = next(iter(sets), "")
    files = sets.get(prefix, {})
    train, shape = _read_part(path, prefix, files, "train")
    test = None
    if any(part == "test" for part, _ in files):
        test, test_shape = _read_part(path, prefix, files, "test")
        if test_shape != shape:
            raise InputError(
                f"{path}: test images of {test_shape[0]} x {test_shape[1]} pixels: expected "
                f"{shape[0]} x {shape[1]} as those for training. Take both from the same set."
            )
    return RawData(str(path), train, test, image_shape=shape, full_scale=255)


def read_idx_images(path: Path) -> RawData:
    """Read a file of IDX images without labels.

    Raises
    ------
    InputError
        If it is a folder, or not a file of images.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: IDX set: expected one file of images to predict. Give its path, such as that "
            "of t10k-images-idx3-ubyte."
        )
    images = read_idx(path, dimensions=3)
    count, height, width = images.shape
    x = images.reshape(count, height * width)
    return RawData(str(path), RawPart(x), image_shape=(height, width), full_scale=255)


def _plain_prefix(prefix: str) -> str:
    """Return the prefix of a set's file names as `plain_name` spells it."""
    return plain_name(prefix).strip("-")


def _sets(folder: Path) -> dict[str, dict[tuple[str, str], Path]]:
    """Return the files of each set in a folder by prefix, part and content."""
    for place in (folder, folder / "raw"):
        if not is_readable_folder(place):
            continue
        candidates: dict[tuple[str, str, str], list[Path]] = {}
        for path in sorted(place.iterdir()):
            match = NAME.fullmatch(plain_name(path.name))
            # A table of labels may have nearly the same name.
            if match and (is_idx_name(path.name) or not path.suffix) and path.is_file():
                key = (match["prefix"].strip("-"), PARTS[match["part"]], match["content"])
                candidates.setdefault(key, []).append(path)
        sets: dict[str, dict[tuple[str, str], Path]] = {}
        for (prefix, part, content), paths in candidates.items():
            sets.setdefault(prefix, {})[part, content] = _chosen(paths, f"{part} {content}")
        if sets:
            return sets
    return {}


def _chosen(paths: list[Path], name: str) -> Path:
    """Return the file to read: of one that was unpacked beside its archive, the archive."""
    stems = {path.name.lower().removesuffix(".gz") for path in paths}
    gzipped = [path for path in paths if path.suffix.lower() == ".gz"]
    one = len(stems) == 1 and len(paths) == 2 and len(gzipped) == 1
    path = only_file(gzipped if one else paths, name)
    assert path is not None
    return path


def _read_part(
    path: Path, prefix: str, files: dict[tuple[str, str], Path], part: str
) -> tuple[RawPart, tuple[int, int]]:
    """Read images and labels of one part, and the height and width of an image."""
    missing = [content for content in ("images", "labels") if (part, content) not in files]
    if missing:
        start = f"{prefix}-" if prefix else ""
        name = "train" if part == "train" else "t10k"
        names = {
            "images": f"{start}{name}-images-idx3-ubyte",
            "labels": f"{start}{name}-labels-idx1-ubyte",
        }
        found = ", ".join(sorted(file.name for file in files.values())) or "none of this set"
        way_out = "Add the missing files."
        if part == "test":
            way_out = "Add it, or take the other test file away: then training samples are used."
        raise InputError(
            f"{path}: no file {' and '.join(names[content] for content in missing)} (or .gz): "
            f"expected images and labels, found {found}. {way_out}"
        )
    images = read_idx(files[part, "images"], dimensions=3)
    labels = read_idx_integers(files[part, "labels"], dimensions=1)
    if len(images) != len(labels):
        raise InputError(
            f"{files[part, 'labels']}: wrong number of labels: expected {len(images)}, one for "
            f"each image in {files[part, 'images']}, found {len(labels)}. Take both files from the "
            "same set."
        )
    count, height, width = images.shape
    return RawPart(images.reshape(count, height * width), labels), (height, width)
