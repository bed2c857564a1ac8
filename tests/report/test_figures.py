"""The figures show the numbers that they are given."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba

from lava_ep.figures.theme import LIGHT, applied
from lava_ep.report.plates import (
    _overview,
    _weights,
    accuracy_by_events,
    confusion_matrix,
    event_raster,
    events_per_epoch,
    events_per_step,
    feature_maps,
    layer_states,
    learning_curve,
    mean_field,
    output_state,
    receptive_fields,
    run_plates,
    sample,
    scores,
    weight_flips,
)

SYMMETRIC = (("free", 1, 9), ("nudged +", 9, 14), ("nudged -", 15, 20))


def _draw(function: Any, content: Any) -> Any:
    with applied(LIGHT):
        figure = function(content, LIGHT)
        figure.draw_without_rendering()
    return figure


def test_raster_has_one_dash_for_every_event(make_content: Any) -> None:
    content = make_content(layers=(30, 12, 20), phases=SYMMETRIC)
    figure = _draw(event_raster.raster, content)
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
    figure = _draw(event_raster.raster, make_content(phases=SYMMETRIC))
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
    figure = _draw(events_per_step.events_per_step, content)
    for layer, axes in enumerate(reversed(figure.axes)):
        events = content.recording.events[layer]
        heights = [bar.get_height() for bars in axes.containers for bar in bars]
        assert heights == [*(events == 1).sum(axis=1), *-(events == -1).sum(axis=1)]


@pytest.mark.parametrize("draw", [event_raster.raster, events_per_step.events_per_step])
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
    assert events_per_step.silent_from(content.recording) == expected


def test_class_states_average_contiguous_groups(make_content: Any) -> None:
    content = make_content()
    states = content.recording.states[-1]
    means = output_state.class_states(content)
    assert means.shape == (10, 10)
    np.testing.assert_allclose(means[4, 7], (states[4, 14] + states[4, 15]) / 2, rtol=1e-6)


def test_output_state_does_not_join_phases(make_content: Any) -> None:
    content = make_content(phases=SYMMETRIC)
    figure = _draw(output_state.output_state, content)
    lengths = {len(line.get_xdata()) for line in figure.axes[0].lines if line.get_alpha()}
    assert lengths == {8, 5}


def test_layer_states_show_every_neuron(make_content: Any) -> None:
    content = make_content(phases=SYMMETRIC)
    *plots, scale = _draw(layer_states.layer_states, content).axes
    for axes, states in zip(reversed(plots), content.recording.states, strict=True):
        (image,) = axes.images
        np.testing.assert_allclose(image.get_array(), states.T)
        assert image.get_clim() == (0.0, max(s.max() for s in content.recording.states))
    assert scale.get_xlabel() == "state s"


def test_states_of_both_signs_have_diverging_colors(make_content: Any, kinds: Any) -> None:
    content = make_content(**kinds["graded, real"])
    low, high = _draw(layer_states.layer_states, content).axes[0].images[0].get_clim()
    assert low == -high < 0


@pytest.mark.parametrize(("neurons", "rows"), [(12, 400), (12, 5), (801, 400)])
def test_mean_states_average_neighbors(neurons: int, rows: int) -> None:
    states = np.random.default_rng(0).normal(size=(3, neurons)).astype(np.float32)
    means = layer_states.mean_states(states, rows)
    assert means.shape == (3, min(neurons, rows))
    edges = [k * neurons // means.shape[1] for k in range(means.shape[1] + 1)]
    for row, (first, end) in enumerate(pairwise(edges)):
        np.testing.assert_allclose(
            means[:, row], states[:, first:end].mean(axis=1), rtol=1e-4, atol=1e-6
        )


def test_scores_are_bars_of_their_length(make_content: Any) -> None:
    content = make_content(recording={"prediction": 2})
    (bars,) = _draw(scores.scores, content).axes[0].containers
    np.testing.assert_allclose([bar.get_width() for bar in bars], content.recording.scores)
    colors = [bar.get_facecolor() for bar in bars]
    assert colors[9] == to_rgba(LIGHT.blue)
    assert colors[2] == to_rgba(LIGHT.orange)
    assert set(colors) == {to_rgba(c) for c in (LIGHT.blue, LIGHT.orange, LIGHT.muted)}


@pytest.mark.parametrize("kind", [None, "graded, real", "binary convolution in color"])
def test_overview_shows_what_the_single_figures_show(
    make_content: Any, kinds: Any, kind: str | None
) -> None:
    content = make_content(**(kinds[kind] if kind else {}))
    whole = _draw(_overview.overview, content)
    single = [
        axes
        for draw in (
            scores.scores,
            event_raster.raster,
            layer_states.layer_states,
            output_state.output_state,
        )
        for axes in _draw(draw, content).axes
    ]
    drawn = [axes for part in _parts(whole) for axes in part.axes]
    assert len(drawn) == 1 + len(single)
    assert sorted(len(axes.lines) for axes in drawn[1:]) == sorted(len(a.lines) for a in single)
    assert content.title in whole.get_suptitle()


def _parts(figure: Any) -> list[Any]:
    """Return the parts of a figure that have no parts."""
    if not figure.subfigs:
        return [figure]
    return [part for inner in figure.subfigs for part in _parts(inner)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("integrate-and-fire", {"spike"}),
        ("sigma-delta", {"spike (+1)", "spike (\N{MINUS SIGN}1)"}),
    ],
)
def test_spikes_are_called_spikes(make_content: Any, kinds: Any, kind: str, expected: Any) -> None:
    content = make_content(**kinds[kind])
    figure = _draw(event_raster.raster, content)
    assert {text.get_text() for text in figure.legends[0].get_texts()} == expected
    assert [axes.get_ylabel() for axes in _draw(events_per_step.events_per_step, content).axes] == [
        "output\nspikes",
        "hidden 1\nspikes",
    ]
    assert (
        _draw(accuracy_by_events.accuracy_by_events, content)
        .axes[0]
        .get_xlabel()
        .startswith("spikes of")
    )
    for plate in run_plates():
        if not plate.applies(content):
            continue
        said = " ".join((plate.title(content), plate.caption(content), plate.alt(content)))
        assert "event" not in said.lower(), plate.name
        assert "activation" not in said, plate.name


def test_spikes_of_one_sign_are_bars_upwards(make_content: Any, kinds: Any) -> None:
    content = make_content(**kinds["integrate-and-fire"])
    figure = _draw(events_per_step.events_per_step, content)
    assert not figure.legends
    for layer, axes in enumerate(reversed(figure.axes)):
        heights = [bar.get_height() for bars in axes.containers for bar in bars]
        assert heights == list(content.recording.events[layer].sum(axis=1))
        assert axes.get_ylim()[0] == 0


def test_sigma_delta_spikes_have_a_color_for_each_sign(make_content: Any, kinds: Any) -> None:
    content = make_content(**kinds["sigma-delta"])
    for layer, axes in enumerate(reversed(_draw(event_raster.raster, content).axes)):
        drawn = {
            color: sum(
                len(lines.get_segments())
                for lines in axes.collections
                if isinstance(lines, LineCollection)
                and np.allclose(lines.get_colors()[0], to_rgba(color))
            )
            for color in (LIGHT.blue, LIGHT.orange)
        }
        events = content.recording.events[layer]
        assert drawn == {LIGHT.blue: (events == 1).sum(), LIGHT.orange: (events == -1).sum()}


@pytest.mark.parametrize(
    ("kind", "label"),
    [("integrate-and-fire", "rate (spike trace)"), ("sigma-delta", "state s")],
)
def test_states_are_called_what_they_are(
    make_content: Any, kinds: Any, kind: str, label: str
) -> None:
    content = make_content(**kinds[kind])
    assert _draw(layer_states.layer_states, content).axes[-1].get_xlabel() == label
    assert (
        _draw(output_state.output_state, content)
        .axes[0]
        .get_ylabel()
        .endswith(f"{label} of the group" if kind == "integrate-and-fire" else label)
    )
    titles = {plate.name: plate.title(content) for plate in run_plates()}
    word = label.split()[0]
    assert titles["output-state"] == f"{word.capitalize()} of the output"
    assert layer_states.caption(content).startswith(f"The {word} of every neuron")


def test_accuracy_by_events_has_a_point_for_every_epoch(make_content: Any) -> None:
    content = make_content()
    axes = _draw(accuracy_by_events.accuracy_by_events, content).axes[0]
    neurons = 12 + 20
    for line in axes.lines:
        np.testing.assert_allclose(line.get_xdata(), [(65.4 + k) / neurons for k in (1, 2, 3)])
        np.testing.assert_allclose(line.get_ydata(), [0.90, 0.91, 0.92])
    assert {text.get_text() for text in axes.texts} == {"epoch 1", "epoch 3"}


def test_confusion_writes_every_count(make_content: Any) -> None:
    content = make_content()
    figure = _draw(confusion_matrix.confusion, content)
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
    figure = _draw(receptive_fields.receptive_fields, content)
    chosen = _weights.chosen_neurons(60)
    assert len(chosen) == len(set(chosen)) == _weights.FIELDS
    assert (chosen[0], chosen[-1]) == (0, 59)
    for neuron, image in zip(chosen, figure.axes[0].images, strict=True):
        np.testing.assert_array_equal(
            image.get_array(), content.input_weights[neuron].reshape(4, 5)
        )


def test_mean_field_is_the_mean(make_content: Any) -> None:
    content = make_content()
    image = _draw(mean_field.mean_field, content).axes[0].images[0]
    np.testing.assert_allclose(
        image.get_array(), content.input_weights.mean(axis=0).reshape(4, 5), atol=1e-12
    )


def test_real_weights_have_diverging_colors_about_zero(make_content: Any, kinds: Any) -> None:
    content = make_content(**kinds["graded, real"])
    axes, scale = _draw(receptive_fields.receptive_fields, content).axes
    images = axes.images
    for neuron, image in enumerate(images):
        np.testing.assert_allclose(image.get_array(), content.input_weights[neuron].reshape(4, 5))
        low, high = image.get_clim()
        assert low == -high
        np.testing.assert_allclose(image.cmap(0.5)[:3], to_rgba(LIGHT.surface)[:3], atol=0.01)
    # All share one scale, which leaves out only the very largest weights.
    beyond = np.abs(content.input_weights) > images[0].get_clim()[1]
    assert 0 < beyond.sum() <= 0.01 * beyond.size
    assert scale.get_xlabel() == "weight"


@pytest.mark.parametrize("draw", [receptive_fields.receptive_fields, mean_field.mean_field])
def test_weights_from_color_images_are_red_green_and_blue(
    make_content: Any, kinds: Any, draw: Any
) -> None:
    content = make_content(**kinds["dense in color"])
    weights = content.input_weights.reshape(12, 4, 5, 3)
    if draw is mean_field.mean_field:
        weights = weights.mean(axis=0, keepdims=True)
    images = _draw(draw, content).axes[0].images
    for image, expected in zip(images, weights, strict=True):
        found = np.asarray(image.get_array())
        assert found.shape == (4, 5, 3)
        inside = (found > 0) & (found < 1)
        assert inside.mean() > 0.9
        # Gray is zero, and more of a channel is a larger weight.
        np.testing.assert_array_equal(found[inside] > 0.5, expected[inside] > 0)
        order = np.argsort(expected[inside])
        assert np.all(np.diff(found[inside][order]) >= 0)


def test_binary_weights_from_color_images_are_bright_or_dark(make_content: Any, kinds: Any) -> None:
    content = make_content(**kinds["dense binary in color"])
    image = _draw(receptive_fields.receptive_fields, content).axes[0].images[3]
    expected = content.input_weights[3].reshape(4, 5, 3) > 0
    np.testing.assert_array_equal(image.get_array(), expected)


def test_other_channels_are_averaged(make_content: Any, kinds: Any) -> None:
    content = make_content(**kinds["two channels"])
    for draw, expected in (
        (receptive_fields.receptive_fields, content.input_weights[0]),
        (mean_field.mean_field, content.input_weights.mean(axis=0)),
    ):
        image = _draw(draw, content).axes[0].images[0]
        np.testing.assert_allclose(
            image.get_array(), expected.reshape(4, 5, 2).mean(axis=2), atol=1e-7
        )
    image = _draw(sample.sample_image, content).axes[0].images[0]
    np.testing.assert_allclose(image.get_array(), content.recording.image.mean(axis=2))


def test_kernels_are_drawn_as_they_are_laid_on_the_image(make_content: Any, kinds: Any) -> None:
    content = make_content(**kinds["binary convolution"])
    images = _draw(receptive_fields.receptive_fields, content).axes[0].images
    for channel, image in enumerate(images):
        np.testing.assert_array_equal(image.get_array(), content.input_weights[channel, 0])
    content = make_content(**kinds["binary convolution in color"])
    images = _draw(receptive_fields.receptive_fields, content).axes[0].images
    assert len(images) == 6
    for channel, image in enumerate(images):
        for color in range(3):
            np.testing.assert_array_equal(
                image.get_array()[:, :, color], content.input_weights[channel, color] > 0
            )


@pytest.mark.parametrize("kind", ["binary convolution", "graded convolution in color"])
def test_feature_maps_show_activations_at_the_end_of_the_free_phase(
    make_content: Any, kinds: Any, kind: str
) -> None:
    content = make_content(**kinds[kind])
    height, width, channels = content.experiment.network.connections[0].out_shape
    activation = np.zeros((height, width, channels))
    for events in content.recording.events[0][:6]:
        for neuron, event in enumerate(events):
            row, rest = divmod(neuron, width * channels)
            column, channel = divmod(rest, channels)
            activation[row, column, channel] += event
    images = _draw(feature_maps.feature_maps, content).axes[0].images
    assert len(images) == channels == 6
    for channel, image in enumerate(images):
        np.testing.assert_allclose(image.get_array(), activation[:, :, channel], atol=1e-7)
        # Negative activations need a scale of two sides.
        assert image.get_clim()[0] == -image.get_clim()[1]
        assert abs(activation).max() == pytest.approx(image.get_clim()[1])


def test_activations_without_a_sign_have_a_scale_from_zero(make_content: Any, kinds: Any) -> None:
    content = make_content(**kinds["binary convolution"])
    np.abs(content.recording.events[0], out=content.recording.events[0])
    images = _draw(feature_maps.feature_maps, content).axes[0].images
    assert {image.get_clim()[0] for image in images} == {0.0}


def test_feature_maps_of_spiking_neurons_show_states(make_content: Any, kinds: Any) -> None:
    # The sum of spikes would be in steps, which start larger than they end.
    content = make_content(**kinds["sigma-delta convolution"])
    height, width, channels = content.experiment.network.connections[0].out_shape
    states = content.recording.states[0][8].reshape(height, width, channels)
    axes, scale = _draw(feature_maps.feature_maps, content).axes
    assert len(axes.images) == channels
    for channel, image in enumerate(axes.images):
        np.testing.assert_allclose(image.get_array(), states[:, :, channel])
    assert scale.get_xlabel() == "state"
    assert feature_maps.caption(content).startswith("The states of 6 of the 6 channels")


def test_the_sample_is_drawn_in_color(make_content: Any, kinds: Any) -> None:
    content = make_content(**kinds["dense in color"])
    image = _draw(sample.sample_image, content).axes[0].images[0]
    np.testing.assert_array_equal(image.get_array(), content.recording.image)
    assert sample.alt(content).startswith("Color image of 5 by 4 pixels")
    gray = make_content()
    assert sample.alt(gray).startswith("Gray-level image of 5 by 4 pixels")


def test_graded_events_are_cells_with_their_sign_and_size(make_content: Any, kinds: Any) -> None:
    content = make_content(**kinds["graded, real"])
    figure = _draw(event_raster.raster, content)
    *plots, scale = figure.axes
    for layer, axes in enumerate(reversed(plots)):
        (image,) = axes.images
        events = content.recording.events[layer]
        drawn = np.ma.filled(image.get_array(), 0.0)
        np.testing.assert_allclose(drawn.T, events)
        np.testing.assert_array_equal(np.ma.getmaskarray(image.get_array()).T, events == 0)
        colors = image.cmap(image.norm(events[events != 0]))
        rising = events[events != 0] > 0
        np.testing.assert_allclose(colors[rising, :3], [to_rgba(LIGHT.blue)[:3]] * rising.sum())
        # The larger a change, the less transparent.
        order = np.argsort(np.abs(events[events != 0]))
        assert np.all(np.diff(colors[order, 3]) >= -0.01)
        assert colors[:, 3].min() > 0.1
    assert scale.get_xlabel() == "change of the activation"


def test_large_layers_show_the_largest_change_of_a_few_neurons() -> None:
    events = np.zeros((2, 7), np.float32)
    events[0, [0, 1, 6]] = 0.1, -0.5, -0.25
    found = event_raster.largest_changes(events, 3)
    np.testing.assert_array_equal(found, [[-0.5, 0, -0.25], [0, 0, 0]])
    np.testing.assert_array_equal(event_raster.largest_changes(events, 7), events)


def test_graded_events_per_step_count_rises_and_falls(make_content: Any, kinds: Any) -> None:
    content = make_content(**kinds["graded, real"])
    figure = _draw(events_per_step.events_per_step, content)
    for layer, axes in enumerate(reversed(figure.axes)):
        events = content.recording.events[layer]
        heights = [bar.get_height() for bars in axes.containers for bar in bars]
        assert heights == [*(events > 0).sum(axis=1), *-(events < 0).sum(axis=1)]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [text.split()[1] for text in legend] == ["rise", "fall"]


def test_captions_tell_graded_from_binary_events(make_content: Any, kinds: Any) -> None:
    graded = make_content(**kinds["graded, real"])
    assert "the deeper its color the larger" in event_raster.caption(graded)
    assert "binary" not in event_raster.caption(graded)
    assert "of many neurons" not in event_raster.caption(graded)
    many = make_content(**kinds["graded, mixed"])
    assert "of many neurons in a row, the largest" in event_raster.caption(many)
    assert "binary activation" in event_raster.caption(make_content())
    caption = events_per_step.caption(graded)
    assert "changes by more than 0.0001: " not in caption
    assert "changes by more than 0.0001;" in caption
    last = max(np.abs(events[8]).max() for events in graded.recording.events)
    assert f"the largest a change of {last:.1g}." in caption
    assert "by more than" not in events_per_step.caption(make_content())


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((("free", 0, 6), ("nudged", 6, 10)), None),
        ((("load", 0, 1), ("free", 1, 6), ("nudged", 6, 10)), "gray steps load the sample."),
        (SYMMETRIC, "gray steps load the sample or restore the free state."),
    ],
)
def test_the_raster_explains_the_gray_steps_there_are(
    make_content: Any, bounds: Any, text: str | None
) -> None:
    caption = event_raster.caption(make_content(phases=bounds))
    assert caption.endswith(text or "(blue band).")


def test_names_of_short_phases_do_not_meet(make_content: Any) -> None:
    bounds = (("free", 1, 21), ("nudged +β", 21, 27), ("nudged −β", 27, 33))
    figure = _draw(output_state.output_state, make_content(phases=bounds))
    boxes = [
        text.get_window_extent()
        for text in figure.axes[0].texts
        if text.get_text().startswith("nudged")
    ]
    assert len(boxes) == 2
    left, right = sorted(boxes, key=lambda box: box.x0)
    assert left.x1 + 8 < right.x0 or not left.overlaps(right)


def test_only_binary_weights_have_curves_of_flips(make_content: Any, kinds: Any) -> None:
    axes = _draw(weight_flips.weight_flips, make_content(**kinds["graded, mixed"])).axes[0]
    assert [line.get_label() for line in axes.lines] == ["input \N{RIGHTWARDS ARROW} hidden 1"]
    assert list(axes.lines[0].get_ydata()) == [1000, 500, 333]
    caption = weight_flips.caption(make_content(**kinds["graded, mixed"]))
    assert "among 9,000 binary weights." in caption


def test_events_per_epoch_show_both_phases(make_content: Any, kinds: Any) -> None:
    content = make_content(**kinds["graded, real"])
    axes = _draw(events_per_epoch.events_per_epoch, content).axes[0]
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert drawn == {"free": [66.4, 67.4, 68.4], "nudged": [7.25, 7.25, 7.25]}
    # 22 neurons; 8 free steps, and 4 nudged ones of either sign.
    caption = events_per_epoch.caption(content)
    assert "all 22 neurons" in caption
    assert "176 in the free phase and 176 nudged." in caption


@pytest.mark.parametrize("baseline_epochs", [None, 1, 3, 5])
def test_learning_curve_has_train_test_and_baseline(
    make_content: Any, baseline_epochs: int | None
) -> None:
    content = make_content(baseline_epochs=baseline_epochs)
    axes = _draw(learning_curve.learning_curve, content).axes[0]
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
    axes = _draw(weight_flips.weight_flips, make_content(metrics=lines)).axes[0]
    assert axes.get_yscale() == scale
    assert [list(line.get_ydata()) for line in axes.lines] == np.transpose(flips).tolist()
    assert [line.get_label() for line in axes.lines] == [
        "input \N{RIGHTWARDS ARROW} hidden 1",
        "hidden 1 \N{RIGHTWARDS ARROW} output",
    ]
