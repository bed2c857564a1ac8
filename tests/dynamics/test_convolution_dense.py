"""Convolutions of many changes, whose sums are computed from whole activations."""

from __future__ import annotations

import numpy as np
import pytest

from lava_ep.dynamics import Convolution, Pooling

LARGE = Convolution((9, 8, 3), 5, kernel=4, padding=2, pool=2)
SMOOTH = Convolution((9, 8, 3), 5, kernel=4, padding=2, pool=2, pooling=Pooling.AVERAGE)


def make(connection, weights, batch):
    """Return silent currents."""
    currents = connection.currents(batch, weights.dtype)
    currents.use(*connection.layouts(weights, weights))
    return currents


def walk(connection, kind, *, share, steps, integers=False, batch=3, seed=0):
    """Let both ends change at random; yield currents, both activations and the operations."""
    rng = np.random.default_rng(seed)

    def numbers(shape):
        return rng.integers(-3, 4, shape) if integers else rng.normal(size=shape)

    weights = numbers(connection.weight_shape).astype(kind)
    currents = make(connection, weights, batch)
    ends = [np.zeros((batch, n), kind) for n in (connection.n_pre, connection.n_post)]
    for _ in range(steps):
        changes = []
        for end in ends:
            moves = rng.random(end.shape) < share
            moves[0] = rng.random(end.shape[1]) < 0.02
            changes.append(np.where(moves, numbers(end.shape).astype(kind) - end, 0).astype(kind))
            end += changes[-1]
        located = currents.located(ends[1] - changes[1])
        currents.add_pre(changes[0], ends[0])
        moved = currents.located(ends[1]) - located
        operations = currents.add_post(changes[1], ends[1])
        yield weights, currents, ends, (moved, operations)


@pytest.mark.parametrize("share", [0.1, 0.4, 1.0])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_sums_of_integers_are_exact_whichever_way_they_are_found(share, kind):
    for weights, currents, ends, (moved, operations) in walk(
        LARGE, kind, share=share, steps=12, integers=True
    ):
        gradient = LARGE.gradient(ends[0], currents.located(ends[1]))
        assert np.sum(ends[1] * currents.post) == np.sum(weights * gradient)
        assert np.sum(ends[0] * currents.pre) == np.sum(weights * gradient)
        rows, columns, _ = LARGE.sum_shape
        counts = (moved != 0).sum(axis=(0, 3)).reshape(rows * columns)
        assert operations == counts @ LARGE.reach()[1]
        for sample in range(len(ends[0])):
            alone = make(LARGE, weights, 1)
            pre, post = (end[sample : sample + 1] for end in ends)
            alone.add_pre(pre, pre)
            alone.add_post(post, post)
            np.testing.assert_array_equal(alone.post[0], currents.post[sample])
            np.testing.assert_array_equal(alone.pre[0], currents.pre[sample])


@pytest.mark.parametrize("share", [0.05, 0.4, 1.0])
def test_rounding_errors_do_not_add_up(share):
    *_, (weights, currents, ends, _) = walk(SMOOTH, np.float32, share=share, steps=2000)
    exact = make(SMOOTH, weights.astype(float), len(ends[0]))
    exact.add_pre(ends[0].astype(float), ends[0].astype(float))
    exact.add_post(ends[1].astype(float), ends[1].astype(float))
    for found, expected in ((currents.post, exact.post), (currents.pre, exact.pre)):
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


def test_synapses_at_a_position_are_fewer_at_borders():
    connection = Convolution((3, 3, 2), 5, kernel=3, padding=1)
    assert connection.reach()[0].reshape(3, 3).tolist() == [
        [20, 30, 20],
        [30, 45, 30],
        [20, 30, 20],
    ]
    assert connection.reach()[1].reshape(3, 3).tolist() == [[8, 12, 8], [12, 18, 12], [8, 12, 8]]
    whole = Convolution((3, 3, 2), 5, kernel=3, padding=0)
    assert whole.reach()[0].reshape(3, 3).tolist() == [[5, 5, 5]] * 3
    assert whole.reach()[1].tolist() == [18]
