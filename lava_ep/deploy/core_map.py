"""A picture of the chips: which layer lies on which core, and what fills a core."""

from __future__ import annotations

import math

from lava_ep.figures import _matplotlib  # noqa: F401  # isort: skip  (before matplotlib)
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from lava_ep.deploy.placement import Placement
from lava_ep.figures.theme import LIGHT, Theme, new_figure
from lava_ep.loihi2.resources import System

ROWS, COLUMNS = 8, 16
"""How the cores of a chip are drawn; where on the mesh they lie is not published."""

MOST_CHIPS = 64
"""Systems of more chips are drawn without the empty ones."""

CELL = 5
"""Pixels of a core along a side, the last of which is a gap."""

GAP = 4
"""Pixels between chips."""

PARTS = ("weight_bytes", "learning_bytes", "state_bytes")
_PART_NAMES = ("weights", "learning", "neurons")


def core_map(placement: Placement, system: System, theme: Theme = LIGHT) -> Figure:
    """Draw the cores of a system in the colors of the layers, and what fills a core of each.

    Cores are filled chip by chip in the order of the layers. If there are more than the system
    has, all chips that they would take are drawn.
    """
    used = placement.chips_on(system)
    chips = max(used, system.chips) if system.chips <= MOST_CHIPS else used
    colors = layer_colors(len(placement.demands), theme)
    across = math.ceil(math.sqrt(chips / 2))
    down = math.ceil(chips / across)
    figure = new_figure(9.6, 3.4 + 0.32 * len(placement.demands))
    map_axes, memory_axes = figure.subplots(1, 2, width_ratios=(3, 2))
    image = _image(placement, system, (down, across), chips, colors, theme)
    map_axes.imshow(image, interpolation="nearest", aspect="equal")
    map_axes.set_axis_off()
    share = f"{len(placement.cores):,} of {system.cores:,} cores"
    if system.chips > 1:
        share += f", {used:,} of {system.chips:,} chips"
    figure.suptitle(f"{placement.network} on {system.title}: {share}", x=0.01, ha="left")
    _draw_memory(memory_axes, placement, theme)
    handles = [
        Patch(color=color, label=f"{demand.name}, {len(placement.of_layer(index)):,} cores")
        for index, (demand, color) in enumerate(zip(placement.demands, colors, strict=True))
    ]
    handles.append(Patch(color=theme.idle, label="not used"))
    figure.legend(handles=handles, loc="outside lower left", ncols=min(len(handles), 4))
    return figure


def layer_colors(layers: int, theme: Theme) -> list[tuple[float, float, float]]:
    """Return a color for each layer: three hues, then the same ones paler."""
    hues = [np.array(to_rgb(hue)) for hue in (theme.blue, theme.orange, theme.green)]
    surface = np.array(to_rgb(theme.surface))
    rounds = math.ceil(layers / len(hues))
    found = []
    for index in range(layers):
        share = 1 - 0.75 * (index // len(hues)) / rounds
        red, green, blue = share * hues[index % len(hues)] + (1 - share) * surface
        found.append((float(red), float(green), float(blue)))
    return found


def _image(
    placement: Placement,
    system: System,
    grid: tuple[int, int],
    chips: int,
    colors: list[tuple[float, float, float]],
    theme: Theme,
) -> NDArray[np.float64]:
    """Return a square for each core, with gaps between them and between chips."""
    down, across = grid
    rows, columns = ROWS * CELL + GAP, COLUMNS * CELL + GAP
    image = np.empty((down * rows - GAP, across * columns - GAP, 3))
    image[...] = to_rgb(theme.surface)
    per_chip = system.cores_per_chip
    for core in range(chips * per_chip):
        chip, place = divmod(core, per_chip)
        used = core < len(placement.cores)
        top = chip // across * rows + place // COLUMNS * CELL
        left = chip % across * columns + place % COLUMNS * CELL
        color = colors[placement.cores[core].layer] if used else to_rgb(theme.idle)
        image[top : top + CELL - 1, left : left + CELL - 1] = color
    return image


def _draw_memory(axes: Axes, placement: Placement, theme: Theme) -> None:
    """Draw what fills the fullest core of each layer, against the room there is."""
    names = [demand.name for demand in placement.demands]
    fullest = [
        max(placement.of_layer(index), key=lambda core: core.memory) for index in range(len(names))
    ]
    left = np.zeros(len(names))
    shades = (theme.text, theme.muted, theme.line)
    for part, name, color in zip(PARTS, _PART_NAMES, shades, strict=True):
        shares = np.array([getattr(core, part) for core in fullest]) / placement.limits.core_memory
        axes.barh(names, shares, left=left, color=color, label=name, height=0.6)
        left += shares
    axes.axvline(1.0, color=theme.orange, lw=1.5)
    axes.set_xlim(0, max(1.05, 1.05 * left.max()))
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_title("memory of the fullest core")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, handlelength=1.0)
