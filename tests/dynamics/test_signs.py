"""Packed signs: what goes in comes out, in both orders."""

from __future__ import annotations

import numpy as np
import pytest

from lava_ep.dynamics import SignMatrix


@pytest.fixture(params=[(1, 1), (3, 64), (65, 255), (256, 2), (257, 300)], ids=str)
def weights(request):
    rng = np.random.default_rng(0)
    return rng.choice(np.array([-1, 1], np.int8), request.param)


def bits(strips, rows, targets):
    """Unpack the rows of strips one bit at a time."""
    return np.array(
        [
            [int(strips[k // 256, row, k % 256 // 64]) >> (k % 64) & 1 for k in range(targets)]
            for row in range(rows)
        ]
    )


def test_signs_come_back(weights):
    signs = SignMatrix.from_signs(weights).signs()
    assert signs.dtype == np.int8
    np.testing.assert_array_equal(signs, weights)


def test_both_orders_hold_the_documented_bits(weights):
    n_post, n_pre = weights.shape
    matrix = SignMatrix.from_signs(weights)
    np.testing.assert_array_equal(bits(matrix.backward, n_post, n_pre), weights > 0)
    np.testing.assert_array_equal(bits(matrix.forward, n_pre, n_post), weights.T > 0)
    for strips, targets in ((matrix.backward, n_pre), (matrix.forward, n_post)):
        assert not strips[:, -2].any()
        assert (strips[:, -1] == ~np.uint64(0)).all()
        padding = range(targets, 256 * len(strips))
        for k in padding:
            assert not (
                strips[k // 256, :-2, k % 256 // 64] >> np.uint64(k % 64) & np.uint64(1)
            ).any()


def test_sums_are_those_of_rows_and_columns(weights):
    matrix = SignMatrix.from_signs(weights)
    np.testing.assert_array_equal(matrix.sums(backward=False), weights.sum(axis=1))
    np.testing.assert_array_equal(matrix.sums(backward=True), weights.sum(axis=0))


def test_a_weight_takes_a_bit_in_each_order_and_a_little_filling():
    matrix = SignMatrix(1024, 2048)
    assert 2 <= 8 * matrix.nbytes / (1024 * 2048) < 2.01


def test_signs_can_be_replaced_in_storage_of_the_caller(weights):
    n_post, n_pre = weights.shape
    words = SignMatrix(n_post, n_pre)
    matrix = SignMatrix(n_post, n_pre, storage=(words.forward, words.backward))
    matrix.assign(weights)
    np.testing.assert_array_equal(words.signs(), weights)
    matrix.assign(-weights)
    np.testing.assert_array_equal(words.signs(), -weights)
