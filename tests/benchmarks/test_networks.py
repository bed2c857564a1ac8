"""What is said about the networks under measurement."""

from dataclasses import replace

import numpy as np
import pytest
from networks import activity, compare, differences, multiplications, require_equal

from lava_ep.parameters import NetworkParameters, initial_parameters
from lava_ep.spec import NetworkSpec, load_preset
from lava_ep.training.session import Counters


@pytest.fixture(scope="module")
def spec() -> NetworkSpec:
    return load_preset("binary-digits").network


@pytest.fixture(scope="module")
def start(spec: NetworkSpec) -> NetworkParameters:
    return initial_parameters(spec, seed=0)


def flipped(parameters: NetworkParameters, count: int) -> NetworkParameters:
    """Flip some weights of the first layer."""
    weights = parameters.layers[0].weights.copy()
    weights.flat[:count] *= -1
    first = replace(parameters.layers[0], weights=weights)
    return replace(parameters, layers=(first, *parameters.layers[1:]))


def moved(parameters: NetworkParameters, change: float, bias: float = 0.0) -> NetworkParameters:
    """Move all real weights and biases."""
    layers = [
        replace(layer, weights=layer.weights + change, bias=layer.bias + bias)
        for layer in parameters.layers
    ]
    return replace(parameters, layers=tuple(layers))


def test_activity_of_one_sample() -> None:
    counters = Counters(np.array([40, 8]), np.array([400, 80]), np.array([3]))
    assert activity(counters, 4) == {
        "events_per_sample": {"free": 10.0, "nudged": 2.0},
        "synaptic_operations_per_sample": {"free": 100.0, "nudged": 20.0},
    }


def test_dense_multiplications(spec: NetworkSpec) -> None:
    inputs, hidden, outputs = spec.sizes
    step = inputs * hidden + 2 * hidden * outputs
    phases = spec.phases
    assert multiplications(spec, learning=False) == phases.free_steps * step
    steps = phases.free_steps + phases.nudged_steps
    assert multiplications(spec, learning=True) == steps * step


def test_dense_multiplications_of_convolutions() -> None:
    spec = load_preset("ep-conv").network
    first, second, last = 24 * 24 * 32 * 25, 8 * 8 * 64 * 32 * 25, 1024 * 10
    steps = spec.phases.free_steps
    expected = steps * (first + 2 * second + 2 * last)
    assert multiplications(spec, learning=False) == expected


def test_equal_flips_are_found(start: NetworkParameters) -> None:
    same = compare(start, flipped(start, 20), flipped(start, 20))
    assert same == {
        "equal_weights": 1.0,
        "equal_flips": 1.0,
        "flipped_weights": 20,
        "different_bias_changes": [0.0, 0.0],
    }
    untouched = compare(start, start, start)
    assert untouched["equal_flips"] == 1.0
    assert untouched["flipped_weights"] == 0


def test_other_flips_are_an_error(start: NetworkParameters) -> None:
    with pytest.raises(RuntimeError, match="did not learn the same"):
        compare(start, flipped(start, 2), start)


def test_changes_of_real_weights_are_compared() -> None:
    start = initial_parameters(load_preset("ep-1h").network, seed=0)
    found = differences(start, moved(start, 0.5, 0.25), moved(start, 1.0, 1.0))
    assert set(found) == {"different_weight_changes", "different_bias_changes"}
    assert found["different_weight_changes"] == pytest.approx([0.5, 0.5], rel=1e-4)
    assert found["different_bias_changes"] == pytest.approx([0.75, 0.75], rel=1e-4)
    compare(start, moved(start, 1.0), moved(start, 1.0002))
    with pytest.raises(RuntimeError, match="did not learn the same"):
        compare(start, moved(start, 1.0), moved(start, 1.002))
    with pytest.raises(RuntimeError, match="did not learn the same"):
        compare(start, start, moved(start, 1e-3))


def test_backends_must_be_equal(start: NetworkParameters) -> None:
    require_equal({"fused": start, "message-passing": flipped(start, 0)})
    with pytest.raises(RuntimeError, match="fused and message-passing learned different"):
        require_equal({"fused": start, "message-passing": flipped(start, 1)})
