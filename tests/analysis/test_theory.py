"""What the theory of equilibrium propagation says, tested on the engine that trains networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ep.analysis.bptt import FreeDynamics, Loss, backpropagate
from lava_ep.analysis.nudged import Rule
from lava_ep.dynamics import (
    Activation,
    Convolution,
    Dense,
    Nudging,
    Pooling,
    activate,
    binary_step,
    expand_target,
    graded_step,
)
from lava_ep.dynamics.energy import binary_energy, continuous_energy, discrete_energy
from lava_ep.models.fused.engines.populations import PopulationEngine
from lava_ep.parameters import NetworkParameters, initial_parameters
from lava_ep.spec import NetworkSpec, parse
from lava_ep.studies.gdu import log_slope, study_gdu

BATCH = 4
GRADED = {"kind": "graded", "activation": "tanh"}
CURRENT = GRADED | {"nudge": "current"}
ENERGY = GRADED | {"time_step": 0.5}
IMAGES = {"inputs": 72, "image_shape": [6, 6, 2]}


def make(layers, neuron, **more):
    phases = {"free_steps": 80, "nudged_steps": 8, "beta": 0.01, "nudging": "positive"}
    data = {"inputs": 10, "input_levels": 16, "classes": 4, **more}
    data |= {"layers": layers, "neuron": neuron, "phases": phases | more.get("phases", {})}
    return parse(NetworkSpec, data, source="test")


def real(*sizes, rate=1.0):
    """Return dense layers that let the network settle quickly."""
    return [
        {"neurons": n, "weights": "real", "scale": 0.6, "rate": rate, "bias_rate": rate}
        for n in sizes
    ]


def convolutional(channels, **more):
    layer = {"channels": channels, "kernel": 3, "padding": 1, "weights": "real", "scale": 0.4}
    return [layer | {"rate": 1.0, "bias_rate": 1.0, **more}]


def samples(network, seed=0, batch=BATCH):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, network.input_levels + 1, (batch, network.inputs)).astype(np.int32)
    return images, rng.integers(0, network.classes, batch).astype(np.int32)


def run(network, parameters, batches, *, learning=True):
    """Show batches to the engine, and return it."""
    binary = network.neuron.kind == "binary"
    schedule = network.phases.schedule(0)
    engine = PopulationEngine(
        network,
        batch=BATCH,
        schedule=schedule,
        learning=learning,
        threads=1,
        # Sums of signs and pixels are exact in both.
        dtype=np.float32 if binary else np.float64,
    )
    for index, layer in enumerate(parameters.layers):
        for field, value in layer.arrays.items():
            engine.set(index, field, value)
    for images, labels in batches:
        engine.set_labels(labels)
        engine.advance(0, schedule.period(learning=learning), images)
        if learning:
            engine.learn()
    return engine


# 1. Continual updates add up to the contrast of the two phases, as long as weights stand still.

STILL = {"gamma": 0.0, "theta": 1e12}
"""Momenta that add up contrasts, and never flip a weight."""

DENSE = {"layers": [{"neurons": n, "scale": 1.5, **STILL} for n in (9, 6, 8)]}
CONVOLUTIONAL = {
    **IMAGES,
    "layers": [
        {"channels": 3, "kernel": 3, "padding": 1, "pool": 2, "scale": 1.5, **STILL},
        {"channels": 4, "kernel": 3, "padding": 1, "pool": 3, "scale": 1.5, **STILL},
        {"neurons": 8, "scale": 1.5, **STILL},
    ],
}


def accumulated(shape, neuron, nudging, updates):
    """Return what momenta have added up after three batches, and the weights."""
    phases = {"free_steps": 7, "nudged_steps": 6, "beta": 0.8}
    phases |= {"nudging": nudging, "updates": updates}
    network = make(neuron=neuron, phases=phases, **shape)
    parameters = initial_parameters(network, seed=1)
    schedule = network.phases.schedule(0)
    if nudging is Nudging.RANDOM_SIGN:
        assert {schedule.sign(batch) for batch in range(3)} == {-1, 1}
    engine = run(network, parameters, [samples(network, seed) for seed in range(3)])
    for index, layer in enumerate(parameters.layers):
        np.testing.assert_array_equal(engine.get(index, "weights"), layer.weights)
    return [engine.get(index, "momentum") for index in range(len(network.layers))]


@pytest.mark.parametrize("nudging", Nudging)
@pytest.mark.parametrize("shape", [DENSE, CONVOLUTIONAL], ids=["dense", "convolutional"])
@pytest.mark.parametrize(
    ("neuron", "tolerance"),
    [
        ({"kind": "binary", "initial_state": 0.0}, 0),
        (GRADED, 1e-12),
        (GRADED | {"activation": "shifted-sigmoid", "time_step": 0.4}, 1e-12),
    ],
    ids=["binary", "graded", "energy-based"],
)
def test_contrasts_of_all_steps_add_up_to_that_of_the_phases(neuron, tolerance, shape, nudging):
    steps = accumulated(shape, neuron, nudging, "continual")
    phases = accumulated(shape, neuron, nudging, "two-phase")
    for found, expected in zip(steps, phases, strict=True):
        assert np.abs(expected).max() > 0.01
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


# 2. Updates are minus the gradients of backpropagation through time as beta, eta / beta -> 0.

NETWORKS = {
    "discrete time": (real(8, 6, 4), CURRENT, {}),
    "discrete time, sigmoid": (real(8, 4), CURRENT | {"activation": "shifted-sigmoid"}, {}),
    "discrete time, max pooling": (
        [*convolutional(3, pool=2), *convolutional(4, pool=3), *real(4)],
        # Negative targets would push down the largest of a window until another one is.
        CURRENT | {"activation": "shifted-sigmoid"},
        IMAGES,
    ),
    "energy-based": (real(8, 6, 4), ENERGY, {}),
    "energy-based, average pooling": (
        [*convolutional(3), *convolutional(3, pool=2, pooling="average"), *real(4)],
        ENERGY | {"time_step": 0.8},
        IMAGES,
    ),
    "published nudge": (real(8, 6, 4), GRADED, {}),
}


def study(name, *, beta, rate=1.0, **sweeps):
    layers, neuron, more = NETWORKS[name]
    layers = [layer | {"rate": rate} for layer in layers]
    network = make(layers, neuron, **more, phases={"beta": beta, "free_steps": 200})
    return study_gdu(network, initial_parameters(network, seed=0), *samples(network), **sweeps)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_error_of_ep_is_of_first_order_in_beta(name):
    found = study(name, beta=1e-5, betas=[1e-4, 1e-3, 1e-2], etas=[])
    assert found.settled
    expected = Loss.NUDGE if name == "published nudge" else Loss.SQUARED_ERROR
    assert found.loss is expected
    runs = found.select(rule=Rule.EP)
    assert len(runs) == 4
    assert found.beta_order == pytest.approx(1, abs=0.03)
    assert runs[0].error < 1e-4
    for agreement in runs[0].agreements:
        # Not only in total, but in every step, of states as well as of parameters.
        assert agreement.curve_error < 1e-3, agreement


def test_the_published_nudge_misses_the_gradient_of_the_squared_error():
    found = study("published nudge", beta=1e-5, betas=[], etas=[])
    errors = {run.loss: run.error for run in found.runs if run.setting.rule is Rule.EP}
    assert errors[Loss.NUDGE] < 1e-4
    assert errors[Loss.SQUARED_ERROR] > 0.05


@pytest.mark.parametrize("name", NETWORKS)
def test_the_error_of_continual_updates_is_of_first_order_in_eta(name):
    found = study(name, beta=1e-5, rate=1e-10, betas=[], etas=[1e-9, 1e-8])
    still = found.select(rule=Rule.EP)[0].error
    for rule in (Rule.C_EP, Rule.C_VF):
        runs = found.select(rule=rule)
        assert [run.setting.eta for run in runs] == [1e-10, 1e-9, 1e-8]
        errors = [run.error for run in runs]
        assert errors[0] < 1e-3
        # The part of the error that comes from beta must not hide the other.
        assert still < 0.2 * errors[1]
        assert log_slope([1e-9, 1e-8], errors[1:]) == pytest.approx(1, abs=0.1)


# 3. Both signs of beta together make an error of second order.


def estimate(network, parameters, data):
    """Return the two-phase update of every array."""
    engine = run(network, parameters, [data])
    return [
        engine.get(index, field) - getattr(layer, field)
        for index, layer in enumerate(parameters.layers)
        for field in ("weights", "bias")
    ]


def descent(network, parameters, data, loss):
    """Return minus the gradient of the last free steps."""
    dynamics = FreeDynamics(network, parameters, data[0])
    free, nudged = network.phases.free_steps, network.phases.nudged_steps
    trajectory = dynamics.unroll(dynamics.settle(dynamics.start(), free - nudged), nudged)
    steps = list(backpropagate(dynamics, trajectory, data[1], loss=loss))
    return [
        -sum(getattr(step.layers[index], field) for step in steps)
        for index in range(len(network.layers))
        for field in ("weights", "bias")
    ]


def distance(found, expected):
    norms = [
        np.sqrt(sum(np.sum(array**2) for array in arrays))
        for arrays in ([a - b for a, b in zip(found, expected, strict=True)], expected)
    ]
    return norms[0] / norms[1]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("nudging", "order", "error"), [(Nudging.POSITIVE, 1, 0.02), (Nudging.SYMMETRIC, 2, 2e-4)]
)
def test_the_symmetric_estimate_is_of_second_order(name, nudging, order, error):
    layers, neuron, more = NETWORKS[name]
    errors = []
    betas = [0.005, 0.01, 0.02]
    for beta in betas:
        phases = {"beta": beta, "nudging": nudging, "free_steps": 200}
        network = make(layers, neuron, **more, phases=phases)
        parameters, data = initial_parameters(network, seed=0), samples(network)
        loss = Loss.NUDGE if name == "published nudge" else Loss.SQUARED_ERROR
        expected = descent(network, parameters, data, loss)
        errors.append(distance(estimate(network, parameters, data), expected))
    assert errors[0] < error
    assert log_slope(betas, errors) == pytest.approx(order, abs=0.1)


# 4. The energy does not rise while layers, or neurons, take turns.


@st.composite
def links(draw, activation=None):
    """Draw two layers above the sources: connections, weights, biases and sources."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    strength = draw(st.floats(0.1, 4.0))
    if draw(st.booleans()) and activation is not Activation.TANH:
        pooling = draw(st.sampled_from(Pooling))
        first = Convolution((5, 4, 2), 3, kernel=3, padding=1)
        second = Convolution(first.out_shape, 2, kernel=2, pool=2, pooling=pooling)
    else:
        first, second = Dense(6, 5), Dense(5, 4)
    found = []
    for connection in (first, second):
        weights = strength * rng.normal(size=connection.weight_shape) / connection.fan_in**0.5
        found.append((connection, weights, rng.normal(size=connection.biases)))
    return found, rng.random((1, first.n_pre)), rng


class TakingTurns:
    """Two layers with the currents of the real connections."""

    def __init__(self, drawn):
        self.links, self.sources, self.rng = drawn
        self.currents = []
        for connection, weights, _ in self.links:
            currents = connection.currents(1, np.float64)
            currents.use(*connection.layouts(weights, weights))
            self.currents.append(currents)
        self.biases = [bias for *_, bias in self.links]
        self.sizes = [connection.n_post for connection, *_ in self.links]

    def visit(self, activations):
        """Return what the layers get from below, and what they get in total."""
        activations = [a.astype(np.float64) for a in activations]
        for currents, pre, post in zip(
            self.currents, [self.sources, activations[0]], activations, strict=True
        ):
            currents.refresh(pre, post, backward=True)
        below = [currents.post.copy() for currents in self.currents]
        return below, [below[0] + self.currents[1].pre, below[1]]


def assert_never_rises(energies):
    changes = np.diff(energies)
    assert (changes <= 1e-10 * (1 + np.abs(energies).max())).all(), changes.max()
    # It would be no test if nothing moved.
    assert energies[-1] < energies[0]


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from(Activation))
def test_graded_layers_that_take_turns_go_down_the_energy(data, activation):
    net = TakingTurns(data.draw(links(activation)))
    if activation is Activation.RELU:
        # ReLU has no upper bound, and strong weights have no minimum.
        for currents, (connection, weights, _) in zip(net.currents, net.links, strict=True):
            weak = weights / (1 + np.abs(weights).sum())
            currents.use(*connection.layouts(weak, weak))
    states = [net.rng.uniform(0.05, 0.95, (1, n)) for n in net.sizes]
    energies = []
    for turn in range(12):
        below, inputs = net.visit(states)
        energies.append(discrete_energy(activation, states, below, net.biases)[0])
        layer = turn % 2
        nothing = np.zeros_like(states[layer])
        graded_step(
            states[layer],
            nothing,
            inputs[layer],
            net.biases[layer],
            nothing.copy(),
            activation=activation,
        )
    assert_never_rises(energies)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([Activation.TANH, Activation.SHIFTED_SIGMOID]))
def test_graded_layers_of_the_energy_based_form_go_down_the_energy(data, activation):
    net = TakingTurns(data.draw(links(Activation.TANH)))
    states = [net.rng.uniform(-1, 1, (1, n)) for n in net.sizes]
    energies = []
    for turn in range(12):
        below, inputs = net.visit([activate(activation, s) for s in states])
        energies.append(continuous_energy(activation, states, below, net.biases)[0])
        layer = turn % 2
        drive = np.abs(inputs[layer] + net.biases[layer]).max()
        # |rho''| is at most 0.77 of tanh, and 1.54 of the shifted sigmoid.
        largest = 2 / (1 + 1.54 * drive)
        nothing = np.zeros_like(states[layer])
        graded_step(
            states[layer],
            nothing,
            inputs[layer],
            net.biases[layer],
            nothing.copy(),
            activation=activation,
            time_step=min(1.0, 0.9 * largest),
        )
    assert_never_rises(energies)


@settings(max_examples=40, deadline=None)
@given(links(Activation.HARD_SIGMOID), st.floats(0.1, 0.9))
def test_binary_neurons_that_take_turns_go_down_the_energy(drawn, threshold):
    net = TakingTurns(drawn)
    activations = [net.rng.integers(0, 2, (1, n)).astype(np.int8) for n in net.sizes]
    neurons = [(layer, n) for layer, size in enumerate(net.sizes) for n in range(size)]
    energies, moves = [], 0
    for turn in net.rng.permutation(len(neurons)).tolist() * 2:
        below, inputs = net.visit(activations)
        energies.append(binary_energy(activations, below, net.biases, threshold)[0])
        layer, n = neurons[turn]
        bias = net.biases[layer]
        own = activations[layer][:, n : n + 1].copy()
        moves += binary_step(
            np.zeros((1, 1), np.float32),
            own,
            inputs[layer][:, n : n + 1].astype(np.float32),
            bias[n % bias.size : n % bias.size + 1].astype(np.float32),
            np.float32(1.0),
            np.float32(threshold),
            np.zeros((1, 1), np.int8),
        )
        activations[layer][:, n : n + 1] = own
    below, _ = net.visit(activations)
    energies.append(binary_energy(activations, below, net.biases, threshold)[0])
    changes = np.diff(energies)
    assert (changes <= 1e-5).all(), changes.max()
    assert moves == 0 or energies[-1] < energies[0]


# 5. With long phases the update is minus the gradient of the loss at the fixed point.


@pytest.mark.parametrize("name", ["discrete time", "energy-based", "discrete time, max pooling"])
def test_the_update_is_minus_the_gradient_of_the_loss_at_the_fixed_point(name):
    layers, neuron, more = NETWORKS[name]
    phases = {"beta": 1e-3, "nudging": "symmetric", "free_steps": 200, "nudged_steps": 200}
    network = make(layers, neuron, **more, phases=phases)
    parameters, data = initial_parameters(network, seed=0), samples(network)
    images, labels = data
    target = expand_target(labels, network.classes, network.sizes[-1])
    updates = iter(estimate(network, parameters, data))
    rng = np.random.default_rng(0)
    for index, layer in enumerate(parameters.layers):
        for field in ("weights", "bias"):
            update = next(updates)
            direction = rng.normal(size=update.shape)

            def loss(epsilon, index=index, layer=layer, field=field, direction=direction):
                value = getattr(layer, field).astype(np.float64) + epsilon * direction
                moved = list(parameters.layers)
                moved[index] = replace(layer, **{field: value})
                shown = [(images, labels)]
                engine = run(network, NetworkParameters(tuple(moved)), shown, learning=False)
                state = engine.get(len(moved) - 1, "state")
                return np.sum((target - state) ** 2) / (2 * BATCH)

            slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
            assert np.sum(update * direction) == pytest.approx(-slope, rel=1e-4, abs=1e-9)
