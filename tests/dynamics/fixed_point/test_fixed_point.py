"""Integer arithmetic at its edges: what wraps, what saturates, and how it is rounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_ep.dynamics import Reset, Stream, generator
from lava_ep.dynamics.fixed_point import (
    Factor,
    IntegerLIF,
    accumulated,
    binary_step,
    bop_update,
    decayed,
    follow_spikes,
    lif_step,
    move_at_random,
    move_weights,
    share,
    shifted,
    sigma_delta_step,
)
from lava_ep.errors import InputError
from lava_ep.loihi2.formats import BIAS, FORMATS, STATE, TAG, TRACE

ONE = 1 << 18
states = st.integers(STATE.lowest, STATE.highest)


def rng(number=0):
    return generator(0, Stream.ROUNDING, number)


def row(*values, dtype=np.int32):
    return np.array([values], dtype)


@given(value=states, decay=st.integers(0, 4096))
def test_products_are_rounded_towards_zero(value, decay):
    exact = value * (4096 - decay) / 4096
    assert decayed(row(value), decay)[0, 0] == int(exact)
    assert share(row(value), 4096 - decay)[0, 0] == int(exact)


def test_shifts_to_the_right_round_down_as_those_of_lava():
    assert shifted(row(-3, 3), -1).tolist() == [[-2, 1]]
    assert shifted(row(-3, 3), 2).tolist() == [[-12, 12]]


@given(st.floats(1e-6, 4000.0), st.booleans())
def test_factors_have_twelve_bits(value, negative):
    value = -value if negative else value
    factor = Factor.nearest(value)
    assert 2**11 <= abs(factor.mantissa) < 2**12
    assert abs(factor.value - value) <= abs(value) * 2**-12


def test_a_factor_too_large_is_refused():
    with pytest.raises(InputError, match="factor 5000: expected at most 4095"):
        Factor.nearest(5000.0)


@pytest.mark.parametrize("name", FORMATS)
def test_formats_saturate_and_wrap(name):
    width = FORMATS[name]
    ends = np.array([width.lowest, width.highest])
    beyond = np.array([width.lowest - 1, width.highest + 1])
    assert width.holds(ends)
    assert not width.holds(beyond[:1])
    assert not width.holds(beyond[1:])
    assert width.saturated(beyond).tolist() == ends.tolist()
    assert width.wrapped(beyond).tolist() == ends[::-1].tolist()
    assert width.wrapped(ends).tolist() == ends.tolist()
    assert "lava-nc" in width.source or "arXiv" in width.source


def test_input_of_more_than_16_bits_wraps():
    assert accumulated(row(2**15 - 1, 2**15, -(2**15) - 1), 1, 0).tolist() == [
        [2**15 - 1, -(2**15), 2**15 - 1]
    ]


def settle(current, *, state=0, bias=0, **options):
    """One step of a binary neuron."""
    s, b, events = row(state), row(0, dtype=np.int8), row(0, dtype=np.int8)
    settings = {"filter_rate": 2048, "threshold": ONE // 128, "one": ONE, **options}
    count = binary_step(s, b, row(current), row(bias)[0], events, **settings)
    return int(s[0, 0]), int(b[0, 0]), int(events[0, 0]), count


def test_a_binary_neuron_filters_and_fires():
    # Half of 0.25 and half of 64 * 3072 = 0.75: the threshold itself.
    assert settle(3072, state=ONE // 4) == (ONE // 2, 1, 1, 1)
    assert settle(3071, state=ONE // 4) == (ONE // 2 - 32, 0, 0, 0)


def test_a_binary_neuron_stays_between_0_and_1():
    assert settle(2**15 - 1)[0] == ONE
    assert settle(-(2**15), state=ONE)[0] == 0


def test_what_drives_a_neuron_saturates():
    # Three times 2**21, 2**23 - 1 and more: without saturation the state would be lower.
    target = row(1, dtype=np.int8)
    options = {"one": 2**22, "target": target, "nudge": Factor.nearest(30.0)}
    assert settle(2**15 - 1, bias=2**19, filter_rate=1, **options)[0] == (2**23 - 1) >> 12


def test_the_nudge_pulls_to_the_target():
    target = row(1, dtype=np.int8)
    found = settle(0, state=ONE // 2, filter_rate=4096, target=target, nudge=Factor.nearest(0.25))
    assert found[0] == ONE // 8
    with pytest.raises(InputError, match="expected a target of shape"):
        settle(0, nudge=Factor.nearest(1.0))


def test_a_sigma_delta_neuron_sends_what_is_more_than_half_a_step_away():
    step, levels = 1 << 15, 5
    for current, spike in ((256, 0), (257, 1), (0, 0)):
        s, k, spikes = row(0), row(0), row(0, dtype=np.int8)
        sigma_delta_step(
            s,
            k,
            row(current),
            row(0)[0],
            spikes,
            filter_rate=4096,
            step=step,
            levels=levels,
            multiple=row(1),
        )
        assert (spikes[0, 0], k[0, 0]) == (spike, spike)


def fire(voltage, *, current=0, wait=0, bias=0, **constants):
    v, u, r, left = row(voltage), row(current), row(0), row(wait)
    spikes = row(0, dtype=np.int8)
    neuron = IntegerLIF(**{"du": 4095, "dv": 0, "threshold": 100, **constants})
    lif_step(
        v,
        u,
        r,
        left,
        row(0),
        row(bias)[0],
        spikes,
        neuron=neuron,
        trace_rate=1024,
        one=ONE,
    )
    return int(v[0, 0]), int(spikes[0, 0]), int(left[0, 0]), int(r[0, 0])


def test_an_integrate_and_fire_neuron_resets_waits_and_saturates():
    at = 100 << 6
    assert fire(at) == (at, 0, 0, 0)
    assert fire(at + 1) == (0, 1, 0, ONE // 4)
    assert fire(at + 1, reset=Reset.SUBTRACT, refractory=3) == (1, 1, 3, ONE // 4)
    assert fire(at + 1, wait=2) == (at + 1, 0, 1, 0)
    assert fire(-5, bias=-at, lowest=-at)[0] == -at
    # What is left after a spike tells that the voltage was the highest there is.
    highest = {"bias": 2**19 - 1, "threshold": 2**17 - 1, "reset": Reset.SUBTRACT}
    assert fire(STATE.highest, **highest)[:2] == (63, 1)
    assert fire(STATE.lowest + 1, bias=-(2**19), threshold=2**17 - 1)[0] == -STATE.highest


def test_random_rounding_is_unbiased_and_seeded():
    rate = Factor.nearest(0.3)
    values = np.full(40_000, -7)
    found = rate.times_at_random(values, rng())
    assert set(found.tolist()) == {-3, -2}
    # The mean of 40,000 roundings is within 4 standard errors of the exact product.
    assert abs(found.mean() - rate.value * -7) < 4 * 0.5 / 200
    assert np.array_equal(found, rate.times_at_random(values, rng()))
    assert not np.array_equal(found, rate.times_at_random(values, rng(1)))


def test_weights_move_by_the_exact_mean_and_stay_even():
    weights = np.full(40_000, 10.0)
    rate = Factor.nearest(0.123)
    move_weights(weights, np.full(weights.shape, 5.0), rate, rng())
    assert set(weights.tolist()) == {10.0, 12.0}
    assert abs(weights.mean() - 10 - 5 * rate.value) < 4 * 1.0 / 200


def test_weights_and_biases_saturate_where_they_end():
    weights = np.array([254.0, -256.0])
    move_weights(weights, np.array([900.0, -900.0]), Factor.nearest(1.0), rng())
    assert weights.tolist() == [254.0, -256.0]
    biases = np.array([4090, -4090], np.int32)
    move_at_random(biases, np.array([90, -90]), Factor.nearest(1.0), BIAS, rng())
    assert biases.tolist() == [BIAS.highest, BIAS.lowest]


def test_traces_saturate_and_decay_to_their_mean():
    traces = np.full(20_000, 120.0)
    follow_spikes(traces, np.ones(traces.shape), impulse=30, decay=Factor.nearest(0.1), rng=rng())
    assert set(traces.tolist()) == {TRACE.highest}
    decay = Factor.nearest(0.1)
    follow_spikes(traces, np.zeros(traces.shape), impulse=30, decay=decay, rng=rng())
    assert set(traces.tolist()) == {114.0, 115.0}
    assert abs(traces.mean() - 127 * (1 - decay.value)) < 4 * 0.5 / np.sqrt(traces.size)


def update(sign, momentum, contrast, *, gain=1.0, decay=0.0):
    signs, tag = np.array([sign], np.int8), np.array([momentum], np.int16)
    flips = bop_update(
        signs,
        tag,
        np.array([contrast]),
        gain=Factor.nearest(gain),
        decay=Factor.nearest(decay),
        threshold=100,
        rng=rng(),
    )
    return int(signs[0]), int(tag[0]), flips


def test_bop_flips_where_the_momentum_insists():
    assert update(1, -90, -10) == (1, -100, 0)
    assert update(1, -90, -11) == (-1, -101, 1)
    assert update(-1, -90, -11) == (-1, -101, 0)
    assert update(-1, 90, 11) == (1, 101, 1)
    # Only synapses that were touched flip, and momenta have 9 bits.
    assert update(1, -101, 0) == (1, -101, 0)
    assert update(1, 200, 100) == (1, TAG.highest, 0)
    assert update(-1, -200, -100) == (-1, TAG.lowest, 0)
    assert update(1, 100, 0, decay=0.5) == (1, 50, 0)
