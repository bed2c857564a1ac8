"""Each message-passing model alone, its ports fed and read by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lava_ep.dynamics import BOP, Nudging, PhaseSchedule
from lava_ep.processes import (
    BinaryNeuron,
    BinarySynapse,
    ImageInjector,
    ImageSource,
    Readout,
    Target,
)
from lava_ep.runtime import ProcessTester

SYMMETRIC = PhaseSchedule(2, 1, 3.0, Nudging.SYMMETRIC)
POSITIVE = PhaseSchedule(2, 1, 3.0, Nudging.POSITIVE)
PERIOD = 6  # of SYMMETRIC: load, free, free, nudged, restore, nudged


def currents(values):
    """A current for one neuron of batch 1 in each step."""
    return [{"a_in": np.full((1, 1), value, np.float32)} for value in values]


def neuron(schedule=SYMMETRIC, **options):
    settings = {"filter_rate": 1.0, "initial_state": 0.0, **options}
    return BinaryNeuron(shape=(1, 1), schedule=schedule, **settings)


def test_a_neuron_goes_back_to_the_free_state_between_its_nudged_phases():
    tester = ProcessTester(neuron(), inputs=["a_in", "target_in"])
    steps = [
        {**step, "target_in": np.ones((1, 1), np.int8)}
        for step in currents([9.0, 0.0, 0.25, -1.0, 9.0, 1.0])
    ]
    sent = tester.run(steps)
    # load; free; free; -1 + 3 (1 - 0.25); free state; 1 - 3 (1 - 0.25)
    assert sent["state_out"].ravel().tolist() == [0.0, 0.0, 0.25, 1.0, 0.25, 0.0]
    assert sent["s_out"].ravel().tolist() == [0, 0, 0, 1, -1, 0]
    assert tester.model.events.tolist() == [0, 2]


def test_without_a_target_there_is_no_nudge():
    tester = ProcessTester(neuron(POSITIVE), inputs=["a_in"])
    sent = tester.run(currents([0.0, 0.25, 0.25, 0.25]))
    assert sent["state_out"].ravel().tolist() == [0.0, 0.25, 0.25, 0.25]


def test_events_of_the_load_step_are_relative_to_silence():
    tester = ProcessTester(neuron(POSITIVE, initial_state=1.0), inputs=["a_in"])
    sent = tester.run(currents([0.0, 1.0, 1.0, 1.0] * 2))
    assert sent["s_out"].ravel().tolist() == [1, 0, 0, 0] * 2


@pytest.mark.parametrize(
    ("schedule", "values", "expected"),
    [
        (POSITIVE, [0, 0, 0, 1], 0.5 * 1 / 3),
        (POSITIVE, [0, 1, 1, 0], 0.5 * -1 / 3),
        (SYMMETRIC, [0, 0, 0, 1, 0, 0], 0.5 * 1 / 6),
        (SYMMETRIC, [0, 0, 0, 0, 0, 1], 0.5 * -1 / 6),
        (SYMMETRIC, [0, 1, 1, 1, 0, 1], 0.0),
    ],
)
def test_a_bias_learns_at_the_end_of_the_sample(schedule, values, expected):
    tester = ProcessTester(neuron(schedule, bias_rate=0.5), inputs=["a_in"])
    for step in currents(values):
        assert tester.model.bias[0] == 0
        tester.step(step)
    assert tester.model.bias[0] == np.float32(expected)


def test_a_negative_sign_of_beta_turns_the_contrast_around():
    schedule = PhaseSchedule(1, 1, 2.0, Nudging.RANDOM_SIGN, seed=0)
    tester = ProcessTester(neuron(schedule, bias_rate=1.0), inputs=["a_in"])
    before = 0.0
    for batch in range(8):
        tester.run(currents([0.0, -1.0, 1.0 - before]))
        after = float(tester.model.bias[0])
        assert after - before == schedule.sign(batch) / 2
        tester.model.bias[0] = 0
    assert {schedule.sign(batch) for batch in range(8)} == {-1, 1}


def synapse(schedule=POSITIVE, **options):
    weights = np.array([[1, -1, 1], [-1, 1, 1]], np.int8)
    return BinarySynapse(weights=weights, batch=1, schedule=schedule, alpha=0.5, **options)


def events(pre=(0, 0, 0), post=(0, 0)):
    return {
        "s_in_pre": np.array([pre], np.int8),
        "s_in_post": np.array([post], np.int8),
    }


def test_a_synapse_carries_events_both_ways_one_step_later():
    tester = ProcessTester(synapse())
    sent = tester.run(
        [events((1, 1, 0), (0, 1)), events((0, -1, 1), (1, 0)), events(), events((1, 0, 0))]
    )
    assert sent["a_out_post"][:, 0].tolist() == [[0, 0], [0, 0], [1, 0], [1, 0]]
    assert sent["a_out_pre"][:, 0].tolist() == [[0, 0, 0], [-0.5, 0.5, 0.5], [0, 0, 1], [0, 0, 1]]
    assert tester.model.synaptic_operations.tolist() == [4 * 2 + 2 * 3, 1 * 2]
    # The next sample starts from silence.
    assert not tester.step(events())["a_out_post"].any()


def test_nothing_is_computed_backward_without_a_listener():
    tester = ProcessTester(synapse(), outputs=["a_out_post"])
    tester.run([events((1, 1, 0), (1, 1)), events(post=(-1, 0))])
    assert tester.model.synaptic_operations.tolist() == [2 * 2, 0]


def test_pixels_are_scaled_by_their_levels_and_neurons_are_not():
    tester = ProcessTester(synapse(levels=100))
    tester.step(events((100, 50, 1), (1, 0)))
    sent = tester.step()
    forward = np.float32(0.5 / 100) * np.array([[51, -49]], np.float32)
    np.testing.assert_array_equal(sent["a_out_post"], forward)
    np.testing.assert_array_equal(sent["a_out_pre"], [[0.5, -0.5, 0.5]])


@pytest.mark.parametrize(
    ("schedule", "first", "second", "sign", "unit"),
    [(POSITIVE, 2, 3, 1, 3.0), (SYMMETRIC, 3, 5, -1, 6.0)],
)
def test_a_synapse_contrasts_the_ends_of_its_phases(schedule, first, second, sign, unit):
    rng = np.random.default_rng(0)
    rule = BOP(0.0, theta=0.2)
    tester = ProcessTester(synapse(schedule, learning_rule=rule))
    steps = schedule.period(learning=True)
    pre, post = rng.integers(0, 2, (steps, 3)), rng.integers(0, 2, (steps, 2))
    contrast = np.outer(post[second], pre[second]) - np.outer(post[first], pre[first])
    before = tester.model.weights.copy()
    for step in range(steps):
        np.testing.assert_array_equal(tester.model.weights, before)
        tester.step(
            events(np.diff(pre, axis=0, prepend=0)[step], np.diff(post, axis=0, prepend=0)[step])
        )
    assert contrast.any()
    np.testing.assert_array_equal(tester.model.momentum, sign * contrast)
    flip = -before * sign * contrast > 0.2 * unit
    np.testing.assert_array_equal(tester.model.weights, np.where(flip, -before, before))
    assert tester.model.flips == flip.sum()


def test_a_target_repeats_the_class_in_every_step():
    tester = ProcessTester(Target(shape=(2, 4), classes=2))
    sent = tester.step({"label_in": np.array([1, 0], np.int32)})
    assert sent["target_out"].tolist() == [[0, 0, 1, 1], [1, 1, 0, 0]]


@pytest.mark.parametrize("stream", [True, False])
def test_a_readout_reads_at_the_end_of_the_free_phase(stream):
    readout = Readout(shape=(1, 4), classes=2, schedule=POSITIVE, stream=stream)
    tester = ProcessTester(readout)
    sent = [
        tester.step({"state_in": np.full((1, 4), step, np.float32)}).get("score_out")
        for step in range(8)
    ]
    expected = [0, 0, 2, 2, 2, 2, 6, 6]
    for step, (scores, value) in enumerate(zip(sent, expected, strict=True)):
        if stream and step not in (2, 6):
            assert scores is None
        else:
            assert scores.tolist() == [[value, value]]


def test_an_image_source_sends_every_image_once_and_its_label_always():
    images = np.arange(1, 13).reshape(4, 3)
    source = ImageSource(images=images, labels=np.array([0, 1, 2, 3]), batch=2, schedule=POSITIVE)
    tester = ProcessTester(source)
    sent = tester.run([{}] * 12)
    for sample in range(3):
        rows = slice(0, 2) if sample % 2 == 0 else slice(2, 4)
        steps = slice(4 * sample, 4 * sample + 4)
        np.testing.assert_array_equal(sent["s_out"][steps][0], images[rows])
        assert not sent["s_out"][steps][1:].any()
        assert sent["label_out"][steps].tolist() == [list(range(4))[rows]] * 4
    assert tester.model.events.tolist() == [18, 0]


def test_an_injector_takes_one_image_a_sample():
    tester = ProcessTester(ImageInjector(shape=(1, 2), schedule=POSITIVE, learning=False))
    image, label = np.array([[3, 0]], np.int32), np.array([7], np.int32)
    sent = [tester.step({"image_in": image, "label_in": label})]
    sent += [tester.step() for _ in range(2)]
    assert [step["s_out"].tolist() for step in sent] == [[[3, 0]], [[0, 0]], [[0, 0]]]
    assert [step["label_out"].tolist() for step in sent] == [[7]] * 3
    assert tester.model.events.tolist() == [1, 0]
