"""Circuits settle where their energy is lowest, and learn along the gradient of the loss."""

from __future__ import annotations

import numpy as np
import pytest

from lava_ep.dynamics import Nudging, Phase, PhaseSchedule
from lava_ep.dynamics.resistive import (
    MARGIN,
    add_conductance,
    check_nudging,
    conductance_contrast,
    energy,
    initial_conductances,
    learn_pixels,
    mirrored,
    moves,
    pixel_currents,
    settle_block,
)
from lava_ep.errors import DivergedError

BATCH, SIZES, SWEEPS = 3, (10, 8, 6, 4), 150


class Circuit:
    """Sources, two hidden layers and an output, with nothing but the functions under test."""

    def __init__(self, seed=0, dtype=np.float64):
        rng = np.random.default_rng(seed)
        shapes = list(zip(SIZES[1:], SIZES[:-1], strict=True))
        self.g = [rng.uniform(0, 1, shape).astype(dtype) for shape in shapes]
        self.b = [rng.normal(0, 0.3, n).astype(dtype) for n in SIZES[1:]]
        self.sources = rng.normal(0, 2, (BATCH, SIZES[0])).astype(dtype)
        self.target = np.eye(SIZES[-1], dtype=np.int8)[rng.integers(0, SIZES[-1], BATCH)]
        self.dtype = dtype
        self.v = [np.zeros((BATCH, n), dtype) for n in SIZES[1:]]

    @property
    def voltages(self):
        return [self.sources, *self.v]

    def energy(self, beta=0.0):
        return energy(self.voltages, self.g, self.b, target=self.target, beta=beta)

    def update(self, layer, beta=0.0):
        current = self.voltages[layer] @ self.g[layer].T
        total = self.g[layer].sum(axis=1)
        last = layer == len(self.v) - 1
        if not last:
            current = current + self.v[layer + 1] @ self.g[layer + 1]
            total = total + self.g[layer + 1].sum(axis=0)
        change = np.empty_like(self.v[layer])
        nudge = {"target": self.target, "beta": beta} if last else {}
        options = {"diodes": not last, **nudge}
        count = settle_block(self.v[layer], current, total, self.b[layer], change, **options)
        assert count == np.count_nonzero(change)

    def settle(self, sweeps, beta=0.0):
        for _ in range(sweeps):
            for layer in (0, 2, 1):
                self.update(layer, beta)

    def loss(self):
        for v in self.v:
            v.fill(0)
        self.settle(SWEEPS)
        return 0.5 * np.mean(np.sum((self.v[-1] - self.target) ** 2, axis=1))


def test_the_estimate_is_the_gradient_of_the_loss():
    circuit, beta, step = Circuit(), 1e-3, 1e-5
    circuit.loss()
    free = [v.copy() for v in circuit.v]
    ends = []
    for sign in (1, -1):
        circuit.v = [v.copy() for v in free]
        circuit.settle(SWEEPS, sign * beta)
        ends.append([v.copy() for v in circuit.voltages])
    first, second = ends
    rng = np.random.default_rng(1)
    for layer in range(3):
        pairs = first[layer], second[layer], first[layer + 1], second[layer + 1]
        # From +beta to -beta, so the descent has the opposite sign of the contrast.
        estimates = {
            "g": conductance_contrast(*pairs) / (2 * beta * BATCH),
            "b": np.sum(second[layer + 1] - first[layer + 1], axis=0) / (2 * beta * BATCH),
        }
        for name, estimate in estimates.items():
            array = getattr(circuit, name)[layer]
            # Along the estimate, where the slope is largest, and anywhere.
            for direction in (estimate, rng.normal(0, 1, array.shape)):
                direction = direction / np.linalg.norm(direction)
                kept, losses = array.copy(), []
                for change in (step, -step):
                    array[...] = kept + change * direction
                    losses.append(circuit.loss())
                array[...] = kept
                slope = (losses[0] - losses[1]) / (2 * step)
                assert abs(np.sum(estimate * direction) - slope) <= 1e-4 * np.linalg.norm(estimate)
            assert np.linalg.norm(estimate) > 1e-4


@pytest.mark.parametrize("beta", [0.0, 0.7, -0.7])
def test_energy_never_grows_in_a_block_update(beta):
    for seed in range(5):
        circuit = Circuit(seed)
        for v in circuit.v:
            v[...] = np.random.default_rng(seed).normal(0, 3, v.shape)
        # Diodes may have to push voltages up at first.
        for layer in (0, 1):
            circuit.update(layer, beta)
        before = circuit.energy(beta)
        for layer in (0, 2, 1) * 5:
            circuit.update(layer, beta)
            after = circuit.energy(beta)
            assert (after <= before + 1e-12 * np.abs(before)).all()
            before = after


def test_a_block_update_is_the_minimum_that_diodes_allow():
    circuit = Circuit(2)
    circuit.settle(2)
    circuit.update(0)
    hidden = circuit.v[0]
    half = hidden.shape[1] // 2
    assert (hidden[:, :half] >= 0).all() and (hidden[:, half:] <= 0).all()
    assert (hidden == 0).any() and (hidden != 0).any()
    lowest = circuit.energy()
    for node in range(hidden.shape[1]):
        for step in (1e-3, -1e-3):
            kept = hidden[:, node].copy()
            moved = kept + step
            allowed = moved >= 0 if node < half else moved <= 0
            hidden[:, node] = np.where(allowed, moved, kept)
            assert (circuit.energy() >= lowest).all()
            assert (circuit.energy() > lowest)[allowed].all()
            hidden[:, node] = kept


def test_the_output_has_no_diodes():
    circuit = Circuit(1)
    circuit.settle(20)
    assert (circuit.v[-1][:, :2] < 0).any() or (circuit.v[-1][:, 2:] > 0).any()


def squares(pre, post):
    return 0.5 * np.sum((post[:, :, None] - pre[:, None, :]) ** 2, axis=0)


def test_the_contrast_is_the_difference_of_powers_but_more_precise():
    rng = np.random.default_rng(0)
    pre, post = rng.normal(0, 50, (4, 7)), rng.normal(0, 1, (4, 5))
    ends = pre, pre + rng.normal(0, 1e-3, pre.shape), post, post + rng.normal(0, 1e-3, post.shape)
    exact = squares(ends[0], ends[2]) - squares(ends[1], ends[3])
    np.testing.assert_allclose(conductance_contrast(*ends), exact, rtol=1e-7, atol=1e-9)
    single = [end.astype(np.float32) for end in ends]
    # The voltages themselves are rounded: compare with what these say.
    rounded = [end.astype(np.float64) for end in single]
    exact = squares(rounded[0], rounded[2]) - squares(rounded[1], rounded[3])
    naive = squares(single[0], single[2]) - squares(single[1], single[3])
    size = np.linalg.norm(exact)
    assert np.linalg.norm(conductance_contrast(*single) - exact) < 1e-5 * size
    assert np.linalg.norm(naive - exact) > 1e-3 * size


def test_conductances_never_go_below_zero():
    conductances = np.array([[0.5, 0.1], [0.0, 0.2]], np.float32)
    add_conductance(conductances, 0.1, np.array([[1, -2], [-1, 1]], np.float32))
    np.testing.assert_allclose(conductances, [[0.6, 0.0], [0.0, 0.3]], rtol=1e-6)


def test_pixels_are_mirrored_sources():
    rng = np.random.default_rng(3)
    inputs, nodes, batch, levels, voltage, factor = 9, 6, 4, 16, 5.0, 0.02
    pixels = rng.integers(0, levels + 1, (batch, inputs)) * (rng.random((batch, inputs)) < 0.5)
    sources = mirrored(pixels, levels, voltage)
    np.testing.assert_allclose(sources, np.hstack([pixels, -pixels]) * voltage / levels, rtol=1e-6)
    g = initial_conductances((nodes, 2 * inputs), 1.0, rng)
    volts, stored = np.ascontiguousarray(sources[:, :inputs]), np.ascontiguousarray(g.T)
    currents = np.empty((batch, nodes), np.float32)
    for first, last in ((0, 2), (2, nodes)):
        pixel_currents(volts, stored, first, last, currents)
    np.testing.assert_allclose(currents, sources @ g.T, atol=1e-5)
    ends = rng.normal(0, 1, (2, batch, nodes)).astype(np.float32)
    totals = np.empty(nodes, np.float32)
    for first, last in ((0, 2), (2, nodes)):
        learn_pixels(
            volts, ends[1] - ends[0], ends.sum(axis=0), factor, first, last, stored, totals
        )
    add_conductance(g, factor, conductance_contrast(sources, sources, *ends))
    assert (g == 0).any()
    np.testing.assert_allclose(stored.T, g, atol=1e-6)
    np.testing.assert_allclose(totals, g.sum(axis=1), rtol=1e-5)


def test_initial_conductances_are_the_upper_half_of_a_uniform_distribution():
    drawn = initial_conductances((200, 400), 2.0, np.random.default_rng(0))
    assert drawn.dtype == np.float32
    assert drawn.min() == 0 and 0.099 < drawn.max() <= 0.1
    assert abs((drawn == 0).mean() - 0.5) < 0.01
    assert abs(drawn.mean() - 0.025) < 0.0005


@pytest.mark.parametrize("nudging", list(Nudging))
def test_odd_layers_begin_every_phase(nudging):
    schedule = PhaseSchedule(4, 2, 1.0, nudging)
    found, phases = [], []
    for position in range(schedule.period(learning=True)):
        moving = [layer for layer in (1, 2, 3, 4) if moves(schedule, position, layer)]
        found.append(moving)
        phases.append(schedule.phase(position))
    settling = [
        moving
        for moving, phase in zip(found, phases, strict=True)
        if phase not in (Phase.LOAD, Phase.RESTORE)
    ]
    assert settling == [[1, 3], [2, 4]] * (len(settling) // 2)
    others = [moving for moving in found if moving == []]
    assert len(others) == 1 + schedule.symmetric


@pytest.mark.parametrize(
    ("conductance", "beta", "message"),
    [
        ([2.0, 0.5], -1.0, "output node 1 has a total conductance of 0.5: expected more than 1.1"),
        ([1.05, 3.0], -1.0, "lower network.phases.beta"),
        ([1.0, 0.0], 0.0, "node 1 has a total conductance of 0: expected more than 0"),
        ([np.nan, 1.0], 0.0, "total conductance of nan"),
    ],
)
def test_too_little_conductance_is_an_error(conductance, beta, message):
    with pytest.raises(DivergedError, match=message):
        check_nudging(np.array(conductance), beta)


def test_enough_conductance_is_not():
    check_nudging(np.array([1 + MARGIN + 1e-6]), -1.0)
    check_nudging(np.array([0.01]), 1.0)
    check_nudging(np.array([0.01]), 0.0)
