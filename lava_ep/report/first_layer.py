"""Figures of the first layer: its weights from the image, and what it makes of a sample."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from lava_ep.dynamics import Convolution
from lava_ep.figures.text import count, percent, plural, signed
from lava_ep.figures.theme import Theme, hide_outline, new_figure
from lava_ep.figures.tiles import tiles
from lava_ep.report.content import ReportContent

FIELDS = 25
"""Receptive fields, kernels or feature maps shown."""

BRIGHTEST = 99.5
"""Percentile of the sizes of real weights at which their colors end."""

_KEY, _SCALE = 0.5, 0.8
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


def _is_binary(content: ReportContent) -> bool:
    binary: bool = content.experiment.ep_network.layers[0].binary
    return binary


def _has_colors(patches: NDArray[Any]) -> bool:
    """Whether channels can be shown as red, green and blue; other images show their mean."""
    colored: bool = patches.shape[-1] == 3
    return colored


def _diverging(theme: Theme) -> Colormap:
    return LinearSegmentedColormap.from_list("signs", [theme.orange, theme.surface, theme.blue])


def _colored(values: NDArray[Any], limit: float) -> Reals:
    """Turn numbers from three channels into colors: gray is 0, black and white are the limits."""
    return np.clip(0.5 + 0.5 * values / limit, 0.0, 1.0)


def receptive_fields(content: ReportContent, theme: Theme) -> Figure:
    """Weights from the image to a few neurons, or to a few channels, of the first layer."""
    patches = input_patches(content)
    chosen = chosen_neurons(len(patches))
    patches = patches[chosen]
    binary = _is_binary(content)
    limit = 1.0 if binary else float(np.percentile(np.abs(patches), BRIGHTEST)) or 1.0
    if _has_colors(patches):
        return tiles(_colored(patches, limit), chosen, theme, 0.0)[0]
    pictures = patches.mean(axis=-1)
    if binary and patches.shape[-1] == 1:
        signs = ListedColormap([theme.orange, theme.blue])
        figure, *_ = tiles(pictures, chosen, theme, _KEY, cmap=signs, vmin=-1, vmax=1)
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
    look: dict[str, Any] = {"cmap": _diverging(theme), "vmin": -limit, "vmax": limit}
    figure, axes, image = tiles(pictures, chosen, theme, _SCALE, **look)
    label = "weight" if patches.shape[-1] == 1 else "mean weight from the channels"
    beyond = float(np.abs(pictures).max()) > limit
    _scale_below(figure, axes, image, label, extend="both" if beyond else "neither")
    return figure


def _scale_below(
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


def receptive_fields_caption(content: ReportContent) -> str:
    """Say what to see in the receptive fields."""
    neurons = content.input_weights.shape[0]
    shown = len(chosen_neurons(neurons))
    return (
        f"The {_what(content)} from the image to {shown} of the {plural(neurons, 'neuron')} of "
        f"the first layer (numbered): {_look(content)}."
    )


def kernels_caption(content: ReportContent) -> str:
    """Say what to see in the kernels."""
    channels = content.input_weights.shape[0]
    shown = len(chosen_neurons(channels))
    return (
        f"The {_what(content)} in the kernels of {shown} of the {plural(channels, 'channel')} of "
        f"the first layer (numbered): {_look(content)}."
    )


def _what(content: ReportContent) -> str:
    return "sign of every weight" if _is_binary(content) else "weights"


def _look(content: ReportContent) -> str:
    """Explain the colors of weights."""
    binary = _is_binary(content)
    if _has_colors(input_patches(content)):
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


def receptive_fields_alt(content: ReportContent) -> str:
    """Describe the receptive fields or kernels to those who cannot see them."""
    positive = float((content.input_weights > 0).mean())
    owner = "channel" if convolves(content) else "neuron"
    kind = "binary images" if _is_binary(content) else "images"
    sign = "+1" if _is_binary(content) else "positive"
    return (
        f"Grid of {len(chosen_neurons(content.input_weights.shape[0]))} {kind}, each the "
        f"input weights of one {owner}; {percent(positive)} of all input weights are {sign}."
    )


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
    if _has_colors(mean):
        axes.imshow(_colored(mean, float(np.abs(mean).max()) or 1.0), interpolation="nearest")
        return figure
    mean = mean.mean(axis=-1)
    limit = float(np.abs(mean).max()) or 1.0
    image = axes.imshow(
        mean, cmap=_diverging(theme), vmin=-limit, vmax=limit, interpolation="nearest"
    )
    bar = figure.colorbar(
        image, ax=axes, shrink=0.9, format=FuncFormatter(lambda value, _: signed(value))
    )
    bar.set_label("mean sign of the weight" if _is_binary(content) else "mean weight")
    hide_outline(bar)
    return figure


def mean_field_caption(content: ReportContent) -> str:
    """Say what to see in the mean field."""
    neurons = content.input_weights.shape[0]
    size = float(np.sqrt(np.mean(np.square(content.input_weights, dtype=np.float64))))
    chance = f"\N{PLUS-MINUS SIGN}{size / np.sqrt(neurons):.2g}"
    if _has_colors(input_patches(content)):
        end = "brighter or darker than gray, in red, green and blue for the channels of the image"
    else:
        end = "blue or orange"
    return (
        f"Averaged over all {plural(neurons, 'neuron')}, pixels that learning leaves alone stay "
        f"near zero (chance gives about {chance}), while those that it "
        f"uses to excite or to silence the layer turn {end}."
    )


def mean_field_alt(content: ReportContent) -> str:
    """Describe the mean field to those who cannot see it."""
    mean = content.input_weights.mean(axis=0)
    what = "sign of the weights" if _is_binary(content) else "weight"
    return (
        f"Image of the mean {what} from every pixel, from {mean.min():+.2g} to {mean.max():+.2g}."
    )


def feature_activations(content: ReportContent) -> Reals:
    """Activations of a convolutional first layer at the end of the recorded free phase.

    Changes of activations add up to them. Spikes do not, as the steps of sigma-delta neurons may
    shrink; their states are within half a step of what receivers know, and stand for it here.

    Returns
    -------
    activations
        (channels, height, width).
    """
    recording = content.recording
    connection = cast(Convolution, content.experiment.ep_network.connections[0])
    end = next(end for name, _, end in recording.phase_bounds if name.startswith("free"))
    if content.spiking:
        activations: Reals = recording.states[0][end - 1].astype(np.float64)
    else:
        activations = recording.events[0][:end].sum(axis=0, dtype=np.float64)
    return activations.reshape(connection.out_shape).transpose(2, 0, 1)


def _feature(content: ReportContent) -> str:
    """Name what `feature_activations` returns."""
    return "state" if content.spiking else "activation"


def feature_maps(content: ReportContent, theme: Theme) -> Figure:
    """Activations of a few channels of a convolutional first layer for the recorded sample."""
    maps = feature_activations(content)
    chosen = chosen_neurons(len(maps))
    limit = float(np.abs(maps).max()) or 1.0
    signed = float(maps.min()) < 0
    colors = LinearSegmentedColormap.from_list("activity", [theme.surface, theme.blue])
    look: dict[str, Any] = {
        "cmap": _diverging(theme) if signed else colors,
        "vmin": -limit if signed else 0.0,
    }
    figure, axes, image = tiles(maps[chosen], chosen, theme, _SCALE, vmax=limit, **look)
    _scale_below(figure, axes, image, _feature(content))
    return figure


def feature_maps_caption(content: ReportContent) -> str:
    """Say what to see in the feature maps."""
    channels = content.input_weights.shape[0]
    return (
        f"The {_feature(content)}s of {len(chosen_neurons(channels))} of the "
        f"{plural(channels, 'channel')} of the first layer (numbered as the kernels) at the end of "
        "the free phase of the recorded sample."
    )


def feature_maps_alt(content: ReportContent) -> str:
    """Describe the feature maps to those who cannot see them."""
    maps = feature_activations(content)
    channels, height, width = maps.shape
    return (
        f"Grid of {len(chosen_neurons(channels))} images of {width} by {height} neurons; "
        f"{count(int(np.count_nonzero(maps)))} of {plural(maps.size, 'neuron')} are active, and "
        f"{_feature(content)}s go from {maps.min():.2g} to {maps.max():.2g}."
    )
