"""Sigma-delta neurons: spikes follow the state, and steps are known at both ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_ep.dynamics import StepSize, sigma_delta_step
from lava_ep.dynamics.sigma_delta import adapt_row
from lava_ep.errors import InputError


def layer(batch, n):
    """State, level, bias and room for the spikes of a layer."""
    return (
        np.zeros((batch, n), np.float32),
        np.zeros((batch, n), np.float32),
        np.zeros(n, np.float32),
        np.zeros((batch, n), np.int8),
    )


def test_step_is_the_equation_of_the_docstring():
    rng = np.random.default_rng(0)
    state, level, _, spikes = layer(3, 40)
    state[...] = rng.random(state.shape)
    level[...] = rng.integers(0, 6, level.shape)
    bias = rng.normal(size=8).astype(np.float32)
    current = rng.normal(size=state.shape).astype(np.float32)
    target = rng.integers(0, 2, state.shape).astype(np.int8)
    multiple = rng.integers(1, 4, state.shape).astype(np.int32)
    s = 0.6 * state + 0.4 * (current + np.tile(bias, 5) + 0.7 * (target - state))
    s = np.clip(s, 0, 1)
    error = 5 * s - level
    e = (error > multiple / 2) * 1 - (error < -multiple / 2) * 1
    expected = level + multiple * e
    count = sigma_delta_step(
        state,
        level,
        current,
        bias,
        spikes,
        filter_rate=0.4,
        levels=5,
        multiple=multiple,
        target=target,
        beta=0.7,
    )
    np.testing.assert_allclose(state, s, atol=1e-6)
    np.testing.assert_array_equal(spikes, e)
    np.testing.assert_array_equal(level, expected)
    assert count == np.count_nonzero(e) > 0
    assert set(np.unique(e)) == {-1, 0, 1}


@given(levels=st.integers(1, 100), value=st.floats(0, 1, width=32), seed=st.integers(0, 99))
def test_receivers_know_a_steady_state_to_half_a_step(levels, value, seed):
    state, level, bias, spikes = layer(1, 4)
    level[...] = np.random.default_rng(seed).integers(0, levels + 1, level.shape)
    multiple = np.ones(level.shape, np.int32)
    current = np.full(state.shape, value, np.float32)
    options = {"filter_rate": 1.0, "levels": levels, "multiple": multiple}
    for _ in range(levels + 1):
        last = sigma_delta_step(state, level, current, bias, spikes, **options)
    assert last == 0
    assert np.abs(level / levels - value).max() <= 0.5 / levels + 1e-6


def test_large_steps_get_there_sooner_and_small_ones_closer():
    sizes = {
        "constant": StepSize(levels=50),
        "shrinking": StepSize(levels=50, start=25, decay=0.6),
        "adaptive": StepSize(levels=50, start=25, adaptive=True),
    }
    arrived, spent = {}, {}
    for name, size in sizes.items():
        state, level, bias, spikes = layer(1, 1)
        multiple = np.full((1, 1), size.multiple(0), np.int32)
        previous = np.zeros(1, np.int8)
        errors, spent[name] = [], 0
        for step in range(60):
            if not size.adaptive:
                multiple[...] = size.multiple(step)
            spent[name] += sigma_delta_step(
                state,
                level,
                np.full((1, 1), 0.83, np.float32),
                bias,
                spikes,
                filter_rate=1.0,
                levels=50,
                multiple=multiple,
            )
            if size.adaptive:
                adapt_row(multiple[0], previous, spikes[0], np.int32(size.start))
            errors.append(abs(level[0, 0] / 50 - 0.83))
        assert errors[-1] <= 0.0101, name
        arrived[name] = next(k for k, error in enumerate(errors) if error <= 0.0101)
    assert arrived["constant"] > 30
    assert max(arrived["shrinking"], arrived["adaptive"]) < 15
    assert spent["constant"] > 2 * max(spent["shrinking"], spent["adaptive"])


def test_adaptive_steps_double_and_halve():
    multiple, previous = np.array([4, 4, 4, 1], np.int32), np.array([1, 1, 1, 0], np.int8)
    adapt_row(multiple, previous, np.array([1, -1, 0, 0], np.int8), np.int32(16))
    assert multiple.tolist() == [8, 2, 2, 1]
    assert previous.tolist() == [1, -1, 0, 0]
    adapt_row(multiple, previous, np.array([1, -1, 0, 0], np.int8), np.int32(10))
    assert multiple.tolist() == [10, 4, 1, 1]


def test_steps_shrink_to_the_smallest_one():
    size = StepSize(levels=20, start=20, decay=0.7)
    multiples = [size.multiple(step) for step in range(30)]
    assert multiples[:3] == [20, 14, 10]
    assert multiples[-1] == 1
    assert [size.final(step) for step in (0, 5, 29)] == [False, False, True]
    assert StepSize(levels=5, start=2).final(0)
    assert StepSize(levels=16, start=8, adaptive=True).final(0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": 0}, "levels=0: expected a whole number from 1 to 100"),
        ({"levels": 2.5}, "levels=2.5: expected a whole number"),
        ({"levels": 101}, "levels=101"),
        ({"levels": 4, "start": 5}, "start=5: expected a whole number of smallest steps"),
        ({"decay": 0}, r"decay=0: expected a factor in \(0, 1\]"),
        ({"decay": 0.5, "adaptive": True}, "expected 1; choose one of both"),
    ],
)
def test_bad_step_sizes_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        StepSize(**options)


def test_a_nudge_needs_a_target():
    state, level, bias, spikes = layer(2, 3)
    options = {"filter_rate": 0.5, "levels": 5, "multiple": np.ones((2, 3), np.int32)}
    with pytest.raises(InputError, match=r"beta=0.5: expected a target of shape \(2, 3\)"):
        sigma_delta_step(state, level, state, bias, spikes, beta=0.5, **options)
