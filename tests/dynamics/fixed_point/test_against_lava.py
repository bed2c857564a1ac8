"""Lava's own bit-accurate models as an independent oracle, over random parameters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.proc.dense.models import PyDenseModelBitAcc
from lava.proc.dense.process import Dense
from lava.proc.lif.models import PyLifModelBitAcc
from lava.proc.lif.process import LIF
from lava.utils import weightutils

from lava_ep.dynamics.fixed_point import (
    IntegerLIF,
    SignMode,
    accumulated,
    lif_step,
    stored_weights,
    weight_limits,
    weight_step,
)
from lava_ep.runtime import ProcessTester

NEURONS, STEPS = 6, 30


class Oracle(PyLifModelBitAcc):
    """Lava's model with messages of the type that they have in networks: its Dense sends int32."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)


class DenseOracle(PyDenseModelBitAcc):
    """Lava's model with graded spikes of the type that they have in networks."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)


seeds = st.integers(0, 2**32 - 1)
decays = st.one_of(st.integers(0, 4095), st.sampled_from([0, 1, 4094, 4095]))
thresholds = st.one_of(st.integers(0, 2**17 - 1), st.integers(0, 500))


@settings(max_examples=60)
@given(
    seed=seeds,
    du=decays,
    dv=decays,
    vth=thresholds,
    bias_exp=st.integers(0, 7),
    largest=st.sampled_from([10, 1000, 2**15 - 1]),
)
def test_lif_is_that_of_lava_bit_for_bit(seed, du, dv, vth, bias_exp, largest):
    rng = np.random.default_rng(seed)
    bias_mant = rng.integers(-4096, 4096, NEURONS)
    received = rng.integers(-largest - 1, largest + 1, (STEPS, NEURONS))
    process = LIF(shape=(NEURONS,), du=du, dv=dv, vth=vth, bias_mant=bias_mant, bias_exp=bias_exp)
    oracle = ProcessTester(process, Oracle)
    shape = (1, NEURONS)
    voltage, current, trace, waiting = (np.zeros(shape, np.int32) for _ in range(4))
    spikes = np.zeros(shape, np.int8)
    neuron = IntegerLIF(du=du, dv=dv, threshold=vth)
    bias = (bias_mant << bias_exp).astype(np.int32)
    for message in received:
        sent = oracle.step({"a_in": message.astype(np.int32)})["s_out"]
        lif_step(voltage, current, trace, waiting, message[None], bias, spikes, neuron=neuron)
        assert np.array_equal(spikes[0], sent)
        assert np.array_equal(current[0], oracle.model.u)
        assert np.array_equal(voltage[0], oracle.model.v)


def test_currents_of_all_lengths_wrap_as_those_of_lava():
    # Constant input without decay walks over the end of 24 bits, and over the very last number.
    process = LIF(shape=(2,), du=0, dv=0, vth=2**17 - 1)
    oracle = ProcessTester(process, Oracle)
    oracle.model.u = np.array([2**23 - 64 * 3, -(2**23) + 64 * 3], np.int32)
    current = np.array([[2**23 - 64 * 3, -(2**23) + 64 * 3]], np.int32)
    voltage, trace, waiting = (np.zeros((1, 2), np.int32) for _ in range(3))
    spikes = np.zeros((1, 2), np.int8)
    neuron = IntegerLIF(du=0, dv=0, threshold=2**17 - 1)
    seen = []
    for _ in range(60):
        message = np.array([40, -40])
        oracle.step({"a_in": message.astype(np.int32)})
        bias = np.zeros(2, np.int32)
        lif_step(voltage, current, trace, waiting, message[None], bias, spikes, neuron=neuron)
        assert np.array_equal(current[0], oracle.model.u)
        assert np.array_equal(voltage[0], oracle.model.v)
        seen.append(current[0].tolist())
    signs = np.sign(seen)
    assert (signs[:, 0] == -1).any()
    assert (signs[:, 1] == 1).any()


MODES = {
    SignMode.MIXED: weightutils.SignMode.MIXED,
    SignMode.EXCITATORY: weightutils.SignMode.EXCITATORY,
    SignMode.INHIBITORY: weightutils.SignMode.INHIBITORY,
}


@pytest.mark.parametrize("mode", SignMode)
@given(seed=seeds, bits=st.integers(1, 8))
def test_weights_are_stored_as_by_lava(mode, seed, bits):
    weights = np.random.default_rng(seed).integers(-400, 400, (5, 7))
    clipped = weightutils.clip_weights(weights, MODES[mode], num_bits=8)
    expected = weightutils.truncate_weights(clipped, MODES[mode], bits)
    found = stored_weights(weights, mode, bits)
    assert np.array_equal(found, expected)
    assert set(np.unique(found % weight_step(mode, bits))) == {0}
    # What the memory holds, it holds: the limits are values of it.
    limits = np.array(weight_limits(mode, bits))
    assert np.array_equal(stored_weights(limits, mode, bits), limits)
    assert weight_limits(mode, bits)[0] <= found.min()
    assert found.max() <= weight_limits(mode, bits)[1]


@settings(max_examples=60)
@given(
    seed=seeds,
    exponent=st.integers(-8, 7),
    payload=st.sampled_from([0, 8]),
    mode=st.sampled_from(SignMode),
    bits=st.integers(2, 8),
)
def test_dense_currents_are_those_of_lava_bit_for_bit(seed, exponent, payload, mode, bits):
    rng = np.random.default_rng(seed)
    low, high = {"mixed": (-256, 256), "excitatory": (0, 256), "inhibitory": (-255, 1)}[mode]
    weights = rng.integers(low, high, (4, 9))
    values = rng.integers(0, 2, (5, 9)) * (rng.integers(1, 256, (5, 9)) if payload else 1)
    process = Dense(
        weights=weights,
        weight_exp=exponent,
        num_weight_bits=bits,
        sign_mode=MODES[mode],
        num_message_bits=payload,
    )
    oracle = ProcessTester(process, DenseOracle)
    sent = [oracle.step({"s_in": message})["a_out"] for message in values]
    sent.append(oracle.step({"s_in": values[0]})["a_out"])
    kept = stored_weights(weights, mode, bits)
    found = accumulated((values @ kept.T).astype(np.float64), 1, exponent)
    expected = np.array(sent[1:])
    # Lava does not bring its sums down to the 16 bits that it declares; shared are those within.
    within = np.abs(expected) < 2**15
    assert np.array_equal(found[within], expected[within])
