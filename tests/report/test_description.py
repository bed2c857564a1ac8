"""The report describes the network that it is given, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from lava_ep.report.description import facts, layer_rows, learning_note


def _plain(text: str) -> str:
    return text.replace("\N{THIN SPACE}", "")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "graded, real",
            {
                "Images": "4×5 pixels, levels 0 to 255",
                "Neurons": "graded, tanh, discrete time",
                "Events": "changes of an activation by more than 0.0001 are sent",
                "Updates": "two-phase: once a batch",
                "Feedback": "through the forward weights",
                "Training": "batches of 16",
            },
        ),
        (
            "continual, untied",
            {
                "Phases": "T = 8 free and K = 4 nudged time steps",
                "Nudging": "β = 2: +β, then −β from where that has led",
                "Updates": "continual: in every time step of the second nudged phase",
                "Feedback": "through weights of its own, at first at 45° to the forward ones",
            },
        ),
        (
            "graded convolution in color",
            {
                "Images": "6×4 pixels, 3 channels, levels 0 to 255; normalized by mean 0.4, 0.5, "
                "0.6 and standard deviation 0.2, 0.2, 0.3",
                "Training": "batches of 16, images cropped and mirrored at random, "
                "decay 0.9 an epoch",
            },
        ),
        (
            "binary convolution",
            {"Neurons": "binary: on while the state is at least 0.5 (filter rate 0.5)"},
        ),
    ],
)
def test_facts(make_content: Any, kinds: Any, kind: str, expected: dict[str, str]) -> None:
    found = {name: _plain(text) for name, text in facts(make_content(**kinds[kind])).items()}
    assert found.items() >= expected.items()


@pytest.mark.parametrize(
    ("neuron", "expected"),
    [
        ({"time_step": 0.5}, "graded, shifted sigmoid, energy-based, dt = 0.5"),
        ({"activation": "relu"}, "graded, relu, discrete time"),
    ],
)
def test_graded_neurons(make_content: Any, neuron: dict[str, Any], expected: str) -> None:
    found = facts(make_content(network={"neuron": {"kind": "graded", **neuron}}))
    assert found["Neurons"] == expected
    assert found["Events"] == "every change of an activation is sent"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("latency", "4×5 pixels, levels 0 to 4, sent as latencies over 6 time steps"),
        (
            "rate",
            "4×5 pixels, levels 0 to 4, sent as random spikes in every time step, the more the "
            "brighter",
        ),
        (
            "events",
            "4×5 pixels, 2 polarities, levels 0 to 4, built up from recorded events within 5 time "
            "steps",
        ),
        (
            "repeated-events",
            "4×5 pixels, 2 polarities, levels 0 to 4, from recorded events played again every 4 "
            "time steps",
        ),
    ],
)
def test_images_sent_over_time(make_content: Any, kinds: Any, code: str, expected: str) -> None:
    assert _plain(facts(make_content(**kinds[code]))["Images"]) == expected


@pytest.mark.parametrize(
    ("nudging", "expected"),
    [
        ("positive", "β = 0.5: +β"),
        ("random-sign", "β = 0.5: +β or −β, drawn for every batch"),
        ("symmetric", "β = 0.5: +β, then −β from the same free state"),
        ("swing", "β = 0.5: +β, then −β from where that has led"),
    ],
)
def test_nudging(make_content: Any, nudging: str, expected: str) -> None:
    network: dict[str, Any] = {"phases": {"beta": 0.5, "nudging": nudging}}
    assert facts(make_content(network=network))["Nudging"] == expected
    network["neuron"] = {"kind": "graded", "nudge": "current"}
    found = facts(make_content(network=network))["Nudging"]
    assert found == f"{expected}, added to the current"


def test_layers(make_content: Any, kinds: Any) -> None:
    rows = layer_rows(make_content(**kinds["graded convolution in color"]))
    assert [_plain(row.connection) for row in rows] == [
        "3×3 convolution, padding 1, 2×2 max pooling",
        "3×3 convolution, padding 1",
        "dense",
    ]
    assert [_plain(row.neurons) for row in rows] == ["3×2×6 = 36", "3×2×6 = 36", "10"]
    assert [row.weights for row in rows] == ["162 real", "324 real", "360 real"]
    assert [row.learning for row in rows] == ["rate 0.1"] * 3


def test_kinds_of_learning(make_content: Any) -> None:
    layers = [
        {"neurons": 12, "theta": 0.5, "gamma": 1e-4, "alpha_rate": 0.01, "bias_rate": 0.2},
        {"neurons": 12, "theta": 0.5, "frozen": True, "alpha_rate": 0.01, "bias_rate": 0.2},
        {"neurons": 10, "weights": "real", "rate": 0.05},
    ]
    content = make_content(network={"layers": layers})
    assert [row.learning for row in layer_rows(content)] == [
        "BOP, γ = 0.0001, θ = 0.5, α rate 0.01, bias rate 0.2",
        "frozen, bias rate 0.2",
        "rate 0.05",
    ]
    note = learning_note(content)
    assert "binary weight flips" in note
    assert "real weight moves" in note


@pytest.mark.parametrize(
    ("kind", "said", "unsaid"),
    [
        ("graded, real", "at the ends of two phases", "binary weight"),
        ("continual, untied", "at one nudged time step and the next", "binary weight"),
        ("binary convolution", "at the ends of two phases", "real weight"),
    ],
)
def test_learning_is_told_for_the_weights_there_are(
    make_content: Any, kinds: Any, kind: str, said: str, unsaid: str
) -> None:
    note = learning_note(make_content(**kinds[kind]))
    assert said in note
    assert unsaid not in note


def test_feedback_weights_are_counted_where_there_are_two(make_content: Any, kinds: Any) -> None:
    rows = layer_rows(make_content(**kinds["continual, untied"]))
    assert [_plain(row.weights) for row in rows] == ["140 real", "2×35 real", "2×50 real"]
    without = facts(make_content(**kinds["no hidden layer"]))
    assert "Feedback" not in without
