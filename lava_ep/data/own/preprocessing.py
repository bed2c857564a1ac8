"""How samples of a user become pixels and classes: fixed by the training part, kept with a run."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lava_ep.data.dataset import ImageShape
from lava_ep.data.own.pixels import are_pixels, as_pixels, thermometer
from lava_ep.data.own.samples import RawData
from lava_ep.errors import InputError
from lava_ep.spec import EventsSpec

LEVELS = 255
"""Pixel value that means 1.0, where the values themselves do not say."""

AUTO_PIXELS = 64
"""Pixels that a table becomes at least, unless the user says how many a feature gets."""

ROWS = 1000
"""Samples that are converted at the same time."""

OUTSIDE = 0.1
"""Share of values outside the range of the training part above which users are warned."""

FORMAT = 1

Label = str | int | bool


class PreprocessingWarning(UserWarning):
    """Samples were used, but differ from those of the training in a way that users should know."""


@dataclass(frozen=True)
class RecordingIntake:
    """How recordings of an event camera become pixels.

    Parameters
    ----------
    sensor_size : tuple of int
        Width, height and polarities of the camera.
    events : EventsSpec
        Window, denoising, downsampling, polarities and levels, none of them left out.
    """

    sensor_size: tuple[int, int, int]
    events: EventsSpec


@dataclass(frozen=True, eq=False)
class Preprocessing:
    r"""What turns new samples into the pixels, and labels into the classes, of a training.

    A value :math:`x` of a feature with the range :math:`[l, h]` in the training part becomes

    .. math:: p = \mathrm{round}\Bigl(\mathrm{levels}\,
        \mathrm{clip}\bigl(\tfrac{x - l}{h - l}, 0, 1\bigr)\Bigr),

    or several pixels by `thermometer`. Constant features become 0. Without ranges, values are
    pixels already and have to be whole numbers from 0 to ``levels``.

    Parameters
    ----------
    classes : tuple of str, int or bool
        Label of each class, as the user's files have them.
    levels : int
        Pixel value that means 1.0.
    features : int
        Values of a sample.
    image_shape : tuple of int
        Height and width of a sample as an image of pixels, and channels if there are several.
    low, high : numpy.ndarray of float64, shape (features,), or None
        Range of each feature; None: values are pixels.
    fill : numpy.ndarray of float64, shape (features,), or None
        What stands in for missing values: medians of the training part. None: none may be missing.
    pixels_per_feature : int
        Pixels that a value is spread over.
    feature_names : tuple of str
        Names of the columns of a table; empty where they have none.
    label_name : str or None
        Name of the column that holds the labels.
    picture_shape : tuple of int or None
        Height, width and channels of pictures, None for tables.
    resized : bool
        Whether pictures of other sizes are resized to that.
    recordings : RecordingIntake or None
        Of recordings of an event camera.
    """

    classes: tuple[Label, ...]
    levels: int
    features: int
    image_shape: ImageShape
    low: NDArray[np.float64] | None = field(default=None, repr=False)
    high: NDArray[np.float64] | None = field(default=None, repr=False)
    fill: NDArray[np.float64] | None = field(default=None, repr=False)
    pixels_per_feature: int = 1
    feature_names: tuple[str, ...] = field(default=(), repr=False)
    label_name: str | None = None
    picture_shape: tuple[int, ...] | None = None
    resized: bool = False
    recordings: RecordingIntake | None = None

    @classmethod
    def fit(
        cls, raw: RawData, *, pixels_per_feature: int | None = None, resized: bool = False
    ) -> Preprocessing:
        """Find ranges, medians and classes in the training part of a file.

        Parameters
        ----------
        raw : RawData
            With a training part that has labels.
        pixels_per_feature : int or None
            None: one for pictures and wide tables, enough to make 64 in all for narrow ones.
        resized : bool
            Whether pictures were resized when they were read.

        Raises
        ------
        InputError
            If there are fewer than two classes, a feature has no value at all, or a range is too
            large for float64.
        """
        part = raw.train
        if part is None or part.y is None:
            raise InputError(
                f"{raw.source}: no labelled training samples to learn from; a test part alone "
                "serves `lava-ep evaluate --data`"
            )
        classes = class_labels(part.y)
        if len(classes) < 2:
            raise InputError(
                f"{raw.source}: all training samples have the label {classes[0]!r}; expected two "
                "classes or more"
            )
        features, picture = part.x.shape[1], raw.image_shape
        pixels = pixels_per_feature
        if pixels is None:
            pixels = 1 if picture is not None else -(-AUTO_PIXELS // features)
        elif picture is not None and pixels > 1:
            raise InputError(
                f"data.pixels_per_feature={pixels}: {raw.source} holds pictures, whose pixels are "
                "not spread; leave it out"
            )
        common: dict[str, Any] = {
            "classes": classes,
            "features": features,
            "image_shape": picture or ((features, pixels) if pixels > 1 else (1, features)),
            "pixels_per_feature": pixels,
            "feature_names": raw.feature_names,
            "label_name": raw.label_name,
            "picture_shape": picture,
            "resized": resized,
        }
        if raw.full_scale is not None and pixels == 1 and are_pixels(raw):
            return cls(levels=raw.full_scale, **common)
        values = part.x.astype(np.float64)
        missing = np.isnan(values)
        if empty := np.flatnonzero(missing.all(axis=0)).tolist():
            name = raw.feature_names[empty[0]] if raw.feature_names else f"{empty[0]}"
            raise InputError(
                f"{raw.source}: feature {name} has no value in any training sample; remove it"
            )
        low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        if picture is not None:
            # All pixels of a picture have one scale.
            low[:], high[:] = low.min(), high.max()
        with np.errstate(over="ignore"):
            if not np.isfinite(high - low).all():
                raise InputError(
                    f"{raw.source}: features span a wider range than float64 can hold; scale them "
                    "down"
                )
        fill = np.nanmedian(values, axis=0) if picture is None else None
        return cls(levels=LEVELS, low=low, high=high, fill=fill, **common)

    @classmethod
    def of_pixels(
        cls, class_names: Sequence[str], levels: int, image_shape: ImageShape
    ) -> Preprocessing:
        """Return that of a data set whose values are pixels as they are."""
        return cls(
            classes=tuple(class_names),
            levels=levels,
            features=math.prod(image_shape),
            image_shape=image_shape,
            picture_shape=tuple(image_shape),
        )

    @property
    def inputs(self) -> int:
        """Pixels of a sample."""
        return math.prod(self.image_shape)

    def for_recordings(self, sensor_size: Sequence[int], events: EventsSpec) -> Preprocessing:
        """Return the same for recordings of an event camera."""
        width, height, polarities = sensor_size
        return replace(self, recordings=RecordingIntake((width, height, polarities), events))

    def pixels(self, x: ArrayLike, where: str = "X") -> NDArray[np.uint8]:
        """Convert samples.

        Parameters
        ----------
        x : array-like, shape (samples, features)
            Finite numbers; NaN for missing values of a table. Pictures may also have the shape
            (samples, height, width) or (samples, height, width, channels). The columns of a
            pandas table are taken by name if the training part had names.
        where : str
            What holds the samples, for error messages.

        Returns
        -------
        numpy.ndarray of uint8, shape (samples, pixels)
            Values beyond the range of the training part are cut off there.

        Raises
        ------
        InputError
            If shape, type or values are unusable.

        Warns
        -----
        PreprocessingWarning
            If missing values are filled in, or more than a tenth of the values lie outside the
            range of the training part.
        """
        values = self._checked(x, where)
        if self.low is None or self.high is None:
            return as_pixels(values, self.features, self.levels, where)
        return self._scaled(values, self.low, self.high, where)

    def labels(self, y: NDArray[Any], where: str) -> NDArray[np.int64]:
        """Return the index of each label's class.

        Raises
        ------
        InputError
            If a label is not one of ``classes``, naming it and them.
        """
        index: dict[Any, int] = {_key(label): number for number, label in enumerate(self.classes)}
        # Data sets of the package name their classes by text; whole numbers are their indices.
        by_number = self.names_are_text and np.issubdtype(y.dtype, np.integer)
        if by_number and not {_key(str(v)) for v in np.unique(y).tolist()} <= index.keys():
            index = {_key(number): number for number in range(len(self.classes))}
            by_number = False
        found = np.empty(len(y), np.int64)
        for label in np.unique(y).tolist():
            key = _key(str(label)) if by_number else _key(label)
            if key not in index:
                raise InputError(
                    f"{where}: label {label!r} is not a class of the training: expected one of "
                    f"{_listed(self.classes)}. Remove these samples, or train with them."
                )
            found[y == label] = index[key]
        return found

    @property
    def names_are_text(self) -> bool:
        """Whether classes are called by text."""
        return all(isinstance(label, str) for label in self.classes)

    def decode(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Return the label of each class index, in the type that the user's file has."""
        found: NDArray[Any] = np.array(self.classes)[indices]
        return found

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data, from which `from_json` makes an equal one."""
        intake = self.recordings
        return {
            "format": FORMAT,
            "classes": list(self.classes),
            "levels": self.levels,
            "features": self.features,
            "image_shape": list(self.image_shape),
            "low": _listed_floats(self.low),
            "high": _listed_floats(self.high),
            "fill": _listed_floats(self.fill),
            "pixels_per_feature": self.pixels_per_feature,
            "feature_names": list(self.feature_names),
            "label_name": self.label_name,
            "picture_shape": None if self.picture_shape is None else list(self.picture_shape),
            "resized": self.resized,
            "recordings": None
            if intake is None
            else {
                "sensor_size": list(intake.sensor_size),
                "events": intake.events.model_dump(mode="json"),
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], *, source: str) -> Preprocessing:
        """Rebuild what `to_json` returned.

        Raises
        ------
        InputError
            If the data are damaged or of a later format.
        """
        if data.get("format") != FORMAT:
            raise InputError(
                f"{source}: format={data.get('format')!r:.20}: expected {FORMAT}; use the version "
                "of lava-ep that wrote it"
            )
        try:
            intake = data["recordings"]
            found = cls(
                classes=tuple(data["classes"]),
                levels=int(data["levels"]),
                features=int(data["features"]),
                image_shape=tuple(int(size) for size in data["image_shape"]),  # type: ignore[arg-type]
                low=_floats(data["low"]),
                high=_floats(data["high"]),
                fill=_floats(data["fill"]),
                pixels_per_feature=int(data["pixels_per_feature"]),
                feature_names=tuple(str(name) for name in data["feature_names"]),
                label_name=data["label_name"],
                picture_shape=None
                if data["picture_shape"] is None
                else tuple(int(size) for size in data["picture_shape"]),
                resized=bool(data["resized"]),
                recordings=None
                if intake is None
                else RecordingIntake(
                    tuple(int(size) for size in intake["sensor_size"]),  # type: ignore[arg-type]
                    EventsSpec.model_validate(intake["events"]),
                ),
            )
            found.check()
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{source}: damaged ({error!r:.200}); restore the file") from None
        return found

    def check(self) -> None:
        """Check that all parts fit together.

        Raises
        ------
        ValueError
            If they do not.
        """
        if not all(isinstance(label, str | int) for label in self.classes):
            raise ValueError("classes: expected text or whole numbers")
        if len(set(map(_key, self.classes))) != len(self.classes) or not self.classes:
            raise ValueError("classes: expected different labels")
        if not 1 <= self.levels <= 255 or self.features < 1 or self.pixels_per_feature < 1:
            raise ValueError("levels, features or pixels_per_feature are out of range")
        if self.inputs != self.features * self.pixels_per_feature:
            raise ValueError(f"image_shape {self.image_shape} with {self.features} features")
        ranges = (self.low, self.high, self.fill)
        if any(array is not None and array.shape != (self.features,) for array in ranges):
            raise ValueError(f"low, high or fill: expected {self.features} numbers")
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high: expected both or none")
        if self.feature_names and len(self.feature_names) != self.features:
            raise ValueError(f"feature_names: expected {self.features}")

    def _checked(self, x: ArrayLike, where: str) -> NDArray[Any]:
        """Return samples as an array of numbers, (samples, features)."""
        values = _by_name(x, self.feature_names, where)
        expected = f"(samples, {self.features})"
        if self.picture_shape is not None:
            expected += f" or (samples, {', '.join(str(size) for size in self.picture_shape)})"
            if values.shape[1:] == (*self.picture_shape, 1)[: values.ndim - 1]:
                values = values.reshape(len(values), -1)
        if values.ndim != 2 or values.shape[1] != self.features:
            hint = "; reshape one sample by X[None]" if values.shape == (self.features,) else ""
            raise InputError(
                f"{where}: shape {values.shape}: expected {expected}, as in training{hint}"
            )
        if not len(values):
            raise InputError(f"{where}: no samples: expected at least one")
        if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool) or np.iscomplexobj(
            values
        ):
            raise InputError(f"{where}: {values.dtype}: expected numbers")
        if np.issubdtype(values.dtype, np.floating):
            wrong = np.isinf(values) if self.fill is not None else ~np.isfinite(values)
            if wrong.any():
                row, column = (int(place) for place in np.argwhere(wrong)[0])
                raise InputError(
                    f"{where}: sample {row} (counted from 0) has the value "
                    f"{values[row, column]} in feature {self._feature(column)}: expected finite "
                    "numbers; replace it, or leave the sample out"
                )
        return values

    def _feature(self, column: int) -> str:
        return self.feature_names[column] if self.feature_names else str(column)

    def _scaled(
        self, x: NDArray[Any], low: NDArray[np.float64], high: NDArray[np.float64], where: str
    ) -> NDArray[np.uint8]:
        # Halves, as a span may be larger than the largest number.
        least, most = low / 2, high / 2
        extent = np.where(most > least, most - least, np.inf)
        pixels = np.empty((len(x), self.inputs), np.uint8)
        outside = missing = 0
        for start in range(0, len(x), ROWS):
            rows = slice(start, start + ROWS)
            values = x[rows].astype(np.float64)
            if self.fill is not None:
                absent = np.isnan(values)
                missing += int(np.count_nonzero(absent))
                values = np.where(absent, self.fill, values)
            outside += int(np.count_nonzero((values < low) | (values > high)))
            share = (np.clip(values / 2, least, most) - least) / extent
            pixels[rows] = thermometer(share, pixels=self.pixels_per_feature, levels=self.levels)
        if missing:
            _warn(f"{where}: {missing} missing values, replaced by the medians of the training")
        if outside > OUTSIDE * x.size:
            _warn(
                f"{where}: {100 * outside / x.size:.0f} % of the values lie outside the range that "
                "is scaled to pixels and are cut off there; are the units those of the training?"
            )
        return pixels


def class_labels(y: NDArray[Any]) -> tuple[Label, ...]:
    """Return the different labels, sorted, as Python values."""
    return tuple(np.unique(y).tolist())


def _warn(message: str) -> None:
    warnings.warn(message, PreprocessingWarning, stacklevel=5)


def _by_name(x: ArrayLike, names: tuple[str, ...], where: str) -> NDArray[Any]:
    """Return an array, with the columns of a pandas table in the order of the training."""
    columns = getattr(x, "columns", None)
    if columns is not None and names:
        found = [str(column) for column in columns]
        if missing := [name for name in names if name not in found]:
            raise InputError(
                f"{where}: no column {_listed(missing)}: expected the columns "
                f"{_listed(names)}, as in training"
            )
        table: Any = x
        return np.asarray(table.iloc[:, [found.index(name) for name in names]])
    try:
        return np.asarray(x)
    except ValueError as error:
        raise InputError(f"{where}: not an array of numbers ({error})") from None


def _listed(labels: Sequence[Any]) -> str:
    """Return labels as text, not too many of them."""
    shown = ", ".join(repr(label) for label in labels[:12])
    return shown if len(labels) <= 12 else f"{shown}, … ({len(labels)} in all)"


def _key(label: Any) -> tuple[str, Any]:
    """Return what tells a label from others: True is neither 1 nor 'True'."""
    return type(label).__name__, label


def _listed_floats(array: NDArray[np.float64] | None) -> list[float] | None:
    return None if array is None else [float(value) for value in array]


def _floats(values: Any) -> NDArray[np.float64] | None:
    if values is None:
        return None
    array = np.array([float(value) for value in values], np.float64)
    if not np.isfinite(array).all():
        raise ValueError("expected finite numbers")
    return array
