"""Class scores and targets of an enlarged output layer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lava_ep.dynamics import expand_target, group_mean
from lava_ep.errors import InputError

F32 = np.float32


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 12), st.data())
def test_scores_are_means_of_groups_in_order(batch, classes, size, data):
    shape = (batch, classes * size)
    values = data.draw(arrays(F32, shape, elements=st.floats(0, 1, width=32)))
    expected = np.empty((batch, classes), F32)
    for row in range(batch):
        for c in range(classes):
            total = F32(0)
            for value in values[row, c * size : (c + 1) * size]:
                total = total + value
            expected[row, c] = total / F32(size)
    found = group_mean(values, classes)
    assert found.dtype == F32
    np.testing.assert_array_equal(found, expected)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.integers(1, 3))
def test_a_target_marks_the_group_of_its_class(labels, size):
    target = expand_target(np.array(labels), 4, 4 * size)
    assert target.dtype == np.int8
    assert target.sum(axis=1).tolist() == [size] * len(labels)
    assert group_mean(target.astype(F32), 4).argmax(axis=1).tolist() == labels


def test_a_target_step_by_step():
    assert expand_target(np.array([1, 0]), 2, 4).tolist() == [[0, 0, 1, 1], [1, 1, 0, 0]]


@pytest.mark.parametrize("labels", [[0, 4], [-1, 2]])
def test_labels_that_are_no_class_are_refused(labels):
    with pytest.raises(InputError, match=r"expected classes from 0 to 3"):
        expand_target(np.array(labels), 4, 8)


def test_unequal_groups_are_refused():
    with pytest.raises(InputError, match="7 output neurons for 2 classes"):
        expand_target(np.array([0]), 2, 7)
