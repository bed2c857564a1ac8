"""Many small pictures in one figure."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from lava_ep.figures.theme import Theme, new_figure

_LABEL = 0.22
"""Room for the number above a picture, in inches."""


def tiles(
    pictures: NDArray[Any],
    numbers: list[int],
    theme: Theme,
    below: float,
    columns: int | None = None,
    **look: Any,
) -> tuple[Figure, Axes, AxesImage]:
    """Draw numbered pictures, (n, height, width) or with colors.

    Parameters
    ----------
    pictures
        (n, height, width), or with colors.
    numbers
        What is written above each.
    theme
        Colors.
    below
        Room for a legend or a color bar below them, in inches.
    columns
        Pictures across; about as many as down if ``None``.
    **look
        Passed on to ``imshow``.
    """
    height, width = pictures.shape[1:3]
    columns = columns or math.ceil(math.sqrt(len(numbers)))
    rows = -(-len(numbers) // columns)
    across = 1.08 * width
    inches = min(6.0 / (columns * across), (5.0 - rows * _LABEL) / (rows * height))
    down = height + _LABEL / inches
    figure = new_figure(6.2, rows * down * inches + below)
    axes = figure.add_subplot()
    for position, (number, picture) in enumerate(zip(numbers, pictures, strict=True)):
        row, column = divmod(position, columns)
        left, top = column * across, row * down
        image = axes.imshow(
            picture,
            interpolation="nearest",
            extent=(left, left + width, top + height, top),
            **look,
        )
        # A frame, as a picture may be as pale as the page.
        frame = Rectangle((left, top), width, height, fill=False, color=theme.line, linewidth=0.6)
        axes.add_patch(frame)
        axes.annotate(
            str(number),
            (left + width / 2, top),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=10,
            color=theme.muted,
        )
    # A little room, or the outermost frames would be cut.
    edge = 0.01 * width
    axes.set_xlim(-edge, columns * across - (across - width) + edge)
    axes.set_ylim(rows * down - (down - height) + edge, -(down - height))
    axes.set_axis_off()
    return figure, axes, image
