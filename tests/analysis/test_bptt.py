"""Gradients of backpropagation through time against finite differences of the dynamics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lava_ep.analysis.bptt import FreeDynamics, Loss, backpropagate, second_derivative
from lava_ep.dynamics import Activation, derivative, expand_target
from lava_ep.errors import InputError
from lava_ep.models.fused.engines.populations import PopulationEngine
from lava_ep.parameters import NetworkParameters, initial_parameters
from lava_ep.spec import NetworkSpec, parse

BATCH = 3
STEPS = 4


def dense(*sizes, **more):
    return [{"neurons": n, "weights": "real", "rate": 0.1, **more} for n in sizes]


def convolutional(channels, **more):
    return {"channels": channels, "weights": "real", "rate": 0.1, "kernel": 3, **more}


IMAGES = {"inputs": 98, "image_shape": [7, 7, 2]}
NETWORKS = {
    "tanh": {"layers": dense(7, 5, 4)},
    "two output neurons a class": {"layers": dense(6, 8)},
    "shifted sigmoid": {"layers": dense(7, 4), "neuron": {"activation": "shifted-sigmoid"}},
    "hard sigmoid": {"layers": dense(7, 4), "neuron": {"activation": "hard-sigmoid"}},
    "ReLU": {"layers": dense(7, 4, bias_offset=0.3), "neuron": {"activation": "relu"}},
    "energy": {"layers": dense(7, 5, 4), "neuron": {"time_step": 0.3}},
    "energy, shifted sigmoid": {
        "layers": dense(7, 4),
        "neuron": {"activation": "shifted-sigmoid", "time_step": 0.3, "initial_state": 0.3},
    },
    "untied": {"layers": dense(7, 5, 4), "feedback_angle": 60.0},
    "untied energy": {
        "layers": dense(7, 5, 4),
        "neuron": {"time_step": 0.3},
        "feedback_angle": 60.0,
    },
    "binary weights": {
        "layers": [
            {"neurons": 7, "theta": 1.0},
            {"neurons": 4, "theta": 1.0, "scale": 0.8},
        ]
    },
    "max pooling": {
        **IMAGES,
        "layers": [
            convolutional(3, padding=1, pool=2),
            convolutional(4, padding=1, pool=2),
            *dense(4),
        ],
    },
    "max pooling, energy": {
        **IMAGES,
        "layers": [convolutional(3, padding=1), convolutional(4, pool=2), *dense(4)],
        "neuron": {"time_step": 0.3},
    },
    "average pooling": {
        **IMAGES,
        "layers": [convolutional(3), convolutional(4, pool=2, pooling="average"), *dense(4)],
        "normalization": {"mean": [0.4, 0.6], "std": [0.3, 0.2]},
    },
    "max pooling, untied": {
        **IMAGES,
        "layers": [convolutional(3, padding=2), convolutional(4, pool=2), *dense(4)],
        "feedback_angle": 80.0,
    },
}


def make(name, *, seed=0):
    """Return a network, parameters in float64, images and labels."""
    data = {
        "inputs": 6,
        "input_levels": 16,
        "classes": 4,
        "phases": {"free_steps": 6, "nudged_steps": STEPS, "beta": 0.1, "nudging": "positive"},
        **NETWORKS[name],
    }
    data["neuron"] = {"kind": "graded", "activation": "tanh", **data.get("neuron", {})}
    network = parse(NetworkSpec, data, source="test")
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 17, (BATCH, network.inputs)).astype(np.int32)
    return network, initial_parameters(network, seed=seed), images, rng.integers(0, 4, BATCH)


def squared_error(network, states, labels):
    target = expand_target(labels, network.classes, network.sizes[-1])
    return np.sum((target - states[-1]) ** 2) / (2 * len(labels))


def moved(parameters, layer, field, direction, epsilon):
    """Return parameters of which one array is moved."""
    layers = list(parameters.layers)
    value = getattr(layers[layer], field).astype(np.float64) + epsilon * direction
    layers[layer] = replace(layers[layer], **{field: value})
    return NetworkParameters(tuple(layers))


def central_difference(function, epsilon=1e-5):
    # Of fourth order, so that rounding and curvature both stay below 1e-9.
    wide, near = (function(k * epsilon) - function(-k * epsilon) for k in (2, 1))
    return (8 * near - wide) / (12 * epsilon)


def assert_slope(function, expected):
    assert central_difference(function) == pytest.approx(expected, rel=1e-6, abs=1e-10)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_of_states_are_those_of_finite_differences(name):
    network, parameters, images, labels = make(name)
    dynamics = FreeDynamics(network, parameters, images)
    trajectory = dynamics.unroll(dynamics.settle(dynamics.start(), 2), STEPS)
    steps = list(backpropagate(dynamics, trajectory, labels))
    assert len(steps) == STEPS
    rng = np.random.default_rng(1)
    for t, step in enumerate(steps):
        states = trajectory[STEPS - t]
        direction = [rng.normal(size=s.shape) for s in states]

        def loss(epsilon, t=t, states=states, direction=direction):
            start = tuple(s + epsilon * d for s, d in zip(states, direction, strict=True))
            return squared_error(network, dynamics.unroll(start, t)[-1], labels)

        expected = sum(np.sum(g * d) for g, d in zip(step.states, direction, strict=True))
        assert_slope(loss, expected)
    assert any(np.abs(g).max() > 1e-3 for g in steps[-1].states)


@pytest.mark.parametrize("name", NETWORKS)
def test_contributions_of_a_step_are_those_of_finite_differences(name):
    network, parameters, images, labels = make(name)
    dynamics = FreeDynamics(network, parameters, images)
    trajectory = dynamics.unroll(dynamics.settle(dynamics.start(), 2), STEPS)
    rng = np.random.default_rng(2)
    for t, step in enumerate(backpropagate(dynamics, trajectory, labels)):
        for layer, gradient in enumerate(step.layers):
            for field in ("weights", "feedback", "bias"):
                expected = getattr(gradient, field)
                if expected is None:
                    assert network.feedback_angle is None or layer == 0
                    continue
                direction = rng.normal(size=expected.shape)
                alpha = parameters.layers[layer].alpha
                scale = 1.0 if alpha is None or field == "bias" else float(alpha[0])

                def loss(epsilon, t=t, layer=layer, field=field, direction=direction / scale):
                    other = moved(parameters, layer, field, direction, epsilon)
                    after = FreeDynamics(network, other, images).step(trajectory[STEPS - t - 1])
                    return squared_error(network, dynamics.unroll(after, t)[-1], labels)

                assert_slope(loss, np.sum(expected * direction))


@pytest.mark.parametrize("name", ["tanh", "energy", "untied", "max pooling"])
def test_all_steps_together_are_the_gradient_of_the_engine_s_free_phase(name):
    network, parameters, images, labels = make(name)
    dynamics = FreeDynamics(network, parameters, images)
    free = network.phases.free_steps
    steps = backpropagate(dynamics, dynamics.unroll(dynamics.start(), free), labels)
    layer = 1
    gradient = sum(step.layers[layer].weights for step in steps)
    direction = np.random.default_rng(3).normal(size=gradient.shape)

    def loss(epsilon):
        engine = PopulationEngine(
            network,
            batch=BATCH,
            schedule=network.phases.schedule(0),
            learning=False,
            threads=1,
            dtype=np.float64,
        )
        other = moved(parameters, layer, "weights", direction, epsilon)
        for index, values in enumerate(other.layers):
            for field, value in values.arrays.items():
                engine.set(index, field, value)
        engine.advance(0, free + 1, images)
        return squared_error(network, [engine.get(len(network.layers) - 1, "state")], labels)

    # Without this, the engine's only matrix of weights for both directions would not be tested.
    assert network.feedback_angle is not None or parameters.layers[layer].feedback is None
    assert_slope(loss, np.sum(gradient * direction))


def test_the_nudge_s_own_loss_is_the_cross_entropy_for_the_shifted_sigmoid():
    network, parameters, images, labels = make("shifted sigmoid")
    dynamics = FreeDynamics(network, parameters, images)
    trajectory = dynamics.unroll(dynamics.settle(dynamics.start(), 2), STEPS)
    last = list(backpropagate(dynamics, trajectory, labels, loss=Loss.NUDGE))[-1]
    weights = last.layers[-1].weights
    direction = np.random.default_rng(4).normal(size=weights.shape)
    target = expand_target(labels, 4, 4)

    def cross_entropy(epsilon):
        other = moved(parameters, 1, "weights", direction, epsilon)
        after = FreeDynamics(network, other, images).step(trajectory[0])
        s = dynamics.unroll(after, STEPS - 1)[-1][-1]
        return -np.sum(np.log(np.where(target, s, 1 - s))) / (4 * BATCH)

    assert_slope(cross_entropy, np.sum(weights * direction))


@pytest.mark.parametrize("activation", Activation)
def test_second_derivatives(activation):
    x = np.linspace(-1.95, 1.95, 14)
    for place, found in zip(x, second_derivative(activation, x), strict=True):
        assert_slope(lambda e, x=place: derivative(activation, np.array([x + e]))[0], found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "binary"}, "network.neuron.kind=binary: expected graded"),
        (
            {"kind": "graded", "event_threshold": 0.01},
            r"event_threshold=0.01: expected 0.*--set network.neuron.event_threshold=0",
        ),
    ],
)
def test_dynamics_without_derivatives_are_refused(changes, message):
    network, parameters, images, _ = make("tanh")
    other = parse(NetworkSpec, {**network.model_dump(), "neuron": changes}, source="test")
    with pytest.raises(InputError, match=message):
        FreeDynamics(other, parameters, images)


def test_the_energy_based_form_has_no_loss_but_the_squared_error():
    network, parameters, images, labels = make("energy")
    dynamics = FreeDynamics(network, parameters, images)
    trajectory = dynamics.unroll(dynamics.start(), 1)
    with pytest.raises(InputError, match="loss=nudge: expected squared-error"):
        next(backpropagate(dynamics, trajectory, labels, loss=Loss.NUDGE))
