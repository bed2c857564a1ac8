"""Flips of binary weights over the epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from lava_ep.figures.text import count
from lava_ep.figures.theme import Theme
from lava_ep.report.content import ReportContent
from lava_ep.report.plates import RUN, plate
from lava_ep.report.plates._epochs import layer_curves
from lava_ep.report.summary import flipping_layers, summarize, synapse_names


def caption(content: ReportContent) -> str:
    """Say what to see in the weight flips."""
    numbers = summarize(content)
    first = sum(int(n) for n in content.metrics[0]["weight_flips"])
    last = sum(int(n) for n in content.metrics[-1]["weight_flips"])
    if len(content.metrics) == 1:
        return (
            f"A binary weight learns by changing its sign: {count(first)} flips in the only epoch, "
            f"among {count(numbers.binary_weights)} binary weights."
        )
    return (
        "A binary weight learns by changing its sign, and learning calms down where the curves "
        f"fall: {count(first)} flips in the first epoch, {count(last)} in the last, "
        f"among {count(numbers.binary_weights)} binary weights."
    )


def alt(content: ReportContent) -> str:
    """Describe the weight flips to those who cannot see them."""
    names = synapse_names(content)
    ends = ", ".join(
        f"{names[k]} from {count(content.metrics[0]['weight_flips'][k])} "
        f"to {count(content.metrics[-1]['weight_flips'][k])}"
        for k in flipping_layers(content)
    )
    return f"Line chart of weight flips per epoch: {ends}."


def _flips(line: Mapping[str, Any], layer: int) -> int:
    return int(line["weight_flips"][layer])


def _has_binary_weights(content: ReportContent) -> bool:
    return bool(flipping_layers(content))


@plate(RUN, "weight-flips", "Weight flips", caption=caption, alt=alt, applies=_has_binary_weights)
def weight_flips(content: ReportContent, theme: Theme) -> Figure:
    """Flips of all binary weights over the epochs, layer by layer."""
    names, binary = synapse_names(content), flipping_layers(content)
    curves = {names[layer]: [_flips(line, layer) for line in content.metrics] for layer in binary}
    epochs = [int(line["epoch"]) for line in content.metrics]
    return layer_curves(epochs, curves, "weights flipped in the epoch", theme)
