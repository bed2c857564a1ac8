"""All random numbers are functions of the seed, the stream and an index."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from lava_ep.dynamics import Stream, generator


def draw(*arguments):
    return generator(*arguments).random(8).tolist()


def test_the_same_address_gives_the_same_numbers():
    assert draw(5, Stream.WEIGHTS, 2) == draw(5, Stream.WEIGHTS, 2)


def test_other_addresses_give_other_numbers():
    addresses = [(seed, stream, i) for seed in (0, 1) for stream in Stream for i in (0, 1)]
    addresses += [(0, stream) for stream in Stream] + [(0, Stream.WEIGHTS, 0, 0)]
    drawn = [draw(*address) for address in addresses]
    assert all(a != b for a, b in combinations(drawn, 2))


def test_streams_are_the_documented_children_of_the_seed():
    child = np.random.SeedSequence(7, spawn_key=(int(Stream.BIASES), 3))
    assert draw(7, Stream.BIASES, 3) == np.random.default_rng(child).random(8).tolist()
    assert [int(stream) for stream in Stream] == list(range(11))
