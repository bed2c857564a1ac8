"""Text in the cells of a table, read as numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MISSING = frozenset(("", "?", "na", "n/a", "nan", "null"))
"""Cells without a value, in lower case."""


TRUTH = {"true": 1.0, "false": 0.0}


INTEGER = re.compile(r"[+-]?(0|[1-9]\d*)", re.ASCII)


NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)


GROUPED = re.compile(r"[+-]?\d{1,3}([.,' ]\d{3})+([.,]\d+)?", re.ASCII)


def read_number(text: str, decimal_comma: bool) -> float:
    """Return the number in a cell, NaN if it is missing.

    Raises
    ------
    ValueError
        If the cell holds anything else.
    """
    text = text.strip()
    number = text.replace(".", "x").replace(",", ".") if decimal_comma else text
    if NUMBER.fullmatch(number):
        return float(number)
    lower = text.lower()
    if lower in MISSING:
        return math.nan
    if lower in TRUTH:
        return TRUTH[lower]
    raise ValueError(text)


def is_number(text: str, decimal_comma: bool) -> bool:
    """Return whether a cell holds a number, with a decimal point or, if so, a comma."""
    text = text.strip()
    matches = NUMBER.fullmatch(text) or (decimal_comma and COMMA_NUMBER.fullmatch(text))
    return matches is not None and matches is not False


def parsed_labels(texts: Sequence[str]) -> NDArray[Any]:
    """Return labels as integers or booleans if all are, as text otherwise.

    Numbers with leading zeros remain text, so that no two labels become the same.
    """
    different = set(texts)
    meaning: dict[str, int | bool]
    if all(INTEGER.fullmatch(text) for text in different):
        meaning = {text: int(text) for text in different}
        limits = np.iinfo(np.int64)
        if all(limits.min <= number <= limits.max for number in meaning.values()):
            return np.array([meaning[text] for text in texts], np.int64)
    if all(text.lower() in TRUTH for text in different):
        return np.array([text.lower() == "true" for text in texts])
    return np.array(texts, np.str_)
