"""What the report makes of measurements, and that figures can be drawn from it."""

import json
from pathlib import Path

import pytest
from contenders import DENSE, FUSED, MESSAGES, STOCK, THRESHOLDED
from figure import by_hidden, draw_all
from report import (
    BINARY,
    FAMILY,
    FamilyReport,
    Measurements,
    Report,
    pairwise_ratios,
    with_spread,
    write_results,
)
from rich.console import Console
from roofline import evaluate
from turns import Turns

SIZES, HIDDEN = (512, 1024), "784-{}-100"


def turns(foreign_cores: float = 0.0, **seconds: float) -> Turns:
    """Two rounds, the machine half as fast in the second."""
    values = {name: [value, 2 * value] for name, value in seconds.items()}
    return Turns(values, [0.0, foreign_cores], measured=2)


def network(dense: bool = True, foreign_cores: float = 0.0) -> Turns:
    others = {MESSAGES: 0.14, DENSE: 0.6} if dense else {}
    return turns(foreign_cores, **{FUSED: 0.02, **others})


def fill(foreign_cores: float = 0.0) -> Report:
    report = Report({"images": "MNIST", "batch": 64, "repeats": 2})
    report.add_torch("2.0")
    for task in ("train", "infer"):
        report.add_network(f"{task}_784-512-100", network(foreign_cores=foreign_cores), {"a": 1})
        report.add_network(f"{task}_784-1024-100", network(dense=False), {"a": 2})
        report.add_batch_sizes(f"{task}_784-512-100", turns(**{"1": 0.002, "4": 0.001}))
    report.add_agreement("784-512-100", {"equal_weights": 1.0})
    report.add_steps("784-512-100", turns(**{FUSED: 1e-4, MESSAGES: 1e-3, STOCK: 1e-2}))
    report.add_activity("events_to_512_neurons", turns(**{"1": 1e-6, "4": 2e-6}))
    sizes = turns(**{"512": 1e-6, "1024": 1.8e-6})
    report.add_sizes("hidden_between_H_and_100", sizes, "doubling_hidden_free_phase")
    report.add_sizes("hidden_between_H_and_H", sizes, "doubling_square_population")
    return report


def fill_family() -> FamilyReport:
    presets = {"one": {"batch": 20}, "two": {"batch": 4}}
    report = FamilyReport({"images": "MNIST", "presets": presets})
    report.add_torch("2.0")
    for task in ("train", "infer"):
        report.add_network(f"{task}_one", turns(**{FUSED: 0.02, DENSE: 0.6}), {"a": 1})
        three = {FUSED: 0.02, THRESHOLDED: 0.01, DENSE: 0.8}
        report.add_network(f"{task}_two", turns(**three), {"a": 2})
    report.add_agreement(
        "one", {"exactly_equal": [FUSED], "different_weight_changes": [1e-6, 2e-6]}
    )
    report.add_agreement("two", {"double_precision": {"different_weight_changes": [3e-13]}})
    return report


def test_each_contender_is_compared_with_those_after_it() -> None:
    found = pairwise_ratios("train_n", {"a": [1.0, 2.0], "b": [3.0, 6.0], "c": [6.0, 12.0]})
    assert {name: one["median"] for name, one in found.items()} == {
        "train_n_a_vs_b": 3.0,
        "train_n_a_vs_c": 6.0,
        "train_n_b_vs_c": 2.0,
    }


def test_content() -> None:
    content = fill().content
    ratio = content["ratios"]["train_784-512-100_fused_vs_dense_torch"]
    assert ratio == pytest.approx({"median": 30.0, "min": 30.0, "max": 30.0, "runs": 2})
    assert content["ratios"]["steps_784-512-100_fused_vs_lava_stock"]["median"] == 100.0
    assert set(content["ratios"]) >= {
        "infer_784-512-100_message-passing_vs_dense_torch",
        "train_784-512-100_fused_vs_message-passing",
        "steps_784-512-100_message-passing_vs_lava_stock",
    }
    times = content["milliseconds_per_batch"]["infer_784-512-100_dense_torch"]
    assert times["values"] == [600.0, 1200.0]
    assert times["median"] == 900.0
    assert content["steps_per_second"]["steps_784-512-100_lava_stock"]["max"] == 100.0
    events = content["nanoseconds_per_event"]["events_to_512_neurons"]
    assert events["4"]["min"] == pytest.approx(500.0)
    doubling = content["doubling_hidden_free_phase"]
    assert list(doubling) == ["512_to_1024"]
    assert doubling["512_to_1024"]["median"] == pytest.approx(1.8)
    assert content["activity"]["train_784-1024-100"] == {"a": 2}


def test_file_is_what_figures_are_drawn_from(tmp_path: Path) -> None:
    report, family = fill(), fill_family()
    path = tmp_path / "new" / "results.json"
    assert write_results(path, BINARY, report.content) == report.content
    both = write_results(path, FAMILY, family.content)
    assert both == {**report.content, FAMILY: family.content}
    assert json.loads(path.read_text(encoding="utf-8")) == both
    figures = draw_all(both, tmp_path / "figures")
    assert [path.name for path in figures] == ["bench.png", "bench-scaling.png", "bench-family.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)


def test_parts_keep_each_other(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    family = fill_family().content
    assert write_results(path, FAMILY, family) == {FAMILY: family}
    assert [one.name for one in draw_all({FAMILY: family}, tmp_path)] == ["bench-family.png"]
    assert write_results(path, BINARY, {"old": 1}) == {"old": 1, FAMILY: family}
    assert write_results(path, BINARY, {"new": 1}) == {"new": 1, FAMILY: family}
    assert write_results(path, FAMILY, {"later": 1}) == {"new": 1, FAMILY: {"later": 1}}


def test_sizes_are_read_from_names() -> None:
    times = fill().content["milliseconds_per_batch"]
    assert list(by_hidden(times, "train", FUSED)) == [512, 1024]
    assert list(by_hidden(times, "train", DENSE)) == [512]


def printed(report: Measurements) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        report.print(console)
    return capture.get()


@pytest.mark.parametrize(("foreign_cores", "warned"), [(0.0, False), (0.9, True)])
def test_printed_table(foreign_cores: float, warned: bool) -> None:
    text = printed(fill(foreign_cores))
    assert "784-1024-100" in text
    assert "30 (30 – 30)" in text
    assert "threshold" not in text
    assert ("Do not quote" in text) == warned


def test_printed_family() -> None:
    text = printed(fill_family())
    assert "message passing" not in text
    assert "80 (80 – 80)" in text
    assert "one: different_weight_changes 2e-06" in text
    assert "two: double_precision (different_weight_changes 3e-13)" in text


def test_three_digits() -> None:
    assert with_spread({"median": 12.345, "min": 0.01234, "max": 12345.0, "values": []}) == (
        "12.3 (0.0123 – 12300)"
    )


def test_shares_of_the_limits() -> None:
    measured = turns(
        memory=1e-10,
        counting_fastest_cache=1e-11,
        counting_second_cache=2e-11,
        **{"settle_net": 4e-11, "learn_net": 0.02},
    )
    found = evaluate(measured, {"net": 100_000_000})
    assert found["memory_bytes_per_second"]["max"] == pytest.approx(1e10)
    assert found["free_phase"]["net"]["share_of_counting_limit"]["median"] == pytest.approx(0.25)
    learning = found["learning"]["net"]
    assert learning["milliseconds_at_memory_bandwidth"]["min"] == pytest.approx(10.0)
    assert learning["share_of_memory_bandwidth"]["median"] == pytest.approx(0.5)
    assert "25% of what counting reaches" in found["remark"]
