"""Synthetic contents of reports."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lava_ep.analysis import Recording
from lava_ep.report import ReportContent
from lava_ep.spec import ExperimentSpec, NetworkSpec


def binary(neurons: int, **changes: Any) -> dict[str, Any]:
    """Return a dense layer of binary weights."""
    return {"neurons": neurons, "theta": 1.0, **changes}


def real(neurons: int, **changes: Any) -> dict[str, Any]:
    """Return a dense layer of real weights."""
    return {"neurons": neurons, "weights": "real", "rate": 0.1, **changes}


GRADED: dict[str, Any] = {"kind": "graded", "activation": "tanh", "event_threshold": 1e-4}


def _recording(
    rng: np.random.Generator,
    network: NetworkSpec,
    shape: tuple[int, ...],
    phases: tuple[tuple[str, int, int], ...],
    rate: float,
    **changes: Any,
) -> Recording:
    steps, classes = phases[-1][2], network.classes
    graded, lif = network.neuron.kind == "graded", network.neuron.kind == "lif"
    events, states = [], []
    for n in network.sizes[1:]:
        found = np.where(rng.random((steps, n)) < rate, rng.choice([-1, 1], (steps, n)), 0)
        # Changes of very different sizes, as in a network that settles.
        sizes = 10.0 ** -rng.uniform(0, 4, (steps, n))
        found = np.abs(found) if lif else found
        events.append((found * sizes).astype(np.float32) if graded else found.astype(np.int8))
        states.append(rng.uniform(-1 if graded else 0, 1, (steps, n)).astype(np.float32))
    names = (*(f"hidden {k + 1}" for k in range(len(network.layers) - 1)), "output")
    fields: dict[str, Any] = {
        "layer_names": names,
        "events": tuple(events),
        "states": tuple(states),
        "free_steps": next(end - first for name, first, end in phases if name == "free"),
        "nudged_steps": phases[-1][2] - phases[-1][1],
        "phase_bounds": phases,
        "image": rng.random(shape),
        "label": classes - 1,
        "prediction": classes - 1,
        "scores": states[-1].mean(axis=0).reshape(classes, -1).mean(axis=1),
    }
    encoding = network.input_encoding
    values = math.prod(shape) * encoding.frames_a_sample
    pixels = rng.integers(0, network.input_levels + 1, (1, values), np.int32)
    if encoding.frames_a_sample > 1:
        pixels[rng.random(pixels.shape) < 0.5] = 0
    fields["sent"] = encoding.frames(pixels, steps)[:, 0].reshape(-1, *shape)
    if lif:
        fields["membranes"] = tuple(
            rng.uniform(-2, 2, found.shape).astype(np.float32) for found in states
        )
    return Recording(**{**fields, **changes})


def _phases(bounds: tuple[tuple[str, int, int], ...]) -> dict[str, Any]:
    """Describe phases of the lengths that a recording has."""
    free = next(end - first for name, first, end in bounds if name == "free")
    nudged = [end - first for name, first, end in bounds if name.startswith("nudged")]
    nudging = "random-sign" if len(nudged) == 1 else "swing"
    return {"free_steps": free, "nudged_steps": nudged[-1], "nudging": nudging}


def _line(epoch: int, network: NetworkSpec, accuracy: float) -> dict[str, Any]:
    flips = [1000 // epoch // (k + 1) * layer.binary for k, layer in enumerate(network.layers)]
    return {
        "epoch": epoch,
        "train_accuracy": accuracy + 0.02,
        "test_accuracy": accuracy,
        "seconds": 1.5,
        "train_seconds": 1.2,
        "weight_flips": flips,
        "events_per_sample": {"free": 65.4 + epoch, "nudged": 7.25},
        "synaptic_operations_per_sample": {"free": 2000.0, "nudged": 100.0},
    }


@pytest.fixture(scope="session")
def make_content() -> Callable[..., ReportContent]:
    """Return a maker of contents: shape parameters first, then any field to replace."""

    def make(
        *,
        layers: tuple[int, ...] = (12, 20),
        shape: tuple[int, ...] = (4, 5),
        classes: int = 10,
        network: dict[str, Any] | None = None,
        training: dict[str, Any] | None = None,
        data_name: str = "digits",
        epochs: int = 3,
        baseline_epochs: int | None = 3,
        phases: tuple[tuple[str, int, int], ...] = (("free", 0, 6), ("nudged", 6, 10)),
        rate: float = 0.1,
        recording: dict[str, Any] | None = None,
        **changes: Any,
    ) -> ReportContent:
        rng = np.random.default_rng(0)
        confusion = np.diag(np.full(classes, 9)) + rng.integers(0, 2, (classes, classes))
        described = {
            "inputs": math.prod(shape),
            "image_shape": shape,
            "classes": classes,
            "layers": [binary(n) for n in layers],
            **(network or {}),
        }
        described["phases"] = {**_phases(phases), **described.get("phases", {})}
        experiment = ExperimentSpec.model_validate(
            {"network": described, "training": training or {}, "data": {"name": data_name}}
        )
        spec = experiment.network
        weight_shape = spec.connections[0].weight_shape
        if spec.layers[0].binary:
            weights: Any = rng.choice([-1, 1], weight_shape).astype(np.int8)
        else:
            weights = rng.normal(0, 0.1, weight_shape).astype(np.float32)
        baseline = (
            None
            if baseline_epochs is None
            else [_line(k + 1, spec, 0.80 + 0.01 * k) for k in range(baseline_epochs)]
        )
        fields: dict[str, Any] = {
            "title": "binary-digits, seed 0",
            "command": "lava-ep train --preset binary-digits --seed 0",
            "versions": {"lava-ep": "0.1.0", "lava-nc": "0.10.0"},
            "started": "2025-01-02T03:04:05+00:00",
            "backend": "message_passing",
            "seed": 0,
            "experiment": experiment,
            "metrics": [_line(k + 1, spec, 0.90 + 0.01 * k) for k in range(epochs)],
            "baseline_metrics": baseline,
            "confusion": confusion,
            "events_per_inference": 70.0,
            "operations_per_inference": 2100.0,
            "class_names": tuple(str(k) for k in range(classes)),
            "recording": _recording(rng, spec, shape, phases, rate, **(recording or {})),
            "input_weights": weights,
            "image_shape": shape,
        }
        return ReportContent(**{**fields, **changes})

    return make


@pytest.fixture(scope="session")
def kinds() -> dict[str, dict[str, Any]]:
    """Return arguments of `make_content` for networks of every kind."""
    convolution = {"channels": 6, "kernel": 3, "padding": 1, "pool": 2}
    swing = (("load", 0, 1), ("free", 1, 9), ("nudged +β", 9, 13), ("nudged −β", 13, 17))
    symmetric = (*swing[:3], ("restore", 13, 14), ("nudged −β", 14, 18))
    return {
        "graded, real": {
            "network": {"layers": [real(12), real(10)], "neuron": GRADED},
            "phases": swing,
        },
        "graded, binary": {
            "network": {"layers": [binary(12), binary(10)], "neuron": {"kind": "graded"}},
        },
        "graded, mixed": {
            "network": {"layers": [binary(450), real(10)], "neuron": GRADED},
        },
        "continual, untied": {
            "network": {
                "layers": [real(7), real(5), real(10)],
                "neuron": GRADED,
                "phases": {"updates": "continual", "nudging": "swing"},
                "feedback_angle": 45,
            },
            "phases": swing,
        },
        "graded convolution in color": {
            "shape": (6, 4, 3),
            "network": {
                "layers": [
                    {**convolution, "weights": "real", "rate": 0.1},
                    {**convolution, "weights": "real", "rate": 0.1, "pool": 1},
                    real(10),
                ],
                "neuron": GRADED,
                "normalization": {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.2, 0.3]},
            },
            "training": {"augmentation": "crop-and-flip", "decay": 0.9},
        },
        "binary convolution": {
            "network": {"layers": [{**convolution, "theta": 1.0}, binary(20)]},
            "shape": (4, 6),
        },
        "binary convolution in color": {
            "network": {"layers": [{**convolution, "theta": 1.0}, binary(20)]},
            "shape": (4, 6, 3),
        },
        "dense in color": {
            "shape": (4, 5, 3),
            "network": {"layers": [real(12), real(10)], "neuron": GRADED},
        },
        "dense binary in color": {"shape": (4, 5, 3)},
        "two channels": {
            "shape": (4, 5, 2),
            "network": {"layers": [real(12), real(10)], "neuron": GRADED},
        },
        "no hidden layer": {"layers": (10,)},
        "sigma-delta": {
            "network": {"layers": [real(12), real(10)], "neuron": {"kind": "sigma-delta"}},
        },
        "sigma-delta convolution": {
            "network": {
                "layers": [{**convolution, "weights": "real", "rate": 0.1}, real(10)],
                "neuron": {"kind": "sigma-delta", "levels": 10, "start": 4, "decay": 0.5},
            },
            "shape": (4, 6),
            "phases": symmetric,
        },
        "integrate-and-fire": {
            "network": {"layers": [real(12), real(20)], "neuron": {"kind": "lif", "threshold": 2}},
            "phases": symmetric,
        },
        **{
            code: {
                "network": {
                    "layers": [real(12), real(20)],
                    "neuron": {"kind": "lif"},
                    "input_levels": 4,
                    "encoding": {"code": code, "steps": steps},
                },
                "shape": (4, 5) if code in ("latency", "rate") else (4, 5, 2),
                "phases": symmetric,
            }
            for code, steps in (("latency", 6), ("rate", 1), ("events", 5), ("repeated-events", 4))
        },
    }
