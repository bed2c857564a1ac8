"""Currents and gradients of dense and convolutional connections, against loops over all taps.

Most numbers are small integers, with which float32 is exact: so currents that events add up to
equal those computed at once, and ties between the positions of a pooling window stay ties.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lava_ep.dynamics import Convolution, Dense, Pooling
from lava_ep.errors import InputError


def convolve(weights, a, padding):
    """Convolve (batch, height, width, c) with (channels, c, k, k), tap by tap."""
    k = weights.shape[2]
    padded = np.pad(a, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows, columns = (size - k + 1 for size in padded.shape[1:3])
    taps = (
        padded[:, i : i + rows, j : j + columns] @ weights[:, :, i, j].T
        for i in range(k)
        for j in range(k)
    )
    return sum(taps)


def windows(sums, pool):
    """Cut into windows: (batch, height, width, channels, pool * pool)."""
    batch, rows, columns, channels = sums.shape
    rows, columns = rows // pool, columns // pool
    cut = sums[:, : rows * pool, : columns * pool]
    cut = cut.reshape(batch, rows, pool, columns, pool, channels)
    return cut.transpose(0, 1, 3, 5, 2, 4).reshape(batch, rows, columns, channels, pool * pool)


class Slow:
    """What a connection makes of the activations of both ends, without events."""

    def __init__(self, connection, weights, feedback, a, b):
        self.connection = connection
        self.a, self.b = a.astype(float), b.astype(float)
        self.weights, self.feedback = weights.astype(float), feedback.astype(float)
        if isinstance(connection, Dense):
            self.post = self.a @ self.weights.T
            self.pre = self.b @ self.feedback
            self.gradient = self.b.T @ self.a
            return
        batch, k, padding, pool = len(a), connection.kernel, connection.padding, connection.pool
        self.a = self.a.reshape(batch, *connection.in_shape)
        self.b = self.b.reshape(batch, *connection.out_shape)
        sums = convolve(self.weights, self.a, padding)
        cut = windows(sums, pool)
        if connection.pooling is Pooling.MAX:
            self.post = cut.max(axis=-1)
            self.cut = cut
            share = np.eye(pool * pool)[cut.argmax(axis=-1)]
        else:
            self.post = cut.mean(axis=-1)
            share = np.full(cut.shape, 1 / pool**2)
        self.located = np.zeros_like(sums)
        for place in range(pool * pool):
            y, x = divmod(place, pool)
            rows, columns = (size * pool for size in connection.out_shape[:2])
            self.located[:, y:rows:pool, x:columns:pool] = self.b * share[..., place]
        back = np.pad(self.a, ((0, 0), (padding, padding), (padding, padding), (0, 0))) * 0
        rows, columns = sums.shape[1:3]
        padded = back.copy()
        padded[:, padding : back.shape[1] - padding, padding : back.shape[2] - padding] = self.a
        self.gradient = np.zeros_like(self.weights)
        for i in range(k):
            for j in range(k):
                back[:, i : i + rows, j : j + columns] += self.located @ self.feedback[:, :, i, j]
                seen = padded[:, i : i + rows, j : j + columns]
                self.gradient[:, :, i, j] = np.tensordot(self.located, seen, ([0, 1, 2], [0, 1, 2]))
        height, width, _ = connection.in_shape
        self.pre = back[:, padding : padding + height, padding : padding + width]

    def clear(self):
        """Whether no rounding can decide which position of a pooling window is the largest."""
        if getattr(self.connection, "pooling", None) is not Pooling.MAX:
            return True
        behind = self.post[..., None] - self.cut
        # Sums that nothing has reached are exactly 0: of those, the first counts.
        return not np.any((behind > 0) & (behind < 1e-3))

    def operations(self, changes, *, backward=False):
        """Synapses that some changes reach: of the sources, or of the located targets."""
        connection = self.connection
        if isinstance(connection, Dense):
            n = connection.n_pre if backward else connection.n_post
            return n * np.count_nonzero(changes)
        height, width, sources = connection.in_shape
        rows, columns, channels = connection.sum_shape
        k, padding = connection.kernel, connection.padding
        reached = np.zeros((height, width) if not backward else (rows, columns), int)
        for y in range(rows):
            for x in range(columns):
                for i in range(k):
                    for j in range(k):
                        to = (y + i - padding, x + j - padding)
                        if 0 <= to[0] < height and 0 <= to[1] < width:
                            reached[(y, x) if backward else to] += sources if backward else channels
        return int(np.sum((changes != 0).sum(axis=(0, 3)) * reached))


@st.composite
def connections(draw):
    """Dense or convolutional, with any padding and pooling that leave something."""
    if draw(st.booleans()) and draw(st.booleans()):
        return Dense(draw(st.integers(1, 12)), draw(st.integers(1, 12)))
    kernel = draw(st.integers(1, 5))
    padding = draw(st.integers(0, kernel - 1))
    pool = draw(st.integers(1, 3))
    least = max(1, kernel - 1 - 2 * padding + pool)
    height, width = (draw(st.integers(least, least + 4)) for _ in range(2))
    return Convolution(
        (height, width, draw(st.integers(1, 3))),
        draw(st.integers(1, 3)),
        kernel,
        padding,
        pool,
        draw(st.sampled_from(Pooling)),
    )


@st.composite
def problems(draw, integers=True):
    """A connection with weights, and activations of both ends in several steps."""
    connection = draw(connections())
    kind = draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    batch, steps = draw(st.sampled_from([1, 3])), draw(st.integers(1, 5))
    share = draw(st.sampled_from([0.05, 0.3, 1.0]))
    # Sums of real numbers that go back to 0 leave rounding behind, and that would decide a tie.
    silenced = integers or getattr(connection, "pooling", None) is not Pooling.MAX

    def numbers(shape):
        return rng.integers(-3, 4, shape) if integers else rng.normal(size=shape)

    weights, feedback = (numbers(connection.weight_shape).astype(kind) for _ in range(2))
    ends = []
    for size in (connection.n_pre, connection.n_post):
        # Some values change in each step, down to 0 as well; in some steps there are none.
        values, sequence = np.zeros((batch, size)), []
        for _ in range(steps):
            moves = (rng.random(values.shape) < share) & (rng.random() < 0.8)
            new = numbers(values.shape) * (not silenced or rng.random() < 0.8)
            values = np.where(moves, new, values)
            sequence.append(values.astype(kind))
        ends.append(sequence)
    return connection, weights, feedback, ends


def assert_close(found, expected, kind, *, exact):
    """Compare with what loops make in float64."""
    expected = expected.reshape(found.shape)
    if exact:
        np.testing.assert_array_equal(found, expected)
    else:
        precision = 1e-4 if kind == np.float32 else 1e-11
        np.testing.assert_allclose(found, expected, rtol=precision, atol=precision)


def check(drawn, order, *, integers):
    """Feed the events of both ends in some order, and compare all currents after each."""
    connection, weights, feedback, ends = drawn
    kind, batch = weights.dtype.type, len(ends[0][0])
    exact = integers and getattr(connection, "pooling", None) is not Pooling.AVERAGE
    currents = connection.currents(batch, kind)
    currents.use(*connection.layouts(weights, feedback))
    values = [np.zeros_like(end[0]) for end in ends]
    nothing = Slow(connection, weights, feedback, *values)
    before = getattr(nothing, "located", None)
    for end, step in order:
        change = ends[end][step] - values[end]
        values[end] = ends[end][step]
        slow = Slow(connection, weights, feedback, *values)
        assume(integers or slow.clear())
        count = 0
        if end == 0:
            count += currents.add_pre(change, values[0])
            shape = slow.a.shape
            assert count == slow.operations(change.reshape(shape))
        if end == 1 or currents.moves_places:
            change = change if end == 1 else np.zeros_like(values[1])
            moved = change if before is None else slow.located - before
            before = None if before is None else slow.located
            assert currents.add_post(change, values[1]) == slow.operations(moved, backward=True)
        assert_close(currents.post, slow.post, kind, exact=exact)
        assert_close(currents.pre, slow.pre, kind, exact=exact)
        if before is not None:
            assert_close(currents.located(values[1]), slow.located, kind, exact=exact)
        located = currents.located(values[1])
        assert_close(connection.gradient(values[0], located), slow.gradient, kind, exact=exact)
    return currents, values


@st.composite
def orders(draw, steps):
    """Some order of the events of both ends, each end's own ones in theirs."""
    left, order = [0, 0], []
    while min(left) < steps:
        end = draw(st.integers(0, 1)) if max(left) < steps else left.index(min(left))
        order.append((end, left[end]))
        left[end] += 1
    return order


@settings(max_examples=80, deadline=None)
@given(problems(), st.data())
def test_events_in_any_order_add_up_to_the_currents(drawn, data):
    steps = len(drawn[3][0])
    currents, values = check(drawn, data.draw(orders(steps)), integers=True)
    found = currents.post.copy(), currents.pre.copy()
    currents.refresh(*values, backward=True)
    exact = getattr(drawn[0], "pooling", None) is not Pooling.AVERAGE
    for array, before in zip((currents.post, currents.pre), found, strict=True):
        assert_close(array, before, drawn[1].dtype.type, exact=exact)


@settings(max_examples=40, deadline=None)
@given(problems(integers=False))
def test_real_numbers_give_the_same_up_to_rounding(drawn):
    order = [(end, step) for step in range(len(drawn[3][0])) for end in (0, 1)]
    check(drawn, order, integers=False)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_everything_is_a_derivative_of_one_number(drawn):
    connection, weights, _, ends = drawn
    a, b = ends[0][-1], ends[1][-1]
    currents = connection.currents(len(a), weights.dtype)
    currents.use(*connection.layouts(weights, weights))
    currents.add_pre(a, a)
    currents.add_post(b, b)
    located = currents.located(b)
    phi = np.sum(b.astype(float) * currents.post)
    close = pytest.approx(phi, rel=1e-5, abs=1e-4)
    assert np.sum(weights * connection.gradient(a, located).astype(float)) == close
    assert np.sum(a * currents.pre.astype(float)) == close


@settings(max_examples=20, deadline=None)
@given(problems())
def test_silence_follows_a_reset(drawn):
    connection, weights, feedback, ends = drawn
    used = connection.currents(len(ends[0][0]), weights.dtype)
    used.use(*connection.layouts(weights, feedback))
    used.add_pre(ends[0][-1], ends[0][-1])
    used.add_post(ends[1][-1], ends[1][-1])
    used.reset()
    assert not used.post.any()
    assert not used.pre.any()
    fresh = connection.currents(len(ends[0][0]), weights.dtype)
    fresh.use(*connection.layouts(weights, feedback))
    for currents in (used, fresh):
        currents.add_pre(ends[0][0], ends[0][0])
        currents.add_post(ends[1][0], ends[1][0])
    np.testing.assert_array_equal(used.post, fresh.post)
    np.testing.assert_array_equal(used.pre, fresh.pre)


@settings(max_examples=20, deadline=None)
@given(problems())
def test_other_weights_are_used_after_a_refresh(drawn):
    connection, weights, feedback, ends = drawn
    a, b = ends[0][-1], ends[1][-1]
    currents = connection.currents(len(a), weights.dtype)
    currents.use(*connection.layouts(weights, feedback))
    currents.add_pre(a, a)
    currents.add_post(b, b)
    others = (weights[::-1] * 2).copy(), (feedback[::-1] - 1).copy()
    currents.use(*connection.layouts(*others))
    currents.refresh(a, b, backward=True)
    slow = Slow(connection, *others, a, b)
    exact = getattr(connection, "pooling", None) is not Pooling.AVERAGE
    assert_close(currents.post, slow.post, weights.dtype.type, exact=exact)
    assert_close(currents.pre, slow.pre, weights.dtype.type, exact=exact)


def test_a_moving_switch_leads_back_to_another_source():
    connection = Convolution((1, 2, 1), 1, kernel=1, pool=1)
    assert connection.out_shape == (1, 2, 1)
    connection = Convolution((2, 2, 1), 1, kernel=1, pool=2)
    currents = connection.currents(1, np.float32)
    weights = np.full((1, 1, 1, 1), 3, np.float32)
    currents.use(*connection.layouts(weights, weights))
    post = np.ones((1, 1), np.float32)
    silent = np.zeros_like(post)
    back = []
    for change in ([0, 2, 0, 0], [0, 0, 0, 5], [0, 0, 0, -4]):
        change = np.array([change], np.float32)
        currents.add_pre(change, change)
        currents.add_post(post if not back else silent, post)
        back.append(currents.pre[0].tolist())
    assert back == [[0, 3, 0, 0], [0, 0, 0, 3], [0, 3, 0, 0]]
    assert currents.post.tolist() == [[6]]


def test_of_equal_positions_the_first_is_the_largest():
    connection = Convolution((2, 2, 1), 1, kernel=1, pool=2)
    currents = connection.currents(1, np.float64)
    ones = np.ones((1, 1, 1, 1))
    currents.use(*connection.layouts(ones, ones))
    currents.add_pre(np.ones((1, 4)), np.ones((1, 4)))
    assert currents.located(np.ones((1, 1))).ravel().tolist() == [1, 0, 0, 0]


def test_shapes_of_a_convolution():
    connection = Convolution((28, 28, 3), 32, kernel=5, padding=1, pool=3)
    assert connection.sum_shape == (26, 26, 32)
    assert connection.out_shape == (8, 8, 32)
    assert (connection.n_pre, connection.n_post) == (28 * 28 * 3, 8 * 8 * 32)
    assert connection.weight_shape == (32, 3, 5, 5)
    assert (connection.fan_in, connection.fan_out, connection.biases) == (75, 800, 32)
    dense = Dense(7, 4)
    assert dense.weight_shape == (4, 7)
    assert (dense.n_pre, dense.n_post, dense.fan_in, dense.fan_out, dense.biases) == (7, 4, 7, 4, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding": 5}, "padding=5: expected 0 to 4 for a kernel of 5"),
        ({"padding": -1}, "padding=-1: expected 0 to 4"),
        ({"pool": 0}, "pool=0: expected a window of 1 to 15"),
        ({"pool": 16}, "pool=16: expected a window of 1 to 15"),
        (
            {"kernel": 7},
            r"kernel of 7 with padding 0 and pooling of 1 leaves nothing of \(6, 6, 1\)",
        ),
        ({"pool": 3}, r"kernel of 5 with padding 0 and pooling of 3 leaves nothing of \(6, 6, 1\)"),
    ],
)
def test_impossible_convolutions_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        Convolution((6, 6, 1), 2, **options)
