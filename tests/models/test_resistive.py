"""Resistive networks and noisy measurements: one network, two backends, and their errors."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from harness import connect, make_samples

from lava_ep.dynamics.resistive import (
    add_conductance,
    conductance_contrast,
    mirrored,
    settle_block,
)
from lava_ep.errors import InputError
from lava_ep.models.fused.engines.populations import PopulationEngine
from lava_ep.models.fused.engines.resistive import ResistiveEngine
from lava_ep.models.fused.network import engine_for
from lava_ep.parameters import initial_parameters
from lava_ep.processes import EPNetwork
from lava_ep.runtime import ProcessFailure
from lava_ep.spec import NetworkSpec

SEED, BATCH, BATCHES, TOLERANCE = 4, 3, 2, 1e-4
LAYER = {"weights": "conductance", "rate": 0.05, "bias_rate": 0.05, "scale": 2.0}
BINARY = {"gamma": 0.05, "theta": 0.0103, "scale": 0.6, "bias_rate": 0.02, "bias_offset": 0.2}
PHASES = {"free_steps": 3, "nudged_steps": 2, "beta": 0.2, "nudging": "symmetric"}
NOISE = {"sigma": 0.02, "samples": 4}


def circuit(**changes):
    values = {
        "inputs": 12,
        "input_levels": 16,
        "classes": 3,
        "layers": [{"neurons": n, **LAYER} for n in (10, 8, 6)],
        "neuron": {"kind": "resistive", "input_voltage": 5},
        "phases": PHASES,
    }
    return NetworkSpec.model_validate({**values, **changes})


NOISY = {
    "resistive": circuit(noise=NOISE),
    "binary": circuit(
        layers=[{"neurons": 9, **BINARY}, {"neurons": 6, **BINARY}],
        neuron={"kind": "binary", "filter_rate": 0.45},
        phases={**PHASES, "beta": 2.5},
        noise={"sigma": 0.3},
    ),
    "sigma-delta": circuit(
        layers=[{"neurons": 6, "weights": "real", "rate": 0.1, "bias_rate": 0.1}],
        neuron={"kind": "sigma-delta", "levels": 4},
        noise=NOISE,
    ),
}


def engine_of(spec, *, batch=BATCH, threads=1):
    engine = engine_for(spec)(
        spec, batch=batch, schedule=spec.schedule(SEED), learning=True, threads=threads
    )
    for layer, values in enumerate(initial_parameters(spec, seed=SEED).layers):
        for name, value in values.arrays.items():
            engine.set(layer, name, value.copy())
    return engine


def trained(engine, images, labels):
    """Let an engine learn, and return what all layers have then."""
    schedule, batch = engine.spec.schedule(SEED), engine.batch
    for first in range(0, len(images), batch):
        engine.set_labels(labels[first : first + batch].astype(np.int32))
        engine.advance(0, 1, images[first : first + batch].astype(np.int32))
        engine.advance(1, schedule.free_end + 1)
        engine.advance(schedule.free_end + 1, schedule.period(learning=True))
        engine.learn()
    fields = ("weights", "bias", "state", "activation")
    layers = range(len(engine.spec.layers))
    return {(layer, name): np.array(engine.get(layer, name)) for layer in layers for name in fields}


def close(found, expected, tolerance=TOLERANCE):
    for key, values in expected.items():
        scale = max(1.0, float(np.abs(values).max()))
        np.testing.assert_allclose(found[key], values, atol=tolerance * scale, err_msg=str(key))


@pytest.mark.parametrize("kind", NOISY)
def test_backends_agree_under_noise(kind):
    spec = NOISY[kind]
    images, labels = make_samples(spec, BATCHES * BATCH)
    expected = trained(engine_of(spec), images, labels)
    lava = connect(spec, images, labels, batch=BATCH, seed=SEED)
    with lava.running() as run:
        run.run(BATCHES * lava.period)
        fields = ("weights", "bias", "state", "activation")
        values = {field: lava.values(run, field) for field in fields}
    found = {(layer, field): values[field][layer] for layer, field in expected}
    close(found, expected, 0.0 if kind == "binary" else TOLERANCE)
    without = trained(engine_of(spec.model_copy(update={"noise": circuit().noise})), images, labels)
    moved = [not np.array_equal(without[key], value) for key, value in expected.items()]
    assert any(moved)


def test_noise_changes_what_is_learned_but_not_the_dynamics():
    quiet, noisy = circuit(), circuit(noise={"sigma": 0.5})
    images, labels = make_samples(quiet, BATCH)
    first, second = (trained(engine_of(spec), images, labels) for spec in (quiet, noisy))
    for key, values in first.items():
        same = np.array_equal(values, second[key])
        assert same == (key[1] in ("state", "activation")), key


class Reference:
    """A network of two layers of nodes, in float64, written down phase by phase."""

    def __init__(self, spec):
        parameters = initial_parameters(spec, seed=SEED).layers
        self.spec = spec
        self.g = [layer.weights.astype(np.float64) for layer in parameters]
        self.b = [layer.bias.astype(np.float64) for layer in parameters]

    def settle(self, voltages, target, sweeps, beta):
        last = len(self.g)
        for _ in range(sweeps):
            for start in (1, 2):
                for layer in range(start, last + 1, 2):
                    current = voltages[layer - 1] @ self.g[layer - 1].T
                    total = self.g[layer - 1].sum(axis=1)
                    if layer < last:
                        current = current + voltages[layer + 1] @ self.g[layer]
                        total = total + self.g[layer].sum(axis=0)
                    settle_block(
                        voltages[layer],
                        current,
                        total,
                        self.b[layer - 1],
                        np.empty_like(voltages[layer]),
                        diodes=layer < last,
                        target=target,
                        beta=beta if layer == last else 0.0,
                    )
        return voltages

    def learn(self, images, labels):
        spec, phases = self.spec, self.spec.phases
        sources = mirrored(images, spec.input_levels, spec.neuron.input_voltage).astype(float)
        zeros = [np.zeros((len(images), n)) for n in spec.sizes[1:]]
        target = np.repeat(np.eye(spec.classes, dtype=np.int8)[labels], 2, axis=1)
        free = self.settle([sources, *zeros], target, phases.free_steps, 0.0)
        first, second = (
            self.settle([v.copy() for v in free], target, phases.nudged_steps, beta)
            for beta in (phases.beta, -phases.beta)
        )
        for index, layer in enumerate(spec.layers):
            ends = first[index], second[index], first[index + 1], second[index + 1]
            unit = 2 * phases.beta * len(images)
            add_conductance(self.g[index], -layer.rate / unit, conductance_contrast(*ends))
            moved = np.sum(second[index + 1] - first[index + 1], axis=0)
            self.b[index] -= layer.bias_rate / unit * moved


@pytest.mark.parametrize("threads", [1, 3])
def test_the_engine_does_what_the_functions_say(threads):
    spec = circuit()
    images, labels = make_samples(spec, 8 * BATCH)
    reference = Reference(spec)
    for first in range(0, len(images), BATCH):
        reference.learn(images[first : first + BATCH], labels[first : first + BATCH])
    engine = engine_of(spec, threads=threads)
    assert isinstance(engine, ResistiveEngine)
    found = trained(engine, images, labels)
    expected = {(k, "weights"): g for k, g in enumerate(reference.g)}
    expected |= {(k, "bias"): b for k, b in enumerate(reference.b)}
    close(found, expected, 1e-5)
    start = initial_parameters(spec, seed=SEED).layers
    for layer, values in enumerate(start):
        assert np.abs(found[layer, "weights"] - values.weights).max() > 100 * 1e-5
        assert found[layer, "weights"].min() == 0


def test_hidden_layers_are_clamped_and_the_output_is_not():
    found = trained(engine_of(circuit()), *make_samples(circuit(), BATCH))
    for layer in (0, 1):
        first, second = np.split(found[layer, "state"], 2, axis=1)
        assert (first >= 0).all() and (second <= 0).all()
    assert (found[2, "state"][:, 3:] > 0).any()


def test_events_are_changes_that_add_up_to_the_voltages():
    spec = circuit()
    images, labels = make_samples(spec, BATCH)
    engine, schedule = engine_of(spec), spec.schedule(SEED)
    engine.set_labels(labels.astype(np.int32))
    total = 0
    for first, last in pairwise(range(schedule.period(learning=True) + 1)):
        engine.advance(first, last, images.astype(np.int32) if first == 0 else None)
        total = total + engine.outputs("events")
        np.testing.assert_array_equal(total, engine.outputs("state"))
        # The third layer moves in the first step of a sweep.
        turn = first % 2 == 1 or first > schedule.free_end
        assert turn or not engine.outputs("events").any()


@pytest.mark.parametrize("nudging", ["symmetric", "random-sign", "swing"])
def test_an_output_of_too_little_conductance_is_refused_at_once(nudging):
    spec = circuit(phases={**PHASES, "beta": 30.0, "nudging": nudging})
    with pytest.raises(InputError, match=r"expected more than 33 for a nudge of -30"):
        EPNetwork(spec=spec, batch=2)
    EPNetwork(spec=spec, batch=2, learning=False)
    EPNetwork(spec=circuit(phases={**PHASES, "beta": 30.0, "nudging": "positive"}), batch=2)


def test_an_output_that_loses_its_conductance_ends_the_run_with_an_error():
    spec = circuit()
    images, labels = make_samples(spec, 2 * BATCH)
    lava = connect(spec, images, labels, batch=BATCH, seed=SEED, backend="fused")
    with pytest.raises(ProcessFailure, match=r"lower network\.phases\.beta"), lava.running() as run:
        weights = lava.network.layer_var("output", "weights")
        run.set(weights, np.full(weights.shape, 0.01, np.float32))
        run.run(lava.period)


def test_networks_with_noise_are_run_by_the_parts_that_measure():
    assert engine_for(NOISY["binary"]) is PopulationEngine
    with pytest.raises(TypeError, match="expected ResistiveEngine"):
        PopulationEngine(circuit(), batch=1, schedule=circuit().schedule(0), learning=True)
