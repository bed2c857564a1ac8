"""The film of the input shows what was sent in each step, and what has been read so far."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from lava_ep.figures.theme import DARK, LIGHT, Theme, applied
from lava_ep.report.plates import film

CODES = ("latency", "rate", "events", "repeated-events")


def _with_sent(content: Any, sent: Any) -> Any:
    recording = dataclasses.replace(content.recording, sent=np.array(sent))
    return dataclasses.replace(content, recording=recording)


@pytest.mark.parametrize("code", CODES)
def test_moves_where_the_input_is_sent_over_time(make_content: Any, kinds: Any, code: str) -> None:
    content = make_content(**kinds[code])
    assert film.moves(content)
    assert not film.moves(make_content(**kinds["integrate-and-fire"]))
    recording = dataclasses.replace(content.recording, sent=None)
    assert not film.moves(dataclasses.replace(content, recording=recording))


def test_events_add_up_to_the_picture(make_content: Any, kinds: Any) -> None:
    content = make_content(**kinds["events"])
    sent = np.zeros((3, 4, 5, 2), int)
    sent[0, 1, 2, 0] = 1
    sent[2, 1, 2, 0] = 2
    sent[1, 0, 0, 1] = 9  # more than the level that means 1.0
    found = film.readings(_with_sent(content, sent))
    assert found[:, 1, 2, 0].tolist() == [0.25, 0.25, 0.75]
    assert found[:, 0, 0, 1].tolist() == [0.0, 1.0, 1.0]
    assert found.sum() == 0.25 + 0.25 + 0.75 + 2


def test_latencies_tell_the_pixels(make_content: Any, kinds: Any) -> None:
    content = make_content(**kinds["latency"])
    encoding = content.experiment.network.input_encoding
    pixels = np.arange(20) % 5
    sent = encoding.frames(pixels[None], 18).reshape(-1, 4, 5)
    found = film.readings(_with_sent(content, sent))[..., 0]
    np.testing.assert_array_equal(found[-1].ravel(), pixels / 4)
    for step in range(len(sent)):
        seen = sent[: step + 1].any(axis=0)
        np.testing.assert_array_equal(found[step], np.where(seen, found[-1], 0))


def test_random_spikes_are_read_by_their_mean(make_content: Any, kinds: Any) -> None:
    content = make_content(**kinds["rate"])
    sent = content.recording.sent
    assert len(sent) == content.recording.steps
    found = film.readings(content)[..., 0]
    for step in range(len(sent)):
        np.testing.assert_allclose(found[step], sent[: step + 1].mean(axis=0))


def test_repeated_events_are_read_by_their_mean_up_to_a_factor(
    make_content: Any, kinds: Any
) -> None:
    content = make_content(**kinds["repeated-events"])
    means = content.recording.sent.mean(axis=0)
    found = film.readings(content)
    np.testing.assert_allclose(found[-1], means / means.max())


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=str)
def test_polarities_have_colors_over_gray(make_content: Any, kinds: Any, theme: Theme) -> None:
    sent = np.zeros((2, 4, 5, 2), int)
    sent[0, 0, 0] = 0, 3
    sent[0, 0, 1] = 2, 0
    sent[0, 0, 2] = 1, 1
    sent[1, 3, 4] = 0, 1
    found = film.frames(_with_sent(make_content(**kinds["events"]), sent), theme)
    blue, orange = np.array(to_rgb(theme.blue)), np.array(to_rgb(theme.orange))
    surface, muted = np.array(to_rgb(theme.surface)), np.array(to_rgb(theme.muted))
    np.testing.assert_allclose(found[0, 0, :3], [blue, orange, (blue + orange) / 2])
    np.testing.assert_allclose(found[1, 3, 4], blue)
    np.testing.assert_allclose(found[0, 1:], np.broadcast_to(surface, (3, 5, 3)))
    # What came before is between the page and its notes, the nearer to these the more there was.
    share = (found[1, 0, :3] - surface) / (muted - surface)
    np.testing.assert_allclose(share, np.broadcast_to(share[:, :1], share.shape))
    assert 1 > share[0, 0] > share[1, 0] > 0


@pytest.mark.parametrize("code", ["latency", "rate"])
def test_spikes_are_blue(make_content: Any, kinds: Any, code: str) -> None:
    content = make_content(**kinds[code])
    painted = np.all(film.frames(content, LIGHT) == to_rgb(LIGHT.blue), axis=-1)
    np.testing.assert_array_equal(painted, content.recording.sent > 0)


@pytest.mark.parametrize("code", CODES)
def test_the_sheet_holds_every_frame_in_order(make_content: Any, kinds: Any, code: str) -> None:
    content = make_content(**kinds[code])
    png, columns = film.sheet(content, LIGHT)
    sheet = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    frames = film.frames(content, LIGHT)
    for step, frame in enumerate(frames):
        row, column = divmod(step, columns)
        part = sheet[4 * row : 4 * row + 4, 5 * column : 5 * column + 5]
        np.testing.assert_array_equal(part, np.rint(255 * frame))


def test_the_sheet_of_a_line_is_not_too_wide(make_content: Any) -> None:
    network = {"encoding": {"code": "rate"}, "inputs": 3000}
    content = make_content(shape=(1, 3000), network=network)
    png, columns = film.sheet(content, LIGHT)
    assert columns == 1
    assert Image.open(io.BytesIO(png)).size == (3000, content.recording.steps)


def test_notes_tell_phases_and_numbers(make_content: Any, kinds: Any) -> None:
    content = make_content(**kinds["rate"])
    found, sent = film.notes(content), content.recording.sent
    assert len(found) == len(sent)
    assert found[0] == f"Time step 0 (load): {sent[0].sum()} spikes"
    assert found[13] == f"Time step 13 (restore): {sent[13].sum()} spikes"
    content = make_content(**kinds["events"])
    sent = content.recording.sent
    assert film.notes(content)[4] == f"Time step 4 (free): {sent[4].sum()} events"


@pytest.mark.parametrize("code", CODES)
def test_the_still_picture_shows_frames(make_content: Any, kinds: Any, code: str) -> None:
    content = make_content(**kinds[code])
    with applied(LIGHT):
        figure = film.still(content, LIGHT)
        figure.draw_without_rendering()
    shown = film.shown_steps(content)
    sent = content.recording.sent
    busy = [step for step in range(len(sent)) if sent[step].any()]
    assert (shown[0], shown[-1]) == (0, busy[-1])
    assert len(shown) == len(set(shown)) == min(film.SHOWN, busy[-1] + 1)
    frames = film.frames(content, LIGHT)
    images = figure.axes[0].images
    assert len(images) == len(shown)
    for step, image in zip(shown, images, strict=True):
        np.testing.assert_allclose(image.get_array(), frames[step])
    keys = {text.get_text() for text in figure.legends[0].get_texts()}
    own = {"brighter", "darker"} if "events" in code else {"spike in this step"}
    assert keys == own | {"so far"}
    assert f"{sent.sum():,}" in film.alt(content)
