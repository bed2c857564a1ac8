"""What figures of the weights of the first layer share."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import (
    Colormap,
    LinearSegmentedColormap,
    ListedColormap,
)
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from lava_ep.dynamics import Convolution
from lava_ep.figures.text import percent, signed
from lava_ep.figures.theme import Theme, hide_outline
from lava_ep.figures.tiles import tiles
from lava_ep.report.content import ReportContent

FIELDS = 25
"""Receptive fields, kernels or feature maps shown."""

BRIGHTEST = 99.5
"""Percentile of the sizes of real weights at which their colors end."""

KEY, SCALE = 0.5, 0.8
"""Room for a legend or a color bar below the pictures, in inches."""

Reals = NDArray[np.float64]


def convolves(content: ReportContent) -> bool:
    """Whether the first layer is convolutional."""
    return isinstance(content.experiment.ep_network.connections[0], Convolution)


def input_patches(content: ReportContent) -> NDArray[Any]:
    """Weights of every neuron, or of every channel of a convolution, as images.

    Returns
    -------
    patches
        (neurons, height, width, channels of the image), or with the sides of the kernel.
    """
    weights: NDArray[Any] = content.input_weights
    if weights.ndim == 4:
        return weights.transpose(0, 2, 3, 1)
    height, width, *channels = content.image_shape
    return weights.reshape(len(weights), height, width, *(channels or [1]))


def chosen_neurons(neurons: int) -> list[int]:
    """Choose neurons at even distances, the first and the last among them."""
    return [int(k) for k in np.linspace(0, neurons - 1, min(FIELDS, neurons)).round()]


def is_binary(content: ReportContent) -> bool:
    binary: bool = content.experiment.ep_network.layers[0].binary
    return binary


def has_colors(patches: NDArray[Any]) -> bool:
    """Whether channels can be shown as red, green and blue; other images show their mean."""
    colored: bool = patches.shape[-1] == 3
    return colored


def diverging(theme: Theme) -> Colormap:
    return LinearSegmentedColormap.from_list("signs", [theme.orange, theme.surface, theme.blue])


def colored(values: NDArray[Any], limit: float) -> Reals:
    """Turn numbers from three channels into colors: gray is 0, black and white are the limits."""
    return np.clip(0.5 + 0.5 * values / limit, 0.0, 1.0)


def draw_weights(content: ReportContent, theme: Theme) -> Figure:
    """Weights from the image to a few neurons, or to a few channels, of the first layer."""
    patches = input_patches(content)
    chosen = chosen_neurons(len(patches))
    patches = patches[chosen]
    binary = is_binary(content)
    limit = 1.0 if binary else float(np.percentile(np.abs(patches), BRIGHTEST)) or 1.0
    if has_colors(patches):
        return tiles(colored(patches, limit), chosen, theme, 0.0)[0]
    pictures = patches.mean(axis=-1)
    if binary and patches.shape[-1] == 1:
        signs = ListedColormap([theme.orange, theme.blue])
        figure, *_ = tiles(pictures, chosen, theme, KEY, cmap=signs, vmin=-1, vmax=1)
        figure.legend(
            handles=[
                Patch(color=theme.blue, label="+1"),
                Patch(color=theme.orange, label="\N{MINUS SIGN}1"),
            ],
            loc="outside lower center",
            ncols=2,
            handlelength=1.0,
        )
        return figure
    look: dict[str, Any] = {"cmap": diverging(theme), "vmin": -limit, "vmax": limit}
    figure, axes, image = tiles(pictures, chosen, theme, SCALE, **look)
    label = "weight" if patches.shape[-1] == 1 else "mean weight from the channels"
    beyond = float(np.abs(pictures).max()) > limit
    scale_below(figure, axes, image, label, extend="both" if beyond else "neither")
    return figure


def scale_below(
    figure: Figure, axes: Axes, image: AxesImage, label: str, *, extend: str = "neither"
) -> None:
    bar = figure.colorbar(
        image,
        ax=axes,
        orientation="horizontal",
        shrink=0.6,
        aspect=32,
        pad=0.03,
        extend=extend,
        format=FuncFormatter(lambda value, _: signed(value)),
        ticks=MaxNLocator(5),
    )
    bar.set_label(label)
    hide_outline(bar)


def weights_text(content: ReportContent) -> str:
    return "sign of every weight" if is_binary(content) else "weights"


def look_text(content: ReportContent) -> str:
    """Explain the colors of weights."""
    binary = is_binary(content)
    if has_colors(input_patches(content)):
        value = "bright where the sign is +1" if binary else "gray is zero"
        return f"red, green and blue stand for the channels of the image, {value}"
    if not binary:
        return "blue weights excite and orange ones inhibit"
    if convolves(content):
        return "what learning has flipped together stands out from the random start"
    return (
        "where learning has flipped weights together, patches of one color stand out from the "
        "random start"
    )


def weights_alt(content: ReportContent) -> str:
    """Describe the receptive fields or kernels to those who cannot see them."""
    positive = float((content.input_weights > 0).mean())
    owner = "channel" if convolves(content) else "neuron"
    kind = "binary images" if is_binary(content) else "images"
    sign = "+1" if is_binary(content) else "positive"
    return (
        f"Grid of {len(chosen_neurons(content.input_weights.shape[0]))} {kind}, each the "
        f"input weights of one {owner}; {percent(positive)} of all input weights are {sign}."
    )


def is_dense(content: ReportContent) -> bool:
    """Whether the first layer is dense."""
    return not convolves(content)
