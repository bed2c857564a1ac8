"""Synthetic contents of reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lava_ep.report import PhaseRecording, ReportContent


def _recording(
    rng: np.random.Generator,
    layers: tuple[int, ...],
    shape: tuple[int, int],
    classes: int,
    phases: tuple[tuple[str, int, int], ...],
    rate: float,
    **changes: Any,
) -> PhaseRecording:
    steps = phases[-1][2]
    events, states = [], []
    for n in layers:
        events.append(
            np.where(rng.random((steps, n)) < rate, rng.choice([-1, 1], (steps, n)), 0).astype(
                np.int8
            )
        )
        states.append(rng.random((steps, n)).astype(np.float32))
    fields: dict[str, Any] = {
        "layer_names": (*(f"hidden {k + 1}" for k in range(len(layers) - 1)), "output"),
        "events": tuple(events),
        "states": tuple(states),
        "free_steps": next(end - first for name, first, end in phases if name == "free"),
        "nudged_steps": phases[-1][2] - phases[-1][1],
        "phase_bounds": phases,
        "image": rng.random(shape),
        "label": classes - 1,
        "prediction": classes - 1,
    }
    return PhaseRecording(**{**fields, **changes})


def _line(epoch: int, layers: tuple[int, ...], accuracy: float) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "train_accuracy": accuracy + 0.02,
        "test_accuracy": accuracy,
        "seconds": 1.5,
        "train_seconds": 1.2,
        "weight_flips": [1000 // epoch // (k + 1) for k in range(len(layers))],
        "events_per_sample": {"free": 65.4, "nudged": 7.25},
        "synaptic_operations_per_sample": {"free": 2000.0, "nudged": 100.0},
    }


@pytest.fixture(scope="session")
def make_content() -> Callable[..., ReportContent]:
    """Return a maker of contents: shape parameters first, then any field to replace."""

    def make(
        *,
        layers: tuple[int, ...] = (12, 20),
        shape: tuple[int, int] = (4, 5),
        classes: int = 10,
        epochs: int = 3,
        baseline_epochs: int | None = 3,
        phases: tuple[tuple[str, int, int], ...] = (("free", 0, 6), ("nudged", 6, 10)),
        rate: float = 0.1,
        recording: dict[str, Any] | None = None,
        **changes: Any,
    ) -> ReportContent:
        rng = np.random.default_rng(0)
        confusion = np.diag(np.full(classes, 9)) + rng.integers(0, 2, (classes, classes))
        baseline = (
            None
            if baseline_epochs is None
            else [_line(k + 1, layers, 0.80 + 0.01 * k) for k in range(baseline_epochs)]
        )
        fields: dict[str, Any] = {
            "title": "binary-digits, seed 0",
            "command": "lava-ep train --preset binary-digits --seed 0",
            "versions": {"lava-ep": "0.1.0", "lava-nc": "0.10.0"},
            "started": "2025-01-02T03:04:05+00:00",
            "backend": "message_passing",
            "seed": 0,
            "spec": {"network": {"layers": list(layers)}},
            "metrics": [_line(k + 1, layers, 0.90 + 0.01 * k) for k in range(epochs)],
            "baseline_metrics": baseline,
            "confusion": confusion,
            "class_names": tuple(str(k) for k in range(classes)),
            "recording": _recording(rng, layers, shape, classes, phases, rate, **(recording or {})),
            "input_weights": rng.choice([-1, 1], (layers[0], shape[0] * shape[1])).astype(np.int8),
            "image_shape": shape,
        }
        return ReportContent(**{**fields, **changes})

    return make
