"""What the Processes declare, and what they refuse before anything is built."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.variable import Var

from lava_ep.dynamics import PhaseSchedule
from lava_ep.errors import InputError
from lava_ep.parameters import initial_parameters
from lava_ep.processes import (
    BinaryNeuron,
    BinarySynapse,
    EPNetwork,
    ImageInjector,
    ImageSource,
    Readout,
    Target,
)
from lava_ep.spec import LayerSpec, NetworkSpec

SCHEDULE = PhaseSchedule(3, 2, 1.0)
SIGNS = np.ones((4, 3), np.int8)
IMAGES, LABELS = np.ones((6, 3), np.uint8), np.zeros(6, np.int64)


def spec(*sizes):
    layers = tuple(LayerSpec(neurons=n, theta=0.1) for n in sizes)
    return NetworkSpec(inputs=3, classes=2, layers=layers)


def neuron(**options):
    return BinaryNeuron(**{"shape": (2, 4), "schedule": SCHEDULE, **options})


def synapse(**options):
    return BinarySynapse(**{"weights": SIGNS, "batch": 2, "schedule": SCHEDULE, **options})


def source(**options):
    defaults = {"images": IMAGES, "labels": LABELS, "batch": 2, "schedule": SCHEDULE}
    return ImageSource(**{**defaults, **options})


def network(**options):
    return EPNetwork(**{"spec": spec(5, 4), "batch": 2, **options})


PROCESSES = {
    "neuron": (neuron, {"a_in": (2, 4), "target_in": (2, 4), "s_out": (2, 4), "bias": (4,)}),
    "synapse": (
        synapse,
        {"s_in_pre": (2, 3), "s_in_post": (2, 4), "a_out_post": (2, 4), "a_out_pre": (2, 3)},
    ),
    "source": (source, {"s_out": (2, 3), "label_out": (2,), "events": (2,)}),
    "injector": (
        lambda: ImageInjector(shape=(2, 3), schedule=SCHEDULE),
        {"image_in": (2, 3), "label_in": (2,), "s_out": (2, 3), "label_out": (2,)},
    ),
    "target": (lambda: Target(shape=(2, 4), classes=2), {"label_in": (2,), "target_out": (2, 4)}),
    "readout": (
        lambda: Readout(shape=(2, 4), classes=2, schedule=SCHEDULE),
        {"state_in": (2, 4), "score_out": (2, 2), "scores": (2, 2)},
    ),
    "network": (
        network,
        {
            "s_in": (2, 3),
            "label_in": (2,),
            "s_out": (2, 4),
            "state_out": (2, 4),
            "hidden1_weights": (5, 3),
            "output_momentum": (4, 5),
            "output_alpha": (1,),
            "hidden1_bias": (5,),
            "hidden1_state": (2, 5),
            "output_activation": (2, 4),
            "output_events": (2,),
            "hidden1_synaptic_operations": (2,),
            "output_flips": (1,),
        },
    ),
}


@pytest.mark.parametrize(("build", "shapes"), PROCESSES.values(), ids=PROCESSES.keys())
def test_ports_and_vars_have_the_documented_shapes(build, shapes):
    process = build()
    for name, shape in shapes.items():
        member = getattr(process, name)
        kind = InPort if "_in" in name else OutPort if "_out" in name else Var
        assert isinstance(member, kind)
        assert member.shape == shape


def test_a_network_starts_from_the_given_parameters_or_from_its_seed():
    given = initial_parameters(spec(5, 4), seed=9)
    for built in (network(parameters=given), network(seed=9)):
        for name, layer in zip(("hidden1", "output"), given.layers, strict=True):
            np.testing.assert_array_equal(built.layer_var(name, "weights").init, layer.weights)
            np.testing.assert_array_equal(built.layer_var(name, "bias").init, layer.bias)


REFUSED = {
    "bias": (neuron, {"bias": np.zeros(3)}, r"bias has shape \(3,\): expected \(4,\)"),
    "filter rate 0": (neuron, {"filter_rate": 0.0}, r"filter_rate=0.0.*\(0, 1\]"),
    "filter rate 2": (neuron, {"filter_rate": 2.0}, "filter_rate=2.0"),
    "threshold": (neuron, {"threshold": 1.5}, "threshold=1.5"),
    "initial state": (neuron, {"initial_state": -0.5}, "initial_state=-0.5"),
    "zero weights": (synapse, {"weights": np.zeros((2, 2))}, r"\(2, 2\): expected .* -1 and \+1"),
    "flat weights": (synapse, {"weights": np.ones(3)}, r"shape \(3,\): expected a \(n_post, n_pre"),
    "momentum": (synapse, {"momentum": np.zeros((3, 4))}, r"momentum has shape \(3, 4\)"),
    "synapse batch": (synapse, {"batch": 0}, "batch=0: expected at least 1"),
    "levels": (synapse, {"levels": 0}, "levels=0: expected at least 1"),
    "labels": (source, {"labels": LABELS[:5]}, r"\(6, 3\) and labels \(5,\): expected"),
    "flat images": (source, {"images": IMAGES.ravel()}, r"images \(18,\)"),
    "half batch": (source, {"batch": 4}, "6 images for batch 4: expected a positive multiple"),
    "empty batch": (source, {"batch": 0}, "6 images for batch 0"),
    "no images": (source, {"images": IMAGES[:0], "labels": LABELS[:0]}, "0 images for batch 2"),
    "fractions": (source, {"images": IMAGES / 255}, "images of type float64: expected integers"),
    "float labels": (source, {"labels": LABELS / 1.0}, "labels of type float64"),
    "negative": (source, {"images": -IMAGES.astype(int)}, "images hold -1"),
    "target": (Target, {"shape": (2, 5), "classes": 2}, "5 output neurons: .* 2 classes"),
    "no classes": (Target, {"shape": (2, 5), "classes": 0}, "multiple of 0 classes"),
    "readout": (
        Readout,
        {"shape": (2, 5), "classes": 2, "schedule": SCHEDULE},
        "5 output neurons: .* 2 classes",
    ),
    "network batch": (network, {"batch": 0}, "batch=0: expected at least 1"),
    "network parameters": (
        network,
        {"parameters": initial_parameters(spec(6, 4), seed=0)},
        r"\(6, 3\), \(4, 6\).*do not fit a 3-5-4 network",
    ),
}


@pytest.mark.parametrize(("build", "options", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_unusable_arguments_are_refused(build, options, message):
    with pytest.raises(InputError, match=message):
        build(**options)


@pytest.mark.timeout(60)
def test_lava_finds_models_when_only_processes_are_imported():
    code = """
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava_ep.processes import Target

target = Target(shape=(1, 4), classes=2)
target.run(condition=RunSteps(num_steps=2), run_cfg=Loihi2SimCfg(select_tag="floating_pt"))
target.stop()
print(target.model_class.__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True
    )
    assert done.stdout.strip() == "PyTargetModel"
