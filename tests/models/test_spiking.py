"""Spiking networks against a transcription of their equations in plain float64 NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ep.models.fused.engines.populations import PopulationEngine
from lava_ep.models.fused.network import engine_for
from lava_ep.parameters import initial_parameters
from lava_ep.populations import levels_of
from lava_ep.spec import NetworkSpec

INPUTS, BATCH, SEED = 12, 3, 5
REAL = {"weights": "real", "rate": 0.2, "bias_rate": 0.1, "bias_offset": 0.2}
SIGMA_DELTA = {"kind": "sigma-delta", "filter_rate": 0.6, "levels": 7}
LIF = {"kind": "lif", "du": 0.3, "trace_rate": 0.15}


def network(neuron, **phases):
    return NetworkSpec(
        inputs=INPUTS,
        input_levels=8,
        classes=3,
        layers=[{"neurons": 9, **REAL}, {"neurons": 7, **REAL}, {"neurons": 6, **REAL}],
        neuron=neuron,
        phases={"free_steps": 12, "nudged_steps": 5, "beta": 0.8, "nudging": "symmetric", **phases},
    )


class Reference:
    """Whole products in every step; what a neuron sends reaches the others in the next one."""

    def __init__(self, spec):
        self.spec = spec
        layers = initial_parameters(spec, seed=SEED).layers
        self.weights = [layer.weights.astype(float) for layer in layers]
        self.biases = [layer.bias.astype(float) for layer in layers]
        self.spikes = np.zeros(len(layers))

    def show(self, images, labels):
        """Let the network settle, be nudged both ways, and learn."""
        spec, phases = self.spec, self.spec.phases
        self.x = images / spec.input_levels
        y = np.repeat(np.eye(3)[labels], 2, axis=1)
        start = self.rest()
        free = self.run(start, phases.free_steps, 0.0, y, 1)
        first = self.run(free, phases.nudged_steps, phases.beta, y, 1 + phases.free_steps)
        second_at = 2 + phases.free_steps + phases.nudged_steps
        second = self.run(free, phases.nudged_steps, -phases.beta, y, second_at)
        self.learn(first, second)
        return free

    def run(self, now, steps, beta, y, position):
        for step in range(steps):
            now = self.step(now, beta, y, position + step)
        return now

    def current(self, sent):
        """What every layer receives of what the others have sent."""
        found = []
        for layer, weights in enumerate(self.weights):
            drive = (sent[layer - 1] if layer else self.x) @ weights.T
            if layer + 1 < len(self.weights):
                drive = drive + sent[layer + 1] @ self.weights[layer + 1]
            found.append(drive)
        return found

    def learn(self, up, down):
        """Contrast of the two nudged states, per unit of beta."""
        unit = 2 * self.spec.phases.beta * len(self.x)
        for layer, values in enumerate(self.spec.layers):
            a, b = self.rates(up)[layer], self.rates(down)[layer]
            below = (
                [self.x, self.x] if layer == 0 else [self.rates(s)[layer - 1] for s in (up, down)]
            )
            gradient = a.T @ below[0] - b.T @ below[1]
            self.weights[layer] += values.rate / unit * gradient
            self.biases[layer] += values.bias_rate / unit * (a - b).sum(axis=0)

    def zeros(self):
        return [np.zeros((len(self.x), bias.size)) for bias in self.biases]


class SigmaDelta(Reference):
    """States s, and q that others know, a whole number of the smallest steps."""

    def rest(self):
        return self.zeros(), self.zeros()

    def rates(self, now):
        return now[1]

    def step(self, now, beta, y, position):
        neuron = self.spec.neuron
        m = max(1, round(neuron.start * neuron.decay**position))
        states, known = [], []
        for layer, drive in enumerate(self.current(now[1])):
            s, q = now[0][layer], now[1][layer]
            nudge = beta * (y - s) if layer + 1 == len(self.weights) else 0
            s = (1 - neuron.filter_rate) * s + neuron.filter_rate * (
                drive + self.biases[layer] + nudge
            )
            s = np.clip(s, 0, 1)
            error = neuron.levels * s - np.round(neuron.levels * q)
            spikes = 1.0 * (error > m / 2) - 1.0 * (error < -m / 2)
            self.spikes[layer] += np.abs(spikes).sum()
            states.append(s)
            known.append(q + m / neuron.levels * spikes)
        return states, known


class IntegrateAndFire(Reference):
    """Potentials v, currents u, traces r, steps still to wait, and the last spikes."""

    def rest(self):
        theta = self.spec.neuron.threshold
        golden = (1 + np.sqrt(5)) / 2
        starts = [theta * (np.arange(1, bias.size + 1) * golden % 1) for bias in self.biases]
        v = [np.tile(start, (len(self.x), 1)) for start in starts]
        return v, self.zeros(), self.zeros(), self.zeros(), self.zeros()

    def rates(self, now):
        return now[2]

    def step(self, now, beta, y, position):
        c = self.spec.neuron
        after = [[] for _ in now]
        for layer, drive in enumerate(self.current(now[4])):
            v, u, r, wait, _ = (part[layer] for part in now)
            u = (1 - c.du) * u + c.du * drive
            nudge = beta * (y - r) if layer + 1 == len(self.weights) else 0
            moved = np.maximum((1 - c.dv) * v + u + self.biases[layer] + nudge, -c.threshold)
            e = (wait == 0) & (moved >= c.threshold)
            v = np.where(wait > 0, v, moved)
            v = np.where(e, 0 if c.reset.value == "zero" else v - c.threshold, v)
            wait = np.where(e, c.refractory, np.maximum(wait - 1, 0))
            r = r + c.trace_rate * (e - r)
            self.spikes[layer] += e.sum()
            for part, value in zip(after, (v, u, r, wait, e * 1.0), strict=True):
                part.append(value)
        return tuple(after)


NETWORKS = {
    "constant steps": (SigmaDelta, network(SIGMA_DELTA)),
    "shrinking steps": (
        SigmaDelta,
        network({**SIGMA_DELTA, "levels": 40, "start": 20, "decay": 0.8}),
    ),
    "integrate-and-fire": (IntegrateAndFire, network(LIF)),
    "leaky, refractory, reset to zero": (
        IntegrateAndFire,
        network({**LIF, "dv": 0.1, "refractory": 1, "reset": "zero", "threshold": 0.7}),
    ),
}


@pytest.mark.parametrize("kind", ["compiled", "parts"])
@pytest.mark.parametrize(("reference", "spec"), NETWORKS.values(), ids=NETWORKS.keys())
def test_networks_do_what_the_equations_say(reference, spec, kind):
    schedule = spec.phases.schedule(SEED)
    engine_type = PopulationEngine if kind == "parts" else engine_for(spec)
    assert (engine_type is PopulationEngine) == (kind == "parts")
    engine = engine_type(spec, batch=BATCH, schedule=schedule, learning=True, threads=2)
    for index, layer in enumerate(initial_parameters(spec, seed=SEED).layers):
        for field, value in layer.arrays.items():
            engine.set(index, field, value)
    engine.changed()
    expected = reference(spec)
    rng = np.random.default_rng(SEED)
    free = schedule.free_end + 1
    events = 0
    for _ in range(4):
        images, labels = rng.integers(0, 9, (BATCH, INPUTS)), rng.integers(0, 3, BATCH)
        settled = expected.show(images, labels)
        engine.set_labels(labels.astype(np.int32))
        engine.advance(0, free, images.astype(np.int32))
        np.testing.assert_allclose(
            engine.outputs("activation") / levels_of(spec.spikes),
            expected.rates(settled)[-1],
            atol=1e-5,
        )
        engine.advance(free, schedule.period(learning=True))
        engine.learn()
        for index in range(len(spec.layers)):
            for field, value in (("weights", expected.weights), ("bias", expected.biases)):
                np.testing.assert_allclose(engine.get(index, field), value[index], atol=1e-5)
    for index in range(len(spec.layers)):
        events = engine.get(index, "events").sum()
        # Restoring the free state is sent as well, in one step of every batch.
        assert 0 <= events - expected.spikes[index] <= 4 * BATCH * spec.sizes[index + 1]
        assert expected.spikes[index] > 20


@settings(max_examples=25, deadline=None)
@given(
    neuron=st.sampled_from([SIGMA_DELTA, LIF, {**SIGMA_DELTA, "start": 7, "adaptive": True}]),
    nudging=st.sampled_from(["positive", "random-sign", "symmetric", "swing"]),
    binary=st.booleans(),
    threads=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_results_depend_on_neither_threads_nor_engine(neuron, nudging, binary, threads, seed):
    layer = {"theta": 0.0207, "bias_rate": 0.05, "bias_offset": 0.2} if binary else REAL
    spec = NetworkSpec(
        inputs=INPUTS,
        input_levels=8,
        classes=3,
        layers=[{"neurons": 9, **layer}, {"neurons": 6, **layer}],
        neuron=neuron,
        phases={"free_steps": 9, "nudged_steps": 4, "beta": 0.8, "nudging": nudging},
    )
    schedule = spec.phases.schedule(seed)
    engines = [
        engine_type(spec, batch=BATCH, schedule=schedule, learning=True, threads=number)
        for engine_type, number in (
            (engine_for(spec), 1),
            (engine_for(spec), threads),
            (PopulationEngine, 1),
        )
    ]
    parameters = initial_parameters(spec, seed=seed)
    for engine in engines:
        for index, values in enumerate(parameters.layers):
            for field, value in values.arrays.items():
                # Sums of such weights are exact in any order.
                grid = np.round(value * 64) / 64 if field == "weights" and not binary else value
                engine.set(index, field, grid)
        engine.changed()
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 9, (BATCH, INPUTS)), rng.integers(0, 3, BATCH)
    for engine in engines:
        engine.set_labels(labels.astype(np.int32))
        engine.advance(0, schedule.period(learning=True), images.astype(np.int32))
        engine.learn()
    for index in range(2):
        for field in ("state", "activation", "events", "synaptic_operations", "weights", "bias"):
            one, other, parts = (np.array(engine.get(index, field)) for engine in engines)
            np.testing.assert_array_equal(one, other, err_msg=field)
            if field in ("weights", "bias") and not binary:
                np.testing.assert_allclose(one, parts, atol=1e-6, err_msg=field)
            else:
                np.testing.assert_array_equal(one, parts, err_msg=field)
