"""The learning rate of every batch, and what no rate can be."""

from __future__ import annotations

import pytest

from lava_ep.dynamics import SGD
from lava_ep.errors import InputError


def test_the_rate_shrinks_from_epoch_to_epoch():
    rule = SGD(0.4, decay=0.5, epoch_updates=10)
    rates = [rule.step(batch) for batch in (0, 9, 10, 19, 20)]
    assert rates == [0.4, 0.4, 0.2, 0.2, 0.1]


def test_without_decay_the_rate_stays():
    assert {SGD(0.3).step(batch) for batch in (0, 1, 10**6)} == {0.3}
    assert SGD(0.0).step(5) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": -0.1}, "SGD rate=-0.1: expected at least 0"),
        ({"rate": float("nan")}, "SGD rate=nan"),
        ({"rate": 1, "decay": 0.0}, r"SGD decay=0.0: expected a value in \(0, 1\]"),
        ({"rate": 1, "decay": 1.5}, "SGD decay=1.5"),
        ({"rate": 1, "epoch_updates": 0}, "SGD epoch_updates=0: expected at least 1"),
    ],
)
def test_impossible_parameters_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        SGD(**arguments)
