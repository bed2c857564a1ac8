"""The layer of local binary errors: its equations, and the packed form that has to agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_ep.dynamics.bmlp import (
    LayerRule,
    bernoulli_places,
    binarize,
    chosen,
    errors,
    fixed_classifier,
    initial_hidden,
    logits,
    median_thresholds,
    moved,
    packed,
    passed_on,
    reinforced,
    reinforcement_probability,
    signs,
    sums,
    taught,
    thermometer_thresholds,
)

CLASSES = 4


class Case:
    """A random layer with a batch, in both forms."""

    def __init__(self, seed, rule, groups=3, inputs=70, batch=9):
        rng = np.random.default_rng(seed)
        self.rule, self.inputs, self.batch = rule, inputs, batch
        self.neurons = rule.group * groups
        self.hidden = initial_hidden((self.neurons, inputs), 3.0, rng)
        self.outputs = rule.outputs(self.neurons)
        self.rho = fixed_classifier((CLASSES, self.outputs), rng).astype(np.int8)
        self.x = fixed_classifier((batch, inputs), rng).astype(np.int8)
        self.labels = rng.integers(0, CLASSES, batch).astype(np.int32)

    def reference(self):
        z = sums(self.x, self.hidden)
        a = passed_on(z, self.rule)
        o = logits(a, self.rho.T)
        wrong = errors(o, self.labels, self.rule.margin)
        return z, a, o, wrong, chosen(z, self.rho.T, self.labels, wrong, self.rule)


RULES = [
    LayerRule(),
    LayerRule(group=5, margin=2),
    LayerRule(group=7, margin=1, majority=True),
    LayerRule(group=64),
]


@pytest.mark.parametrize("rule", RULES)
@given(seed=st.integers(0, 1000), inputs=st.sampled_from([1, 63, 64, 70, 129]))
def test_packed_words_do_what_the_equations_say(rule, seed, inputs):
    case = Case(seed, rule, inputs=inputs)
    z, a, o, wrong, picks = case.reference()
    x = packed.packed_signs(case.x.astype(np.int32))
    weights = packed.packed_signs(case.hidden)
    rows = np.zeros((case.batch, case.neurons), np.int32)
    # In two parts, as two threads do.
    for part in ((0, 5), (5, case.batch)):
        packed.sums(x, weights, inputs, rows, *part)
    np.testing.assert_array_equal(rows, z)
    bits = packed.empty_rows(case.batch, case.outputs)
    packed.activate(rows, rule.group if rule.majority else 1, bits, 0, case.batch)
    events = np.zeros((case.batch, case.outputs), np.int8)
    packed.unpack_events(bits, events)
    np.testing.assert_array_equal(2 * events - 1, a)
    again = packed.empty_rows(case.batch, case.outputs)
    packed.pack_events(events, again)
    np.testing.assert_array_equal(again, bits)
    scores = np.zeros((case.batch, CLASSES), np.int32)
    packed.sums(bits, packed.packed_signs(case.rho.astype(np.int32)), case.outputs, scores, 0, 9)
    np.testing.assert_array_equal(scores, o)
    correct, flags = np.zeros((2, case.batch), np.uint8)
    rivals = np.zeros(case.batch, np.int32)
    found = correct, flags, rivals
    packed.judge(scores, case.labels, rule.margin, *found, 0, case.batch)
    np.testing.assert_array_equal(flags, wrong)
    np.testing.assert_array_equal(correct, o.argmax(axis=1) == case.labels)
    found = np.zeros(picks.shape, np.int32)
    options = (rule.group, rule.majority)
    packed.choose(rows, bits, case.rho, case.labels, flags, *options, found, 0, case.batch)
    np.testing.assert_array_equal(found, picks)
    hidden, stale = case.hidden.copy(), np.zeros(case.neurons, np.uint8)
    steps = np.zeros((case.batch, inputs), np.int8)
    packed.unpack_steps(x, flags, steps, 0, case.batch)
    majority, groups = rule.majority, picks.shape[1]
    packed.move(hidden, steps, case.rho, case.labels, found, majority, stale, 0, groups)
    expected = moved(case.hidden, case.x, case.rho.T, case.labels, picks, rule)
    np.testing.assert_array_equal(hidden, expected)
    flips = packed.pack_signs(hidden, weights, stale, 0, case.neurons)
    assert flips == np.count_nonzero(signs(hidden) != signs(case.hidden))
    np.testing.assert_array_equal(weights, packed.packed_signs(hidden))
    learned = 2 * case.rho.astype(np.int32) + 1
    expected = taught(learned.T.copy(), a, o, case.labels, wrong).T
    packed.teach(learned, bits, case.labels, rivals, flags)
    np.testing.assert_array_equal(learned, expected)


def test_one_layer_by_hand():
    hidden = np.array([[3, -1, 1], [-5, 7, -1]], np.int32)
    x = np.array([[1, 1, -1]], np.int8)
    z = sums(x, hidden)
    # W = [[+, -, +], [-, +, -]]: 1 - 1 - 1 and -1 + 1 + 1.
    assert z.tolist() == [[-1, 1]]
    rho = np.array([[1, -1], [1, -1]], np.int8)
    o = logits(passed_on(z, LayerRule()), rho)
    assert o.tolist() == [[0, 0]]
    # The first of equal logits is the prediction, with a lead of 0.
    assert errors(o, np.array([0]), 0).tolist() == [False]
    assert errors(o, np.array([1]), 0).tolist() == [True]
    assert errors(o, np.array([0]), 1).tolist() == [True]
    # Class 1 wants -1 of both; only the second neuron is positive.
    rule = LayerRule(group=2)
    picks = chosen(z, rho, np.array([1]), np.array([True]), rule)
    assert picks.tolist() == [[1]]
    after = moved(hidden, x, rho, np.array([1]), picks, rule)
    assert after.tolist() == [[3, -1, 1], [-7, 5, 1]]


@pytest.mark.parametrize("rule", RULES)
def test_at_most_one_neuron_of_a_group_learns_and_hidden_weights_stay_odd(rule):
    case = Case(1, rule)
    *_, wrong, picks = case.reference()
    assert wrong.any()
    assert (picks[~wrong] == -1).all()
    groups = np.broadcast_to(np.arange(picks.shape[1]), picks.shape)
    assert (picks[picks >= 0] // rule.group == groups[picks >= 0]).all()
    after = moved(case.hidden, case.x, case.rho.T, case.labels, picks, rule)
    steps = np.abs(after - case.hidden).sum()
    assert 0 < steps <= 2 * case.inputs * np.count_nonzero(picks >= 0)
    places = np.arange(0, case.hidden.size, 3)
    assert (reinforced(after, places) % 2 == 1).all()


def test_nothing_moves_when_nothing_is_wrong():
    rule = LayerRule(group=5)
    case = Case(2, rule)
    o = case.reference()[2]
    case.labels = o.argmax(axis=1).astype(np.int32)
    *_, wrong, picks = case.reference()
    assert not wrong.any()
    after = moved(case.hidden, case.x, case.rho.T, case.labels, picks, rule)
    np.testing.assert_array_equal(after, case.hidden)


def test_groups_with_the_right_majority_do_not_learn():
    rule = LayerRule(group=5, margin=100, majority=True)
    case = Case(3, rule, groups=8)
    _, a, _, wrong, picks = case.reference()
    assert wrong.all()
    right = a == case.rho[case.labels]
    assert right.any()
    assert (picks[right] == -1).all()
    assert (picks[~right] >= 0).any()


def test_what_is_drawn():
    rng = np.random.default_rng(0)
    hidden = initial_hidden((200, 300), 64, rng)
    assert (hidden % 2 == 1).all()
    assert np.abs(hidden).max() <= 129
    # A normal distribution cut off at 2 sigma has 0.880 of its standard deviation.
    assert hidden.std() == pytest.approx(0.880 * 64, rel=0.01)
    assert abs(hidden.mean()) < 1
    places = bernoulli_places(100_000, 0.02, rng)
    assert (np.diff(places) > 0).all()
    assert places[0] >= 0
    assert places[-1] < 100_000
    # Five standard deviations of a binomial distribution.
    assert abs(len(places) - 2000) < 5 * np.sqrt(2000 * 0.98)
    assert abs(np.mean(places < 50_000) - 0.5) < 0.06
    assert bernoulli_places(7, 0, rng).size == 0
    assert bernoulli_places(7, 1, rng).tolist() == list(range(7))
    assert reinforcement_probability(0.5, 0.75, 200) == pytest.approx(0.25 * 0.1 / np.sqrt(np.pi))


def test_bits_of_pixels():
    images = np.array([[0, 9], [4, 9], [8, 0], [9, 0]], np.uint8)
    assert median_thresholds(images).tolist() == [[6], [4]]
    assert binarize(images, median_thresholds(images)).tolist() == [
        [-1, 1],
        [-1, 1],
        [1, -1],
        [1, -1],
    ]
    assert thermometer_thresholds(2, 4, 16).tolist() == [[2, 6, 10, 14]] * 2
    pixels = np.random.default_rng(0).integers(0, 17, (5, 40)).astype(np.uint8)
    for bits in (1, 3):
        thresholds = thermometer_thresholds(40, bits, 16)
        rows = packed.empty_rows(5, 40 * bits)
        packed.pack_above(pixels, thresholds, np.zeros(40 * bits, np.uint8), rows)
        events = np.zeros((5, 40 * bits), np.int8)
        packed.unpack_events(rows, events)
        np.testing.assert_array_equal(2 * events - 1, binarize(pixels, thresholds))
