"""Colors and type of the figures, light and dark, chosen to be safe for color-blind readers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib.style
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure

DPI = 180
"""Twice the resolution at which a browser shows the figures, for sharp screens and print."""


@dataclass(frozen=True)
class Theme:
    """One color scheme; hues after Okabe and Ito (2008), lightened for dark backgrounds."""

    name: str
    surface: str
    text: str
    muted: str
    line: str
    blue: str
    orange: str
    green: str
    shade: str
    """Tint behind a nudged phase."""
    idle: str
    """Tint behind steps that belong to neither phase."""


LIGHT = Theme(
    name="light",
    surface="#ffffff",
    text="#1c2228",
    muted="#5c6670",
    line="#d5dbe1",
    blue="#0072b2",
    orange="#d55e00",
    green="#00845f",
    shade="#fff1d6",
    idle="#eceff2",
)

DARK = Theme(
    name="dark",
    surface="#181e25",
    text="#e4e8ec",
    muted="#9ba7b3",
    line="#37414c",
    blue="#5ab8ef",
    orange="#f28e4b",
    green="#3fcfa0",
    shade="#33291a",
    idle="#242c35",
)

Draw = Callable[[Theme], Figure]
"""Draws a figure in a theme."""


@contextmanager
def applied(theme: Theme) -> Iterator[None]:
    """Draw with matplotlib's own defaults and this theme, whatever the user has configured."""
    settings = {
        "font.size": 12.0,
        "axes.labelsize": 12.0,
        "axes.titlesize": 12.0,
        "axes.titlelocation": "left",
        "xtick.labelsize": 11.0,
        "ytick.labelsize": 11.0,
        "legend.fontsize": 11.0,
        "legend.frameon": False,
        "figure.facecolor": theme.surface,
        "axes.facecolor": theme.surface,
        "axes.edgecolor": theme.muted,
        "axes.labelcolor": theme.text,
        "axes.linewidth": 0.8,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        # Names come from data sets: a dollar sign in one is a dollar sign.
        "text.parse_math": False,
        "text.color": theme.text,
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
        "xtick.labelcolor": theme.text,
        "ytick.labelcolor": theme.text,
        "grid.color": theme.line,
        "grid.linewidth": 0.8,
        "lines.linewidth": 2.2,
        "lines.markersize": 6.0,
    }
    with matplotlib.style.context(["default", settings]):
        yield


def new_figure(width: float = 6.2, height: float = 4.0, *, framed: bool = True) -> Figure:
    """Make a figure of the given size in inches that no global state knows of.

    ``framed`` leaves room for labels around the axes.
    """
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained" if framed else None)


def hide_outline(bar: Colorbar) -> None:
    """Draw a color bar without its frame."""
    outline: Any = bar.outline  # matplotlib's releases disagree on its type
    outline.set_visible(False)
