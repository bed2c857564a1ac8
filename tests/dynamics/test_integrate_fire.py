"""Integrate-and-fire neurons: rates, leak, refractory time and traces; Lava's LIF as an oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF as LavaLIF

from lava_ep.dynamics import LIF, Reset, SpikeTrace, follow_spikes, lif_step
from lava_ep.errors import InputError


def run(neuron, current, *, bias=None, target=None, beta=0.0, membrane=None):
    """Feed (steps, batch, n) currents; return spikes, potentials and traces of every step."""
    steps, batch, n = current.shape
    v = np.zeros((batch, n), np.float32) if membrane is None else membrane.copy()
    u, r = np.zeros((2, batch, n), np.float32)
    waiting, spikes = np.zeros((batch, n), np.int32), np.zeros((batch, n), np.int8)
    bias = np.zeros(n, np.float32) if bias is None else bias
    found = []
    for step in range(steps):
        count = lif_step(
            v, u, r, waiting, current[step], bias, spikes, neuron=neuron, target=target, beta=beta
        )
        assert count == np.count_nonzero(spikes)
        found.append((spikes.copy(), v.copy(), r.copy()))
    return tuple(np.array(part) for part in zip(*found, strict=True))


def test_steps_are_the_equations_of_the_docstring():
    rng = np.random.default_rng(1)
    neuron = LIF(0.3, 0.1, 1.2, Reset.ZERO, 2, SpikeTrace(0.25))
    current = rng.normal(0.4, 1, (40, 2, 30)).astype(np.float32)
    bias = rng.normal(0.2, 0.1, 30).astype(np.float32)
    target = rng.integers(0, 2, (2, 30)).astype(np.int8)
    spikes, potentials, traces = run(neuron, current, bias=bias, target=target, beta=0.5)
    v, u, r, wait = np.zeros((4, 2, 30))
    for step in range(40):
        u = 0.7 * u + 0.3 * current[step]
        moved = np.maximum(0.9 * v + u + bias + 0.5 * (target - r), -1.2)
        v = np.where(wait > 0, v, moved)
        e = (wait == 0) & (v >= 1.2)
        v = np.where(e, 0.0, v)
        wait = np.where(e, 2, np.maximum(wait - 1, 0))
        r = r + 0.25 * (e - r)
        np.testing.assert_array_equal(spikes[step], e)
        np.testing.assert_allclose(potentials[step], v, atol=1e-5)
        np.testing.assert_allclose(traces[step], r, atol=1e-5)
    assert spikes.any()


@given(rate=st.floats(0, 1), steps=st.integers(200, 400))
def test_without_leak_the_rate_is_the_drive(rate, steps):
    current = np.full((steps, 1, 1), rate, np.float32)
    spikes, _, _ = run(LIF(du=1.0), current)
    assert abs(spikes.mean() - rate) <= 1.01 / steps + 1e-4


@pytest.mark.parametrize("refractory", [0, 1, 3])
def test_refractory_time_bounds_the_rate(refractory):
    spikes, _, _ = run(LIF(du=1.0, refractory=refractory), np.full((60, 1, 1), 5, np.float32))
    times = np.flatnonzero(spikes)
    assert set(np.diff(times)) == {refractory + 1}


def test_leak_keeps_weak_drives_silent():
    weak = np.full((100, 1, 1), 0.15, np.float32)
    assert not run(LIF(du=1.0, dv=0.2), weak)[0].any()
    assert run(LIF(du=1.0, dv=0.1), weak)[0].any()


def test_potentials_do_not_fall_below_minus_the_threshold():
    _, potentials, _ = run(LIF(du=1.0, threshold=1.5), np.full((20, 1, 1), -1, np.float32))
    assert potentials.min() == -1.5


def test_initial_potentials_spread_evenly_below_the_threshold():
    starts = LIF(threshold=2.0).initial_membrane(100)
    assert starts.dtype == np.float32
    counts, _ = np.histogram(starts, bins=10, range=(0, 2))
    assert counts.min() >= 9 and counts.max() <= 11
    spikes, _, _ = run(
        LIF(du=1.0, threshold=2.0), np.full((10, 1, 100), 0.2, np.float32), membrane=starts[None]
    )
    assert spikes.sum(axis=(1, 2)).max() <= 15


def test_traces_follow_spikes():
    trace = np.zeros((2, 3), np.float32)
    spikes = np.array([[1, 0, 1], [0, 0, 1]], np.int8)
    follow_spikes(trace, spikes, 0.25)
    follow_spikes(trace, np.zeros_like(spikes), 0.25)
    np.testing.assert_array_equal(trace, 0.1875 * spikes)


@pytest.mark.parametrize("leak", [0.0, 0.125])
def test_spikes_are_those_of_lavas_lif(leak):
    """Lava resets to 0 and spikes above, not at, the threshold; its u is not scaled by du."""
    du, steps, n = 0.25, 60, 12
    rng = np.random.default_rng(2)
    spikes = rng.random((n, steps)) < 0.4
    weights = rng.integers(1, 40, n) / 64.0
    source = Source(data=(spikes * weights[:, None]).astype(np.float32))
    lava = LavaLIF(shape=(n,), du=du, dv=leak, vth=0.9999)
    sink = Sink(shape=(n,), buffer=steps + 1)
    source.s_out.connect(lava.a_in)
    lava.s_out.connect(sink.a_in)
    try:
        lava.run(RunSteps(num_steps=steps), Loihi2SimCfg(select_tag="floating_pt"))
        expected = sink.data.get()[:, :steps]
    finally:
        lava.stop()
    current = np.ascontiguousarray((spikes * weights[:, None] / du).T[:, None], np.float32)
    found, _, _ = run(LIF(du=du, dv=leak, reset="zero", threshold=0.9999), current)
    np.testing.assert_array_equal(found[:, 0].T, expected)
    assert 20 < expected.sum() < n * steps / 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"du": 0}, r"du=0: expected a value in \(0, 1\]"),
        ({"dv": 1}, r"dv=1: expected a value in \[0, 1\)"),
        ({"threshold": 0}, "threshold=0: expected a value above 0"),
        ({"reset": "soft"}, "reset='soft': expected one of subtract, zero"),
        ({"refractory": -1}, "refractory=-1: expected a whole number of time steps"),
        ({"refractory": 0.5}, "refractory=0.5"),
    ],
)
def test_bad_constants_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        LIF(**options)


def test_bad_traces_are_refused():
    with pytest.raises(InputError, match=r"SpikeTrace rate=0: expected a value in \(0, 1\]"):
        SpikeTrace(0)


def test_a_nudge_needs_a_target():
    zeros = np.zeros((1, 3), np.float32)
    whole, spikes = np.zeros((1, 3), np.int32), np.zeros((1, 3), np.int8)
    with pytest.raises(InputError, match=r"beta=1: expected a target of shape \(1, 3\)"):
        lif_step(zeros, zeros, zeros, whole, zeros, zeros[0], spikes, neuron=LIF(), beta=1)
