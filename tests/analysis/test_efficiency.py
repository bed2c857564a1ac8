"""The account of efficiency: counts made another way, and ratios that must agree."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from lava_ep.analysis import efficiency, picojoules
from lava_ep.analysis.efficiency import (
    dense_macs,
    efficiency_json,
    forward_macs,
    inference_account,
    phase_steps,
    training_account,
)
from lava_ep.dynamics import Convolution, Dense
from lava_ep.spec import NetworkSpec

BINARY = {"theta": 1.0}
REAL = {"weights": "real", "rate": 0.1}
METRICS = {
    "events_per_sample": {"free": 30.0, "nudged": 12.0},
    "synaptic_operations_per_sample": {"free": 900.0, "nudged": 100.0},
}


def network(weights: dict[str, Any] = BINARY, **changes: Any) -> NetworkSpec:
    layers = [{"neurons": 8, **weights}, {"neurons": 10, **weights}]
    phases = {"free_steps": 6, "nudged_steps": 4, **changes.pop("phases", {})}
    return NetworkSpec.model_validate({"inputs": 20, "layers": layers, "phases": phases, **changes})


def test_dense_macs_count_every_synapse_at_every_step() -> None:
    sizes, steps = (5, 4, 3, 2), 7
    operations = 0
    for _ in range(steps):
        for layer, n in enumerate(sizes[1:], start=1):
            operations += n * sizes[layer - 1]
            if layer + 1 < len(sizes):
                operations += n * sizes[layer + 1]
    connections = [Dense(*pair) for pair in pairwise(sizes)]
    assert dense_macs(connections, steps) == operations
    assert dense_macs(connections, steps, input_once=True) == operations - (steps - 1) * 5 * 4
    assert forward_macs(connections) == 5 * 4 + 4 * 3 + 3 * 2


def test_macs_of_a_convolution_are_those_before_pooling() -> None:
    first = Convolution((7, 9, 2), channels=4, kernel=3, padding=1, pool=2)
    second = Convolution((3, 4, 4), channels=5, kernel=2)
    assert first.out_shape == second.in_shape
    once = []
    for rows, columns, channels, kernel, below in ((7, 9, 4, 3, 2), (2, 3, 5, 2, 4)):
        images = np.ones((below, rows + kernel - 1, columns + kernel - 1))
        count = 0
        for y in range(rows):
            for x in range(columns):
                count += channels * images[:, y : y + kernel, x : x + kernel].size
        once.append(count)
    assert dense_macs([first, second], 3) == 3 * (once[0] + 2 * once[1])
    assert forward_macs([first, second]) == sum(once)


@pytest.mark.parametrize(
    ("nudging", "nudged"), [("positive", 4), ("random-sign", 4), ("symmetric", 8), ("swing", 8)]
)
def test_steps_are_those_of_the_schedule(nudging: str, nudged: int) -> None:
    spec = network(phases={"nudging": nudging})
    assert phase_steps(spec) == {"free": 6, "nudged": nudged}
    schedule = spec.phases.schedule(0)
    idle = 1 + schedule.symmetric
    assert schedule.period(learning=True) == idle + 6 + nudged


def test_an_account_is_consistent() -> None:
    spec = network(phases={"nudging": "swing"})
    inference = inference_account(spec, events=36.0, operations=820.0)
    training = training_account(spec, METRICS)
    assert inference.dense_macs == 6 * (20 * 8 + 2 * 8 * 10)
    assert inference.feedforward_macs == training.feedforward_macs == 20 * 8 + 8 * 10
    assert (training.events, training.synaptic_operations) == (42.0, 1000.0)
    assert training.steps == 6 + 2 * 4
    for account in (inference, training):
        found = json.loads(json.dumps(account.to_json()))
        assert found["neurons"] == 18
        assert found["events_per_neuron"] * 18 == pytest.approx(found["events"])
        ratio = found["dense_macs_per_synaptic_operation"]
        assert ratio * found["synaptic_operations"] == pytest.approx(found["dense_macs"])
        chips, dense = found["energy_estimate_pj"], found["dense_energy_estimate_pj"]
        assert chips["low"] == pytest.approx(12.7 * found["synaptic_operations"])
        assert chips["high"] == pytest.approx(26 * found["synaptic_operations"])
        assert dense["high"] == pytest.approx(4.6 * found["dense_macs"])
        assert dense["low"] == pytest.approx(0.23 * found["dense_macs"])
        updates = 18 * account.steps
        loihi = found["loihi_energy_estimate_pj"]
        assert loihi["low"] == pytest.approx(23.6 * account.synaptic_operations + 52 * updates)
        assert loihi["high"] == pytest.approx(23.6 * account.synaptic_operations + 81 * updates)
        for name, energy in found.items():
            if name.endswith("_pj"):
                assert 0 < energy["low"] <= energy["high"]
                assert any(year in energy["source"] for year in ("2014", "2018", "2019"))


def test_a_silent_sample_has_no_ratio_and_costs_nothing_but_updates() -> None:
    found = inference_account(network(), events=0.0, operations=0.0).to_json()
    assert found["dense_macs_per_synaptic_operation"] is None
    assert found["energy_estimate_pj"]["high"] == 0
    assert found["loihi_energy_estimate_pj"]["low"] == 18 * 6 * 52


def test_additions_do_where_either_factor_is_a_sign() -> None:
    graded = {"kind": "graded"}
    assert efficiency.synaptic_arithmetic(network(BINARY)) == picojoules.ADDITION
    assert efficiency.synaptic_arithmetic(network(BINARY, neuron=graded)) == picojoules.ADDITION
    assert (
        efficiency.synaptic_arithmetic(network(REAL, neuron=graded))
        == picojoules.MULTIPLY_ACCUMULATE
    )
    units = efficiency.synaptic_arithmetic(network(REAL))
    assert (units.low, units.high) == (0.03, pytest.approx(4.6))


def test_energies_add_and_name_each_source_once() -> None:
    one, two = picojoules.Energy(1, 2, "a"), picojoules.Energy(10, 20, "b")
    assert one + two == picojoules.Energy(11, 22, "a; b")
    assert one + one == picojoules.Energy(2, 4, "a")
    assert one.times(3) == picojoules.Energy(3, 6, "a")
    assert math.isclose(picojoules.MULTIPLY_ACCUMULATE.low, 0.23)


def test_without_metrics_there_is_no_account_of_training() -> None:
    inference = inference_account(network(), events=1.0, operations=2.0)
    found = efficiency_json(inference, None)
    assert found["per_training_sample"] is None
    assert found["per_inference"] == inference.to_json()
    assert "Estimates" in found["note"]
