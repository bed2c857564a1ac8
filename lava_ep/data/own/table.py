"""A user's samples in a table of text: ``.csv`` and its relatives."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.files import read_bytes
from lava_ep.data.own.numbers import (
    COMMA_NUMBER,
    GROUPED,
    INTEGER,
    MISSING,
    NUMBER,
    THOUSANDS,
    is_number,
    parsed_labels,
    read_number,
)
from lava_ep.data.own.samples import RawData, RawPart
from lava_ep.errors import InputError

DELIMITERS = ("\t", ";", ",")
"""Cell separators; any number of spaces separates cells where none of these does."""


LABEL_NAMES = frozenset(("label", "labels", "class", "classes", "target", "y"))
"""Names in lower case that say that a column holds the labels."""

SEEN = 100
"""Rows from which it is concluded how a table is written."""

ROWS = 1000
"""Rows that are converted at the same time."""


Row: TypeAlias = tuple[int, list[str]]
"""The number of a line, counted from 1, and its cells."""


@dataclass(frozen=True)
class _Source:
    """A table and how it is written."""

    path: Path
    content: bytes
    encoding: str
    delimiter: str | None = None
    decimal_comma: bool = False

    def lines(self) -> Iterator[str]:
        """Yield the lines with their ends, without the mark by which NumPy begins its first."""
        lines = io.TextIOWrapper(io.BytesIO(self.content), self.encoding, newline="")
        yield next(lines, "").removeprefix("# ")
        yield from lines

    def rows(self) -> Iterator[Row]:
        """Yield all lines that are not blank."""
        lines = self.lines()
        if self.delimiter is None:
            split = ((number, line.split()) for number, line in enumerate(lines, start=1))
            yield from (row for row in split if row[1])
            return
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True, skipinitialspace=True)
        try:
            for cells in reader:
                if len(cells) > 1 or (cells and cells[0].strip()):
                    yield reader.line_num, cells
        except csv.Error as error:
            raise InputError(
                f"{self.path}, line {reader.line_num}: expected a table of cells, found: {error}. "
                "Check the quotation marks there."
            ) from None


def read_table(
    path: Path, *, label: str | None, labelled: bool, known: tuple[str, ...] = ()
) -> RawData:
    """Read a table with one sample per row.

    Cells are separated by commas, semicolons, tabs or spaces. A first row that has text where the
    other rows have numbers holds the names of the columns. Features are numbers, with a decimal
    comma too where commas do not separate cells; ``true`` and ``false`` are 1 and 0. Missing
    values, which are empty or ``NA``, ``NaN``, ``null`` or ``?``, become NaN. Labels are integers
    if all are, booleans if all are ``true`` or ``false``, and text otherwise.

    Parameters
    ----------
    path : pathlib.Path
        The file, in UTF-8, UTF-16 with a byte-order mark, or Latin-1; gzipped if its name ends in
        ``.gz``.
    label : str or None
        Name of the column of the labels, or its number, counted from 1; None: the last one.
    labelled : bool
        False: all columns are features except for the column `label`.
    known : tuple of str
        Names of the columns of a training. A first row that has all of them is one of names, even
        if they are numbers, and columns of other names are left out of the features.

    Returns
    -------
    RawData
        ``feature_names`` and ``label_name`` are empty where the columns have no names.

    Raises
    ------
    InputError
        If the table is unreadable, or a cell is unusable, naming the place.
    """
    content = read_bytes(path)
    source = _with_delimiter(_Source(path, content, _encoding(path, content)))
    if source.delimiter != "," and b"," in content:
        source = _with_decimals(source)
    names, width = _header(source, known)
    wanted = labelled or (label is not None and (label in names or label.isdecimal()))
    place = _label_place(path, names, width, label) if wanted else None
    if known and names:
        source, names, width, place = _known_columns(source, names, known, place)
    if width == (place is not None):
        raise InputError(
            f"{path}: no features: expected columns of numbers besides the labels, found one "
            "column only. Check that commas, semicolons, tabs or spaces separate the columns."
        )
    values = _plain_values(source, names, width, place)
    x, texts = values or _values(source, names, width, place, labelled)
    column = "" if place is None else _column(names, place)
    return RawData(
        source=str(path),
        train=RawPart(x, _labels(texts, f"{path}, {column}") if labelled else None),
        feature_names=tuple(name for index, name in enumerate(names) if index != place),
        label_name=names[place] if labelled and names and place is not None else None,
    )


def _encoding(path: Path, content: bytes) -> str:
    """Return the encoding of a text."""
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        if encoding == "utf-8-sig" and (start := content.find(b"\0")) >= 0:
            raise UnicodeDecodeError(encoding, content, start, start + 1, "no character of a text")
        content.decode(encoding)
    except UnicodeDecodeError as error:
        # In Latin-1 these bytes have no meaning; who finds them has another encoding.
        strange = re.search(rb"[\x00-\x08\x80-\x9f]", content)
        if encoding == "utf-8-sig" and strange is None:
            return "latin-1"
        start = error.start if strange is None else strange.start()
        line = content.count(b"\n", 0, start) + 1
        raise InputError(
            f"{path}, line {line}: byte 0x{content[start]:02x}, the {start + 1}th of the file, is "
            "neither UTF-8 nor Latin-1: expected a table of text. Save it as CSV in UTF-8."
        ) from None
    return encoding


def _with_delimiter(source: _Source) -> _Source:
    """Find the separator of the cells of a table."""
    best, delimiter = (0.0, 0.0), ""
    for candidate in DELIMITERS:
        try:
            rows = [cells for _, cells in islice(_Source(*_basics(source), candidate).rows(), SEEN)]
        except InputError:
            continue
        widths = Counter(len(cells) for cells in rows if len(cells) > 1)
        if not widths:
            continue
        usual, count = widths.most_common(1)[0]
        cells = [cell for row in rows[1:] or rows if len(row) == usual for cell in row]
        numbers = sum(is_number(cell, candidate != ",") for cell in cells)
        quality = count / len(rows), numbers / max(1, len(cells))
        if quality > best:
            best, delimiter = quality, candidate
    if delimiter:
        return _Source(*_basics(source), delimiter)
    spaced = _Source(*_basics(source), None)
    first = next(spaced.rows(), (0, []))[1]
    return spaced if len(first) > 1 else _Source(*_basics(source), ",")


def _basics(source: _Source) -> tuple[Path, bytes, str]:
    return source.path, source.content, source.encoding


def _with_decimals(source: _Source) -> _Source:
    """Find out whether numbers have decimal commas."""
    comma = point = unclear = None
    for line, cells in source.rows():
        row = " ".join(cells)
        if comma is None and "," in row:
            texts = [cell.strip() for cell in cells if COMMA_NUMBER.fullmatch(cell.strip())]
            sure = [text for text in texts if not THOUSANDS.fullmatch(text)]
            comma = (line, sure[0]) if sure else None
            unclear = unclear or ((line, texts[0]) if texts else None)
        if point is None and "." in row:
            texts = [cell.strip() for cell in cells if "." in cell]
            points = [text for text in texts if NUMBER.fullmatch(text)]
            point = (line, points[0]) if points else None
    either = comma or unclear
    if either is None:
        return source
    if point is not None:
        raise InputError(
            f"{source.path}: numbers with commas and with points, {either[1]} in line {either[0]} "
            f"and {point[1]} in line {point[0]}: expected the same decimal mark everywhere and no "
            "thousands separators. Write all numbers with decimal points."
        )
    if comma is None:
        raise InputError(
            f"{source.path}, line {either[0]}: {either[1]} may have a decimal comma or a thousands "
            "separator, and no other number says which: expected decimal points. Write all numbers "
            "that way."
        )
    return _Source(*_basics(source), source.delimiter, decimal_comma=True)


def _known_columns(
    source: _Source, names: tuple[str, ...], known: tuple[str, ...], place: int | None
) -> tuple[_Source, tuple[str, ...], int, int | None]:
    """Leave columns out that a training does not know, and is not told to take for labels."""
    kept = [index for index, name in enumerate(names) if name in known or index == place]
    if len(kept) == len(names):
        return source, names, len(names), place
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";")
    for number, cells in source.rows():
        if len(cells) < len(names):
            raise InputError(
                f"{source.path}, line {number}: {len(cells)} cells: expected {len(names)}, as in "
                "the first line. Add the missing ones."
            )
        writer.writerow([cells[index] for index in kept])
    chosen = replace(source, content=text.getvalue().encode(), encoding="utf-8", delimiter=";")
    new_place = None if place is None else kept.index(place)
    return chosen, tuple(names[index] for index in kept), len(kept), new_place


def _header(source: _Source, known: tuple[str, ...] = ()) -> tuple[tuple[str, ...], int]:
    """Return the names of the columns, none if the table has none, and their number."""
    seen = list(islice(source.rows(), SEEN))
    if not seen:
        raise InputError(f"{source.path}: empty table: expected a row per sample. Fill it.")
    (line, first), *others = seen
    cells = [" ".join(cell.split()) for cell in first]
    width = len(cells)
    # A delimiter after the last cell of each row.
    if width > 1 and not cells[-1]:
        width -= all(len(row) == width - 1 or not row[-1].strip() for _, row in others)
    cells = cells[:width]
    kinds = [_kind(cell, source.decimal_comma) for cell in cells]
    columns = [[row[index] for _, row in others if index < len(row)] for index in range(width)]
    named = [
        kind == "text" and _all_numbers(column, source.decimal_comma)
        for kind, column in zip(kinds, columns, strict=True)
    ]
    all_text = width > 1 and kinds.count("text") == width
    if known and set(known) <= set(cells):
        return tuple(cells), width
    if not (any(named) or all_text or _counts_columns(cells, columns)):
        return (), width
    numbers = [cell for cell, kind in zip(cells, kinds, strict=True) if kind == "number"]
    if numbers and not _are_names(numbers):
        index = named.index(True)
        raise InputError(
            f"{source.path}, line {line}: {cells[index]!r} in {_column((), index)} is not a number "
            f"as in the other lines, and {numbers[0]} is not a column name: expected names in all "
            "columns, or numbers in all that have numbers below. Correct the line."
        )
    if "" in cells:
        raise InputError(
            f"{source.path}, line {line}: {_column((), cells.index(''))} has no name: expected one "
            "for each column. If it numbers the rows, as pandas writes it, remove the column "
            "(index=False); otherwise name it."
        )
    twice = [name for name, count in Counter(cells).items() if count > 1]
    if twice:
        raise InputError(
            f"{source.path}, line {line}: several columns are named {twice[0]!r}: expected "
            "different names. Rename them."
        )
    return tuple(cells), width


def _kind(cell: str, decimal_comma: bool) -> str:
    """Return whether a cell of the first row holds text, a number, or nothing."""
    if not cell:
        return "nothing"
    try:
        read_number(cell, decimal_comma)
    except ValueError:
        return "text"
    return "number" if cell.lower() not in MISSING else "nothing"


def _all_numbers(column: Iterable[str], decimal_comma: bool) -> bool:
    """Return whether cells hold numbers, or nothing, but not all nothing."""
    kinds = {_kind(cell.strip(), decimal_comma) for cell in column}
    return "number" in kinds and "text" not in kinds


def _are_names(numbers: Sequence[str]) -> bool:
    """Return whether numbers in a first row may be names: ascending and whole."""
    if not all(text.isdecimal() for text in numbers):
        return False
    return all(int(one) < int(next_) for one, next_ in pairwise(numbers))


def _counts_columns(cells: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Return whether a first row numbers the columns, as pandas does, except for the labels."""
    numbers = [(index, cell) for index, cell in enumerate(cells) if cell.isdecimal()]
    rest = [index for index, cell in enumerate(cells) if not cell.isdecimal()]
    if len(numbers) < 3 or len(rest) != 1 or cells[rest[0]] in columns[rest[0]]:
        return False
    start = int(numbers[0][1])
    return start in (0, 1) and [int(cell) for _, cell in numbers] == [
        *range(start, start + len(numbers))
    ]


def _label_place(path: Path, names: Sequence[str], width: int, label: str | None) -> int:
    """Return the position of the column of the labels."""
    if label is None:
        likely = [name for name in names if name.lower() in LABEL_NAMES]
        if likely and names[-1] not in likely:
            raise InputError(
                f"{path}: a column is named {likely[0]}, but without --label the last one, "
                f"{names[-1]}, is expected to hold the labels. Add --label {likely[0]} or "
                f"--label {names[-1]}."
            )
        return width - 1
    if label in names:
        return names.index(label)
    if label.isdecimal() and 1 <= int(label) <= width:
        return int(label) - 1
    expected = f"a number from 1 to {width}, as the columns have no names"
    if names:
        shown = ", ".join(names[:20]) + (", …" if width > 20 else "")
        expected = f"one of {shown}, or its number from 1 to {width}"
    raise InputError(f"--label {label}: no such column in {path}: expected {expected}.")


def _plain_values(
    source: _Source, names: Sequence[str], width: int, place: int | None
) -> tuple[NDArray[np.float64], list[str]] | None:
    """Return the same as `_values`, several times as fast, of a table without any specialities."""
    if source.decimal_comma or b'"' in source.content or source.delimiter is None:
        return None
    # Tabs alone are a row of missing values.
    lines = (line for line in source.lines() if line.strip(" \r\n"))
    if names:
        next(lines)
    first = next(lines, None)
    if first is None:
        return None
    texts: list[str] = []

    def code(text: str) -> float:
        texts.append(text.strip())
        return 0.0

    try:
        # Without usecols, NumPy checks that all rows have the same number of cells.
        x = np.loadtxt(
            chain([first], lines),
            delimiter=source.delimiter,
            comments=None,
            converters=None if place is None else {place: code},
            ndmin=2,
            encoding=None,
        )
    # Missing values and all that is wrong: the other function says where.
    except ValueError:
        return None
    missing = any(text.lower() in MISSING for text in set(texts))
    if x.shape[1] != width or missing or np.isinf(x).any():
        return None
    return x if place is None else np.delete(x, place, axis=1), texts


def _values(
    source: _Source, names: Sequence[str], width: int, place: int | None, labelled: bool
) -> tuple[NDArray[np.float64], list[str]]:
    """Return the features of all rows, and the cells of the column at `place`."""
    rows = source.rows()
    if names:
        next(rows)
    texts: list[str] = []
    parts: list[NDArray[np.float64]] = []
    columns = [index for index in range(width) if index != place]
    while chunk := list(islice(rows, ROWS)):
        values = []
        for line, cells in chunk:
            if len(cells) == width + 1 and not cells[-1].strip():
                cells.pop()
            if len(cells) != width:
                raise InputError(
                    f"{source.path}, line {line}: {len(cells)} cells: expected {width}, as in the "
                    "first line. Add or remove cells, or put quotation marks around a cell that "
                    "holds the separator."
                )
            if place is not None:
                text = cells.pop(place).strip()
                if labelled and text.lower() in MISSING:
                    raise InputError(
                        f"{source.path}, line {line}, {_column(names, place)}: no label, found "
                        f"{text!r}: expected one in each row. Name the class, or remove the row."
                    )
                texts.append(text)
            values.append(_row(source, line, cells, names, columns, labelled))
        part = np.array(values, np.float64)
        if np.isinf(part).any():
            row, column = np.argwhere(np.isinf(part))[0]
            raise InputError(
                f"{source.path}, line {chunk[row][0]}, {_column(names, columns[column])}: "
                f"{chunk[row][1][column]!r}: expected a finite number. Correct it, or remove the "
                "row."
            )
        parts.append(part)
    if not parts:
        raise InputError(f"{source.path}: no samples: expected rows below the names. Add some.")
    return np.concatenate(parts), texts


def _row(
    source: _Source,
    line: int,
    cells: list[str],
    names: Sequence[str],
    columns: Sequence[int],
    labelled: bool,
) -> list[float]:
    """Return the numbers of a row."""
    text = "\n".join(cells)
    plain = cells
    if source.decimal_comma:
        # A point is a fault then, which must not be read as a decimal mark.
        plain = text.replace(".", "x").replace(",", ".").split("\n")
    # Python takes 1_000 and digits of other scripts for numbers too.
    if "_" not in text and text.isascii() and len(plain) == len(cells):
        with contextlib.suppress(ValueError):
            return list(map(float, plain))
        with contextlib.suppress(ValueError):
            return [float(cell) if cell else math.nan for cell in plain]
    numbers = []
    for index, cell in enumerate(cells):
        try:
            numbers.append(read_number(cell, source.decimal_comma))
        except ValueError:
            where = f"{source.path}, line {line}, {_column(names, columns[index])}"
            raise InputError(
                f"{where}: {cell.strip()!r}: expected a number. "
                f"{_way_out(cell, names, columns[index], labelled)}"
            ) from None
    return numbers


def _way_out(cell: str, names: Sequence[str], column: int, labelled: bool) -> str:
    """Return advice about a cell that is not a number."""
    if GROUPED.fullmatch(cell.strip()):
        return "Write numbers without thousands separators and with one decimal mark."
    way_out = "Remove the column, or replace it by a column of 0 and 1 for each value (one-hot)."
    if labelled:
        name = names[column] if names else column + 1
        way_out += f" If it holds the labels, say so by --label {name}."
    return way_out


def _column(names: Sequence[str], index: int) -> str:
    """Return a column in words."""
    return f"column {index + 1}" + (f" ({names[index]})" if names else "")


def _labels(texts: Sequence[str], where: str) -> NDArray[Any]:
    """Return the labels of a table."""
    different = set(texts)
    labels = parsed_labels(texts)
    if labels.dtype.kind != "U" or not all(NUMBER.fullmatch(text) for text in different):
        return labels
    if all(INTEGER.fullmatch(text) or text.isdecimal() for text in different):
        return labels
    numbers = {text: float(text) for text in different}
    wrong = next((text for text in texts if not numbers[text].is_integer()), None)
    if wrong is not None or max(map(abs, numbers.values())) > 2**53:
        raise InputError(
            f"{where}: {wrong or texts[0]}: expected classes as text, integers or booleans. If "
            "these are measured values, name the column of the labels by --label, or group the "
            "values into classes."
        )
    return np.array([int(numbers[text]) for text in texts], np.int64)
