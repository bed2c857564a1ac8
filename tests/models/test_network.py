"""What a network does besides computing the right numbers: batches, counters, silence, freezing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from harness import connect, make_samples, make_spec
from reference import ReferenceNetwork

from lava_ep.errors import InputError
from lava_ep.models import run_config
from lava_ep.parameters import initial_parameters
from lava_ep.processes import EPNetwork, ImageSource
from lava_ep.runtime import ProcessFailure, supervised

SEED = 4


def references(spec, images, labels, batch, *, learning=True):
    """Run the reference over all batches; return it and its traces."""
    reference = ReferenceNetwork(spec, initial_parameters(spec, seed=SEED), seed=SEED)
    traces = [
        reference.show(images[i : i + batch], labels[i : i + batch], learning=learning)
        for i in range(0, len(images), batch)
    ]
    return reference, traces


def expected_operations(spec, traces, images, layer):
    """Events times the synapses they reach: forward always, backward to hidden layers."""
    n_pre, n_post = spec.sizes[layer], spec.sizes[layer + 1]
    if layer == 0:
        return np.array([n_post * np.count_nonzero(images), 0])
    forward = n_post * sum(trace.events(layer - 1) for trace in traces)
    backward = n_pre * sum(trace.events(layer) for trace in traces)
    return forward + backward


@pytest.mark.parametrize("nudging", ["symmetric", "random-sign"])
@pytest.mark.parametrize("learning", [True, False])
def test_counters_count_what_the_states_say(nudging, learning, backend):
    spec = make_spec((12, 10, 8, 6), nudging=nudging)
    images, labels = make_samples(spec, 12)
    _, traces = references(spec, images, labels, 4, learning=learning)
    built = connect(spec, images, labels, batch=4, seed=SEED, learning=learning, backend=backend)
    with built.running() as run:
        run.run(3 * built.period)
        events = built.values(run, "events")
        operations = built.values(run, "synaptic_operations")
        pixel_events = run.get(built.source.events)
    for layer in range(3):
        expected = sum(trace.events(layer) for trace in traces)
        np.testing.assert_array_equal(events[layer], expected)
        np.testing.assert_array_equal(
            operations[layer], expected_operations(spec, traces, images, layer)
        )
        assert bool(expected[1]) == learning
    assert pixel_events.tolist() == [np.count_nonzero(images), 0]


def test_a_sample_alone_is_treated_as_in_a_batch(backend):
    spec = make_spec((12, 10, 8, 6))
    images, labels = make_samples(spec, 4)
    _, (together,) = references(spec, images, labels, 4, learning=False)
    built = connect(spec, images, labels, batch=1, seed=SEED, learning=False, backend=backend)
    batched = connect(spec, images, labels, batch=4, seed=SEED, learning=False, backend=backend)
    with batched.running() as run:
        run.run(batched.period)
        states, scores = batched.values(run, "state"), run.get(batched.readout.scores)
    np.testing.assert_array_equal(scores, together.scores)
    with built.running() as run:
        for row in range(4):
            run.run(built.period)
            np.testing.assert_array_equal(run.get(built.readout.scores)[0], scores[row])
            for alone, all_rows in zip(built.values(run, "state"), states, strict=True):
                np.testing.assert_array_equal(alone[0], all_rows[row])


def test_a_settled_network_is_silent(backend):
    spec = make_spec(initial_state=0.0, free_steps=25)
    images, labels = make_samples(spec, 4)
    built = connect(spec, images, labels, batch=4, seed=SEED, learning=False, backend=backend)
    counts, activations = [], []
    with built.running() as run:
        for _ in range(built.period):
            run.run(1)
            counts.append([events.sum() for events in built.values(run, "events")])
            activations.append(built.values(run, "activation"))
    per_step = np.diff(counts, axis=0, prepend=0)
    changes = [
        [np.abs(after - before).sum() for before, after in zip(*pair, strict=True)]
        for pair in pairwise(activations)
    ]
    np.testing.assert_array_equal(per_step[1:], changes)
    assert per_step[:10].sum() > 0
    assert per_step[-10:].sum() == 0


def test_without_learning_nothing_changes(backend):
    spec = make_spec(alpha_rate=0.05, bias_rate=0.05)
    images, labels = make_samples(spec, 8)
    initial = initial_parameters(spec, seed=SEED)
    built = connect(spec, images, labels, batch=4, seed=SEED, learning=False, backend=backend)
    assert built.period == 1 + spec.phases.free_steps
    with built.running() as run:
        run.run(2 * built.period)
        for field in ("weights", "momentum", "alpha", "bias"):
            for layer, value in enumerate(built.values(run, field)):
                np.testing.assert_array_equal(value, getattr(initial.layers[layer], field))


@pytest.mark.parametrize("frozen", [0, 1])
def test_frozen_synapses_never_change(frozen, backend):
    spec = make_spec(alpha_rate=0.05, bias_rate=0.05, theta=0.0103)
    layers = [
        layer.model_copy(update={"frozen": index == frozen})
        for index, layer in enumerate(spec.layers)
    ]
    spec = spec.model_copy(update={"layers": tuple(layers)})
    images, labels = make_samples(spec, 16)
    initial = initial_parameters(spec, seed=SEED)
    reference, _ = references(spec, images, labels, 4)
    built = connect(spec, images, labels, batch=4, seed=SEED, backend=backend)
    with built.running() as run:
        run.run(4 * built.period)
        for field in ("weights", "momentum", "alpha"):
            values = built.values(run, field)
            before = [getattr(layer, field) for layer in initial.layers]
            np.testing.assert_array_equal(values[frozen], before[frozen])
            assert not np.array_equal(values[1 - frozen], before[1 - frozen])
        np.testing.assert_array_equal(
            built.values(run, "weights")[1 - frozen], reference.signs[1 - frozen]
        )
        assert built.values(run, "flips")[frozen] == 0


def test_weights_set_between_samples_are_used(backend):
    spec = make_spec()
    images, labels = make_samples(spec, 4)
    built = connect(spec, images, labels, batch=4, seed=SEED, learning=False, backend=backend)
    other = initial_parameters(spec, seed=SEED + 1)
    with built.running() as run:
        run.run(built.period)
        for name, layer in zip(spec.layer_names, other.layers, strict=True):
            for field in ("weights", "alpha", "bias"):
                run.set(built.network.layer_var(name, field), getattr(layer, field))
        run.run(built.period)
        scores = run.get(built.readout.scores)
    expected = ReferenceNetwork(spec, other, seed=SEED).show(images, labels, learning=False)
    np.testing.assert_array_equal(scores, expected.scores)


def test_stored_images_are_shown_again_from_the_start(backend):
    spec = make_spec()
    images, labels = make_samples(spec, 4)
    built = connect(spec, images, labels, batch=2, seed=SEED, learning=False, backend=backend)
    found = []
    with built.running() as run:
        for _ in range(5):
            run.run(built.period)
            found.append(run.get(built.readout.scores))
    for batch in (2, 3, 4):
        np.testing.assert_array_equal(found[batch], found[batch % 2])
    assert not np.array_equal(found[0], found[1])


def test_two_networks_with_other_schedules_learn_side_by_side(backend):
    spec = make_spec(theta=0.0103)
    longer = make_spec(theta=0.0103, free_steps=6, nudged_steps=7)
    images, labels = make_samples(spec, 12)
    first = connect(spec, images, labels, batch=4, seed=SEED, backend=backend)
    second = connect(longer, images, labels, batch=4, seed=SEED, backend=backend)
    # Both read by one Process, so that Lava runs them as one graph with common learning phases.
    first.network.s_out.connect(second.readout.state_in)
    with first.running() as run:
        run.run(3 * second.period)
        weights = second.values(run, "weights")
    reference, _ = references(longer, images, labels, 4)
    for layer in range(2):
        np.testing.assert_array_equal(weights[layer], reference.signs[layer])


def test_learning_without_labels_is_refused(backend):
    spec = make_spec()
    images, labels = make_samples(spec, 4)
    source = ImageSource(images=images, labels=labels, batch=4, schedule=spec.phases.schedule(0))
    network = EPNetwork(spec=spec, batch=4)
    source.s_out.connect(network.s_in)
    # Built of parts, the network is refused before anything runs, and else in its first step.
    error = InputError if backend == "message-passing" else ProcessFailure
    config = run_config(backend, stepwise=True)
    with (
        pytest.raises(error, match="label_in is not connected"),
        supervised(network, run_cfg=config) as run,
    ):
        run.run(1)


def test_a_label_that_is_no_class_stops_the_run(backend):
    spec = make_spec()
    images, _ = make_samples(spec, 4)
    built = connect(spec, images, np.array([0, 1, 2, 3]), batch=4, backend=backend)
    message = r"expected classes from 0 to 2"
    with pytest.raises(ProcessFailure, match=message), built.running() as run:
        run.run(1)
