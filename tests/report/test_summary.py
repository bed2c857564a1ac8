"""The numbers of the report, against counts made another way."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from lava_ep.dynamics import Convolution, Dense
from lava_ep.report.summary import dense_operations, frequent_mistakes, summarize
from lava_ep.report.text import (
    class_label,
    count,
    duration,
    magnitude,
    percent,
    points,
    ratio,
    signed,
)


def test_dense_operations_counts_every_synapse_at_every_step() -> None:
    sizes, steps = (5, 4, 3, 2), 7
    operations = 0
    for _ in range(steps):
        for layer, n in enumerate(sizes[1:], start=1):
            operations += n * sizes[layer - 1]
            if layer + 1 < len(sizes):
                operations += n * sizes[layer + 1]
    connections = [Dense(*pair) for pair in pairwise(sizes)]
    assert dense_operations(connections, steps) == operations


def test_dense_operations_of_a_convolution_are_those_before_pooling() -> None:
    first = Convolution((7, 9, 2), channels=4, kernel=3, padding=1, pool=2)
    second = Convolution((3, 4, 4), channels=5, kernel=2)
    assert first.out_shape == second.in_shape
    once = []
    for rows, columns, channels, kernel, below in ((7, 9, 4, 3, 2), (2, 3, 5, 2, 4)):
        images = np.ones((below, rows + kernel - 1, columns + kernel - 1))
        count = 0
        for y in range(rows):
            for x in range(columns):
                count += channels * images[:, y : y + kernel, x : x + kernel].size
        once.append(count)
    assert dense_operations([first, second], 3) == 3 * (once[0] + 2 * once[1])


def test_summary(make_content: Any) -> None:
    content = make_content(
        phases=(("load", 0, 1), ("free", 1, 7), ("nudged +", 7, 11), ("nudged -", 12, 16))
    )
    numbers = summarize(content)
    assert numbers.epochs == 3
    assert numbers.seconds == pytest.approx(4.5)
    assert numbers.test_accuracy == pytest.approx(0.92)
    assert numbers.worth == pytest.approx(0.10)
    assert (numbers.binary_weights, numbers.real_weights) == (20 * 12 + 12 * 20, 0)
    assert numbers.flips == 1000 + 500 + 500 + 250 + 333 + 166
    assert numbers.test_samples == content.confusion.sum()
    free, nudged = numbers.activity
    assert (free.steps, nudged.steps) == (6, 8)
    assert free.dense_operations == 6 * (20 * 12 + 2 * 12 * 20)
    assert free.saving == pytest.approx(free.dense_operations / 2000)


def test_weights_are_counted_by_kind_with_those_of_feedback(make_content: Any, kinds: Any) -> None:
    mixed = summarize(make_content(**kinds["graded, mixed"]))
    assert (mixed.binary_weights, mixed.real_weights) == (20 * 450, 450 * 10)
    untied = summarize(make_content(**kinds["continual, untied"]))
    assert (untied.binary_weights, untied.real_weights) == (0, 20 * 7 + 2 * (7 * 5 + 5 * 10))
    convolution = summarize(make_content(**kinds["graded convolution in color"]))
    assert convolution.real_weights == 6 * 3 * 9 + 6 * 6 * 9 + 3 * 2 * 6 * 10
    # T = 6; sums of 6 x 4 x 6 before pooling, then 3 x 2 x 6 without.
    free = convolution.activity[0]
    assert free.dense_operations == 6 * (144 * 27 + 2 * (36 * 54 + 36 * 10))


def test_both_nudged_phases_of_the_swing_count(make_content: Any, kinds: Any) -> None:
    free, nudged = summarize(make_content(**kinds["graded, real"])).activity
    assert (free.steps, nudged.steps) == (8, 8)


def test_standard_error_is_that_of_a_binomial(make_content: Any) -> None:
    confusion = np.diag(np.full(10, 36))
    numbers = summarize(make_content(confusion=confusion))
    draws = np.random.default_rng(0).binomial(360, numbers.test_accuracy, 100_000) / 360
    assert numbers.standard_error == pytest.approx(draws.std(), rel=0.02)


def test_without_baseline_there_is_no_worth(make_content: Any) -> None:
    assert summarize(make_content(baseline_epochs=None)).worth is None


def test_no_operations_have_no_ratio(make_content: Any) -> None:
    lines = [dict(line) for line in make_content().metrics]
    lines[-1]["synaptic_operations_per_sample"] = {"free": 10.0, "nudged": 0.0}
    free, nudged = summarize(make_content(metrics=lines)).activity
    assert free.saving is not None
    assert nudged.saving is None


def test_frequent_mistakes(make_content: Any) -> None:
    confusion = np.diag([8, 7, 10])
    confusion[0, 2] = 2
    confusion[1, 0] = 3
    mistakes = frequent_mistakes(
        make_content(
            layers=(12, 6), classes=3, class_names=("cat", "dog", "emu"), confusion=confusion
        )
    )
    assert [(m.true, m.predicted, m.samples, m.share) for m in mistakes] == [
        ("dog", "cat", 3, pytest.approx(0.3)),
        ("cat", "emu", 2, pytest.approx(0.2)),
    ]


def test_text() -> None:
    space = "\N{NO-BREAK SPACE}"
    assert percent(0.9722) == f"97.2{space}%"
    assert points(-0.0123) == f"\N{MINUS SIGN}1.2{space}points"
    assert points(0.0123, 2) == f"+1.23{space}points"
    assert [count(n) for n in (0, 7.25, 9, 65.4, 1234567)] == ["0", "7.2", "9", "65", "1,234,567"]
    assert magnitude(12_345_678) == f"12.3{space}million"
    assert magnitude(999) == "999"
    assert [duration(s) for s in (2.0234, 119, 300, 7200)] == [
        f"2.02{space}s",
        f"119{space}s",
        f"5.0{space}min",
        f"2.0{space}h",
    ]
    assert [ratio(x).split(space)[0] for x in (1234.5, 23.4, 1.44, 0.023)] == [
        "1,234",
        "23",
        "1.4",
        "0.023",
    ]
    assert [signed(x) for x in (0.0, 0.125, -1e-5)] == [
        "0",
        "+0.12",
        "\N{MINUS SIGN}1e\N{MINUS SIGN}05",
    ]
    assert class_label("3") == "class 3"
    assert class_label("Sneaker") == "Sneaker"
