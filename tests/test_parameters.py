"""Parameters: how they are drawn, and their way into a checkpoint and back."""

from __future__ import annotations

import numpy as np
import pytest

from lava_ep.errors import InputError
from lava_ep.parameters import LayerParameters, NetworkParameters, initial_parameters
from lava_ep.spec import LayerSpec, NetworkSpec


def network(*sizes, inputs=6):
    layers = tuple(LayerSpec(neurons=n, theta=0.1, scale=0.7, bias_offset=2.0) for n in sizes)
    return NetworkSpec(inputs=inputs, classes=2, layers=layers)


@pytest.fixture
def spec():
    return network(5, 4)


@pytest.fixture
def arrays(spec):
    return initial_parameters(spec, seed=3).to_arrays()


def test_arrays_give_back_the_same_parameters(spec):
    drawn = initial_parameters(spec, seed=3)
    layers = tuple(
        LayerParameters(
            layer.weights, layer.momentum + np.float32(0.1), layer.alpha / 3, layer.bias
        )
        for layer in drawn.layers
    )
    parameters = NetworkParameters(layers, batch=17)
    found = NetworkParameters.from_arrays(parameters.to_arrays(), spec, source="test")
    assert found.batch == 17
    for a, b in zip(found.layers, layers, strict=True):
        for name in LayerParameters.FIELDS:
            one, other = getattr(a, name), getattr(b, name)
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


def test_arrays_are_named_after_the_layers(arrays):
    fields = ("weights", "momentum", "alpha", "bias")
    assert set(arrays) == {f"{layer}.{f}" for layer in ("hidden1", "output") for f in fields} | {
        "batch"
    }


def test_initial_values_are_the_published_ones():
    spec = network(300, 200, inputs=400)
    parameters = initial_parameters(spec, seed=0)
    assert parameters.batch == 0
    for layer, fan_in in zip(parameters.layers, (400, 300), strict=True):
        assert layer.weights.shape == layer.momentum.shape == (len(layer.bias), fan_in)
        assert set(np.unique(layer.weights)) == {-1, 1}
        assert not layer.momentum.any()
        assert layer.alpha.tolist() == [0.7 / np.sqrt(fan_in)]
        spread = np.sqrt(fan_in) * (layer.bias - 2.0)
        assert np.abs(spread).max() <= 1 + 1e-4
        assert spread.std() == pytest.approx(1 / np.sqrt(3), rel=0.1)


def test_a_seed_decides_everything_and_layers_differ():
    spec = network(6, 6)
    first, again, other = (initial_parameters(spec, seed=seed) for seed in (1, 1, 2))
    for name in ("weights", "bias"):
        values = [getattr(p.layers[0], name) for p in (first, again, other)]
        np.testing.assert_array_equal(values[0], values[1])
        assert not np.array_equal(values[0], values[2])
        assert not np.array_equal(values[0], getattr(first.layers[1], name))


def test_a_layer_does_not_depend_on_those_above_it():
    short, tall = (initial_parameters(network(*sizes), seed=1) for sizes in ((5, 4), (5, 3, 4)))
    np.testing.assert_array_equal(short.layers[0].weights, tall.layers[0].weights)


@pytest.mark.parametrize("key", ["batch", "hidden1.weights", "output.bias", "output.alpha"])
def test_missing_arrays_are_named(spec, arrays, key):
    del arrays[key]
    with pytest.raises(InputError, match=f"file: array '{key}' is missing for a 6-5-4 network"):
        NetworkParameters.from_arrays(arrays, spec, source="file")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("hidden1.weights", np.ones((5, 7), np.int8), r"int8\[5, 7\], expected int8\[5, 6\]"),
        ("hidden1.weights", np.ones((5, 6)), r"float64\[5, 6\], expected int8\[5, 6\]"),
        ("hidden1.weights", np.zeros((5, 6), np.int8), r"other than -1 and \+1"),
        ("output.momentum", np.ones((4, 5)), r"float64\[4, 5\], expected float32"),
        ("output.momentum", np.full((4, 5), np.nan, np.float32), "not finite"),
        ("output.alpha", np.array([np.inf]), "not finite"),
        ("output.bias", np.ones(5, np.float32), r"float32\[5\], expected float32\[4\]"),
        ("batch", np.array(3), r"int64\[\], expected int64\[1\]"),
    ],
)
def test_unfitting_arrays_are_refused(spec, arrays, key, value, message):
    with pytest.raises(InputError, match=f"file: array '{key}' .*{message}"):
        NetworkParameters.from_arrays({**arrays, key: value}, spec, source="file")


def test_parameters_of_a_deeper_network_are_refused():
    deeper = initial_parameters(network(5, 5, 4), seed=0).to_arrays()
    with pytest.raises(InputError, match=r"'hidden2\.\w+' has no place in a 6-5-4 network"):
        NetworkParameters.from_arrays(deeper, network(5, 4), source="file")
