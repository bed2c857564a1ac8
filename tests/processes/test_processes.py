"""What the Processes declare, and what they refuse before anything is built."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.variable import Var

from lava_ep.dynamics import (
    BOP,
    SGD,
    Activation,
    Convolution,
    Encoding,
    PhaseSchedule,
    SpikeTrace,
)
from lava_ep.errors import InputError
from lava_ep.parameters import initial_parameters
from lava_ep.processes import (
    BinaryNeuron,
    BinarySynapse,
    ConductanceSynapse,
    ConvSynapse,
    EPNetwork,
    EventSource,
    GradedNeuron,
    ImageInjector,
    ImageSource,
    LIFNeuron,
    Readout,
    RealSynapse,
    ResistiveNeuron,
    SigmaDeltaNeuron,
    Target,
)
from lava_ep.spec import LayerSpec, NetworkSpec

SCHEDULE = PhaseSchedule(3, 2, 1.0)
SIGNS = np.ones((4, 3), np.int8)
IMAGES, LABELS = np.ones((6, 3), np.uint8), np.zeros(6, np.int64)
RECORDINGS = np.ones((6, 2, 3), np.uint8)


def spec(*sizes):
    layers = tuple(LayerSpec(neurons=n, theta=0.1) for n in sizes)
    return NetworkSpec(inputs=3, classes=2, layers=layers)


def of(process, schedule=None, **options):
    """Neurons with some of their constants."""
    names = {field.name for field in fields(process.CONSTANTS)}
    constants = {name: options.pop(name) for name in names & options.keys()}
    options = {"shape": (2, 4), "schedule": schedule or SCHEDULE, **options}
    return process(neuron=process.CONSTANTS(**constants), **options)


def neuron(**options):
    return of(BinaryNeuron, **options)


def synapse(**options):
    return BinarySynapse(**{"weights": SIGNS, "batch": 2, "schedule": SCHEDULE, **options})


SWEEPS = PhaseSchedule(4, 2, 0.5)
CONTINUAL = PhaseSchedule(3, 2, 1.0, updates="continual")
CONVOLUTION = Convolution((4, 4, 2), channels=3, kernel=3, padding=1, pool=2)
TAPS, KERNEL_SIGNS = np.full((3, 2, 3, 3), 0.5), np.ones((3, 2, 3, 3), np.int8)


def graded(**options):
    return of(GradedNeuron, **options)


def real(**options):
    return RealSynapse(**{"weights": np.zeros((4, 3)), "batch": 2, "schedule": SCHEDULE, **options})


def conv(**options):
    defaults = {"connection": CONVOLUTION, "weights": TAPS, "batch": 2, "schedule": SCHEDULE}
    return ConvSynapse(**{**defaults, **options})


def binary_conv(**options):
    return conv(**{"weights": KERNEL_SIGNS, "alpha": 0.5, **options})


def source(**options):
    defaults = {"images": IMAGES, "labels": LABELS, "batch": 2, "schedule": SCHEDULE}
    return ImageSource(**{**defaults, **options})


def recordings(**options):
    defaults = {"recordings": RECORDINGS, "labels": LABELS, "batch": 2, "schedule": SCHEDULE}
    return EventSource(**{**defaults, **options})


def sigma_delta(**options):
    return of(SigmaDeltaNeuron, **options)


def lif(**options):
    return LIFNeuron(**{"shape": (2, 4), "schedule": SCHEDULE, **options})


def node(**options):
    return ResistiveNeuron(**{"shape": (2, 4), "schedule": SWEEPS, **options})


def conductances(**options):
    defaults = {"weights": np.ones((4, 6)), "batch": 2, "schedule": SWEEPS}
    return ConductanceSynapse(**{**defaults, **options})


def network(**options):
    return EPNetwork(**{"spec": spec(5, 4), "batch": 2, **options})


PROCESSES = {
    "neuron": (neuron, {"a_in": (2, 4), "target_in": (2, 4), "s_out": (2, 4), "bias": (4,)}),
    "synapse": (
        synapse,
        {"s_in_pre": (2, 3), "s_in_post": (2, 4), "a_out_post": (2, 4), "a_out_pre": (2, 3)},
    ),
    "graded neuron": (
        graded,
        {"a_in": (2, 4), "target_in": (2, 4), "s_out": (2, 4), "state": (2, 4), "bias": (4,)},
    ),
    "node": (
        node,
        {"a_in": (2, 4), "g_in": (4,), "target_in": (2, 4), "s_out": (2, 4), "state_out": (2, 4)},
    ),
    "conductances": (
        conductances,
        {"s_in_pre": (2, 6), "a_out_pre": (2, 6), "g_out_post": (4,), "g_out_pre": (6,)},
    ),
    "conductances to pixels": (
        lambda: conductances(input_voltage=2.0, levels=16),
        {"s_in_pre": (2, 3), "s_in_post": (2, 4), "a_out_post": (2, 4), "weights": (4, 6)},
    ),
    "graded neuron with channels": (lambda: graded(bias=np.zeros(2)), {"bias": (2,)}),
    "binary neuron with channels": (lambda: neuron(bias=np.zeros(2)), {"bias": (2,)}),
    "real synapse": (
        lambda: real(feedback=np.ones((4, 3))),
        {
            "s_in_pre": (2, 3),
            "s_in_post": (2, 4),
            "a_out_post": (2, 4),
            "a_out_pre": (2, 3),
            "weights": (4, 3),
            "feedback": (4, 3),
            "synaptic_operations": (2,),
        },
    ),
    "convolution": (
        lambda: conv(feedback=TAPS),
        {
            "s_in_pre": (2, 32),
            "s_in_post": (2, 12),
            "a_out_post": (2, 12),
            "a_out_pre": (2, 32),
            "weights": (3, 2, 3, 3),
            "feedback": (3, 2, 3, 3),
            "synaptic_operations": (2,),
        },
    ),
    "binary convolution": (
        binary_conv,
        {"weights": (3, 2, 3, 3), "momentum": (3, 2, 3, 3), "alpha": (1,), "flips": (1,)},
    ),
    "source": (source, {"s_out": (2, 3), "label_out": (2,), "events": (2,)}),
    "recordings": (recordings, {"s_out": (2, 3), "label_out": (2,), "events": (2,)}),
    "sigma-delta neuron with channels": (
        lambda: sigma_delta(bias=np.zeros(2)),
        {"a_in": (2, 4), "target_in": (2, 4), "s_out": (2, 4), "activation": (2, 4), "bias": (2,)},
    ),
    "integrate-and-fire neuron": (
        lif,
        {"a_in": (2, 4), "state_out": (2, 4), "state": (2, 4), "synaptic": (2, 4), "bias": (4,)},
    ),
    "injector of recordings": (
        lambda: ImageInjector(
            shape=(2, 3), schedule=SCHEDULE, encoding=Encoding("events", 4, steps=2)
        ),
        {"image_in": (2, 6), "label_in": (2,), "s_out": (2, 3)},
    ),
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
    "continual alpha": (
        synapse,
        {"alpha_rate": 0.1, "schedule": CONTINUAL},
        "alpha_rate=0.1: expected 0 with continual updates",
    ),
    "graded bias": (graded, {"bias": np.zeros(3)}, r"bias has shape \(3,\): expected \(4,\)"),
    "no bias": (graded, {"bias": np.zeros(0)}, r"bias has shape \(0,\): expected \(4,\)"),
    "bias matrix": (graded, {"bias": np.zeros((2, 2))}, r"bias has shape \(2, 2\)"),
    "activation": (graded, {"activation": "cube"}, "'cube': expected one of hard-sigmoid, shifted"),
    "time step 0": (graded, {"time_step": 0.0}, r"time_step=0.0: expected a value in \(0, 1\]"),
    "time step 2": (graded, {"time_step": 2.0}, "time_step=2.0"),
    "nudged current": (
        graded,
        {"nudge": "current", "time_step": 0.5},
        "nudge=current is for discrete time",
    ),
    "filter rate of graded": (graded, {"filter_rate": 0.0}, r"filter_rate=0.0.*\(0, 1\]"),
    "filtered energy": (
        graded,
        {"filter_rate": 0.5, "time_step": 0.5},
        "filter_rate is for discrete time",
    ),
    "event threshold": (
        graded,
        {"event_threshold": -1.0},
        "event_threshold=-1.0: expected at least 0",
    ),
    "no threshold": (graded, {"event_threshold": np.nan}, "event_threshold=nan"),
    "flat reals": (real, {"weights": np.zeros(3)}, r"shape \(3,\): expected a \(n_post, n_pre\)"),
    "infinite": (real, {"weights": np.full((4, 3), np.inf)}, "expected finite numbers"),
    "feedback": (
        real,
        {"feedback": np.zeros((3, 4))},
        r"feedback has shape \(3, 4\): expected \(4",
    ),
    "real batch": (real, {"batch": 0}, "batch=0: expected at least 1"),
    "real levels": (real, {"levels": 0}, "levels=0: expected at least 1"),
    "taps": (conv, {"weights": TAPS[:2]}, r"shape \(2, 2, 3, 3\): expected \(3, 2, 3, 3\)"),
    "infinite taps": (conv, {"weights": TAPS * np.nan}, "expected finite numbers"),
    "taps as signs": (binary_conv, {"weights": TAPS}, r"expected only -1 and \+1"),
    "momenta": (
        binary_conv,
        {"momentum": np.zeros(3)},
        r"momentum has shape \(3,\): expected \(3,",
    ),
    "BOP of reals": (conv, {"learning_rule": BOP(0.0, 1.0)}, "expected BOP with alpha"),
    "SGD of signs": (binary_conv, {"learning_rule": SGD(0.1)}, "or SGD without"),
    "binary feedback": (binary_conv, {"feedback": TAPS}, "feedback is for real weights"),
    "conv feedback": (conv, {"feedback": np.zeros((3, 4))}, r"feedback has shape \(3, 4\)"),
    "conv batch": (conv, {"batch": 0}, "batch=0: expected at least 1"),
    "conv levels": (conv, {"levels": 0}, "levels=0: expected at least 1"),
    "conv alpha": (
        binary_conv,
        {"alpha_rate": 0.1, "schedule": CONTINUAL},
        "alpha_rate=0.1: expected 0 with continual updates",
    ),
    "labels": (source, {"labels": LABELS[:5]}, r"\(6, 3\) and labels \(5,\): expected"),
    "flat images": (source, {"images": IMAGES.ravel()}, r"images \(18,\)"),
    "empty batch": (source, {"batch": 0}, "batch=0: expected at least 1"),
    "half a sample": (source, {"batch": 0.5}, "batch=0.5: expected a whole number"),
    "no images": (
        source,
        {"images": IMAGES[:0], "labels": LABELS[:0]},
        r"images \(0, 3\): expected at least one image and one pixel",
    ),
    "ragged images": (source, {"images": [[1, 2], [3]]}, "images: .* lists of different length"),
    "images of text": (source, {"images": [["a"]]}, "images of type <U1: expected numbers"),
    "ragged recordings": (recordings, {"recordings": [[[1]], [[1, 2]]]}, "recordings: .* lists"),
    "fractions": (source, {"images": IMAGES / 255}, "images of type float64: expected integers"),
    "float labels": (source, {"labels": LABELS / 1.0}, "labels of type float64"),
    "negative": (source, {"images": -IMAGES.astype(int)}, "images hold -1"),
    "flat recordings": (recordings, {"recordings": IMAGES}, r"\(6, 3\): expected \(samples, steps"),
    "no steps": (
        recordings,
        {"recordings": RECORDINGS[:, :0]},
        r"\(6, 0\): expected at least one image and one pixel",
    ),
    "odd recordings": (
        source,
        {"encoding": Encoding("events", 4, steps=2)},
        r"images \(6, 3\): expected a multiple of 2 values a sample",
    ),
    "sigma-delta bias": (sigma_delta, {"bias": np.zeros(3)}, r"bias has shape \(3,\)"),
    "sigma-delta filter": (sigma_delta, {"filter_rate": 0}, "filter_rate=0: expected a value in"),
    "channels of lif": (lif, {"bias": np.zeros(2)}, r"bias has shape \(2,\): expected \(4,\) or"),
    "alpha between traces": (
        synapse,
        {"alpha_rate": 0.1, "readings": (None, SpikeTrace())},
        "alpha_rate=0.1: expected 0 between neurons with spike traces",
    ),
    "bias of nodes": (node, {"bias": np.zeros(2)}, r"bias has shape \(2,\): expected \(4,\) or"),
    "layer of nodes": (node, {"layer": 0}, "layer=0: expected 1 or more"),
    "half a node": (node, {"shape": (2, 5)}, "5 nodes with diodes: expected an even number"),
    "half a sweep": (node, {"schedule": SCHEDULE}, "expected even numbers, as every sweep"),
    "continual nodes": (
        node,
        {"schedule": PhaseSchedule(4, 2, 1.0, updates="continual")},
        "continual updates of a resistive network: expected two-phase",
    ),
    "flat conductances": (conductances, {"weights": np.ones(3)}, r"expected a \(n_post, n_pre\)"),
    "negative conductances": (
        conductances,
        {"weights": -np.ones((4, 6))},
        "expected numbers of 0 or more",
    ),
    "no voltage": (conductances, {"input_voltage": 0.0}, "input_voltage=0.0 with 6 sources"),
    "half a pixel": (
        conductances,
        {"weights": np.ones((4, 5)), "input_voltage": 1.0},
        "two sources for each pixel",
    ),
    "batch of conductances": (conductances, {"batch": 0}, "batch=0: expected at least 1"),
    "levels of conductances": (conductances, {"levels": 0}, "levels=0: expected at least 1"),
    "half a sweep of conductances": (conductances, {"schedule": SCHEDULE}, "expected even numbers"),
    "target": (Target, {"shape": (2, 5), "classes": 2}, "5 output neurons: .* 2 classes"),
    "no classes": (Target, {"shape": (2, 5), "classes": 0}, "classes=0: expected at least 1"),
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


def test_vars_are_there_only_if_they_mean_something():
    names = {"weights", "synaptic_operations"}
    of_signs = {"momentum", "alpha", "flips"}
    for build, expected in (
        (real, names),
        (conv, names),
        (binary_conv, names | of_signs),
        (synapse, names | of_signs),
        (lambda: real(feedback=np.zeros((4, 3))), names | {"feedback"}),
        (lambda: conv(feedback=TAPS), names | {"feedback"}),
    ):
        assert set(build().vars.member_names) == expected


def test_activations_may_be_given_by_their_values():
    for activation in Activation:
        graded(activation=activation)
        assert graded(activation=activation.value).proc_params["neuron"].activation is activation


def test_a_network_of_the_family_has_the_vars_of_its_layers():
    layers = [
        {"channels": 3, "kernel": 3, "theta": 0.1},
        {"neurons": 5, "weights": "real", "rate": 0.1},
        {"neurons": 4, "weights": "real", "rate": 0.1},
    ]
    family = NetworkSpec(inputs=32, image_shape=(4, 4, 2), classes=2, layers=layers)
    built = EPNetwork(spec=family, batch=2)
    common = {"weights", "bias", "state", "activation", "events", "synaptic_operations"}
    expected = {f"{name}_{field}" for name in family.layer_names for field in common}
    expected |= {f"hidden1_{field}" for field in ("momentum", "alpha", "flips")}
    assert set(built.vars.member_names) == expected
    assert built.hidden1_weights.shape == (3, 2, 3, 3)
    assert built.hidden1_bias.shape == (3,)
    assert built.hidden1_state.shape == (2, 12)
    untied = NetworkSpec(inputs=32, classes=2, layers=layers[1:], feedback_angle=45)
    names = set(EPNetwork(spec=untied, batch=2).vars.member_names)
    assert {name for name in names if "feedback" in name} == {"output_feedback"}


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
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=250, check=True
    )
    assert done.stdout.strip() == "PyTargetModel"
