"""Activation functions against their closed forms, and derivatives against differences of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from lava_ep.dynamics import Activation, activate, derivative

CLOSED_FORMS = {
    Activation.HARD_SIGMOID: lambda x: np.clip(x, 0.0, 1.0),
    Activation.SHIFTED_SIGMOID: lambda x: 1 / (1 + np.exp(-4 * (x - 0.5))),
    Activation.TANH: np.tanh,
    Activation.RELU: lambda x: np.maximum(x, 0.0),
}
KINKS = {Activation.HARD_SIGMOID: (0.0, 1.0), Activation.RELU: (0.0,)}
everywhere = pytest.mark.parametrize("activation", Activation)


def batches(kind, bound):
    """Arrays of any shape."""
    elements = st.floats(-bound, bound, width=np.dtype(kind).itemsize * 8)
    return arrays(kind, array_shapes(min_dims=1, max_dims=3, max_side=6), elements=elements)


def away_from_kinks(activation, x, distance):
    """Move numbers that are near a kink of the function away from it."""
    for kink in KINKS.get(activation, ()):
        x = np.where(np.abs(x - kink) < distance, kink + distance, x)
    return x


@everywhere
@settings(max_examples=25, deadline=None)
@given(x=batches(np.float64, 100))
def test_activations_are_their_closed_forms(activation, x):
    found = activate(activation, x)
    assert (found.dtype, found.shape) == (x.dtype, x.shape)
    np.testing.assert_allclose(found, CLOSED_FORMS[activation](x), rtol=1e-13, atol=1e-15)


@everywhere
@settings(max_examples=25, deadline=None)
@given(x=batches(np.float32, 64))
def test_float32_is_within_a_millionth(activation, x):
    found = activate(activation, x)
    assert (found.dtype, found.shape) == (x.dtype, x.shape)
    expected = CLOSED_FORMS[activation](x.astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    slopes = derivative(activation, x)
    assert slopes.dtype == x.dtype
    expected = derivative(activation, x.astype(np.float64))
    np.testing.assert_allclose(slopes, expected, rtol=0, atol=4e-6)


@everywhere
def test_float32_is_within_a_millionth_all_along(activation):
    x = np.linspace(-30, 30, 200_001).astype(np.float32)
    expected = CLOSED_FORMS[activation](x.astype(np.float64))
    np.testing.assert_allclose(activate(activation, x), expected, rtol=0, atol=1e-6)


@everywhere
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_large_numbers_saturate(activation, kind):
    x = np.array([-1e30, -1e4, -100, 100, 1e4, 1e30], kind)
    upper = x[3:] if activation is Activation.RELU else np.ones(3)
    lower = -np.ones(3) if activation is Activation.TANH else np.zeros(3)
    found = activate(activation, x)
    np.testing.assert_allclose(found[:3], lower, atol=1e-30)
    np.testing.assert_allclose(found[3:], upper)


@everywhere
@settings(max_examples=25, deadline=None)
@given(x=batches(np.float64, 5))
def test_derivatives_are_the_slopes(activation, x):
    h = 1e-6
    x = away_from_kinks(activation, x, 10 * h)
    expected = (activate(activation, x + h) - activate(activation, x - h)) / (2 * h)
    np.testing.assert_allclose(derivative(activation, x), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_slopes_at_the_kinks_are_one(kind):
    for activation, kinks in KINKS.items():
        np.testing.assert_array_equal(derivative(activation, np.array(kinks, kind)), 1)
        below = np.nextafter(np.array(kinks[0], kind), kind(-1))
        assert derivative(activation, below.reshape(1))[0] == 0
    above = np.nextafter(kind(1), kind(2))
    assert derivative(Activation.HARD_SIGMOID, np.array([above], kind))[0] == 0


def test_a_view_of_another_order_is_taken_element_by_element():
    x = np.random.default_rng(0).normal(size=(4, 6))
    for view in (x.T, x[::2, 1::2], x[::-1]):
        np.testing.assert_array_equal(activate(Activation.TANH, view), np.vectorize(one_tanh)(view))


def one_tanh(value):
    """The activation of a single number."""
    return activate(Activation.TANH, np.array([value]))[0]


def test_an_activation_may_be_given_by_its_value():
    x = np.linspace(-1, 2, 7)
    for activation in Activation:
        np.testing.assert_array_equal(activate(activation.value, x), activate(activation, x))
    with pytest.raises(ValueError, match="softplus"):
        activate("softplus", x)
