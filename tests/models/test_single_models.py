"""Each message-passing model alone, its ports fed and read by hand."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from lava_ep.dynamics import (
    BOP,
    SGD,
    Activation,
    Convolution,
    Encoding,
    Nudging,
    PhaseSchedule,
    Updates,
)
from lava_ep.processes import (
    BinaryNeuron,
    BinarySynapse,
    ConvSynapse,
    EventSource,
    GradedNeuron,
    ImageInjector,
    ImageSource,
    Readout,
    RealSynapse,
    Target,
)
from lava_ep.runtime import ProcessTester

SYMMETRIC = PhaseSchedule(2, 1, 3.0, Nudging.SYMMETRIC)
POSITIVE = PhaseSchedule(2, 1, 3.0, Nudging.POSITIVE)
CONTINUAL = PhaseSchedule(2, 2, 3.0, Nudging.POSITIVE, updates=Updates.CONTINUAL)
PERIOD = 6  # of SYMMETRIC: load, free, free, nudged, restore, nudged


def currents(values):
    """A current for one neuron of batch 1 in each step."""
    return [{"a_in": np.full((1, 1), value, np.float32)} for value in values]


def neuron(schedule=SYMMETRIC, **options):
    return of(BinaryNeuron, schedule, **{"filter_rate": 1.0, "initial_state": 0.0, **options})


def of(process, schedule, **options):
    """One neuron with some of its constants."""
    names = {field.name for field in fields(process.CONSTANTS)}
    constants = process.CONSTANTS(**{name: options.pop(name) for name in names & options.keys()})
    return process(shape=(1, 1), schedule=schedule, neuron=constants, **options)


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


def graded(schedule=SYMMETRIC, **options):
    return of(GradedNeuron, schedule, **{"activation": Activation.HARD_SIGMOID, **options})


def test_a_graded_neuron_sends_its_changes_and_goes_back_to_the_free_state():
    tester = ProcessTester(graded(initial_state=0.125), inputs=["a_in", "target_in"])
    steps = [
        {**step, "target_in": np.ones((1, 1), np.int8)}
        for step in currents([9.0, 0.25, 0.5, 0.5, 9.0, 0.5])
    ]
    sent = tester.run(steps)
    # load; free; free; 0.5 + 3 (1 - 0.5), clipped; free state; 0.5 - 3 (1 - 0.5), clipped
    assert sent["state_out"].ravel().tolist() == [0.125, 0.25, 0.5, 1.0, 0.5, 0.0]
    assert sent["s_out"].ravel().tolist() == [0.125, 0.125, 0.25, 0.5, -0.5, -0.5]
    assert sent["s_out"].dtype == np.float32
    assert tester.model.events.tolist() == [3, 3]


def test_an_energy_based_neuron_sends_its_activation():
    neuron = graded(POSITIVE, activation="relu", time_step=0.5, initial_state=1.0)
    tester = ProcessTester(neuron, inputs=["a_in", "target_in"])
    steps = [
        {**step, "target_in": np.ones((1, 1), np.int8)} for step in currents([9.0, 0.5, -2.0, 1.0])
    ]
    sent = tester.run(steps)
    # 1 + (0.5 - 1) / 2; 0.75 + (-2 - 0.75) / 2; there the slope is 0: s + (-s + 3 (1 - s)) / 2
    assert sent["state_out"].ravel().tolist() == [1.0, 0.75, -0.625, -0.625 + (0.625 + 4.875) / 2]
    assert sent["s_out"].ravel().tolist() == [1.0, -0.25, -0.75, 2.125]


def test_a_graded_bias_learns_in_every_nudged_step():
    tester = ProcessTester(graded(CONTINUAL, bias_rate=0.75), inputs=["a_in"])
    biases = []
    for step in currents([9.0, 0.25, 0.5, 0.75, 0.25]):
        tester.step(step)
        biases.append(float(tester.model.bias[0]))
    # 0.75 / 3 of the change of the activation; the last one has the bias of the step before.
    first = 0.25 * (0.75 - 0.5)
    assert biases == [0, 0, 0, first, first + 0.25 * (0.25 + first - 0.75)]


def reals(schedule=POSITIVE, **options):
    weights = np.array([[1, -2, 3], [-4, 5, 6]], np.float32)
    return RealSynapse(weights=weights, batch=1, schedule=schedule, **options)


def values(pre=(0, 0, 0), post=(0, 0)):
    return {"s_in_pre": np.array([pre], np.float32), "s_in_post": np.array([post], np.float32)}


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_real_synapses_listen_to_events_of_any_type(kind):
    tester = ProcessTester(reals())
    tester.step({"s_in_pre": np.array([[1, 0, 2]], kind), "s_in_post": np.array([[0, 1]], kind)})
    sent = tester.step()
    assert sent["a_out_post"][0].tolist() == [7, 8]
    assert sent["a_out_pre"][0].tolist() == [-4, 5, 6]


@pytest.mark.parametrize("untied", [False, True])
def test_real_synapses_carry_events_both_ways_one_step_later(untied):
    feedback = np.array([[1, 1, 0], [0, 2, 0]], np.float32) if untied else None
    tester = ProcessTester(reals(feedback=feedback))
    sent = tester.run([values((0.5, 1, 0), (0, 2)), values((0, -1, 1), (1, 0)), values()])
    assert sent["a_out_post"][:, 0].tolist() == [[0, 0], [-1.5, 3], [3.5, 4]]
    back = [[0, 0, 0], [-8, 10, 12], [-7, 8, 15]]
    if untied:
        back = [[0, 0, 0], [0, 4, 0], [1, 5, 0]]
    assert sent["a_out_pre"][:, 0].tolist() == back
    assert tester.model.synaptic_operations.tolist() == [4 * 2 + 2 * 3, 0]


def test_real_synapses_move_along_the_contrast_at_the_end():
    tester = ProcessTester(reals(learning_rule=SGD(0.3)))
    before = tester.model.weights.copy()
    tester.run([values((1, 0, 2), (1, 1)), values((1, 0, 0)), values((0, 1, 0), (0, 1))])
    np.testing.assert_array_equal(tester.model.weights, before)
    tester.step(values((0, 0, 1), (-1, 0)))
    # (0, 2) x (2, 1, 3) - (1, 2) x (2, 1, 2), times 0.3 / 3
    contrast = np.outer([0, 2], [2, 1, 3]) - np.outer([1, 2], [2, 1, 2])
    np.testing.assert_allclose(tester.model.weights, before + 0.1 * contrast, rtol=1e-6)


def test_feedback_of_its_own_learns_as_far_as_the_sources_move():
    feedback = np.zeros((2, 3), np.float32)
    tester = ProcessTester(reals(learning_rule=SGD(0.3), feedback=feedback))
    before = tester.model.weights.copy()
    tester.run([values((2, 1, 2), (1, 2)), values(), values(), values((0, 0, 1), (-1, 0))])
    forward, backward = np.outer([-1, 0], [2, 1, 2]), np.outer([1, 2], [0, 0, 1])
    np.testing.assert_allclose(tester.model.weights, before + 0.1 * forward, rtol=1e-6)
    np.testing.assert_allclose(tester.model.feedback, 0.1 * backward, rtol=1e-6)


def test_continual_synapses_learn_in_every_nudged_step_and_use_it_in_the_next():
    tester = ProcessTester(reals(CONTINUAL, learning_rule=SGD(0.3)))
    expected = tester.model.weights.copy()
    steps = [values((1, 0, 2), (1, 1)), values(), values(), values((0, 1, 0)), values((1, 0, 0))]
    pre, post = np.zeros(3), np.zeros(2)
    for position, step in enumerate(steps):
        before = np.outer(post, pre)
        current = expected @ pre
        sent = tester.step(step)
        np.testing.assert_allclose(sent["a_out_post"][0], current, rtol=1e-6)
        pre, post = pre + step["s_in_pre"][0], post + step["s_in_post"][0]
        if position > 2:
            expected = expected + 0.1 * (np.outer(post, pre) - before)
        np.testing.assert_allclose(tester.model.weights, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", [np.int32, np.float64], ids=["our pixels", "stock Processes"])
def test_normalized_pixels_are_compared_with_the_mean(kind):
    normalization = np.array([0.5]), np.array([0.25])
    tester = ProcessTester(reals(levels=10, normalization=normalization), outputs=["a_out_post"])
    tester.step({"s_in_pre": np.array([[10, 0, 5]], kind)})
    sent = tester.step({"s_in_pre": np.array([[0, 5, 0]], kind)})
    assert sent["a_out_post"][0].tolist() == [2 + 4, -8 - 10]
    # The second pixel has become 0 after normalization.
    assert tester.step()["a_out_post"][0].tolist() == [2, -8]
    # What reached the two targets: a white and a black pixel, not a mean one; then the black one.
    assert tester.model.synaptic_operations.tolist() == [2 * 2 + 2, 0]


def convolution(**options):
    connection = Convolution((2, 3, 1), channels=2, kernel=2, pool=1)
    weights = np.arange(8, dtype=np.float32).reshape(2, 1, 2, 2)
    defaults = {"connection": connection, "weights": weights, "batch": 1, "schedule": POSITIVE}
    return ConvSynapse(**{**defaults, **options})


def image(*pre, post=(0, 0, 0, 0)):
    return {"s_in_pre": np.array([pre], np.float32), "s_in_post": np.array([post], np.float32)}


def test_a_convolution_carries_events_both_ways_one_step_later():
    tester = ProcessTester(convolution())
    tester.step(image(0, 1, 0, 0, 0, 2, post=(1, 0, 0, 1)))
    sent = tester.step(image(*[0] * 6))
    # Pixel (0, 1) lies under taps 1 and 0 of the two positions, pixel (1, 2) under tap 3 of one.
    assert sent["a_out_post"][0].tolist() == [1, 5, 2 * 3, 4 + 2 * 7]
    assert sent["a_out_pre"][0].tolist() == [0, 1 + 4, 5, 2, 3 + 6, 7]
    # Two positions x two channels, and one x two; forth, and 4 taps for each target, back.
    assert tester.model.synaptic_operations.tolist() == [4 + 2 + 4 + 4, 0]


def test_a_convolution_without_a_listener_below_computes_nothing_backward():
    tester = ProcessTester(convolution(), outputs=["a_out_post"])
    tester.step(image(0, 1, 0, 0, 0, 2, post=(1, 0, 0, 1)))
    assert tester.model.synaptic_operations.tolist() == [4 + 2, 0]


def test_a_binary_convolution_flips_the_signs_that_insist():
    signs = np.array([1, -1, 1, -1, 1, -1, 1, -1], np.int8).reshape(2, 1, 2, 2)
    synapse = convolution(weights=signs, alpha=0.5, learning_rule=BOP(0.0, theta=0.2))
    tester = ProcessTester(synapse)
    tester.run([image(1, 2, 0, 0, 0, 0), image(*[0] * 6), image(*[0] * 6)])
    tester.step(image(*[0] * 6, post=(1, 0, 0, -1)))
    # Channel 0 was active over pixels (1, 2; 0, 0), channel 1 turned around over (2, 0; 0, 0).
    contrast = np.array([[1, 2, 0, 0], [-2, 0, 0, 0]]).reshape(signs.shape)
    np.testing.assert_array_equal(tester.model.momentum, contrast)
    flip = -signs * contrast > 0.2 * 3
    np.testing.assert_array_equal(tester.model.weights, np.where(flip, -signs, signs))
    assert tester.model.flips.tolist() == [flip.sum()] == [2]


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


def test_a_source_of_recordings_sends_events_at_their_own_times():
    recordings = np.arange(8).reshape(2, 2, 2)
    labels = np.array([1, 0])
    common = {"recordings": recordings, "labels": labels, "batch": 1, "schedule": POSITIVE}
    once = ProcessTester(EventSource(**common)).run([{}] * 8)["s_out"]
    assert once[:, 0].tolist() == [[0, 1], [2, 3], [0, 0], [0, 0], [4, 5], [6, 7], [0, 0], [0, 0]]
    repeated = ProcessTester(EventSource(repeated=True, **common)).run([{}] * 4)["s_out"]
    assert repeated[:, 0].tolist() == [[0, 1], [2, 3], [0, 1], [2, 3]]


def test_random_spikes_go_on_where_an_earlier_run_ended():
    images, labels = np.full((2, 50), 3), np.zeros(2, np.int64)
    common = {
        "images": images,
        "labels": labels,
        "batch": 1,
        "schedule": POSITIVE,
        "encoding": Encoding("rate", 6),
    }
    whole = ProcessTester(ImageSource(**common)).run([{}] * 8)["s_out"]
    rest = ProcessTester(ImageSource(first_batch=1, **common)).run([{}] * 4)["s_out"]
    np.testing.assert_array_equal(whole[4:], rest)
    assert not np.array_equal(whole[:4], rest)
