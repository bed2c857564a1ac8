"""Unusable contents are refused with a message that names what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lava_ep.errors import InputError


def real(neurons: int) -> dict[str, Any]:
    return {"neurons": neurons, "weights": "real", "rate": 0.1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": []}, "metrics is empty"),
        ({"baseline_metrics": []}, "baseline_metrics is empty"),
        ({"metrics": [{"epoch": 1}]}, "line 1 of metrics lacks train_accuracy"),
        ({"confusion": np.eye(3, dtype=int)}, r"confusion has the shape \(3, 3\)"),
        ({"confusion": np.zeros((10, 10), int)}, "at least one test sample"),
        ({"class_names": ()}, "confusion has the shape"),
        (
            {"class_names": ("a", "b"), "confusion": np.eye(2, dtype=int)},
            "2 class_names: expected 10",
        ),
        ({"input_weights": np.ones((12, 19), np.int8)}, r"expected \(12, 20\)"),
        ({"input_weights": np.zeros((12, 20), np.int8)}, r"must all be -1 or \+1"),
        (
            {
                "network": {"layers": [real(12), real(20)]},
                "input_weights": np.full((12, 20), np.nan, np.float32),
            },
            "input_weights must all be finite",
        ),
        ({"image_shape": (5, 4)}, "expected image_shape"),
        ({"network": {"inputs": 21, "image_shape": None}}, "does not fit 21 inputs"),
    ],
)
def test_refuses(make_content: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_content(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer_names": ()}, "layer_names is empty"),
        ({"layer_names": ("output",)}, "events holds 2 arrays"),
        ({"events": (np.zeros((10, 12), np.int8), np.zeros((9, 20), np.int8))}, "'output'"),
        ({"events": (np.full((10, 12), 2, np.int8), np.zeros((10, 20), np.int8))}, "'hidden 1'"),
        ({"events": (np.full((10, 12), np.nan), np.zeros((10, 20)))}, "must all be finite"),
        (
            {
                "events": (np.zeros((10, 12), np.int8), np.zeros((10, 30), np.int8)),
                "states": (np.zeros((10, 12)), np.zeros((10, 30))),
            },
            r"\(12, 30\) neurons: expected \(12, 20\)",
        ),
        ({"states": (np.zeros((10, 12)), np.zeros((10, 19)))}, "states of layer 'output'"),
        ({"free_steps": 0}, "free_steps=0"),
        ({"phase_bounds": (("free", 0, 6), ("nudged", 5, 10))}, "'nudged' runs from step 5"),
        ({"phase_bounds": (("free", 0, 6), ("nudged", 6, 11))}, "to 11"),
        ({"phase_bounds": (("free", 0, 6),)}, "no phase that begins with 'nudged'"),
        (
            {"image": np.zeros((1, 1, 4, 5))},
            r"expected \(height, width\), \(height, width, channels",
        ),
        ({"label": 10}, "label=10"),
        ({"scores": np.zeros(3)}, r"scores of the recording have the shape \(3,\)"),
        ({"prediction": -1}, "prediction=-1"),
        ({"sent": np.zeros((3, 5, 4), int)}, "sent has the shape"),
        ({"sent": np.zeros((11, 4, 5), int)}, "expected 1 to 10 time steps"),
        ({"membranes": (np.zeros((10, 12)),)}, "expected those of the states"),
    ],
)
def test_refuses_recording(make_content: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_content(recording=changes)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("weight_flips", [1, 2, 3], "3 synapses: expected 2"),
        ("events_per_sample", {"free": 1.0}, "expected free and nudged"),
    ],
)
def test_refuses_metrics(make_content: Any, key: str, value: Any, message: str) -> None:
    lines = [dict(line) for line in make_content().metrics]
    lines[1][key] = value
    with pytest.raises(InputError, match=f"line 2 of metrics|{key} in line 2") as caught:
        make_content(metrics=lines)
    assert message in str(caught.value)
