"""The figures show the numbers that they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba

from lava_ep.report import curves, matrices, phases
from lava_ep.report.theme import LIGHT, applied

SYMMETRIC = (("free", 1, 9), ("nudged +", 9, 14), ("nudged -", 15, 20))


def _draw(function: Any, content: Any) -> Any:
    with applied(LIGHT):
        figure = function(content, LIGHT)
        figure.draw_without_rendering()
    return figure


def test_raster_has_one_dash_for_every_event(make_content: Any) -> None:
    content = make_content(layers=(30, 12, 20), phases=SYMMETRIC)
    figure = _draw(phases.raster, content)
    for layer, axes in enumerate(reversed(figure.axes)):
        events = content.recording.events[layer]
        for sign, color in ((1, LIGHT.blue), (-1, LIGHT.orange)):
            drawn = [
                (round(dash[:, 0].mean()), round(dash[0, 1]))
                for lines in axes.collections
                if isinstance(lines, LineCollection)
                and np.allclose(lines.get_colors()[0], to_rgba(color))
                for dash in lines.get_segments()
            ]
            assert sorted(drawn) == sorted(
                (int(step), int(neuron)) for step, neuron in np.argwhere(events == sign)
            )


def test_raster_marks_phase_boundaries(make_content: Any) -> None:
    figure = _draw(phases.raster, make_content(phases=SYMMETRIC))
    edges = {
        float(line.get_xdata()[0])
        for line in figure.axes[0].lines
        if line.get_xdata()[0] == line.get_xdata()[1]
    }
    assert edges == {0.5, 8.5, 13.5, 14.5}
    labels = {text.get_text() for text in figure.axes[0].texts}
    assert {"free", "nudged +", "nudged -"} <= labels


def test_events_per_step_counts_both_signs(make_content: Any) -> None:
    content = make_content(layers=(300, 20), phases=SYMMETRIC, rate=0.3)
    figure = _draw(phases.events_per_step, content)
    for layer, axes in enumerate(reversed(figure.axes)):
        events = content.recording.events[layer]
        heights = [bar.get_height() for bars in axes.containers for bar in bars]
        assert heights == [*(events == 1).sum(axis=1), *-(events == -1).sum(axis=1)]


@pytest.mark.parametrize("draw", [phases.raster, phases.events_per_step])
def test_says_where_nothing_happens(make_content: Any, draw: Any) -> None:
    figure = _draw(draw, make_content(rate=0.0))
    for axes in figure.axes:
        assert "no events" in {text.get_text() for text in axes.texts}


@pytest.mark.parametrize(
    ("busy", "expected"), [([], 0), ([0], 1), ([0, 3], 4), ([5], None), ([6], 0)]
)
def test_silence_is_counted_within_the_free_phase(
    make_content: Any, busy: list[int], expected: int | None
) -> None:
    content = make_content(rate=0.0)
    for step in busy:
        content.recording.events[1][step, 3] = 1
    assert phases.silent_from(content.recording) == expected


def test_class_states_average_contiguous_groups(make_content: Any) -> None:
    content = make_content()
    states = content.recording.states[-1]
    means = phases.class_states(content)
    assert means.shape == (10, 10)
    np.testing.assert_allclose(means[4, 7], (states[4, 14] + states[4, 15]) / 2, rtol=1e-6)


def test_output_state_does_not_join_phases(make_content: Any) -> None:
    content = make_content(phases=SYMMETRIC)
    figure = _draw(phases.output_state, content)
    lengths = {len(line.get_xdata()) for line in figure.axes[0].lines if line.get_alpha()}
    assert lengths == {8, 5}


def test_confusion_writes_every_count(make_content: Any) -> None:
    content = make_content()
    figure = _draw(matrices.confusion, content)
    written = {
        (round(text.get_position()[1]), round(text.get_position()[0])): int(text.get_text())
        for text in figure.axes[0].texts
        if text.get_text().isdigit()
    }
    expected = {
        (int(i), int(j)): int(content.confusion[i, j]) for i, j in np.argwhere(content.confusion)
    }
    assert written == expected


def test_receptive_fields_show_the_weights(make_content: Any) -> None:
    content = make_content(layers=(60, 20))
    figure = _draw(matrices.receptive_fields, content)
    chosen = matrices.chosen_neurons(60)
    assert len(chosen) == len(set(chosen)) == matrices.FIELDS
    assert (chosen[0], chosen[-1]) == (0, 59)
    for neuron, image in zip(chosen, figure.axes[0].images, strict=True):
        np.testing.assert_array_equal(
            image.get_array(), content.input_weights[neuron].reshape(4, 5)
        )


def test_mean_field_is_the_mean(make_content: Any) -> None:
    content = make_content()
    image = _draw(matrices.mean_field, content).axes[0].images[0]
    np.testing.assert_allclose(
        image.get_array(), content.input_weights.mean(axis=0).reshape(4, 5), atol=1e-12
    )


@pytest.mark.parametrize("baseline_epochs", [None, 1, 3, 5])
def test_learning_curve_has_train_test_and_baseline(
    make_content: Any, baseline_epochs: int | None
) -> None:
    content = make_content(baseline_epochs=baseline_epochs)
    axes = _draw(curves.learning_curve, content).axes[0]
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    expected = {
        "test set": [line["test_accuracy"] for line in content.metrics],
        "training set": [line["train_accuracy"] for line in content.metrics],
    }
    if baseline_epochs is not None:
        expected["test set, input layer frozen"] = [
            line["test_accuracy"] for line in content.baseline_metrics
        ]
    assert drawn == expected
    low, high = axes.get_ylim()
    assert all(low < value <= high for values in drawn.values() for value in values)


@pytest.mark.parametrize(
    ("flips", "scale"),
    [
        ([[900, 90], [90, 30]], "log"),
        ([[900, 9], [0, 0]], "symlog"),
        ([[90, 80], [70, 60]], "linear"),
        ([[0, 0], [0, 0]], "linear"),
    ],
)
def test_weight_flips_choose_their_axis(
    make_content: Any, flips: list[list[int]], scale: str
) -> None:
    lines = [dict(line) for line in make_content(epochs=2).metrics]
    for line, numbers in zip(lines, flips, strict=True):
        line["weight_flips"] = numbers
    axes = _draw(curves.weight_flips, make_content(metrics=lines)).axes[0]
    assert axes.get_yscale() == scale
    assert [list(line.get_ydata()) for line in axes.lines] == np.transpose(flips).tolist()
    assert [line.get_label() for line in axes.lines] == [
        "input \N{RIGHTWARDS ARROW} hidden 1",
        "hidden 1 \N{RIGHTWARDS ARROW} output",
    ]
