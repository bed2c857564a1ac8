"""A user's samples as picture files in folders."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.dataset import ImageShape
from lava_ep.data.files import MEND
from lava_ep.data.own.numbers import parsed_labels
from lava_ep.data.own.samples import RawData, RawPart
from lava_ep.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = (
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".webp",
    ".pgm",
    ".ppm",
    ".pnm",
    ".pbm",
)
"""Endings of pictures."""

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""Formats that Pillow may find in them; it calls other programs for some others."""

MOST_PIXELS = 50_000_000
"""Pixels of a picture beyond which it is taken for one made to exhaust the memory."""

MOST_VALUES = 2**20
"""Values of a sample beyond which pictures are too large for a network as they are."""

PARTS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
"""Folders that hold the class folders of a part, in lower case."""

LITTER = ("__macosx", "thumbs.db", "desktop.ini")
"""Files and folders that operating systems leave behind, in lower case."""

Channels = Literal[1, 3]


def read_classes(
    folder: Path,
    *,
    image_size: tuple[int, int] | None,
    channels: Channels | None,
    shape: tuple[int, int] | None = None,
) -> RawData:
    """Read pictures that lie in one folder per class.

    The class folders lie in `folder`, or in ``train`` and ``test`` inside it. Each name is a
    label; if all are whole numbers, the labels are numbers.

    A picture is turned as its EXIF data say. Transparent places become black, as nothing there
    reaches the network. Values of 16 bits become values of 8: 65535 becomes 255. If red, green and
    blue are the same everywhere in all pictures, the samples are grey, otherwise all in colour.

    Parameters
    ----------
    folder : pathlib.Path
        Where to look.
    image_size : tuple of int or None
        Height and width that pictures are resized to, whatever their proportions; None: all must
        have the same.
    channels : {1, 3} or None
        Demand grey or coloured samples.
    shape : tuple of int or None
        Height and width that pictures must have, as in a training before this.

    Raises
    ------
    InputError
        If a picture is damaged or of another size, or the folder holds anything else.
    """
    files: dict[str, list[tuple[str, Path]]] = {}
    for part, place in _parts(folder).items():
        files[part] = [
            (named.name, path) for named in _subfolders(place) for path in _pictures(named, folder)
        ]
    every = [entry for entries in files.values() for entry in entries]
    x, found = _read([path for _, path in every], image_size, channels, shape)
    y = parsed_labels([label for label, _ in every])
    parts, start = {}, 0
    for part, entries in files.items():
        place_of = slice(start, start + len(entries))
        names = tuple(path.relative_to(folder).as_posix() for _, path in entries)
        parts[part] = RawPart(x[place_of], y[place_of], names)
        start += len(entries)
    return RawData(
        str(folder), parts["train"], parts.get("test"), image_shape=found, full_scale=255
    )


def read_pictures(
    path: Path,
    *,
    image_size: tuple[int, int] | None,
    channels: Channels | None,
    shape: tuple[int, int] | None = None,
) -> RawData:
    """Read one picture, or all those in a folder at any depth, in the order of their names.

    See `read_classes`; the names of folders mean nothing here.
    """
    if path.is_file():
        paths, root = [path], path.parent
    else:
        root = path
        paths = list(visible_files(path))
        _refuse_others(path, paths)
    if not paths:
        raise InputError(f"{path}: no pictures: expected files {', '.join(ENDINGS)}. Add some.")
    x, found = _read(paths, image_size, channels, shape)
    names = tuple(file.relative_to(root).as_posix() for file in paths)
    return RawData(str(path), RawPart(x, names=names), image_shape=found, full_scale=255)


def visible_files(folder: Path) -> Iterator[Path]:
    """Yield all files in a folder at any depth, in order, but those that nobody put there.

    Raises
    ------
    OSError
        If a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise error

    for place, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not _is_litter(name))
        yield from (Path(place, name) for name in sorted(files) if not _is_litter(name))


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in LITTER


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS


def _subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, in the order of their names."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not _is_litter(path.name))


def _parts(folder: Path) -> dict[str, Path]:
    """Return the folder that holds the class folders of each part."""
    folders = _subfolders(folder)
    _refuse_others(folder, list(visible_files(folder)))
    loose = [path for path in folder.iterdir() if _is_picture(path) and not _is_litter(path.name)]
    if loose:
        raise InputError(
            f"{folder}: {len(loose)} pictures beside the class folders, such as {loose[0].name}: "
            "expected each in the folder of its class. Move them there."
        )
    # A folder may be named after a class of trains: the pictures of a part lie one level below.
    deep = [path for path in folders if _subfolders(path)]
    if not deep:
        return {"train": folder}
    parts: dict[str, Path] = {}
    for path in folders:
        part = PARTS.get(path.name.lower())
        if part is None or path not in deep or part in parts:
            raise InputError(
                f"{folder}: folder {path.name}: expected class folders of pictures, or train and "
                f"test with class folders inside, found {', '.join(p.name for p in folders)}. "
                "Rename or move the folders."
            )
        parts[part] = path
    if "train" not in parts:
        raise InputError(
            f"{folder}: no folder train: expected one beside {folders[0].name}. Add it."
        )
    for path in parts.values():
        if loose := [file for file in path.iterdir() if _is_picture(file)]:
            raise InputError(
                f"{path}: {len(loose)} pictures beside the class folders, such as "
                f"{loose[0].name}: expected each in the folder of its class. Move them there."
            )
    return {part: parts[part] for part in ("train", "test") if part in parts}


def _pictures(named: Path, root: Path) -> list[Path]:
    """Return the pictures in a class folder."""
    if deeper := _subfolders(named):
        raise InputError(
            f"{named}: folder {deeper[0].name} in the folder of a class: expected pictures only. "
            "Move its pictures up, or the folder away."
        )
    found = sorted(path for path in named.iterdir() if _is_picture(path))
    found = [path for path in found if not _is_litter(path.name)]
    if not found:
        raise InputError(
            f"{named}: empty class folder: expected pictures in it. Add some, or remove the folder."
        )
    return found


def _refuse_others(folder: Path, paths: Sequence[Path]) -> None:
    """Raise InputError if there are files other than pictures."""
    others = [path for path in paths if not _is_picture(path)]
    if others:
        count = f"{len(others)} other files, such as" if len(others) > 1 else "another file,"
        raise InputError(
            f"{folder}: {count} {others[0].relative_to(folder)}, among the pictures: expected "
            f"{', '.join(ENDINGS)} only. Take it away."
        )


def _read(
    paths: Sequence[Path],
    image_size: tuple[int, int] | None,
    channels: Channels | None,
    wanted: tuple[int, int] | None,
) -> tuple[NDArray[np.uint8], ImageShape]:
    """Read pictures of one size, flattened, and the shape of a sample."""
    if image_size is not None and min(image_size) < 1:
        raise InputError(
            f"data.image_size={list(image_size)}: expected height and width, each at least 1. "
            "Correct it."
        )
    images: list[NDArray[np.uint8]] = []
    with warnings.catch_warnings():
        # Pillow warns of metadata that nothing here depends on; the size is checked below.
        warnings.simplefilter("ignore")
        for path in paths:
            image = _read_picture(path, image_size)
            if wanted is not None and image_size is None and image.shape[:2] != wanted:
                raise InputError(
                    f"{path}: picture of {_size(image)} pixels: expected {wanted[0]} x {wanted[1]} "
                    "as in training. Resize it, or train with --set data.image_size="
                    f"[{wanted[0]},{wanted[1]}], which resizes pictures."
                )
            if images and image.shape[:2] != images[0].shape[:2]:
                raise InputError(
                    f"{path}: picture of {_size(image)} pixels: expected {_size(images[0])} as "
                    f"{paths[0]} has. To resize all, set height and width: "
                    "--set data.image_size=[28,28]."
                )
            if channels == 1 and image.ndim == 3:
                raise InputError(
                    f"{path}: picture in colour: expected a grey one. Convert it to grey."
                )
            images.append(image)
    height, width = images[0].shape[:2]
    coloured = channels == 3 or any(image.ndim == 3 for image in images)
    shape: ImageShape = (height, width, 3) if coloured else (height, width)
    x = np.empty((len(images), *shape), np.uint8)
    for sample, image in zip(x, images, strict=True):
        sample[...] = image[..., None] if coloured and image.ndim == 2 else image
    return x.reshape(len(x), -1), shape


def _size(image: NDArray[np.uint8]) -> str:
    """Return height and width in words."""
    return f"{image.shape[0]} x {image.shape[1]}"


def _read_picture(path: Path, image_size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Read a picture: height, width and, if it is in colour, three channels."""
    # Only those who have pictures wait for Pillow.
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise InputError(
                    f"{path}: picture of {height} x {width} pixels: expected at most {MOST_PIXELS} "
                    "pixels. Make it smaller."
                )
            # Photographs taken by phones hold a second picture, such as a gain map (MPO).
            if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
                raise InputError(
                    f"{path}: several pictures in one file (animation or pages): expected one. "
                    "Save each in a separate file."
                )
            pixels = _flat(path, ImageOps.exif_transpose(image), image.format)
    except InputError:
        raise
    # Pillow raises whatever the damage makes it stumble over.
    except Exception as error:
        found = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, OSError) and error.strerror:
            raise InputError(
                f"{path}: cannot be read: expected a readable file, found: {error.strerror}. Check "
                "its permissions and the disk."
            ) from error
        raise InputError(
            f"{path}: damaged picture: expected one of {', '.join(FORMATS)}, found: {found}. {MEND}"
        ) from error
    if image_size is not None and pixels.size != image_size[::-1]:
        shrinks = pixels.height >= image_size[0] and pixels.width >= image_size[1]
        filtering = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
        pixels = pixels.resize(image_size[::-1], filtering)
    if image_size is None and pixels.width * pixels.height > MOST_VALUES:
        raise InputError(
            f"{path}: picture of {pixels.height} x {pixels.width} pixels: expected at most "
            f"{MOST_VALUES} pixels. To resize all, set height and width: "
            "--set data.image_size=[28,28]."
        )
    array: NDArray[np.uint8] = np.asarray(pixels)
    if array.ndim == 3 and (array == array[..., :1]).all():
        return np.ascontiguousarray(array[..., 0])
    return array


def _flat(path: Path, image: Image, kind: str | None) -> Image:
    """Return a picture in mode L or RGB."""
    from PIL import Image

    if image.mode in ("L", "RGB"):
        # One colour or grey may be declared transparent.
        if "transparency" not in image.info:
            return image
    elif image.mode.startswith("I;16") or (image.mode == "I" and kind in ("PNG", "PPM")):
        deep = np.asarray(image).astype(np.int64)
        return Image.fromarray(((deep * 255 + 32767) // 65535).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise InputError(
            f"{path}: picture of {'32-bit integers' if image.mode == 'I' else 'real numbers'}: "
            "expected 8 or 16 bits per channel, of which white is known. Convert it, or write the "
            "values into an .npz file."
        )
    elif image.mode == "1":
        return image.convert("L")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        whole = image.convert("RGBA")
        black = Image.new("RGBA", whole.size, (0, 0, 0, 255))
        flat = Image.alpha_composite(black, whole).convert("RGB")
        varies = np.ptp(np.asarray(whole.getchannel("A"))) > 0
        if varies and not np.asarray(flat).any():
            raise InputError(
                f"{path}: picture whose content is in its transparency only: transparent places "
                "become black, and nothing is left. Put it on a white background."
            )
        return flat
    return image.convert("RGB")
