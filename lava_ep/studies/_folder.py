"""The folder of a study: its numbers as JSON, its figures as PNG and SVG."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lava_ep.figures import _matplotlib  # noqa: F401  # isort: skip (before matplotlib itself)

import matplotlib as mpl

from lava_ep.figures.theme import LIGHT, Draw, applied
from lava_ep.files import appearing, check_new, replace_files

RESULT = "study.json"
"""Name of the file with the numbers of a study."""


def write_study(out: Path, result: Mapping[str, Any], figures: Mapping[str, Draw]) -> None:
    """Write the numbers of a study as JSON, and its figures as PNG and SVG.

    The folder appears as a whole or not at all.

    Parameters
    ----------
    out
        Where; the folder may exist if it is empty.
    result
        Plain data.
    figures
        What draws each figure, by its name.

    Raises
    ------
    InputError
        If the folder holds something already, or cannot be written.
    """
    files = _files(result, figures)
    check_new(out)
    with appearing(out, "write the study") as temporary:
        for file, data in files.items():
            (temporary / file).write_bytes(data)


def update_study(out: Path, result: Mapping[str, Any], figures: Mapping[str, Draw]) -> None:
    """Write what `write_study` writes into the folder of a study that grows, file by file.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    replace_files(out, _files(result, figures))


def _files(result: Mapping[str, Any], figures: Mapping[str, Draw]) -> dict[str, bytes]:
    """Return the files of a study by their names."""
    files = {RESULT: (json.dumps(result, indent=2, allow_nan=False) + "\n").encode()}
    for name, draw in figures.items():
        files |= {f"{name}.{kind}": data for kind, data in _render(draw).items()}
    return files


def _render(draw: Draw) -> dict[str, bytes]:
    """Draw a figure, as PNG and as SVG; the same numbers make the same bytes."""
    found = {}
    with applied(LIGHT), mpl.rc_context({"svg.hashsalt": "lava-ep"}):
        figure = draw(LIGHT)
        for kind, metadata in (("png", None), ("svg", {"Date": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, metadata=metadata)
            # All is in place now.
            figure.set_layout_engine("none")
            found[kind] = buffer.getvalue()
    return found
