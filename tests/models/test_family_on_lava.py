"""All kinds of neurons, convolutions, real weights and continual updates on Lava, both backends."""

from __future__ import annotations

import numpy as np
import pytest
from harness import binary_convolution, connect, make_samples
from reference_family import FamilyReference

from lava_ep.models.fused.network import engine_for
from lava_ep.parameters import initial_parameters
from lava_ep.spec import NetworkSpec

SEED, BATCH, BATCHES = 4, 4, 3
BINARY = {"gamma": 0.05, "theta": 0.0103, "scale": 0.6, "bias_rate": 0.02, "bias_offset": 0.2}
SPIKING = {**BINARY, "theta": 0.00031, "bias_offset": 0.4}
REAL = {"weights": "real", "rate": 0.1, "bias_rate": 0.1, "bias_offset": 0.1}
PHASES = {"free_steps": 6, "nudged_steps": 4, "beta": 0.6, "nudging": "symmetric"}
IMAGE = {"inputs": 64, "image_shape": (8, 8, 1), "input_levels": 16, "classes": 3}


def family(**values):
    """A network that is shown small images."""
    return NetworkSpec.model_validate({**IMAGE, "phases": PHASES, **values})


EXACT = {
    "convolutions and BOP once a batch": binary_convolution(),
    "dense, BOP in every nudged step": family(
        layers=[{"neurons": 9, **BINARY}, {"neurons": 6, **BINARY}],
        phases={**PHASES, "beta": 2.5, "nudging": "swing", "updates": "continual"},
    ),
    "convolution, BOP in every nudged step": family(
        layers=[
            {"channels": 3, "kernel": 3, "pool": 2, "pooling": "average", **BINARY},
            {"neurons": 9, **BINARY},
            {"neurons": 6, **BINARY},
        ],
        phases={**PHASES, "beta": 2.5, "nudging": "random-sign", "updates": "continual"},
    ),
    "sigma-delta neurons, BOP once a batch": family(
        layers=[{"neurons": 9, **BINARY}, {"neurons": 6, **BINARY, "alpha_rate": 0.05}],
        neuron={"kind": "sigma-delta", "levels": 4},
    ),
    "sigma-delta neurons, adaptive steps, BOP in every nudged step": family(
        layers=[{"neurons": 9, **BINARY}, {"neurons": 6, **BINARY}],
        neuron={"kind": "sigma-delta", "levels": 16, "start": 8, "adaptive": True},
        phases={**PHASES, "nudging": "symmetric", "updates": "continual"},
    ),
    "sigma-delta neurons, shrinking steps": family(
        layers=[{"neurons": 9, **BINARY}, {"neurons": 6, **BINARY}],
        neuron={"kind": "sigma-delta", "levels": 20, "start": 20, "decay": 0.7},
        phases={**PHASES, "nudging": "swing"},
    ),
    "binary neurons, pixels that spike once": family(
        layers=[{"neurons": 9, **BINARY}, {"neurons": 6, **BINARY}],
        encoding={"code": "latency", "steps": 4},
        phases={**PHASES, "beta": 2.5},
    ),
    "sigma-delta neurons, recordings that add up": family(
        layers=[{"neurons": 9, **BINARY}, {"neurons": 6, **BINARY}],
        neuron={"kind": "sigma-delta", "levels": 4},
        encoding={"code": "events", "steps": 5},
    ),
    "convolutions of sigma-delta neurons": family(
        layers=[
            {"channels": 4, "kernel": 3, "pool": 2, "pooling": "average", **BINARY},
            {"neurons": 6, **BINARY},
        ],
        neuron={"kind": "sigma-delta", "levels": 4},
    ),
}
"""Networks of which every sum is exact."""

ROUNDED = {
    "real convolutions": family(
        layers=[
            {"channels": 4, "kernel": 3, "padding": 1, "pool": 2, **REAL},
            {"channels": 3, "kernel": 2, **REAL},
            {"neurons": 6, **REAL},
        ],
        neuron={"kind": "graded", "activation": "tanh"},
    ),
    "energy-based continual vector field of normalized pixels": family(
        layers=[{"neurons": 9, **REAL}, {"neurons": 8, **REAL}, {"neurons": 6, **REAL}],
        normalization={"mean": [0.3], "std": [0.4]},
        neuron={"kind": "graded", "activation": "shifted-sigmoid", "time_step": 0.4},
        phases={**PHASES, "nudging": "random-sign", "updates": "continual"},
        feedback_angle=60,
    ),
    "binary weights with learned factors": family(
        layers=[{"neurons": 9, "alpha_rate": 0.1, **BINARY}, {"neurons": 6, **BINARY}],
        neuron={
            "kind": "graded",
            "activation": "hard-sigmoid",
            "nudge": "current",
            "filter_rate": 0.4,
        },
        phases={**PHASES, "nudging": "swing"},
    ),
    "binary convolution, real output": family(
        layers=[
            {"channels": 4, "kernel": 3, "pool": 2, "pooling": "average", **BINARY},
            {"neurons": 6, **REAL},
        ],
        neuron={"kind": "graded", "activation": "shifted-sigmoid"},
        phases={**PHASES, "nudging": "positive", "updates": "continual"},
    ),
    "sigma-delta neurons, real weights": family(
        layers=[{"neurons": 9, **REAL}, {"neurons": 8, **REAL}, {"neurons": 6, **REAL}],
        neuron={"kind": "sigma-delta", "levels": 16, "start": 4, "adaptive": True},
        normalization={"mean": [0.3], "std": [0.4]},
    ),
    "integrate-and-fire neurons, real weights": family(
        layers=[{"neurons": 9, **REAL}, {"neurons": 8, **REAL}, {"neurons": 6, **REAL}],
        neuron={"kind": "lif", "trace_rate": 0.2},
    ),
    "leaky integrate-and-fire neurons, BOP": family(
        layers=[{"neurons": 9, **SPIKING}, {"neurons": 6, **SPIKING}],
        neuron={"kind": "lif", "dv": 0.1, "refractory": 1, "reset": "zero", "du": 0.5},
        phases={**PHASES, "nudging": "swing"},
    ),
    "sigma-delta neurons, pixels that spike at random": family(
        layers=[{"neurons": 9, **BINARY}, {"neurons": 6, **BINARY}],
        neuron={"kind": "sigma-delta", "levels": 4},
        encoding={"code": "rate"},
    ),
    "integrate-and-fire neurons, recordings over and over again": family(
        layers=[{"neurons": 9, **SPIKING}, {"neurons": 6, **SPIKING}],
        neuron={"kind": "lif"},
        encoding={"code": "repeated-events", "steps": 3},
    ),
    "graded neurons that learn in every step, pixels that spike at random": family(
        layers=[{"neurons": 9, **REAL}, {"neurons": 6, **REAL}],
        neuron={"kind": "graded", "activation": "hard-sigmoid"},
        encoding={"code": "rate"},
        phases={**PHASES, "nudging": "random-sign", "updates": "continual"},
    ),
    "integrate-and-fire neurons that learn in every nudged step": family(
        layers=[{"neurons": 9, **REAL}, {"neurons": 8, **REAL}, {"neurons": 6, **REAL}],
        neuron={"kind": "lif", "trace_rate": 0.2},
        phases={**PHASES, "nudging": "random-sign", "updates": "continual"},
        feedback_angle=45,
    ),
}
"""Networks whose sums over a batch depend on the order."""

ROUNDING = 1e-5
"""Of the largest value of an array, for float32."""


def fields(spec, layer):
    """Names of all Vars of a layer."""
    found = ["weights", "bias", "state", "activation", "events", "synaptic_operations"]
    if spec.layers[layer].binary:
        found += ["momentum", "alpha", "flips"]
    if spec.feedback_angle is not None and layer:
        found += ["feedback"]
    return found


def results(built, run):
    """Everything that the network has."""
    found = {
        (layer, field): run.get(built.network.layer_var(name, field))
        for layer, name in enumerate(built.spec.layer_names)
        for field in fields(built.spec, layer)
    }
    found["readout", "scores"] = run.get(built.readout.scores)
    return found


def run_batches(spec, backend, *, stepwise=True, **options):
    """Learn from some batches; return what there is after each."""
    images, labels = make_samples(spec, BATCH * BATCHES, seed=1)
    built = connect(
        spec, images, labels, batch=BATCH, seed=SEED, backend=backend, stepwise=stepwise, **options
    )
    steps = built.period if stepwise else 1
    with built.running() as run:
        found = []
        for _ in range(BATCHES):
            run.run(steps)
            found.append(results(built, run))
    return found


def fused_runs(spec):
    """Run on the fused backend in both ways, with two threads."""
    for stepwise in (False, True):
        options = {"threads": 2, "decay": 0.9, "epoch_batches": 2}
        yield run_batches(spec, "fused", stepwise=stepwise, **options)


@pytest.mark.parametrize("spec", EXACT.values(), ids=EXACT.keys())
def test_integer_networks_are_exactly_the_same_on_both_backends(spec):
    expected = run_batches(spec, "message-passing", decay=0.9, epoch_batches=2)
    for runs in fused_runs(spec):
        for batch, (found, reference) in enumerate(zip(runs, expected, strict=True)):
            for key, value in reference.items():
                assert found[key].dtype == value.dtype, key
                np.testing.assert_array_equal(found[key], value, err_msg=f"{key}, batch {batch}")
    for layer, start in enumerate(initial_parameters(spec, seed=SEED).layers):
        assert expected[-1][layer, "flips"] > 0
        assert not np.array_equal(expected[-1][layer, "bias"], start.bias)


@pytest.mark.parametrize("spec", ROUNDED.values(), ids=ROUNDED.keys())
def test_other_networks_are_the_same_up_to_rounding(spec):
    expected = run_batches(spec, "message-passing", decay=0.9, epoch_batches=2)
    for runs in fused_runs(spec):
        for batch, (found, reference) in enumerate(zip(runs, expected, strict=True)):
            for key, value in reference.items():
                where = f"{key}, batch {batch}"
                assert found[key].dtype == value.dtype, where
                # Rounding is sent, too, where no threshold keeps it back.
                counts = key[1] in ("events", "synaptic_operations")
                allowed = (0.02 if counts else ROUNDING) * np.abs(value).max()
                np.testing.assert_allclose(found[key], value, rtol=0, atol=allowed, err_msg=where)
    for layer, start in enumerate(initial_parameters(spec, seed=SEED).layers):
        fixed = set() if spec.layers[layer].alpha_rate else {"alpha"}
        for field in start.arrays.keys() - fixed:
            assert not np.array_equal(expected[-1][layer, field], start.arrays[field]), field


@pytest.mark.parametrize(
    ("backend", "stepwise"), [("message-passing", True), ("fused", False), ("fused", True)]
)
def test_black_images_are_normalized_as_well(backend, stepwise):
    spec = ROUNDED["energy-based continual vector field of normalized pixels"]
    images, labels = make_samples(spec, 2)
    images[0] = 0
    options = {"batch": 1, "seed": SEED, "learning": False}
    built = connect(spec, images, labels, backend=backend, stepwise=stepwise, **options)
    reference = FamilyReference(spec, initial_parameters(spec, seed=SEED), seed=SEED)
    with built.running() as run:
        for image, label in zip(images[:, None], labels[:, None], strict=True):
            run.run(built.period if stepwise else 1)
            expected = reference.show(image, label, learning=False)[-1].s[-1]
            found = run.get(built.network.output_state)
            np.testing.assert_allclose(found, expected, atol=ROUNDING)


def test_every_engine_was_compared():
    names = {engine_for(spec).__name__ for spec in (*EXACT.values(), *ROUNDED.values())}
    assert names == {"GradedEngine", "PopulationEngine", "SigmaDeltaEngine", "LIFEngine"}


@pytest.mark.parametrize(
    "name",
    [
        "binary convolution, real output",
        "energy-based continual vector field of normalized pixels",
        "leaky integrate-and-fire neurons, BOP",
    ],
)
def test_all_vars_can_be_read_and_replaced(name, backend):
    spec = ROUNDED[name]
    images, labels = make_samples(spec, BATCH)
    built = connect(spec, images, labels, batch=BATCH, backend=backend)
    with built.running() as run:
        run.run(built.period)
        for layer, layer_name in enumerate(spec.layer_names):
            for field in fields(spec, layer):
                if field == "synaptic_operations":
                    continue
                var = built.network.layer_var(layer_name, field)
                value = run.get(var)
                assert value.shape == var.shape
                signs = field == "weights" and spec.layers[layer].binary
                changed = -value if signs else value + 1
                run.set(var, changed)
                np.testing.assert_array_equal(run.get(var), changed, err_msg=str(var.name))
        run.run(built.period)
        for layer, layer_name in enumerate(spec.layer_names):
            for field in fields(spec, layer):
                assert np.isfinite(run.get(built.network.layer_var(layer_name, field))).all()
