"""Energies against the dynamics that descend them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from lava_ep.dynamics import Activation, Dense, activate, binary_step, derivative, graded_step
from lava_ep.dynamics.energy import (
    binary_energy,
    continuous_energy,
    discrete_energy,
    potential,
    scalar_product,
)

SIZES = (3, 5, 4)
BATCH = 2


def network(seed=0):
    """Return sources, connections and biases with one bias for all neurons of the last layer."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(n, m)) for m, n in pairwise(SIZES)]
    biases = [rng.normal(size=SIZES[1]), rng.normal(size=1)]
    return rng.random((BATCH, SIZES[0])), weights, biases, rng


def inputs_of(sources, weights, activations):
    """Return what each layer gets from below, by the connections themselves."""
    found = []
    for pre, w, post in zip([sources, *activations], weights, activations, strict=False):
        currents = Dense(w.shape[1], w.shape[0]).currents(BATCH, np.float64)
        currents.use(w, w)
        currents.refresh(pre, post, backward=False)
        found.append(currents.post)
    return found


def drives_of(sources, weights, biases, activations):
    """Return what each neuron gets from below and above, with its bias."""
    hidden, _ = activations
    below = inputs_of(sources, weights, activations)
    return [below[0] + activations[1] @ weights[1] + biases[0], hidden @ weights[1].T + biases[1]]


def central_difference(function, states, layer, index, epsilon=1e-6):
    ends = []
    for step in (epsilon, -epsilon):
        moved = [s.copy() for s in states]
        moved[layer][index] += step
        ends.append(function(moved)[index[0]])
    return (ends[0] - ends[1]) / (2 * epsilon)


def test_the_scalar_product_is_written_out():
    sources, weights, biases, rng = network()
    states = [rng.random((BATCH, n)) for n in SIZES[1:]]
    found = scalar_product(states, inputs_of(sources, weights, states), biases)
    for row in range(BATCH):
        x, hidden, output = sources[row], states[0][row], states[1][row]
        expected = hidden @ weights[0] @ x + output @ weights[1] @ hidden
        expected += hidden @ biases[0] + output.sum() * biases[1][0]
        assert found[row] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("activation", Activation)
def test_the_potential_s_slope_is_the_inverse_of_the_activation(activation):
    x = np.array([0.1, 0.3, 0.55, 0.9])
    s = activate(activation, x)
    slope = (potential(activation, s + 1e-6) - potential(activation, s - 1e-6)) / 2e-6
    np.testing.assert_allclose(slope, x, rtol=1e-8)


@pytest.mark.parametrize("activation", Activation)
def test_states_that_cannot_be_reached_have_infinite_potential(activation):
    low = -1.0 if activation is Activation.TANH else 0.0
    assert np.isfinite(potential(activation, np.array([low, 0.5, 1.0]))).all()
    assert potential(activation, np.array([low - 1e-9]))[0] == np.inf
    above = potential(activation, np.array([1.0 + 1e-9]))[0]
    assert np.isfinite(above) == (activation is Activation.RELU)


@pytest.mark.parametrize("activation", [Activation.TANH, Activation.SHIFTED_SIGMOID])
def test_a_discrete_step_of_a_layer_goes_to_the_minimum(activation):
    sources, weights, biases, rng = network()
    states = [0.2 + 0.6 * rng.random((BATCH, n)) for n in SIZES[1:]]

    def energy(states):
        return discrete_energy(activation, states, inputs_of(sources, weights, states), biases)

    drive = drives_of(sources, weights, biases, states)[0] - biases[0]
    nothing = np.zeros_like(states[0])
    graded_step(states[0], nothing, drive, biases[0], nothing.copy(), activation=activation)
    for neuron in range(SIZES[1]):
        assert central_difference(energy, states, 0, (1, neuron)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("activation", [Activation.TANH, Activation.SHIFTED_SIGMOID])
def test_a_step_of_the_energy_based_form_follows_the_slope(activation):
    sources, weights, biases, rng = network()
    states = [rng.normal(size=(BATCH, n)) for n in SIZES[1:]]
    dt = 0.125

    def energy(states):
        below = inputs_of(sources, weights, [activate(activation, s) for s in states])
        return continuous_energy(activation, states, below, biases)

    activations = [activate(activation, s) for s in states]
    drives = drives_of(sources, weights, biases, activations)
    for layer, bias in enumerate(biases):
        after, nothing = states[layer].copy(), np.zeros_like(states[layer])
        graded_step(
            after,
            nothing,
            drives[layer] - bias,
            bias,
            nothing.copy(),
            activation=activation,
            time_step=dt,
        )
        for neuron in range(SIZES[layer + 1]):
            slope = central_difference(energy, states, layer, (1, neuron))
            moved = after[1, neuron] - states[layer][1, neuron]
            assert moved == pytest.approx(-dt * slope, rel=1e-7, abs=1e-9)


def test_a_binary_neuron_chooses_the_smaller_energy():
    sources, weights, biases, rng = network()
    threshold = 0.5

    def energy(activations):
        below = inputs_of(sources, weights, [a.astype(float) for a in activations])
        return binary_energy(activations, below, biases, threshold)

    activations = [rng.integers(0, 2, (BATCH, n)).astype(np.int8) for n in SIZES[1:]]
    drive = drives_of(sources, weights, biases, [a.astype(float) for a in activations])[0]
    chosen = activations[0].copy()
    binary_step(
        np.zeros_like(drive, dtype=np.float32),
        chosen,
        drive.astype(np.float32),
        np.zeros(SIZES[1], np.float32),
        np.float32(1.0),
        np.float32(threshold),
        np.zeros_like(chosen),
    )
    assert set(chosen.flat) == {0, 1}
    for index in np.ndindex(chosen.shape):
        energies = []
        for value in (0, 1):
            trial = [activations[0].copy(), activations[1]]
            trial[0][index] = value
            energies.append(energy(trial)[index[0]])
        assert chosen[index] == np.argmin(energies)
        # The difference is what the neuron sees.
        assert energies[0] - energies[1] == pytest.approx(drive[index] - threshold, abs=1e-12)


def test_the_slope_of_a_kink_is_that_inside():
    # What makes the energy-based form with the hard sigmoid no descent: see `continuous_energy`.
    assert derivative(Activation.HARD_SIGMOID, np.array([1.0]))[0] == 1.0
    state, nothing = np.array([[1.0]]), np.zeros((1, 1))
    bias, current = np.array([0.0]), np.array([[3.0]])
    before = continuous_energy(Activation.HARD_SIGMOID, [state], [current], [bias])
    graded_step(
        state,
        nothing,
        current,
        bias,
        nothing.copy(),
        activation=Activation.HARD_SIGMOID,
        time_step=0.1,
    )
    assert continuous_energy(Activation.HARD_SIGMOID, [state], [current], [bias]) > before
