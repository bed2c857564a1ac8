"""Networks of local binary errors: engine, Processes, and the equations, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from lava_ep.bmlp_parameters import BMLPParameters, initial_bmlp_parameters, rule_of
from lava_ep.dynamics import Stream, generator
from lava_ep.dynamics.bmlp import (
    bernoulli_places,
    binarize,
    chosen,
    errors,
    logits,
    moved,
    passed_on,
    reinforced,
    reinforcement_probability,
    signs,
    sums,
    taught,
)
from lava_ep.errors import InputError
from lava_ep.models.bmlp import BMLPEngine
from lava_ep.processes.bmlp import BMLPNetwork
from lava_ep.spec import BMLPSpec
from lava_ep.training import BMLPSession

BATCH, PIXELS, CLASSES = 10, 30, 3


def make_spec(*layers, **fields):
    return BMLPSpec.model_validate(
        {
            "kind": "bmlp",
            "inputs": PIXELS,
            "input_levels": 16,
            "classes": CLASSES,
            "initial_scale": 3,
            "layers": layers,
            **fields,
        }
    )


PLAIN = make_spec(
    {"neurons": 70, "group": 7, "robustness": 0.1, "reinforcement": 1},
    {"neurons": 40, "group": 1, "robustness": 0.1, "reinforcement": 0.5},
)
SPECS = {
    "plain": PLAIN,
    "thermometer, frozen, learned classifier": make_spec(
        {"neurons": 66, "group": 6, "frozen": True},
        {"neurons": 20, "group": 4, "learned_classifier": True, "reinforcement": 1},
        binarization={"kind": "thermometer", "bits": 3},
    ),
    "majority": make_spec(
        {"neurons": 75, "group": 5, "majority": True, "reinforcement": 1},
        {"neurons": 12, "group": 3},
        binarization={"kind": "thresholds", "thresholds": [3, 9]},
    ),
}


def make_samples(batches):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, batches * BATCH)
    patterns = rng.integers(0, 17, (CLASSES, PIXELS))
    noise = rng.integers(0, 17, (len(labels), PIXELS))
    images = np.where(rng.random(noise.shape) < 0.5, noise, patterns[labels])
    return images.astype(np.uint8), labels


def reference(spec, start, images, labels, seed, epoch_batches):
    """Learn by the equations; return all parameters and scores."""
    layers = [
        (layer.hidden, layer.classifier.T, list(layer.right), rule_of(rule))
        for layer, rule in zip(start.layers, spec.layers, strict=True)
    ]
    scores = []
    for batch in range(len(images) // BATCH):
        chosen_ones = slice(batch * BATCH, (batch + 1) * BATCH)
        y = labels[chosen_ones]
        x = binarize(images[chosen_ones], start.thresholds)
        for index, (hidden, classifier, right, rule) in enumerate(layers):
            rho = signs(classifier)
            z = sums(x, hidden)
            a = passed_on(z, rule)
            o = logits(a, rho)
            wrong = errors(o, y, rule.margin)
            if batch % epoch_batches == 0:
                right = [right[1], 0]
            right = [right[0], right[1] + np.count_nonzero(o.argmax(axis=1) == y)]
            if wrong.any() and not rule.frozen:
                hidden = moved(hidden, x, rho, y, chosen(z, rho, y, wrong, rule), rule)
                rng = generator(seed, Stream.REINFORCEMENT, index, batch)
                accuracy = right[0] / (epoch_batches * BATCH)
                p = reinforcement_probability(rule.reinforcement, accuracy, hidden.shape[1])
                hidden = reinforced(hidden, bernoulli_places(hidden.size, p, rng))
            if rule.learned_classifier:
                classifier = taught(classifier, a, o, y, wrong)
            layers[index] = (hidden, classifier, right, rule)
            x = a
        scores.append(o)
    return layers, np.concatenate(scores)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_engine_follows_the_equations(spec, threads):
    images, labels = make_samples(9)
    start = initial_bmlp_parameters(spec, seed=5, images=images)
    expected, scores = reference(spec, start, images, labels, 5, epoch_batches=3)
    engine = BMLPEngine(spec, start, batch=BATCH, seed=5, epoch_batches=3, threads=threads)
    found = []
    for first in range(0, len(images), BATCH):
        found.append(engine.forward(images[first : first + BATCH]).copy())
        engine.learn(labels[first : first + BATCH].astype(np.int32))
    np.testing.assert_array_equal(np.concatenate(found), scores)
    for layer, before, (hidden, classifier, right, rule) in zip(
        engine.layers, start.layers, expected, strict=True
    ):
        np.testing.assert_array_equal(layer.hidden, hidden)
        np.testing.assert_array_equal(layer.classifier, classifier.T)
        assert layer.right.tolist() == right
        assert (layer.hidden % 2 == 1).all()
        assert rule.frozen == np.array_equal(layer.hidden, before.hidden)
        assert bool(layer.reinforced[0]) == bool(rule.reinforcement)


def test_processes_and_engine_agree_bit_for_bit_and_learn():
    images, labels = make_samples(40)
    start = initial_bmlp_parameters(PLAIN, seed=0, images=images)
    outcomes = []
    for backend in ("message-passing", "fused"):
        options = {"batch": BATCH, "parameters": start, "backend": backend, "epoch_batches": 10}
        with BMLPSession(PLAIN, **options) as session:
            scores = np.concatenate(list(session.stream(images[:300], labels[:300])))
            parameters, counters = session.parameters(), session.counters()
        assert parameters.batch == 30
        with BMLPSession(
            PLAIN, batch=BATCH, parameters=start, backend=backend, learning=False
        ) as tester:
            untrained = tester.scores(images[300:])
            tester.set_parameters(parameters)
            trained = tester.scores(images[300:395])
        outcomes.append((scores, untrained, trained, parameters.to_arrays(), counters))
    first, second = outcomes
    for one, other in zip(first[:3], second[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    for name, array in first[3].items():
        np.testing.assert_array_equal(array, second[3][name])
    for name, array in vars(first[4]).items():
        np.testing.assert_array_equal(array, getattr(second[4], name))
    flips = [
        np.count_nonzero(signs(a.hidden) != signs(b.hidden))
        for a, b in zip(parameters.layers, start.layers, strict=True)
    ]
    assert (counters.flips >= flips).all()
    assert min(flips) > 0
    right = np.mean(trained.argmax(axis=1) == labels[300:395])
    assert right > 0.8 > 0.6 > np.mean(untrained.argmax(axis=1) == labels[300:])


@pytest.mark.parametrize("label", [-1, CLASSES])
def test_labels_that_are_no_classes_are_refused(label):
    images, labels = make_samples(1)
    start = initial_bmlp_parameters(PLAIN, seed=0, images=images)
    engine = BMLPEngine(PLAIN, start, batch=BATCH)
    for wrong in (images[:-1], images[:, :-1], np.concatenate([images, images])):
        with pytest.raises(InputError, match=r"pixels .*expected \(10, 30\)"):
            engine.forward(wrong)
    engine.forward(images)
    labels = labels.astype(np.int32)
    with pytest.raises(InputError, match=r"labels \(9,\): expected \(10,\)"):
        engine.learn(labels[:-1])
    labels[3] = label
    for learn in (engine.learn, engine.layers[0].learn):
        with pytest.raises(InputError, match=f"{label}.*expected classes from 0 to 2"):
            learn(labels)
    np.testing.assert_array_equal(engine.layers[0].hidden, start.layers[0].hidden)


def test_parameters_are_checked():
    images, _ = make_samples(1)
    start = initial_bmlp_parameters(PLAIN, seed=0, images=images)
    arrays = start.to_arrays()
    again = BMLPParameters.from_arrays(arrays, PLAIN, source="x")
    assert again.to_arrays().keys() == arrays.keys()
    for name, value, message in (
        ("layer1.hidden", arrays["layer1.hidden"] + 1, "holds even numbers"),
        ("layer1.hidden", arrays["layer1.hidden"][:-1], r"int32\[69, 30\], expected int32\[70"),
        ("layer2.right", np.array([3, -1]), "'layer2.right' holds a count below 0"),
        ("batch", np.array([-1]), "'batch' holds a count below 0"),
        ("layer2.right", None, "'layer2.right' is missing"),
        ("layer3.hidden", arrays["batch"], "has no place in a 30-70-40"),
    ):
        wrong = {**arrays, name: value}
        wrong = {key: array for key, array in wrong.items() if array is not None}
        with pytest.raises(InputError, match=message):
            BMLPParameters.from_arrays(wrong, PLAIN, source="x")
    with pytest.raises(InputError, match=r"thresholds.*for a 90-66-20"):
        BMLPNetwork(
            spec=SPECS["thermometer, frozen, learned classifier"], parameters=start, batch=1
        )
    with pytest.raises(InputError, match=r"decay=0\.5: expected 1"):
        BMLPSession(PLAIN, batch=1, parameters=start, decay=0.5)
    with pytest.raises(InputError, match="batch=0: expected at least 1"):
        BMLPNetwork(spec=PLAIN, parameters=start, batch=0)
