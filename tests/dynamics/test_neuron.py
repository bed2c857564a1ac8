"""The neuron kernels against the equation in plain NumPy, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lava_ep.dynamics import binary_step, update_bias
from lava_ep.errors import InputError

F32 = np.float32
unit = st.floats(0, 1, width=32)
positive = st.floats(2**-10, 1, width=32)


@st.composite
def layers(draw):
    """A layer in the middle of its life: arguments of `binary_step` without the events."""
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 5)))
    reals = st.floats(-4, 4, width=32)
    return (
        draw(arrays(F32, shape, elements=unit)),
        draw(arrays(np.int8, shape, elements=st.integers(0, 1))),
        draw(arrays(F32, shape, elements=reals)),
        draw(arrays(F32, shape[1], elements=reals)),
        F32(draw(positive)),
        F32(draw(positive)),
    )


def check_step(layer, drive, step):
    """Compare a kernel, applied in place by ``step``, with the equation for a given drive."""
    state, activation, _, _, rate, threshold = layer
    expected = np.clip((F32(1) - rate) * state + rate * drive, F32(0), F32(1))
    active = (expected >= threshold).astype(np.int8)
    change = active - activation
    events = np.full_like(activation, 7)
    count = step(events)
    assert expected.dtype == F32
    np.testing.assert_array_equal(state, expected)
    np.testing.assert_array_equal(activation, active)
    np.testing.assert_array_equal(events, change)
    assert count == np.count_nonzero(change)


@settings(max_examples=40, deadline=None)
@given(layers())
def test_a_step_is_the_published_equation(layer):
    _, _, current, bias, *_ = layer
    check_step(layer, current + bias, lambda events: binary_step(*layer, events))


@settings(max_examples=40, deadline=None)
@given(layers(), st.floats(-4, 4, width=32), st.data())
def test_nudging_adds_beta_times_the_distance_to_the_target(layer, beta, data):
    state, _, current, bias, *_ = layer
    target = data.draw(arrays(np.int8, state.shape, elements=st.integers(0, 1)))
    drive = current + bias + F32(beta) * (target.astype(F32) - state)
    check_step(layer, drive, lambda events: binary_step(*layer, events, target, beta))


@settings(max_examples=30, deadline=None)
@given(layers())
def test_nudging_with_beta_zero_is_a_free_step(layer):
    free, nudged = [[np.copy(array) for array in layer[:4]] for _ in range(2)]
    events = np.zeros_like(layer[1]), np.zeros_like(layer[1])
    binary_step(*free, *layer[4:], events[0])
    binary_step(*nudged, *layer[4:], events[1], np.ones_like(layer[1]), F32(0))
    for a, b in zip([*free, events[0]], [*nudged, events[1]], strict=True):
        np.testing.assert_array_equal(a, b)


def test_nudging_without_a_target_is_refused():
    state, activation = np.zeros((2, 1), F32), np.zeros((2, 1), np.int8)
    layer = state, activation, state.copy(), np.zeros(1, F32), F32(1), F32(0.5), activation.copy()
    for target in (None, np.zeros((1, 1), np.int8)):
        with pytest.raises(InputError, match=r"beta=2.0: expected a target of shape \(2, 1\)"):
            binary_step(*layer, target, 2.0)


def test_a_state_at_the_threshold_is_active():
    state, activation = np.full((1, 1), 0.5, F32), np.zeros((1, 1), np.int8)
    zeros, events = np.full((1, 1), 0.5, F32), np.zeros((1, 1), np.int8)
    assert binary_step(state, activation, zeros, np.zeros(1, F32), F32(1), F32(0.5), events) == 1
    assert activation[0, 0] == events[0, 0] == 1


@pytest.mark.parametrize(("sign", "span"), [(1, 2.0), (-1, 2.0), (-1, 4.0)])
def test_biases_follow_the_contrast_of_the_activations(sign, span):
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 2, (2, 8, 5)).astype(np.int8)
    bias = rng.normal(size=5).astype(F32)
    expected = bias + 0.3 * sign / (span * 8) * (second.sum(0) - first.sum(0, dtype=float))
    update_bias(bias, first, second, rate=0.3, sign=sign, span=span)
    np.testing.assert_allclose(bias, expected, rtol=1e-6)


def test_biases_stay_where_nothing_changed():
    same = np.ones((2, 3), np.int8)
    bias = np.array([0.1, -0.2, 0.3], F32)
    before = bias.copy()
    update_bias(bias, same, same, rate=1.0, sign=1, span=1.0)
    np.testing.assert_array_equal(bias, before)


def test_a_large_batch_does_not_overflow_the_sum_of_activations():
    bias = np.zeros(1, F32)
    first, second = np.zeros((1000, 1), np.int8), np.ones((1000, 1), np.int8)
    update_bias(bias, first, second, rate=1.0, sign=1, span=1.0)
    assert bias[0] == 1
