"""Tables of predictions, one row per sample, in the formats that other programs read."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from lava_ep.errors import InputError
from lava_ep.files import check_writable, replacing

ENDINGS = (".csv", ".npz", ".parquet")
"""Kinds of files that predictions are written to."""


@dataclass(frozen=True)
class Predictions:
    """Predictions of a network.

    Parameters
    ----------
    samples : sequence of str
        What identifies each sample: its file, or its number counted from 0.
    predictions : numpy.ndarray, shape (samples,)
        Labels.
    classes : sequence
        Label of each class.
    labels : numpy.ndarray or None, shape (samples,)
        True labels, where they are known.
    scores, probabilities : numpy.ndarray or None, shape (samples, classes)
        Of each class, where they are wanted.
    """

    samples: Sequence[str]
    predictions: NDArray[Any]
    classes: Sequence[Any]
    labels: NDArray[Any] | None = None
    scores: NDArray[Any] | None = field(default=None, repr=False)
    probabilities: NDArray[np.float64] | None = field(default=None, repr=False)

    def columns(self) -> dict[str, Sequence[Any]]:
        """Return the columns of the table by their names."""
        found: dict[str, Sequence[Any]] = {"sample": list(self.samples)}
        if self.labels is not None:
            found["label"] = self.labels.tolist()
        found["prediction"] = self.predictions.tolist()
        for name, values in (("score", self.scores), ("probability", self.probabilities)):
            for index, label in enumerate(() if values is None else self.classes):
                found[f"{name}_{label}"] = [] if values is None else values[:, index].tolist()
        return found

    def write(self, path: Path) -> None:
        """Write a file of the kind that its ending says.

        Parameters
        ----------
        path : pathlib.Path
            ``.csv`` has a header and one row per sample; ``.npz`` the arrays ``samples``,
            ``predictions``, ``classes`` and, where they are there, ``labels``, ``scores`` and
            ``probabilities``; ``.parquet`` the same columns as ``.csv``.

        Raises
        ------
        InputError
            If the ending is another one, a package is missing, or nothing can be written there.
        """
        check_place(path)
        with replacing(path) as temporary:
            if _kind(path) == ".csv":
                with temporary.open("w", encoding="utf-8", newline="") as file:
                    self.write_csv(file)
            elif _kind(path) == ".npz":
                arrays: dict[str, Any] = {
                    "labels": self.labels,
                    "scores": self.scores,
                    "probabilities": self.probabilities,
                }
                with temporary.open("wb") as binary:
                    np.savez(
                        binary,
                        samples=np.array(self.samples),
                        predictions=self.predictions,
                        classes=np.array(self.classes),
                        **{name: array for name, array in arrays.items() if array is not None},
                    )
            else:
                import pyarrow
                from pyarrow import parquet

                parquet.write_table(pyarrow.table(self.columns()), temporary)

    def write_csv(self, file: TextIO) -> None:
        """Write the table with a header, as text."""
        columns = self.columns()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))

    def print(self) -> None:
        """Write the table to standard output."""
        text = io.StringIO()
        self.write_csv(text)
        sys.stdout.write(text.getvalue())
        sys.stdout.flush()


def check_place(path: Path, *sources: Path | str | None) -> None:
    """Check that predictions can be written to a file, before any work starts.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    sources : path or None
        What the samples are read from, which must not be overwritten.

    Raises
    ------
    InputError
        If it is one of the sources, its ending is not known, its folder or a package is missing,
        or it cannot be written.
    """
    for source in sources:
        there = source is not None and path.exists() and Path(source).exists()
        if there and path.samefile(source or path):
            raise InputError(f"{path}: holds the samples; choose another file")
    if _kind(path) not in ENDINGS:
        raise InputError(f"{path}: expected a name that ends in {', '.join(ENDINGS)}")
    if _kind(path) == ".parquet" and find_spec("pyarrow") is None:
        raise InputError(
            f"{path}: Parquet files need pyarrow: pip install pyarrow, or write a .csv file"
        )
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it first")
    check_writable(path)


def _kind(path: Path) -> str:
    """Return the ending of a file; devices and pipes take text."""
    special = path.exists() and not path.is_file() and not path.is_dir()
    return ".csv" if special else path.suffix
