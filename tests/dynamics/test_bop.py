"""BOP against its definition: dense contrasts, and the published recursion of the momentum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ep.dynamics import BOP, SignMatrix, alpha_gradient, bop_contrast_update, bop_update
from lava_ep.errors import InputError

F32 = np.float32
THETA = 0.103  # no integer contrast lies on the threshold, where rounding would decide


@st.composite
def contrasts(draw):
    """Weights, momenta and two states as `bop_update` gets them."""
    # More than 64 samples and more than 64 synapses take more than one word of bits.
    batch = draw(st.sampled_from([1, 3, 70]))
    n_post, n_pre = draw(st.sampled_from([(1, 1), (3, 5), (2, 70), (66, 130)]))
    kind, largest = draw(st.sampled_from([(np.int8, 1), (np.int32, 255)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    share = draw(st.sampled_from([0.0, 0.01, 0.3, 1.0]))  # of values that change

    def pair(values):
        other = rng.permutation(values.ravel()).reshape(values.shape)
        return values, np.where(rng.random(values.shape) < share, other, values)

    pre = pair(rng.integers(0, largest + 1, (batch, n_pre)).astype(kind))
    post = pair(rng.integers(0, 2, (batch, n_post)).astype(np.int8))
    if draw(st.booleans()):  # images stay the same
        pre = pre[0], pre[0].copy()
    weights = rng.choice(np.array([-1, 1], np.int8), (n_post, n_pre))
    momentum = rng.normal(0, 20, (n_post, n_pre)).astype(F32)
    return weights, momentum, (pre[0], post[0]), (pre[1], post[1])


def dense_contrast(first, second):
    """Sum over the batch of post x pre of the second state minus the first, (n_post, n_pre)."""
    (pre_1, post_1), (pre_2, post_2) = [
        tuple(array.astype(np.int64) for array in state) for state in (first, second)
    ]
    return post_2.T @ pre_2 - post_1.T @ pre_1


@settings(max_examples=40, deadline=None)
@given(contrasts(), st.floats(-4, 4, width=32), st.floats(0.25, 40, width=32))
def test_an_update_is_the_dense_contrast(drawn, gain, threshold):
    weights, momentum, first, second = drawn
    contrast = dense_contrast(first, second)
    touched = contrast != 0
    expected = np.where(touched, momentum + F32(gain) * contrast.astype(F32), momentum)
    flip = touched & (-weights.astype(F32) * expected > F32(threshold))
    expected_weights = np.where(flip, -weights, weights)

    signs = SignMatrix.from_signs(weights)
    flips = bop_update(signs, momentum, *first, *second, F32(gain), F32(threshold))
    np.testing.assert_array_equal(momentum, expected)
    np.testing.assert_array_equal(signs.signs(), expected_weights)
    anew = SignMatrix.from_signs(expected_weights)
    np.testing.assert_array_equal(signs.forward, anew.forward)
    np.testing.assert_array_equal(signs.backward, anew.backward)
    assert flips == flip.sum()


@settings(max_examples=40, deadline=None)
@given(contrasts(), st.floats(-4, 4, width=32), st.floats(0.25, 40, width=32))
def test_a_given_contrast_does_what_counting_bits_does(drawn, gain, threshold):
    weights, momentum, first, second = drawn
    signs, own = SignMatrix.from_signs(weights), momentum.copy()
    flips = bop_update(signs, own, *first, *second, F32(gain), F32(threshold))
    reals = weights.astype(F32)
    contrast = dense_contrast(first, second).astype(F32)
    assert bop_contrast_update(reals, momentum, contrast, gain, threshold) == flips
    np.testing.assert_array_equal(reals, signs.signs())
    np.testing.assert_array_equal(momentum, own)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([F32, np.float64]), st.floats(0.25, 2))
def test_contrasts_of_graded_states_have_any_shape_and_order(seed, kind, threshold):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 5, 4))
    signs = rng.choice([-1.0, 1.0], shape).astype(kind)
    momentum = rng.normal(size=shape).astype(kind)
    # As gradients of convolutions come: transposed, so that they are not contiguous.
    contrast = rng.normal(size=(shape[0], *shape[2:], shape[1])).astype(kind).transpose(0, 3, 1, 2)
    contrast *= rng.random(shape) < 0.7
    expected = momentum + kind(0.7) * contrast
    flip = (contrast != 0) & (-signs * expected > kind(threshold))
    expected_signs = np.where(flip, -signs, signs)
    assert bop_contrast_update(signs, momentum, contrast, 0.7, threshold) == flip.sum()
    np.testing.assert_array_equal(momentum, expected)
    np.testing.assert_array_equal(signs, expected_signs)


def test_untouched_synapses_never_flip():
    signs = SignMatrix.from_signs(np.ones((2, 3), np.int8))
    momentum = np.full((2, 3), -100, F32)
    pre = np.array([[1, 0, 1]], np.int8)
    silent, active = np.array([[0, 1]], np.int8), np.array([[1, 1]], np.int8)
    flips = bop_update(signs, momentum, pre, silent, pre, active, F32(1), F32(1))
    assert flips == 2
    assert signs.signs().tolist() == [[-1, 1, -1], [1, 1, 1]]


def test_a_momentum_at_the_threshold_does_not_flip():
    signs = SignMatrix.from_signs(np.ones((1, 1), np.int8))
    momentum = np.full((1, 1), -3, F32)
    off, on = np.zeros((1, 1), np.int8), np.ones((1, 1), np.int8)
    for threshold, flips in ((4, 0), (5, 0), (5.5, 1)):
        args = (signs, momentum, on, on, on, off, F32(1), F32(threshold))
        assert bop_update(*args) == flips


@pytest.mark.parametrize("gamma", [0.0, 1e-3, 0.05, 0.3, 0.999])
@pytest.mark.parametrize("decay", [1.0, 0.9])
def test_long_runs_follow_the_published_recursion(gamma, decay):
    rng = np.random.default_rng(1)
    batch, levels, span, updates = 4, 16, 2.5, 500
    rule = BOP(gamma, theta=THETA, decay=decay, epoch_updates=100)
    unit = span * batch * levels
    weights = rng.choice(np.array([-1, 1], np.int8), (5, 7))
    published = weights.astype(float)
    signs = SignMatrix.from_signs(weights)
    momentum, published_momentum = np.zeros((5, 7), F32), np.zeros((5, 7))
    total_flips, rescaled = 0, 0
    for update in range(updates):
        pre = rng.integers(0, levels + 1, (batch, 7)).astype(np.int32)
        pre *= rng.random(pre.shape) < 0.5
        post = (rng.random((2, batch, 5)) < 0.4).astype(np.int8)
        estimate = dense_contrast((pre, post[0]), (pre, post[1])) / unit
        published_momentum = (1 - gamma) * published_momentum + (
            decay ** (update // 100) * estimate
        )
        flip = -published * published_momentum > THETA
        published = np.where(flip, -published, published)

        rescale, gain, threshold = rule.coefficients(update, unit=unit)
        mantissa, _ = np.frexp(rescale)
        assert mantissa == 0.5  # a power of two
        rescaled += rescale != 1
        before = momentum.copy()
        momentum *= F32(rescale)
        large = np.abs(before) > 1e-20
        np.testing.assert_array_equal((momentum / F32(rescale))[large], before[large])
        total_flips += bop_update(
            signs, momentum, pre, post[0], pre, post[1], F32(gain), F32(threshold)
        )
        np.testing.assert_array_equal(signs.signs(), published, err_msg=f"update {update}")
        scaled = momentum * (THETA / threshold)
        np.testing.assert_allclose(scaled, published_momentum, rtol=1e-4, atol=1e-5)
    assert total_flips > 100
    assert bool(rescaled) == (gamma >= 0.05)


def test_coefficients_without_decay_are_constant():
    rule = BOP(0.0, theta=0.5)
    for update in (0, 1, 10**6):
        assert rule.coefficients(update, unit=32.0) == (1.0, 1.0, 16.0)


def test_contributions_shrink_by_the_decay_from_epoch_to_epoch():
    rule = BOP(0.0, theta=0.5, decay=0.5, epoch_updates=10)
    gains = [rule.coefficients(update, unit=1.0)[1] for update in (0, 9, 10, 19, 20)]
    assert gains == [1.0, 1.0, 0.5, 0.5, 0.25]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gamma": -0.1, "theta": 1}, "gamma=-0.1"),
        ({"gamma": 1.0, "theta": 1}, r"gamma=1.0.*\[0, 1\)"),
        ({"gamma": float("nan"), "theta": 1}, "gamma=nan"),
        ({"gamma": 0.0, "theta": 0}, "theta=0: expected a value above 0"),
        ({"gamma": 0.0, "theta": 1, "decay": 0.0}, "decay=0.0"),
        ({"gamma": 0.0, "theta": 1, "decay": 1.5}, "decay=1.5"),
        ({"gamma": 0.0, "theta": 1, "epoch_updates": 0}, "epoch_updates=0"),
    ],
)
def test_impossible_parameters_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        BOP(**arguments)


@settings(max_examples=40, deadline=None)
@given(contrasts(), st.floats(0.05, 2), st.sampled_from([1, 16]), st.sampled_from([-1, 1]))
def test_alpha_gradient_is_half_the_difference_of_the_energies(drawn, alpha, levels, sign):
    weights, _, first, second = drawn
    span = 1.7

    def energy(state):
        pre, post = (array.astype(float) for array in state)
        return np.einsum("bi,ij,bj->", post, alpha * weights, pre / levels)

    def total(state):
        return (state[0].astype(np.int32) @ weights.T.astype(np.int32)).astype(np.int32)

    found = alpha_gradient(
        total(first),
        first[1],
        total(second),
        second[1],
        alpha=alpha,
        levels=levels,
        sign=sign,
        span=span,
    )
    expected = 0.5 * sign * (energy(second) - energy(first)) / (span * len(first[0]))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
