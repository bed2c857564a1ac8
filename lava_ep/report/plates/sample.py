"""The recorded sample."""

from __future__ import annotations

from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lava_ep.figures.text import class_label
from lava_ep.figures.theme import Theme, new_figure
from lava_ep.report.content import SampleContent
from lava_ep.report.plates import SAMPLE, plate


def _has_colors(image: NDArray[Any]) -> bool:
    """Whether the channels of an image are red, green and blue."""
    return image.ndim == 3 and image.shape[2] == 3


def caption(content: SampleContent) -> str:
    """Say what the image shows and what the network takes it for."""
    recording = content.recording
    return (
        f"The recorded sample shows {class_label(content.class_names[recording.label])}; the "
        f"network takes it for {class_label(content.class_names[recording.prediction])}."
    )


def alt(content: SampleContent) -> str:
    """Describe the image to those who cannot see it."""
    height, width = content.image_shape[:2]
    name = class_label(content.class_names[content.recording.label])
    kind = "Color" if _has_colors(content.recording.image) else "Gray-level"
    return f"{kind} image of {width} by {height} pixels, {name}."


def draw_image(
    axes: Axes, content: SampleContent, aspect: Literal["equal", "auto"] = "equal"
) -> None:
    """Draw the image into a plot."""
    image = content.recording.image
    if not _has_colors(image) and image.ndim == 3:
        image = image.mean(axis=2)
    axes.imshow(image, cmap="gray", vmin=0.0, vmax=1.0, aspect=aspect, interpolation="nearest")
    axes.set_axis_off()


@plate(SAMPLE, "sample", "Recorded sample", caption=caption, alt=alt)
def sample_image(content: SampleContent, theme: Theme) -> Figure:
    """Draw the recorded sample's image, nothing else."""
    height, width = content.recording.image.shape[:2]
    longest = max(height, width)
    figure = new_figure(2.2 * width / longest, 2.2 * height / longest, framed=False)
    draw_image(figure.add_axes((0.0, 0.0, 1.0, 1.0)), content, aspect="auto")
    return figure
