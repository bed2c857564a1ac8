"""The numbers of the report, against counts made another way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lava_ep.figures.text import (
    class_label,
    count,
    duration,
    energy,
    magnitude,
    percent,
    points,
    ratio,
    signed,
)
from lava_ep.report.summary import frequent_mistakes, summarize


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
    inference, training = numbers.inference, numbers.training
    assert (inference.events, inference.synaptic_operations) == (70.0, 2100.0)
    assert (inference.steps, training.steps) == (6, 14)
    assert training.events == pytest.approx(65.4 + 3 + 7.25)
    assert training.synaptic_operations == 2100.0
    assert training.dense_macs == free.dense_operations + nudged.dense_operations


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
    assert energy(0.0, 0.0) == f"0{space}pJ"
    assert energy(999.9, 23600) == f"1 \N{EN DASH} 23.6{space}nJ"
    assert energy(2.5e6, 2.5e6) == f"2.5{space}µJ"
    assert class_label("3") == "class 3"
    assert class_label("Sneaker") == "Sneaker"
