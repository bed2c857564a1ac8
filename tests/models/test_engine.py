"""The fused engine against the paper's equations in plain NumPy, on random networks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from harness import binary_networks, make_samples, make_spec
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import ReferenceNetwork

from lava_ep.dynamics import group_mean
from lava_ep.models.fused.engines.bits import BitEngine
from lava_ep.models.fused.kernels import bits
from lava_ep.parameters import initial_parameters

LEARNED_OR_COUNTED = (
    "weights",
    "bias",
    "momentum",
    "alpha",
    "events",
    "synaptic_operations",
    "flips",
)


def make_engine(spec, batch, seed, **options):
    """Return an engine with the parameters that the seed stands for."""
    engine = BitEngine(
        spec, batch=batch, schedule=spec.phases.schedule(seed), learning=True, **options
    )
    for index, layer in enumerate(initial_parameters(spec, seed=seed).layers):
        for field, value in layer.arrays.items():
            engine.set(index, field, value.copy())
    return engine


def show(engine, images, labels, cuts):
    """Show a batch, cut into several advances; yield the positions and the engine after each."""
    engine.set_labels(labels.astype(np.int32))
    for begin, end in pairwise(cuts):
        engine.advance(begin, end, images.astype(np.int32) if begin == 0 else None)
        yield end - 1
    engine.learn()


def learned(engine):
    """Everything that is learned or counted."""
    layers = range(len(engine.spec.layers))
    return {
        (k, field): np.array(engine.get(k, field)) for k in layers for field in LEARNED_OR_COUNTED
    }


def assert_equal(found, expected):
    """Compare two results of `learned`."""
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, err_msg=str(key))


@settings(max_examples=60, deadline=None)
@given(binary_networks(), st.sampled_from([1, 2, 3]), st.data())
def test_random_networks_equal_the_published_equations(drawn, threads, data):
    spec, batch, seed, options, (images, labels) = drawn
    engine = make_engine(spec, batch, seed, threads=threads, **options)
    reference = ReferenceNetwork(spec, initial_parameters(spec, seed=seed), seed=seed, **options)
    period = engine.schedule.period(learning=True)
    events = np.zeros((len(spec.layers), 2))
    for number in range(2):
        shown = slice(number * batch, (number + 1) * batch)
        expected = reference.show(images[shown], labels[shown])
        inner = data.draw(st.sets(st.integers(1, period - 1), max_size=period))
        for position in show(engine, images[shown], labels[shown], [0, *sorted(inner), period]):
            for layer in range(len(spec.layers)):
                for field in ("state", "activation"):
                    np.testing.assert_array_equal(
                        engine.get(layer, field),
                        getattr(expected, f"{field}s")[layer][position],
                        err_msg=f"{field} of layer {layer}, batch {number}, step {position}",
                    )
            if position == spec.phases.free_steps:
                outputs = np.ascontiguousarray(engine.outputs("state"))
                np.testing.assert_array_equal(group_mean(outputs, spec.classes), expected.scores)
        for layer in range(len(spec.layers)):
            events[layer] += expected.events(layer)
            np.testing.assert_array_equal(engine.get(layer, "weights"), reference.signs[layer])
            np.testing.assert_array_equal(engine.get(layer, "bias"), reference.biases[layer])
            assert engine.get(layer, "alpha")[0] == reference.alphas[layer]
            assert engine.get(layer, "flips")[0] == reference.flips[layer]
    np.testing.assert_array_equal(engine.events, events)


@settings(max_examples=25, deadline=None)
@given(binary_networks(), st.sampled_from([2, 3, 8]))
def test_nothing_depends_on_threads_or_on_the_order_of_samples(drawn, threads):
    spec, batch, seed, options, (images, labels) = drawn
    one = make_engine(spec, batch, seed, threads=1, **options)
    many = make_engine(spec, batch, seed, threads=threads, **options)
    period = one.schedule.period(learning=True)
    order = np.random.default_rng(seed).permutation(batch)
    for number in range(2):
        shown = slice(number * batch, (number + 1) * batch)
        list(show(one, images[shown], labels[shown], [0, period]))
        list(show(many, images[shown][order], labels[shown][order], [0, period]))
        np.testing.assert_array_equal(many.samples.state, one.samples.state[order])
    assert_equal(learned(many), learned(one))


@pytest.mark.parametrize("together", [True, False])
def test_samples_that_take_turns_with_the_signs_get_the_same_results(together):
    # More words than CACHE_WORDS, in a network that is otherwise small.
    spec = make_spec((12, 2600, 1500, 6), free_steps=6, nudged_steps=3, theta=0.00531)
    engine = make_engine(spec, 5, 1)
    words = sum(weights.matrix.forward.size for weights in engine.weights[1:])
    assert words > bits.CACHE_WORDS
    images, labels = make_samples(spec, 5)
    period = engine.schedule.period(learning=True)
    reference = ReferenceNetwork(spec, initial_parameters(spec, seed=1), seed=1)
    expected = reference.show(images, labels)
    cuts = [0, period] if together else range(period + 1)
    for position in show(engine, images, labels, list(cuts)):
        for layer in range(3):
            np.testing.assert_array_equal(
                engine.get(layer, "state"), expected.states[layer][position]
            )
    for layer in range(3):
        np.testing.assert_array_equal(engine.get(layer, "weights"), reference.signs[layer])
        assert reference.flips[layer] > 0


def test_images_may_change_while_a_sample_is_shown():
    spec = make_spec(theta=0.0053, gamma=0.0)
    images, labels = make_samples(spec, 4)
    whole, parts = make_engine(spec, 4, 1), make_engine(spec, 4, 1)
    period = whole.schedule.period(learning=True)
    list(show(whole, images, labels, [0, period]))
    parts.set_labels(labels.astype(np.int32))
    half = (images // 2).astype(np.int32)
    parts.advance(0, 1, images.astype(np.int32) + half)
    parts.advance(1, 2, -half)
    assert np.array_equal(parts.images, whole.images)
    assert not np.array_equal(parts.samples.state, whole.samples.state)
    total = parts.samples.forward_total[:, : spec.sizes[1]]
    np.testing.assert_array_equal(total, whole.samples.forward_total[:, : spec.sizes[1]])


def test_pixel_events_larger_than_the_levels_are_exact():
    spec = make_spec(levels=1)
    engine = make_engine(spec, 2, 1)
    pixels = np.full((2, spec.inputs), 1000, np.int32)
    pixels[1] = -70000
    engine.advance(0, 1, pixels)
    weights = engine.get(0, "weights").astype(int)
    np.testing.assert_array_equal(
        engine.samples.forward_total[:, : spec.sizes[1]], pixels @ weights.T
    )


def test_the_footprint_is_one_bit_a_direction_and_the_momentum():
    spec = make_spec((784, 2048, 1000), classes=10)
    synapses = 784 * 2048 + 2048 * 1000
    engine = BitEngine(spec, batch=16, schedule=spec.phases.schedule(0), learning=True, threads=1)
    found = engine.footprint()
    assert found["momenta"] == 4 * synapses
    assert 2 * synapses / 8 <= found["signs"] < 2.2 * synapses / 8
    neurons = 3048
    assert found["samples"] < 64 * 16 * (neurons + 784)
    for index, layer in enumerate(initial_parameters(spec, seed=0).layers):
        for field, value in layer.arrays.items():
            engine.set(index, field, value)
    assert sum(weights.momentum.nbytes for weights in engine.weights) == found["momenta"]
