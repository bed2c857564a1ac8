"""Activations of a few channels of a convolutional first layer for the recorded sample."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from matplotlib.colors import (
    LinearSegmentedColormap,
)
from matplotlib.figure import Figure

from lava_ep.dynamics import Convolution
from lava_ep.figures.text import count, plural
from lava_ep.figures.theme import Theme
from lava_ep.figures.tiles import tiles
from lava_ep.report.content import ReportContent
from lava_ep.report.plates import RUN, plate
from lava_ep.report.plates._weights import (
    SCALE,
    Reals,
    chosen_neurons,
    convolves,
    diverging,
    scale_below,
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
    _, end = recording.free
    if content.spiking:
        activations: Reals = recording.states[0][end - 1].astype(np.float64)
    else:
        activations = recording.events[0][:end].sum(axis=0, dtype=np.float64)
    return activations.reshape(connection.out_shape).transpose(2, 0, 1)


def _feature(content: ReportContent) -> str:
    """Name what `feature_activations` returns."""
    return "state" if content.spiking else "activation"


def caption(content: ReportContent) -> str:
    """Say what to see in the feature maps."""
    channels = content.input_weights.shape[0]
    return (
        f"The {_feature(content)}s of {len(chosen_neurons(channels))} of the "
        f"{plural(channels, 'channel')} of the first layer (numbered as the kernels) at the end of "
        "the free phase of the recorded sample."
    )


def alt(content: ReportContent) -> str:
    """Describe the feature maps to those who cannot see them."""
    maps = feature_activations(content)
    channels, height, width = maps.shape
    return (
        f"Grid of {len(chosen_neurons(channels))} images of {width} by {height} neurons; "
        f"{count(int(np.count_nonzero(maps)))} of {plural(maps.size, 'neuron')} are active, and "
        f"{_feature(content)}s go from {maps.min():.2g} to {maps.max():.2g}."
    )


@plate(RUN, "feature-maps", "Feature maps", caption=caption, alt=alt, applies=convolves)
def feature_maps(content: ReportContent, theme: Theme) -> Figure:
    """Activations of a few channels of a convolutional first layer for the recorded sample."""
    maps = feature_activations(content)
    chosen = chosen_neurons(len(maps))
    limit = float(np.abs(maps).max()) or 1.0
    signed = float(maps.min()) < 0
    colors = LinearSegmentedColormap.from_list("activity", [theme.surface, theme.blue])
    look: dict[str, Any] = {
        "cmap": diverging(theme) if signed else colors,
        "vmin": -limit if signed else 0.0,
    }
    figure, axes, image = tiles(maps[chosen], chosen, theme, SCALE, vmax=limit, **look)
    scale_below(figure, axes, image, _feature(content))
    return figure
