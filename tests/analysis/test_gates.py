"""Counting Boolean gates."""

from __future__ import annotations

import pytest

from lava_ep.analysis import gates
from lava_ep.spec import BMLPSpec, load_preset


@pytest.mark.parametrize(
    ("bits", "adders"), [(1, (0, 0)), (2, (0, 1)), (3, (1, 0)), (7, (4, 0)), (8, (4, 3))]
)
def test_adders_of_a_popcount(bits, adders):
    assert gates.popcount_adders(bits) == adders


def test_adders_leave_one_bit_of_each_weight():
    # A full adder takes a bit away, a half adder keeps their number.
    for bits in range(1, 300):
        full, _ = gates.popcount_adders(bits)
        assert bits - full == bits.bit_length()


def test_counts_of_a_network():
    network = load_preset("bmlp-mnist").network
    assert isinstance(network, BMLPSpec)
    found = gates.inference_gates(network)
    assert found.xnor == 784 * 1000 + 1000 * 500 + 500 * 10
    assert found.real_macs == found.xnor
    assert found.comparisons == 1000 + 500 + 9
    # "two to three orders of magnitude" is what the authors report.
    assert 100 < found.ratio < 1000
    entry = {
        "wrong_at_layer": [0.5, 0.25],
        "updates_per_sample": [10, 5],
        "reinforced_per_sample": [30, 20],
    }
    learning = gates.training_gates(network, entry)
    assert learning.steps == 10 * 784 + 5 * 1000 + 50
    assert learning.xnor == found.xnor + 10 * 1000
    assert learning.real_macs == 3 * found.xnor - 784 * 1000
    assert learning.gates > found.gates + learning.steps * 3 * gates.HIDDEN_BITS
    still = {key: [0, 0] for key in entry}
    assert gates.training_gates(network, still).gates < learning.gates
