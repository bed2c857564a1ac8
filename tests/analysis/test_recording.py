"""A recorded sample has the phases of its schedule and the events that the network counts."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from lava_ep.analysis import record_sample
from lava_ep.analysis.recording import phase_bounds
from lava_ep.data import load_dataset
from lava_ep.dynamics import Latency, PhaseSchedule, Rate, follow_spikes
from lava_ep.parameters import initial_parameters
from lava_ep.spec import NetworkSpec
from lava_ep.training import NetworkSession

REAL = {"weights": "real", "rate": 0.1}
CONVOLUTION = {"channels": 4, "kernel": 3, "pool": 2}

NETWORKS: dict[str, dict[str, Any]] = {
    "graded": {
        "layers": [{"neurons": 20, **REAL}, {"neurons": 10, **REAL}],
        "neuron": {"kind": "graded", "activation": "tanh", "event_threshold": 1e-3},
        "phases": {"free_steps": 6, "nudged_steps": 4, "beta": 0.3, "nudging": "swing"},
    },
    "graded convolution": {
        "layers": [{**CONVOLUTION, **REAL}, {"neurons": 10, **REAL}],
        "neuron": {"kind": "graded", "activation": "hard-sigmoid", "initial_state": 0.5},
        "phases": {"free_steps": 6, "nudged_steps": 4, "beta": 0.3, "nudging": "symmetric"},
    },
    "sigma-delta": {
        "layers": [{"neurons": 20, **REAL}, {"neurons": 10, **REAL}],
        "neuron": {"kind": "sigma-delta"},
        "phases": {"free_steps": 6, "nudged_steps": 4, "beta": 1, "nudging": "swing"},
    },
    "integrate-and-fire": {
        "layers": [
            {"neurons": 20, **REAL, "bias_offset": 0.3},
            {"neurons": 10, "bias_offset": 0.2, **REAL},
        ],
        "neuron": {"kind": "lif", "refractory": 1},
        "phases": {"free_steps": 9, "nudged_steps": 6, "beta": 0.6, "nudging": "symmetric"},
    },
    "binary convolution": {
        "layers": [{**CONVOLUTION, "theta": 1.0}, {"neurons": 20, "theta": 1.0}],
        "phases": {"free_steps": 6, "nudged_steps": 4, "beta": 1, "nudging": "positive"},
    },
}


@pytest.mark.parametrize(
    ("nudging", "expected"),
    [
        ("positive", [("load", 0, 1), ("free", 1, 4), ("nudged", 4, 6)]),
        ("random-sign", [("load", 0, 1), ("free", 1, 4), ("nudged", 4, 6)]),
        (
            "symmetric",
            [
                ("load", 0, 1),
                ("free", 1, 4),
                ("nudged +β", 4, 6),
                ("restore", 6, 7),
                ("nudged −β", 7, 9),
            ],
        ),
        ("swing", [("load", 0, 1), ("free", 1, 4), ("nudged +β", 4, 6), ("nudged −β", 6, 8)]),
    ],
)
def test_phases_are_those_of_the_schedule(nudging: Any, expected: list[Any]) -> None:
    schedule = PhaseSchedule(3, 2, 0.5, nudging)
    assert list(phase_bounds(schedule, schedule.period(learning=True))) == expected


@pytest.mark.parametrize("backend", ["fused", "message-passing"])
@pytest.mark.parametrize("name", NETWORKS)
def test_events_are_those_that_the_network_counts(name: str, backend: str) -> None:
    spec = NetworkSpec.model_validate(
        {"inputs": 64, "input_levels": 16, "image_shape": (8, 8), **NETWORKS[name]}
    )
    digits = load_dataset("digits")
    image, label = digits.x_test[0], digits.y_test[0]
    parameters = initial_parameters(spec, seed=0)
    recording = record_sample(spec, parameters, image, int(label), backend=backend)
    with NetworkSession(
        spec, batch=1, parameters=parameters, backend=backend, stepwise=True
    ) as session:
        for _ in session.walk(image[None], np.array([label])):
            pass
        counted = session.counters().events
        final = session.states()
    free_end = spec.phases.free_steps + 1
    events = [np.count_nonzero(layer, axis=1) for layer in recording.events]
    assert sum(layer[:free_end].sum() for layer in events) == counted[0]
    assert sum(layer[free_end:].sum() for layer in events) == counted[1] > 0
    for (state, activation), states, changes in zip(
        final, recording.states, recording.events, strict=True
    ):
        if spec.neuron.kind == "lif":
            rates = np.zeros_like(states[:1])
            # The second phase of symmetric nudging starts from the rates of the free phase.
            nudged = spec.phases.nudged_steps
            for step in (*range(1, free_end), *range(len(changes) - nudged, len(changes))):
                follow_spikes(rates, changes[step : step + 1], spec.neuron.trace_rate)
            np.testing.assert_array_equal(rates, activation)
            np.testing.assert_array_equal(states[-1], activation[0])
            continue
        np.testing.assert_array_equal(states[-1], state[0])
        np.testing.assert_allclose(changes.sum(axis=0), activation[0], atol=1e-6)
    graded = spec.neuron.kind == "graded"
    assert {layer.dtype.kind for layer in recording.events} == {"f" if graded else "i"}
    for (_, _, end), (_, first, _) in pairwise(recording.phase_bounds):
        assert end == first


@pytest.mark.parametrize("backend", ["fused", "message-passing"])
@pytest.mark.parametrize(
    ("code", "steps"), [("constant", 1), ("latency", 6), ("rate", 1), ("events", 5)]
)
def test_membranes_integrate_what_was_sent(code: str, steps: int, backend: str) -> None:
    # Without decay of the current a membrane moves by what comes in and, at a spike, falls by
    # the threshold: the oracle of membranes and of what the recording says was sent.
    spec = NetworkSpec.model_validate(
        {
            "inputs": 64,
            "input_levels": 16,
            "layers": [{"neurons": 10, **REAL, "bias_offset": 0.1}],
            "neuron": {"kind": "lif", "du": 1.0, "threshold": 1.5},
            "encoding": {"code": code, "steps": steps},
            "phases": {"free_steps": 12, "nudged_steps": 4, "beta": 0.3, "nudging": "positive"},
        }
    )
    digits = load_dataset("digits")
    image, label = digits.x_test[0], int(digits.y_test[0])
    if code == "events":
        image = np.concatenate([image // 8] * steps)
    # Random spikes depend on the seed, and on the batches learned from before.
    parameters = dataclasses.replace(initial_parameters(spec, seed=0), batch=3)
    found = record_sample(spec, parameters, image, label, seed=5, backend=backend)
    assert found.sent is not None
    (membranes,), (events,) = found.membranes, found.events
    sent = np.zeros((len(membranes), 64))
    sent[: len(found.sent)] = found.sent
    reading = spec.input_encoding.reading
    if isinstance(reading, Latency):
        sent *= [[reading.value(step)] for step in range(len(sent))]
    seen = sent if isinstance(reading, Rate) else sent.cumsum(axis=0) / 16
    weights, bias = parameters.layers[0].weights, parameters.layers[0].bias
    drive = seen @ weights.T.astype(np.float64) + bias
    moved = membranes[1:13] - membranes[:12] + 1.5 * events[1:13]
    held = membranes[1:13] == -1.5
    # What is sent in one step is felt in the next.
    np.testing.assert_allclose(moved[~held], drive[:12][~held], atol=1e-5)
    assert not held.all()
    assert events.any()
    assert np.all(np.ptp(sent[: len(found.sent)], axis=1) > 0)


@pytest.mark.parametrize("name", ["sigma-delta", "graded", "binary convolution"])
def test_other_neurons_have_no_membranes(name: str) -> None:
    spec = NetworkSpec.model_validate(
        {"inputs": 64, "input_levels": 16, "image_shape": (8, 8), **NETWORKS[name]}
    )
    image = load_dataset("digits").x_test[0]
    found = record_sample(spec, initial_parameters(spec, seed=0), image, 0, backend="fused")
    assert found.membranes == ()
    np.testing.assert_array_equal(found.sent, image[None])
