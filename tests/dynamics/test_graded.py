"""Graded neurons against their equations in plain NumPy, and events that add up to what is sent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ep.dynamics import Activation, activate, derivative, graded_step, update_bias
from lava_ep.errors import InputError

PRECISION = {np.float32: 2e-5, np.float64: 1e-12}


@st.composite
def layers(draw):
    """A layer in the middle of its life, and the options of a step."""
    kind = draw(st.sampled_from([np.float32, np.float64]))
    batch, channels, places = draw(st.tuples(*[st.integers(1, 4)] * 3))
    shape = (batch, channels * places)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))

    def reals(size):
        """Numbers on the kinks of the activations, and others around them."""
        values = np.where(
            rng.random(size) < 0.2, rng.choice([0.0, 0.5, 1.0], size), rng.normal(size=size)
        )
        return values.astype(kind)

    values = {name: reals(shape) for name in ("state", "sent", "current")}
    values["bias"] = reals(channels)
    options = {
        "activation": draw(st.sampled_from(Activation)),
        "time_step": draw(st.none() | st.floats(0.01, 1)),
        "threshold": draw(st.sampled_from([0.0, 0.01, 0.5])),
    }
    if options["time_step"] is None:
        options["nudge_current"] = draw(st.booleans())
        options["filter_rate"] = draw(st.just(1.0) | st.floats(0.01, 1))
    if draw(st.booleans()):
        options["beta"] = draw(st.floats(-2, 2).filter(bool))
        options["target"] = rng.integers(0, 2, shape).astype(np.int8)
    return values, options


def expected_step(values, options):
    """State and activation after a step, as the docstring has them, in float64."""
    s, current, bias = (values[name].astype(float) for name in ("state", "current", "bias"))
    activation, dt = options["activation"], options["time_step"]
    drive = current + np.tile(bias, s.shape[1] // bias.size)
    nudge = options.get("beta", 0.0) * (options.get("target", 0.0) - s)
    if dt is not None:
        state = s + dt * (derivative(activation, s) * drive - s + nudge)
        return state, activate(activation, state)
    if options["nudge_current"]:
        state = activate(activation, drive + nudge)
    else:
        state = activate(activation, drive) + nudge
        if activation is Activation.HARD_SIGMOID:
            state = np.clip(state, 0, 1)
    state = s + options["filter_rate"] * (state - s)
    return state, state


@settings(max_examples=150, deadline=None)
@given(layers())
def test_a_step_is_the_published_equation(drawn):
    values, options = drawn
    kind, threshold = values["state"].dtype.type, options["threshold"]
    state, activation = expected_step(values, options)
    before = values["sent"].copy()
    events = np.full_like(before, np.nan)
    count = graded_step(*values.values(), events, **options)

    close = {"rtol": PRECISION[kind], "atol": PRECISION[kind]}
    np.testing.assert_allclose(values["state"], state, **close)
    # What is sent adds up, and receivers know the activation up to the threshold.
    assert count == np.count_nonzero(events)
    assert not np.isnan(events).any()
    np.testing.assert_array_equal(values["sent"], before + events)
    slack = 20 * PRECISION[kind]
    assert np.all(np.abs(activation - values["sent"]) <= threshold + slack)
    # A change is sent where it is larger than the threshold, whole, and nowhere else.
    change = activation - before
    sent = events != 0
    assert np.all(np.abs(change[sent]) > threshold - slack)
    assert np.all(np.abs(change[~sent]) <= threshold + slack)
    np.testing.assert_allclose(events[sent], change[sent], rtol=0, atol=slack)


@settings(max_examples=30, deadline=None)
@given(layers(), st.sampled_from([None, 0.3]))
def test_nudging_with_beta_zero_is_a_free_step(drawn, time_step):
    values, options = drawn
    options = {**options, "time_step": time_step, "nudge_current": False, "beta": 0.0}
    if time_step is not None:
        options.pop("filter_rate", None)
    free, still = [{name: array.copy() for name, array in values.items()} for _ in range(2)]
    events = np.empty((2, *values["state"].shape), values["state"].dtype)
    target = np.ones(values["state"].shape, np.int8)
    graded_step(*free.values(), events[0], **{**options, "target": None})
    graded_step(*still.values(), events[1], **{**options, "target": target})
    np.testing.assert_array_equal(free["state"], still["state"])
    np.testing.assert_array_equal(*events)


def layer(state, current, *, sent=0.0):
    """Arguments of a step for one neuron."""
    shape = (1, 1)
    return (
        np.full(shape, float(state)),
        np.full(shape, float(sent)),
        np.full(shape, float(current)),
        np.zeros(1),
        np.zeros(shape),
    )


@pytest.mark.parametrize(("target", "beta", "clipped"), [(1, 2.0, 1.0), (0, 2.0, 0.0)])
def test_the_hard_sigmoid_clips_the_nudged_state_and_others_do_not(target, beta, clipped):
    goal = np.full((1, 1), target, np.int8)
    options = {"target": goal, "beta": beta}
    for activation in (Activation.HARD_SIGMOID, Activation.RELU):
        arguments = layer(0.5, 0.5)
        graded_step(*arguments, activation=activation, **options)
        free = 0.5 + beta * (target - 0.5)
        expected = clipped if activation is Activation.HARD_SIGMOID else free
        assert arguments[0][0, 0] == expected
        assert not 0 <= free <= 1


def test_a_nudge_of_the_current_is_weighted_with_the_slope():
    target, current = np.ones((1, 1), np.int8), 0.8
    slope = derivative(Activation.SHIFTED_SIGMOID, np.array([current]))[0]
    shifts = {}
    for inside in (False, True):
        states = []
        for beta in (1e-6, -1e-6):
            arguments = layer(0.25, current)
            graded_step(
                *arguments,
                activation=Activation.SHIFTED_SIGMOID,
                nudge_current=inside,
                target=target,
                beta=beta,
            )
            states.append(arguments[0][0, 0])
        shifts[inside] = (states[0] - states[1]) / 2e-6
    assert shifts[False] == pytest.approx(0.75, rel=1e-6)
    assert shifts[True] == pytest.approx(0.75 * slope, rel=1e-6)


@pytest.mark.parametrize("time_step", [None, 0.4])
def test_small_changes_wait_until_they_add_up(time_step):
    activation, threshold = Activation.TANH, 0.1
    state, sent, current, bias, events = layer(0.0, 0.0)
    known, counts = [], 0
    for step in range(60):
        current[...] = 0.02 * step
        counts += graded_step(
            state, sent, current, bias, events,
            activation=activation, time_step=time_step, threshold=threshold,
        )  # fmt: skip
        known.append(sent[0, 0])
        value = state if time_step is None else activate(activation, state)
        assert abs(value[0, 0] - known[-1]) <= threshold + 1e-12
    assert 3 < counts < 12
    assert len(set(known) - {0.0}) == counts


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_settled_layer_is_silent(kind):
    rng = np.random.default_rng(0)
    state, sent = rng.normal(size=(2, 3, 50)).astype(kind)
    current, bias = rng.normal(size=(3, 50)).astype(kind), np.zeros(1, kind)
    events = np.empty_like(state)
    counts = [
        graded_step(state, sent, current, bias, events, activation=Activation.TANH)
        for _ in range(4)
    ]
    assert counts[0] == state.size
    assert counts[-2:] == [0, 0]
    np.testing.assert_array_equal(sent, state)


def test_nudging_without_a_target_is_refused():
    for target in (None, np.zeros((2, 1), np.int8)):
        with pytest.raises(InputError, match=r"beta=2.0: expected a target of shape \(1, 1\)"):
            graded_step(*layer(0, 0), activation=Activation.TANH, target=target, beta=2.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.sampled_from([-1, 1]), st.data())
def test_biases_of_channels_follow_the_contrast_of_all_their_neurons(
    batch, places, channels, sign, data
):
    kind = data.draw(st.sampled_from([np.int8, np.float32, np.float64]))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    shape = (2, batch, places * channels)
    first, second = (
        rng.integers(0, 2, shape) if kind == np.int8 else rng.normal(size=shape)
    ).astype(kind)
    bias = rng.normal(size=channels).astype(np.float64 if kind == np.float64 else np.float32)
    contrast = (second.astype(float) - first).reshape(batch, places, channels).sum(axis=(0, 1))
    expected = bias + 0.3 * sign / (2.5 * batch) * contrast
    update_bias(bias, first, second, rate=0.3, sign=sign, span=2.5)
    np.testing.assert_allclose(bias, expected, rtol=1e-5, atol=1e-6)
