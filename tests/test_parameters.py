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
            layer.weights, layer.bias, layer.momentum + np.float32(0.1), layer.alpha / 3
        )
        for layer in drawn.layers
    )
    parameters = NetworkParameters(layers, batch=17)
    found = NetworkParameters.from_arrays(parameters.to_arrays(), spec, source="test")
    assert found.batch == 17
    for a, b in zip(found.layers, layers, strict=True):
        assert list(a.arrays) == list(b.arrays) == ["weights", "bias", "momentum", "alpha"]
        for name, other in b.arrays.items():
            assert a.arrays[name].dtype == other.dtype
            np.testing.assert_array_equal(a.arrays[name], other)


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
        ("batch", np.array([-1]), "count below 0"),
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


def family(**changes):
    """A convolution, a binary and a real layer."""
    layers = [
        {"channels": 3, "kernel": 3, "pool": 2, "weights": "real", "rate": 0.1, "bias_offset": 2.0},
        {"channels": 2, "kernel": 2, "theta": 0.1, "scale": 0.7},
        {"neurons": 4, "weights": "real", "rate": 0.1, "scale": 2.0},
    ]
    values = {"inputs": 200, "image_shape": (10, 10, 2), "classes": 2, "layers": layers, **changes}
    return NetworkSpec.model_validate(values)


def vector_field(angle, *sizes):
    """Real weights with a feedback of their own."""
    layers = [{"neurons": n, "weights": "real", "rate": 0.1} for n in sizes]
    return NetworkSpec(inputs=60, classes=2, layers=layers, feedback_angle=angle)


def test_each_kind_of_layer_has_its_arrays():
    spec = family()
    parameters = initial_parameters(spec, seed=0)
    real, binary, dense = parameters.layers
    assert list(real.arrays) == list(dense.arrays) == ["weights", "bias"]
    assert list(binary.arrays) == ["weights", "bias", "momentum", "alpha"]
    shapes = [(3, 2, 3, 3), (2, 3, 2, 2), (4, 18)]
    for layer, shape in zip(parameters.layers, shapes, strict=True):
        assert layer.weights.shape == shape
        assert layer.bias.shape == shape[:1]
        assert layer.bias.dtype == np.float32
    assert [layer.weights.dtype for layer in parameters.layers] == [np.float32, np.int8, np.float32]
    assert binary.momentum.shape == shapes[1]
    assert binary.alpha.tolist() == [0.7 / np.sqrt(12)]
    field = initial_parameters(vector_field(30, 5, 4), seed=0)
    assert list(field.layers[0].arrays) == ["weights", "bias"]
    assert list(field.layers[1].arrays) == ["weights", "bias", "feedback"]


def test_real_weights_are_glorots():
    big = family(
        inputs=40 * 40 * 8,
        image_shape=(40, 40, 8),
        layers=[
            {"channels": 60, "weights": "real", "rate": 0.1, "kernel": 7, "pool": 10},
            {"neurons": 300, "weights": "real", "rate": 0.1, "scale": 0.5},
            {"neurons": 2, "weights": "real", "rate": 0.1},
        ],
    )
    parameters = initial_parameters(big, seed=0)
    fans = [(8 * 49, 60 * 49), (60 * 9, 300)]
    for layer, (fan_in, fan_out), scale in zip(parameters.layers, fans, (1.0, 0.5), strict=False):
        bound = scale * np.sqrt(6 / (fan_in + fan_out))
        assert np.abs(layer.weights).max() <= bound * (1 + 1e-6)
        assert np.abs(layer.weights).max() > 0.99 * bound
        assert layer.weights.std() == pytest.approx(bound / np.sqrt(3), rel=0.02)
        assert abs(layer.weights.mean()) < 0.02 * bound


def test_biases_of_a_convolution_have_the_bound_of_its_kernel():
    layers = [
        {"channels": 4000, "kernel": 2, "weights": "real", "rate": 0.1, "bias_offset": 2.0},
        {"neurons": 2, "weights": "real", "rate": 0.1},
    ]
    spec = family(inputs=8, image_shape=(2, 2, 2), layers=layers)
    spread = np.sqrt(8) * (initial_parameters(spec, seed=0).layers[0].bias - 2.0)
    assert 0.99 < np.abs(spread).max() <= 1 + 1e-5
    assert spread.std() == pytest.approx(1 / np.sqrt(3), rel=0.05)


@pytest.mark.parametrize("angle", [0, 30, 90, 150, 180])
def test_feedback_starts_at_the_angle(angle):
    layer = initial_parameters(vector_field(angle, 300, 300, 4), seed=1).layers[1]
    forward, feedback = layer.weights.astype(float).ravel(), layer.feedback.astype(float).ravel()
    np.testing.assert_array_equal(np.abs(feedback), np.abs(forward))
    cosine = forward @ feedback / (forward @ forward)
    measured = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    assert measured == pytest.approx(angle, abs=0.7)
    if angle in (0, 180):
        np.testing.assert_array_equal(feedback, forward * (1 if angle == 0 else -1))


def test_feedback_does_not_change_what_else_is_drawn():
    with_feedback = initial_parameters(vector_field(60, 8, 7, 4), seed=1)
    without = initial_parameters(vector_field(None, 8, 7, 4), seed=1)
    for one, other in zip(with_feedback.layers, without.layers, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
        np.testing.assert_array_equal(one.bias, other.bias)
    shares = [np.mean(layer.weights == layer.feedback) for layer in with_feedback.layers[1:]]
    assert all(0 < share < 1 for share in shares)


@pytest.mark.parametrize("spec", [family(), vector_field(70, 5, 6, 4)], ids=["conv", "feedback"])
def test_arrays_of_the_family_give_back_the_same_parameters(spec):
    drawn = initial_parameters(spec, seed=5)
    found = NetworkParameters.from_arrays(drawn.to_arrays(), spec, source="test")
    assert found.batch == 0
    for one, other in zip(found.layers, drawn.layers, strict=True):
        assert one.arrays.keys() == other.arrays.keys()
        for name, value in other.arrays.items():
            assert one.arrays[name].dtype == value.dtype
            np.testing.assert_array_equal(one.arrays[name], value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("hidden1.weights", np.ones((3, 2, 3, 2), np.float32), r"expected float32\[3, 2, 3, 3\]"),
        ("hidden1.weights", np.ones((3, 2, 3, 3), np.int8), r"is int8.*, expected float32"),
        (
            "hidden1.weights",
            np.full((3, 2, 3, 3), np.inf, np.float32),
            "values that are not finite",
        ),
        ("hidden2.weights", np.zeros((2, 3, 2, 2), np.int8), r"values other than -1 and \+1"),
        ("hidden2.weights", np.ones((2, 3, 2, 2), np.float32), "is float32.*, expected int8"),
        ("hidden2.bias", np.zeros(18, np.float32), r"is float32\[18\], expected float32\[2\]"),
        ("hidden1.momentum", np.zeros((3, 2, 3, 3), np.float32), "has no place in a 200-3c3-2c2-4"),
        ("output.alpha", np.ones(1), "has no place in a 200-3c3-2c2-4 network"),
        (
            "output.feedback",
            np.ones((4, 18), np.float32),
            "has no place in a 200-3c3-2c2-4 network",
        ),
    ],
)
def test_foreign_arrays_of_the_family_are_refused(key, value, message):
    spec = family()
    arrays = initial_parameters(spec, seed=3).to_arrays()
    with pytest.raises(InputError, match=f"file: array '{key}' .*{message}"):
        NetworkParameters.from_arrays({**arrays, key: value}, spec, source="file")


def test_missing_feedback_is_named():
    spec = vector_field(10, 5, 4)
    arrays = initial_parameters(spec, seed=3).to_arrays()
    del arrays["output.feedback"]
    with pytest.raises(
        InputError, match=r"array 'output\.feedback' is missing for a 60-5-4 network"
    ):
        NetworkParameters.from_arrays(arrays, spec, source="file")


def test_inference_needs_no_momenta_and_all_else():
    for spec in (family(), vector_field(70, 5, 4)):
        drawn = initial_parameters(spec, seed=5)
        momentum = {
            name: np.ones_like(value) for name, value in drawn.to_arrays().items() if "mom" in name
        }
        full = {**drawn.to_arrays(), **momentum}
        parameters = NetworkParameters.from_arrays(full, spec, source="test").for_inference()
        for name, value in parameters.to_arrays().items():
            expected = np.zeros_like(value) if name in momentum else full[name]
            np.testing.assert_array_equal(value, expected)
