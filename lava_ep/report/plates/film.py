"""The input over time: what the network is sent of a sample, step by step."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.patches import Patch
from numpy.typing import NDArray

from lava_ep.dynamics import Code, Latency, Rate
from lava_ep.figures.text import count, plural
from lava_ep.figures.theme import Theme
from lava_ep.figures.tiles import tiles
from lava_ep.report.content import SampleContent
from lava_ep.report.plates import SAMPLE, plate

SHOWN = 12
"""Time steps in the still picture."""

_COLUMNS = 6
_KEY = 0.6
"""Room for the legend below the pictures, in inches."""

_DEPTH = 0.55
"""How far the gray of the brightest pixels is from the page's color to that of its notes."""

_SHEET = 4096
"""Widest sheet of frames in pixels, within what every browser can draw."""

Reals = NDArray[np.float64]


def moves(content: SampleContent) -> bool:
    """Whether the input is sent over time, and was recorded."""
    constant = content.experiment.ep_network.encoding.code is Code.CONSTANT
    return content.recording.sent is not None and not constant


def _sent(content: SampleContent) -> NDArray[np.integer[Any]]:
    """Return what was sent, (messages, height, width, channels)."""
    sent = content.recording.sent
    if sent is None:
        raise ValueError("what was sent has not been recorded")
    return sent if sent.ndim == 4 else sent[..., None]


def _from_camera(content: SampleContent) -> bool:
    return content.experiment.ep_network.input_encoding.frames_a_sample > 1


def _has_polarities(content: SampleContent) -> bool:
    """Whether channels are darker and brighter, as of an event camera."""
    return _from_camera(content) and _sent(content).shape[-1] == 2


def readings(content: SampleContent) -> Reals:
    r"""Return what synapses have read of the input after each time step.

    .. math::
        p_k = \frac{1}{L} \sum_{j \le k} v_j\,e_j
        \quad \text{or} \quad \frac{1}{k + 1} \sum_{j \le k} e_j

    for events and latencies, or spikes that are read by their mean: :math:`e_j` is what is sent in
    step j, :math:`v_j` the value of a latency (1 for events), L the level that means 1.0. Means of
    events, which may exceed 1, are scaled to end at 1.

    Returns
    -------
    readings
        (messages, height, width, channels), in [0, 1].
    """
    encoding = content.experiment.ep_network.input_encoding
    sent = _sent(content).astype(np.float64)
    steps = np.arange(len(sent)).reshape(-1, 1, 1, 1)
    reading = encoding.reading
    if isinstance(reading, Rate):
        means: Reals = np.cumsum(sent, axis=0) / (steps + 1)
        largest = float(means[-1].max()) if _from_camera(content) else 1.0
        return np.clip(means / (largest or 1.0), 0.0, 1.0)
    if isinstance(reading, Latency):
        sent *= np.vectorize(reading.value, otypes=[float])(steps)
    return np.clip(np.cumsum(sent, axis=0) / encoding.levels, 0.0, 1.0)


def frames(content: SampleContent, theme: Theme) -> Reals:
    """Paint the events of each time step, in color, over what has been read so far, in gray.

    Events of a pixel that go both ways mix their colors.

    Returns
    -------
    frames
        (messages, height, width, 3): red, green and blue in [0, 1].
    """
    sent = _sent(content)
    surface, muted, blue, orange = (
        np.array(to_rgb(color)) for color in (theme.surface, theme.muted, theme.blue, theme.orange)
    )
    gray = readings(content).mean(axis=-1, keepdims=True)
    painted: Reals = surface + _DEPTH * gray * (muted - surface)
    total = sent.sum(axis=-1, keepdims=True)
    # tonic numbers the polarities 0, darker, and 1, brighter.
    brighter = sent[..., 1:] if _has_polarities(content) else total
    share = brighter / np.maximum(total, 1)
    return np.where(total > 0, share * blue + (1 - share) * orange, painted)


def sheet(content: SampleContent, theme: Theme) -> tuple[bytes, int]:
    """Lay all frames on one sheet, row by row, one pixel for each pixel of the input.

    Returns
    -------
    png, columns
        The sheet, and how many frames are in a row of it.
    """
    found = np.rint(255 * frames(content, theme)).astype(np.uint8)
    number, height, width, _ = found.shape
    columns = max(1, min(math.ceil(math.sqrt(number)), _SHEET // width))
    rows = -(-number // columns)
    padded = np.zeros((rows * columns, height, width, 3), np.uint8)
    padded[:number] = found
    laid = padded.reshape(rows, columns, height, width, 3).swapaxes(1, 2)
    buffer = io.BytesIO()
    imsave(buffer, np.ascontiguousarray(laid.reshape(rows * height, columns * width, 3)))
    return buffer.getvalue(), columns


def notes(content: SampleContent) -> list[str]:
    """Say of each frame its time step, its phase, and how much is sent."""
    recording = content.recording
    names = {
        step: f" ({name})"
        for name, first, end in recording.phase_bounds
        for step in range(first, end)
    }
    return [
        f"Time step {step}{names.get(step, '')}: {plural(int(sent.sum()), _event(content))}"
        for step, sent in enumerate(_sent(content))
    ]


def _event(content: SampleContent) -> str:
    """Name what pixels send."""
    return "event" if _from_camera(content) else "spike"


def shown_steps(content: SampleContent) -> list[int]:
    """Choose time steps for the still picture, at even distances until the last event."""
    sent = _sent(content)
    busy = np.flatnonzero(sent.any(axis=(1, 2, 3)))
    last = int(busy[-1]) if busy.size else len(sent) - 1
    return [int(k) for k in np.linspace(0, last, min(SHOWN, last + 1)).round()]


def _gray(theme: Theme) -> str:
    """Return the gray of a pixel that has been read as 1."""
    surface, muted = np.array(to_rgb(theme.surface)), np.array(to_rgb(theme.muted))
    return to_hex(surface + _DEPTH * (muted - surface))


def caption(content: SampleContent) -> str:
    """Say what to see in the input over time."""
    code = content.experiment.ep_network.encoding.code
    steps = plural(len(_sent(content)), "time step")
    how = {
        Code.EVENTS: f"The events of the recording come at their own times, within {steps}, and "
        "add up to a picture (gray) that then stays",
        Code.REPEATED_EVENTS: "The events of the recording come at their own times, over and over "
        "again, and are read by their mean since the sample was loaded (gray)",
        Code.LATENCY: f"Each pixel sends one spike within {steps}, the earlier the brighter it is, "
        "and keeps the value that this tells (gray)",
        Code.RATE: "In every time step each pixel sends a spike with a probability of its "
        "brightness, and is read by the mean of its spikes since the sample was loaded (gray)",
    }[code]
    colors = (
        "blue where a pixel gets brighter and orange where it gets darker"
        if _has_polarities(content)
        else f"{_event(content)}s are blue"
    )
    return f"{how}; {colors}, and pictures are numbered by their time steps."


def alt(content: SampleContent) -> str:
    """Describe the input over time to those who cannot see it."""
    sent = _sent(content)
    shown = shown_steps(content)
    return (
        f"{plural(len(shown), 'picture')} of the input of {sent.shape[2]} by {sent.shape[1]} "
        f"pixels, from time step {shown[0]} to {shown[-1]}; "
        f"{plural(int(sent.sum()), _event(content))} in all, {count(int(sent[0].sum()))} of them "
        "in the first."
    )


@plate(SAMPLE, "input", "Input over time", caption=caption, alt=alt, applies=moves)
def still(content: SampleContent, theme: Theme) -> Figure:
    """Draw a few of the frames, numbered by their time steps."""
    chosen = shown_steps(content)
    columns = min(_COLUMNS, len(chosen))
    figure, *_ = tiles(frames(content, theme)[chosen], chosen, theme, _KEY, columns=columns)
    keys = [(theme.blue, f"{_event(content)} in this step")]
    if _has_polarities(content):
        keys = [(theme.blue, "brighter"), (theme.orange, "darker")]
    gray = _gray(theme)
    figure.legend(
        handles=[Patch(color=color, label=label) for color, label in [*keys, (gray, "so far")]],
        loc="outside lower center",
        ncols=3,
        handlelength=1.0,
    )
    return figure
