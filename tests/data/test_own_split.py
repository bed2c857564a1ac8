"""Training and test parts of samples that come in one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ep.data.own.split import stratified_split
from lava_ep.errors import InputError


def test_the_split_of_a_seed_never_changes():
    labels = np.array(["b", "a", "b", "a", "b", "a", "b", "b", "a", "b"])
    train, test = stratified_split(labels, 0.3, 0)
    draws = np.random.PCG64(0).random_raw(10)
    # A third of four and of six: the least draws of each class.
    wanted = [*np.flatnonzero(labels == "a")[np.argsort(draws[labels == "a"])[:1]]]
    wanted += [*np.flatnonzero(labels == "b")[np.argsort(draws[labels == "b"])[:2]]]
    assert test.tolist() == sorted(wanted)
    assert train.tolist() == sorted(set(range(10)) - set(wanted))
    assert (train.dtype, test.dtype) == (np.int64, np.int64)
    assert test.tolist() == [2, 3, 6]


@given(
    counts=st.lists(st.integers(2, 20), min_size=1, max_size=5),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
    text=st.booleans(),
)
@settings(max_examples=50)
def test_each_class_has_its_share_in_both_parts(counts, fraction, seed, text):
    labels = np.repeat(np.arange(len(counts)), counts)
    labels = np.random.default_rng(seed).permutation(labels)
    given_labels = labels.astype(str) if text else labels
    train, test = stratified_split(given_labels, fraction, seed)
    assert sorted([*train, *test]) == list(range(len(labels)))
    assert (np.diff(train) > 0).all()
    assert (np.diff(test) > 0).all()
    for label, count in enumerate(counts):
        tested = int((labels[test] == label).sum())
        assert 1 <= tested <= count - 1
        if 1 <= round(fraction * count) <= count - 1:
            assert tested == round(fraction * count)


def test_another_seed_chooses_others():
    labels = np.arange(1000) % 2
    first, second = (stratified_split(labels, 0.2, seed)[1] for seed in (0, 1))
    assert first.tolist() != second.tolist()
    assert len(first) == len(second) == 200


def test_a_class_with_one_sample_is_named():
    with pytest.raises(InputError, match=r"class 'b': one sample only: expected at least two"):
        stratified_split(np.array(["a", "a", "b"]), 0.2, 0)
    with pytest.raises(InputError, match=r"class 3 and 1 other classes: one sample only"):
        stratified_split(np.array([1, 1, 3, 4]), 0.2, 0)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 2.0, float("nan")])
def test_other_fractions_are_refused(fraction):
    with pytest.raises(InputError, match=r"expected a number above 0 and below 1"):
        stratified_split(np.array([0, 0, 1, 1]), fraction, 0)


def test_no_samples_are_refused():
    with pytest.raises(InputError, match="no samples"):
        stratified_split(np.array([], np.int64), 0.2, 0)
