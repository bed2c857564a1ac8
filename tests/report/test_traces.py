"""Traces show the membrane potentials, spikes and rates of a few neurons."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba

from lava_ep.figures.theme import LIGHT, applied
from lava_ep.report.plates import traces


@pytest.fixture
def content(make_content: Any, kinds: Any) -> Any:
    """Return the content of integrate-and-fire neurons with a threshold of 2."""
    return make_content(**kinds["integrate-and-fire"])


def test_only_integrate_and_fire_neurons_have_them(
    make_content: Any, kinds: Any, content: Any
) -> None:
    assert traces.has_traces(content)
    assert not traces.has_traces(make_content(**kinds["sigma-delta"]))
    recording = dataclasses.replace(content.recording, membranes=())
    assert not traces.has_traces(dataclasses.replace(content, recording=recording))


def test_curves_are_those_of_the_neurons(content: Any) -> None:
    recording = content.recording
    with applied(LIGHT):
        figure = traces.traces(content, LIGHT)
        figure.draw_without_rendering()
    shown = traces.shown_neurons(content)
    assert len(figure.axes) == len(shown) == 3
    for axes, neuron in zip(figure.axes, shown, strict=True):
        for color, array, unit in (
            (LIGHT.green, recording.membranes, 2.0),
            (LIGHT.orange, recording.states, 1.0),
        ):
            lines = [line for line in axes.lines if line.get_color() == color]
            steps = np.concatenate([line.get_xdata() for line in lines])
            # Phases are apart, and steps between them left out.
            assert [len(line.get_xdata()) for line in lines] == [8, 4, 4]
            assert set(range(18)) - set(steps) == {0, 13}
            np.testing.assert_allclose(
                np.concatenate([line.get_ydata() for line in lines]),
                array[neuron.layer][steps, neuron.neuron] / unit,
            )
        (dashes,) = (
            lines
            for lines in axes.collections
            if isinstance(lines, LineCollection)
            and np.allclose(lines.get_colors()[0], to_rgba(LIGHT.blue))
        )
        spikes = [dash[0, 0] for dash in dashes.get_segments()]
        assert spikes == list(np.flatnonzero(recording.events[neuron.layer][:, neuron.neuron]))


def test_shown_are_the_true_class_its_rival_and_hidden_neurons(content: Any) -> None:
    hidden, output = (np.zeros_like(events) for events in content.recording.events)
    output[:3, 19] = 1  # of two neurons of class 9, the true one
    output[:2, 18] = 1
    output[:5, 7] = 1  # of class 3, the rival
    hidden[:9, 4] = 1
    hidden[:4, 2] = 1
    hidden[:18, 1] = 1
    scores = np.where(np.arange(10) == 3, 0.5, 0.1)
    recording = dataclasses.replace(content.recording, events=(hidden, output), scores=scores)
    content = dataclasses.replace(content, recording=recording)
    found = [(shown.layer, shown.neuron) for shown in traces.shown_neurons(content)]
    assert found == [(1, 19), (1, 7), (0, 4), (0, 2)]
    text = traces.alt(content)
    rate = recording.states[1][8, 19]
    assert f"output 19 (class 9) 3 spikes, rate {rate:.2f}" in text


def test_potentials_are_cut_off_where_they_run_away(content: Any) -> None:
    assert "cut off" not in traces.caption(content)
    shown = traces.shown_neurons(content)[0]
    content.recording.membranes[shown.layer][10:, shown.neuron] = 50.0
    assert "(cut off above 3 θ" in traces.caption(content)
    with applied(LIGHT):
        axes = traces.traces(content, LIGHT).axes[0]
    assert 3.0 < axes.get_ylim()[1] < 4.5


@pytest.mark.parametrize(
    ("reset", "said"), [("subtract", "falls by the threshold"), ("zero", "starts from 0 again")]
)
def test_the_caption_tells_the_reset(make_content: Any, kinds: Any, reset: str, said: str) -> None:
    network = kinds["integrate-and-fire"]["network"]
    arguments = {
        **kinds["integrate-and-fire"],
        "network": {**network, "neuron": {"kind": "lif", "reset": reset}},
    }
    assert said in traces.caption(make_content(**arguments))
