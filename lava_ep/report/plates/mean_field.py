"""Mean weight from every pixel to a dense first layer."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from lava_ep.figures.text import plural, signed
from lava_ep.figures.theme import Theme, hide_outline, new_figure
from lava_ep.report.content import ReportContent
from lava_ep.report.plates import RUN, plate
from lava_ep.report.plates._weights import (
    colored,
    diverging,
    has_colors,
    input_patches,
    is_binary,
    is_dense,
)


def caption(content: ReportContent) -> str:
    """Say what to see in the mean field."""
    neurons = content.input_weights.shape[0]
    size = float(np.sqrt(np.mean(np.square(content.input_weights, dtype=np.float64))))
    chance = f"\N{PLUS-MINUS SIGN}{size / np.sqrt(neurons):.2g}"
    if has_colors(input_patches(content)):
        end = "brighter or darker than gray, in red, green and blue for the channels of the image"
    else:
        end = "blue or orange"
    return (
        f"Averaged over all {plural(neurons, 'neuron')}, pixels that learning leaves alone stay "
        f"near zero (chance gives about {chance}), while those that it "
        f"uses to excite or to silence the layer turn {end}."
    )


def alt(content: ReportContent) -> str:
    """Describe the mean field to those who cannot see it."""
    mean = content.input_weights.mean(axis=0)
    what = "sign of the weights" if is_binary(content) else "weight"
    return (
        f"Image of the mean {what} from every pixel, from {mean.min():+.2g} to {mean.max():+.2g}."
    )


@plate(RUN, "mean-field", "Mean receptive field", caption=caption, alt=alt, applies=is_dense)
def mean_field(content: ReportContent, theme: Theme) -> Figure:
    """Mean over the first layer's neurons of their weight from every pixel."""
    mean = input_patches(content).mean(axis=0)
    height, width = mean.shape[:2]
    figure = new_figure(6.2, float(np.clip(5.0 * height / width, 2.4, 6.6)))
    axes = figure.add_subplot()
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(theme.line)
    if has_colors(mean):
        axes.imshow(colored(mean, float(np.abs(mean).max()) or 1.0), interpolation="nearest")
        return figure
    mean = mean.mean(axis=-1)
    limit = float(np.abs(mean).max()) or 1.0
    image = axes.imshow(
        mean, cmap=diverging(theme), vmin=-limit, vmax=limit, interpolation="nearest"
    )
    bar = figure.colorbar(
        image, ax=axes, shrink=0.9, format=FuncFormatter(lambda value, _: signed(value))
    )
    bar.set_label("mean sign of the weight" if is_binary(content) else "mean weight")
    hide_outline(bar)
    return figure
