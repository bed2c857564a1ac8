"""The experiment as data: what it accepts, what it says no to, and JSON there and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lava_ep.dynamics import (
    BOP,
    SGD,
    Activation,
    Convolution,
    Dense,
    Nudging,
    PhaseSchedule,
    Pooling,
    Updates,
)
from lava_ep.errors import InputError
from lava_ep.spec import (
    DataSpec,
    ExperimentSpec,
    GradedNeuronSpec,
    LayerSpec,
    NetworkSpec,
    NeuronSpec,
    PhaseSpec,
    TrainingSpec,
    load_preset,
    override,
    parse,
)

positive = st.floats(1e-9, 1e9)
unit = st.floats(0, 1, exclude_min=True)
rates = st.floats(0, 10)
counts = st.integers(1, 10**6)


@st.composite
def experiments(draw):
    classes = draw(st.integers(2, 20))
    sizes = [*draw(st.lists(counts, max_size=3)), classes * draw(st.integers(1, 50))]
    layers = tuple(
        LayerSpec(
            neurons=size,
            scale=draw(positive),
            gamma=draw(st.floats(0, 1, exclude_max=True)),
            theta=draw(positive),
            bias_offset=draw(st.floats(-10, 10)),
            bias_rate=draw(rates),
            alpha_rate=draw(rates),
            frozen=draw(st.booleans()),
        )
        for size in sizes
    )
    return ExperimentSpec(
        network=NetworkSpec(
            inputs=draw(counts),
            input_levels=draw(st.integers(1, 255)),
            classes=classes,
            layers=layers,
            neuron=draw(
                st.builds(NeuronSpec, filter_rate=unit, threshold=unit, initial_state=unit)
            ),
            phases=draw(
                st.builds(
                    PhaseSpec,
                    free_steps=counts,
                    nudged_steps=counts,
                    beta=positive,
                    nudging=st.sampled_from(Nudging),
                )
            ),
        ),
        training=draw(
            st.builds(
                TrainingSpec,
                epochs=counts,
                batch_size=counts,
                seed=st.integers(0, 2**63 - 1),
                decay=unit,
                patience=st.none() | counts,
            )
        ),
        data=draw(
            st.builds(
                DataSpec,
                name=st.text(),
                limit_train=st.none() | counts,
                limit_test=st.none() | counts,
            )
        ),
    )


@st.composite
def families(draw):
    """Networks with graded neurons, any weights, and convolutions that leave something."""
    real = draw(st.booleans())
    learning = (
        {"weights": "real", "rate": draw(rates)}
        if real
        else {"theta": draw(positive), "gamma": draw(st.floats(0, 1, exclude_max=True))}
    )
    side, channels = draw(st.integers(10, 13)), draw(st.sampled_from([None, 1, 3]))
    shape = (side, side) if channels is None else (side, side, channels)
    convolutions = [
        LayerSpec(
            channels=draw(st.integers(1, 50)),
            kernel=3,
            padding=draw(st.integers(0, 2)),
            pool=draw(st.integers(1, 2)),
            pooling=draw(st.sampled_from(Pooling)),
            bias_rate=draw(rates),
            **learning,
        )
        for _ in range(draw(st.integers(0, 2)))
    ]
    dense = [LayerSpec(neurons=n, **learning) for n in (*draw(st.lists(counts, max_size=2)), 20)]
    time_step = draw(st.none() | unit)
    normalization = None
    if draw(st.booleans()):
        many = channels or 1
        normalization = {"mean": [draw(rates)] * many, "std": [draw(positive)] * many}
    return NetworkSpec(
        inputs=side * side * (channels or 1),
        image_shape=shape,
        normalization=normalization,
        layers=(*convolutions, *dense),
        neuron=GradedNeuronSpec(
            activation=draw(st.sampled_from(Activation)),
            time_step=time_step,
            nudge=draw(st.sampled_from(["state", "current"])) if time_step is None else "state",
            event_threshold=draw(rates),
            initial_state=draw(st.floats(-5, 5)),
        ),
        phases=PhaseSpec(updates=draw(st.sampled_from(Updates))),
        feedback_angle=draw(st.none() | st.floats(0, 180)) if real else None,
    )


def minimal(**changes):
    layers = ({"neurons": 8, "theta": 0.1}, {"neurons": 4, "theta": 0.1})
    return {"inputs": 3, "classes": 2, "layers": layers, **changes}


@settings(max_examples=15, deadline=None)
@given(experiments())
def test_json_gives_back_the_same_experiment(spec):
    text = spec.model_dump_json()
    assert ExperimentSpec.model_validate_json(text) == spec
    assert parse(ExperimentSpec, json.loads(text), source="test") == spec
    assert override(spec, []) == spec


@settings(max_examples=25, deadline=None)
@given(families())
def test_json_gives_back_the_same_network_of_the_family(network):
    assert NetworkSpec.model_validate_json(network.model_dump_json()) == network
    spec = ExperimentSpec(network=network)
    assert parse(ExperimentSpec, json.loads(spec.model_dump_json()), source="test") == spec
    assert override(spec, []) == spec
    # Connections fit together, and what they say of themselves is what layers are made of.
    for below, connection, layer in zip(
        network.sizes, network.connections, network.layers, strict=False
    ):
        assert connection.n_pre == below
        assert connection.weight_shape[0] == (layer.neurons or layer.channels)
        assert connection.n_post % connection.biases == 0
    assert not network.bits_suffice


def test_a_published_threshold_is_converted():
    layer = LayerSpec.model_validate({"neurons": 4, "tau": 2.5e-7, "gamma": 2e-6})
    assert layer == LayerSpec(neurons=4, theta=2.5e-7 / 2e-6, gamma=2e-6)
    assert "tau" not in layer.model_dump()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"tau": 1e-7, "gamma": 1e-6, "theta": 0.1}, "either theta or tau"),
        ({"tau": 1e-7}, "needs gamma > 0"),
        ({"tau": 1e-7, "gamma": 0}, "needs gamma > 0"),
        ({"tau": "x", "gamma": 1e-6}, "tau=x"),
        ({"tau": -1e-7, "gamma": 1e-6}, "greater than 0"),
        ({}, r"layers\.0=.*: binary weights need theta, the BOP threshold \(or tau\)"),
    ],
)
def test_impossible_thresholds_are_refused(layer, message):
    data = minimal(layers=[{"neurons": 4, **layer}])
    with pytest.raises(InputError, match=message):
        parse(NetworkSpec, data, source="test")


REAL = {"weights": "real", "rate": 0.1}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"neurons": 4, "channels": 3, **REAL}, "give neurons for a dense layer or channels for"),
        (REAL, "give neurons for a dense layer or channels for a convolutional one"),
        ({"neurons": 4, "pool": 2, **REAL}, "padding and pool are for layers with channels"),
        ({"neurons": 4, "padding": 1, **REAL}, "padding and pool are for layers with channels"),
        ({"channels": 4, "pool": 16, **REAL}, "pool=16: .*less than or equal to 15"),
        ({"channels": 4, "kernel": 0, **REAL}, "kernel=0: .*greater than or equal to 1"),
        ({"channels": 4, "pooling": "min", **REAL}, "pooling='min'.*'max' or 'average'"),
        ({"neurons": 4, "weights": "ternary"}, "'ternary'.*'binary', 'real' or 'conductance'"),
        (
            {"neurons": 4, "theta": 1, "rate": 1},
            "rate is for real weights; binary weights learn by",
        ),
        ({"neurons": 4, "weights": "real"}, "real weights need rate, the learning rate"),
        ({"neurons": 4, **REAL, "rate": -1}, "rate=-1: .*greater than or equal to 0"),
        (
            {"neurons": 4, **REAL, "gamma": 0.1},
            "gamma, theta and alpha_rate are for binary weights",
        ),
        (
            {"neurons": 4, **REAL, "theta": 0.1},
            "gamma, theta and alpha_rate are for binary weights",
        ),
        ({"neurons": 4, **REAL, "tau": 0.1, "gamma": 0.1}, "gamma, theta and alpha_rate are for"),
        ({"neurons": 4, **REAL, "alpha_rate": 1}, "gamma, theta and alpha_rate are for binary"),
    ],
)
def test_impossible_layers_are_refused(layer, message):
    data = minimal(inputs=36, image_shape=[6, 6, 1], layers=[layer, {"neurons": 4, "theta": 0.1}])
    with pytest.raises(InputError, match=rf"test: layers\.0.*{message}"):
        parse(NetworkSpec, data, source="test")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": [{"channels": 4, **REAL}]}, "the output layer is convolutional: expected neur"),
        ({"image_shape": None}, "layer 0 is convolutional: expected image_shape, and only conv"),
        ({"image_shape": [6, 7, 1]}, r"image_shape \(6, 7, 1\) has 42 pixels, not 36"),
        (
            {"layers": [{"neurons": 4, **REAL}, {"channels": 4, **REAL}, {"neurons": 4, **REAL}]},
            "layer 1 is convolutional: expected image_shape, and only convolutional layers below",
        ),
        (
            {"layers": [{"channels": 4, "kernel": 7, **REAL}, {"neurons": 4, **REAL}]},
            r"kernel of 7 with padding 0 and pooling of 1 leaves nothing of \(6, 6, 1\)",
        ),
        (
            {
                "layers": [
                    {"channels": 4, "kernel": 3, "padding": 3, **REAL},
                    {"neurons": 4, **REAL},
                ]
            },
            "padding=3: expected 0 to 2 for a kernel of 3",
        ),
        ({"layers": [{"neurons": 5, **REAL}]}, "5 output neurons for 2 classes"),
        (
            {"neuron": {"kind": "spiking"}},
            r"neuron=.*: expected kind binary, graded, sigma-delta, ",
        ),
        ({"neuron": 3}, "neuron=3: expected kind binary, graded, sigma-delta, lif"),
        ({"neuron": {"filter_rate": 0}}, r"neuron\.filter_rate=0"),
        ({"neuron": {"kind": "binary", "time_step": 1}}, r"neuron\.time_step=1: Extra inputs"),
        (
            {"neuron": {"kind": "graded", "filter_rate": 0.5, "time_step": 0.5}},
            "filter_rate is for discrete time",
        ),
        ({"neuron": {"kind": "sigma-delta", "start": 9}}, "start=9: expected a whole number of sm"),
        ({"neuron": {"kind": "lif"}}, "neurons of kind lif with channels: expected dense layers"),
        (
            {"neuron": {"kind": "lif", "dv": 1}, "layers": [{"neurons": 4, **REAL}]},
            r"neuron\.dv=1: Input should be less than 1",
        ),
        (
            {
                "neuron": {"kind": "lif"},
                "layers": [{"neurons": 4, "theta": 1, "alpha_rate": 0.1}],
            },
            "neurons of kind lif with alpha_rate: expected 0",
        ),
        ({"encoding": {"code": "morse"}}, r"encoding\.code='morse'"),
        ({"encoding": {"steps": 3}}, "steps=3 with code constant: expected 1"),
        (
            {"encoding": {"code": "events", "steps": 99}},
            r"encoding\.steps=99: expected at most phases\.free_steps",
        ),
        ({"encoding": {"code": "rate"}}, r"encoding\.code=rate with channels: expected a dense"),
        (
            {
                "encoding": {"code": "latency", "steps": 2},
                "normalization": {"mean": [0.1], "std": [0.3]},
            },
            r"normalization with encoding\.code=latency: expected constant pixels",
        ),
        ({"neuron": {"kind": "graded", "time_step": 2}}, r"neuron\.time_step=2"),
        ({"neuron": {"kind": "graded", "event_threshold": -1}}, r"neuron\.event_threshold=-1"),
        ({"neuron": {"kind": "graded", "activation": "cube"}}, "'hard-sigmoid', 'shifted-sigmoid'"),
        (
            {"neuron": {"kind": "graded", "time_step": 0.5, "nudge": "current"}},
            "nudge=current is for discrete time; leave out nudge or time_step",
        ),
        ({"normalization": {"mean": [1, 2], "std": [1]}}, "2 means and 1 stds: expected as many"),
        ({"normalization": {"mean": [1], "std": [0]}}, r"normalization\.std\.0=0"),
        ({"normalization": {"mean": [], "std": []}}, r"normalization\.mean=\[\]: .*at least 1"),
        (
            {"normalization": {"mean": [1] * 5, "std": [1] * 5}},
            "normalization of 5 channels does not fit 36 inputs",
        ),
        (
            {
                "layers": [{"neurons": 4, "theta": 1, "alpha_rate": 0.1}],
                "phases": {"updates": "continual"},
            },
            "alpha_rate needs phases.updates=two-phase",
        ),
        ({"phases": {"updates": "never"}}, "updates='never'.*'two-phase' or 'continual'"),
        (
            {"layers": [{"neurons": 4, "theta": 1}], "feedback_angle": 10},
            "feedback_angle is for real weights",
        ),
        ({"feedback_angle": 181}, "feedback_angle=181"),
        ({"feedback_angle": -1}, "feedback_angle=-1"),
    ],
)
def test_impossible_members_of_the_family_are_refused(change, message):
    family = {
        "inputs": 36,
        "image_shape": [6, 6, 1],
        "layers": [{"channels": 2, "kernel": 3, **REAL}, {"neurons": 4, **REAL}],
        "neuron": {"kind": "graded"},
    }
    assert parse(NetworkSpec, minimal(**family), source="test").sizes == (36, 32, 4)
    with pytest.raises(InputError, match=f"^test: .*{message}"):
        parse(NetworkSpec, minimal(**{**family, **change}), source="test")


def test_kinds_of_layers():
    binary = LayerSpec(neurons=3, theta=0.2, gamma=0.1)
    real = LayerSpec(channels=3, weights="real", rate=0.3)
    assert (binary.binary, real.binary) == (True, False)
    assert (binary.scale, real.scale) == (0.5, 1.0)
    assert LayerSpec(neurons=3, scale=0.7, **REAL).scale == 0.7
    assert binary.rule(0.9, 7) == BOP(0.1, 0.2, 0.9, 7)
    assert real.rule(0.9, 7) == SGD(0.3, 0.9, 7)
    for layer in (binary, real):
        assert layer.model_copy(update={"frozen": True}).rule() is None


def test_connections_and_sizes_of_a_convolutional_network():
    network = load_preset("ep-conv").network
    assert network.connections == (
        Convolution((28, 28, 1), 32, 5, 0, 2, Pooling.MAX),
        Convolution((12, 12, 32), 64, 5, 0, 2, Pooling.MAX),
        Dense(4 * 4 * 64, 10),
    )
    assert network.sizes == (784, 12 * 12 * 32, 1024, 10)
    assert str(network) == "784-32c5-64c5-10"
    assert network.layer_names == ("hidden1", "hidden2", "output")
    gray = network.model_copy(update={"image_shape": (28, 28)})
    assert gray.connections == network.connections


def test_what_is_counted_in_a_layer():
    layers = [{"neurons": 8, "theta": 0.1}, {"neurons": 4, **REAL}]
    network = NetworkSpec.model_validate(minimal(layers=layers))
    assert network.counters("hidden1") == ("events", "synaptic_operations", "flips")
    assert network.counters("output") == ("events", "synaptic_operations")


@pytest.mark.parametrize(
    "change",
    [
        {"neuron": {"kind": "graded"}},
        {"layers": [{"neurons": 4, **REAL}]},
        {"layers": [{"channels": 2, "kernel": 2, "theta": 1}, {"neurons": 4, "theta": 1}]},
        {"phases": {"updates": "continual"}},
        {"normalization": {"mean": [0.5], "std": [0.2]}},
    ],
)
def test_bits_suffice_for_dense_binary_networks_only(change):
    plain = minimal(inputs=4, image_shape=[2, 2, 1])
    assert NetworkSpec.model_validate(plain).bits_suffice
    assert not NetworkSpec.model_validate({**plain, **change}).bits_suffice


def test_the_kind_of_neurons_is_binary_unless_said_otherwise():
    assert NetworkSpec.model_validate(minimal()).neuron == NeuronSpec()
    binary = minimal(neuron={"filter_rate": 0.3})
    assert NetworkSpec.model_validate(binary).neuron == NeuronSpec(filter_rate=0.3)
    graded = minimal(neuron={"kind": "graded", "activation": "tanh"})
    found = NetworkSpec.model_validate(graded).neuron
    assert found == GradedNeuronSpec(activation=Activation.TANH)
    assert found.nudge == "state"
    assert found.time_step is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": 0}, "test: inputs=0: .*greater than or equal to 1"),
        ({"input_levels": 256}, "input_levels=256"),
        ({"layers": []}, r"layers=\[\]"),
        ({"layers": [{"neurons": 5, "theta": 0.1}]}, "5 output neurons for 2 classes"),
        ({"layers": [{"neurons": 4, "theta": -1}]}, r"layers\.0\.theta=-1"),
        ({"layers": [{"neurons": 4, "theta": 1, "gamma": 1}]}, r"layers\.0\.gamma=1"),
        ({"layers": [{"neurons": 4, "theta": float("nan")}]}, r"layers\.0\.theta=nan"),
        ({"neuron": {"filter_rate": 0}}, r"neuron\.filter_rate=0"),
        ({"neuron": {"initial_state": 1.5}}, r"neuron\.initial_state=1\.5"),
        ({"phases": {"beta": -1}}, r"phases\.beta=-1"),
        ({"phases": {"nudging": "up"}}, r"'positive', 'random-sign', 'symmetric' or 'swing'"),
        ({"phases": {"free_step": 3}}, r"phases\.free_step=3: Extra inputs"),
        ({"colour": "red"}, r"colour='red': Extra inputs"),
    ],
)
def test_impossible_networks_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        parse(NetworkSpec, minimal(**change), source="test")


def test_all_faults_are_named_at_once():
    with pytest.raises(InputError, match=r"inputs=0.*; classes=1"):
        parse(NetworkSpec, minimal(inputs=0, classes=1), source="test")


def test_specs_cannot_be_changed():
    spec = load_preset("binary-digits")
    for part, field in [(spec, "data"), (spec.network, "inputs"), (spec.network.phases, "beta")]:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, field, 1)


def test_names_and_sizes_of_layers():
    spec = NetworkSpec.model_validate(minimal())
    assert spec.sizes == (3, 8, 4)
    assert spec.layer_names == ("hidden1", "output")
    assert str(spec) == "3-8-4"
    single = NetworkSpec.model_validate(minimal(layers=[{"neurons": 4, "theta": 1}]))
    assert single.layer_names == ("output",)


def test_a_spec_makes_its_schedule():
    spec = PhaseSpec(free_steps=3, nudged_steps=2, beta=1.5, nudging=Nudging.SYMMETRIC)
    assert spec.schedule(7) == PhaseSchedule(3, 2, 1.5, Nudging.SYMMETRIC, seed=7)
    continual = spec.model_copy(update={"updates": Updates.CONTINUAL})
    assert continual.schedule(7) == PhaseSchedule(
        3, 2, 1.5, Nudging.SYMMETRIC, seed=7, updates=Updates.CONTINUAL
    )


STOCK = load_preset("stock-digits")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("network.neuron.layers=[]", "network.neuron.layers="),
        ("network.layers.0.weights=binary", "weights"),
        ("network.layers.0.bias_rate=0.1", "bias_rate: expected 0"),
        ("network.encoding.code=rate", "normalization or encoding: expected none"),
        ("network.phases.free_steps=31", "expected the same product of neuron.learning_epoch=1"),
        ("network.phases.nudged_steps=16", "free_steps=32, phases.nudged_steps=16: expected the"),
        ("network.phases.nudging=symmetric", "expected positive and two-phase"),
        ("network.phases.updates=continual", "expected positive and two-phase"),
        ("network.feedback_angle=null", "feedback_angle=None with neuron.feedback=learned"),
        ("network.neuron.feedback=none", "feedback_angle=0.0 with neuron.feedback=none"),
        ("network.neuron.payload=255", "payload=255"),
        ("network.neuron.layers.0.du=4096", "du=4096"),
        ("training.batch_size=2", "training.batch_size=2 with neurons of kind stock-lif"),
        ("training.test_batch_size=2", "training.test_batch_size=2 with neurons of kind"),
    ],
)
def test_what_stock_processes_cannot_do_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        override(STOCK, [change])


def test_stock_networks_are_told_apart():
    assert STOCK.network.stock
    assert not load_preset("if-digits").network.stock
    other = json.loads(STOCK.model_dump_json())
    other["network"]["neuron"]["layers"] = other["network"]["neuron"]["layers"][:1]
    with pytest.raises(InputError, match="2 layers: expected constants of each"):
        parse(ExperimentSpec, other, source="test")


CONDUCTANCE = {"weights": "conductance", "rate": 0.1}


def resistive(**changes):
    layers = [{"neurons": 8, **CONDUCTANCE}, {"neurons": 5, **CONDUCTANCE}]
    neuron = {"kind": "resistive", "input_voltage": 10}
    return minimal(**{"classes": 5, "layers": layers, "neuron": neuron, **changes})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"neuron": {"kind": "graded"}},
            "neurons of kind graded with weights=conductance: expected kind",
        ),
        ({"layers": [{"neurons": 5, **REAL}]}, "layers of other weights: expected weights=cond"),
        (
            {"layers": [{"neurons": 7, **CONDUCTANCE}, {"neurons": 5, **CONDUCTANCE}]},
            r"hidden layers of \[7\] neurons: expected even numbers",
        ),
        ({"normalization": {"mean": [0.1], "std": [0.2]}}, "sources of voltage"),
        ({"encoding": {"code": "latency", "steps": 2}}, "sources of voltage"),
        ({"phases": {"updates": "continual"}}, "continual: expected two-phase"),
        ({"feedback_angle": 0}, "same conductance both ways"),
        ({"neuron": {"kind": "resistive", "input_voltage": 0}}, "input_voltage=0"),
        ({"layers": [{"neurons": 5, "weights": "conductance"}]}, "conductance weights need rate"),
        ({"layers": [{"neurons": 5, **CONDUCTANCE, "theta": 1}]}, "are for binary weights"),
        ({"layers": [{"channels": 5, **CONDUCTANCE}]}, "conductance with channels: expected neur"),
        ({"noise": {"sigma": -1}}, r"noise\.sigma=-1"),
        ({"noise": {"samples": 0}}, r"noise\.samples=0"),
    ],
)
def test_impossible_circuits_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        parse(NetworkSpec, resistive(**change), source="test")


def test_a_circuit_has_two_sources_a_pixel_and_two_steps_a_sweep():
    network = parse(NetworkSpec, resistive(), source="test")
    assert network.sizes == (3, 8, 5)
    assert [connection.weight_shape for connection in network.connections] == [(8, 6), (5, 8)]
    phases, schedule = network.phases, network.schedule(0)
    assert schedule.free_steps == 2 * phases.free_steps
    assert schedule.nudged_steps == 2 * phases.nudged_steps
    other = load_preset("binary-digits").network
    assert other.schedule(3) == other.phases.schedule(3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phases": {"updates": "continual"}}, "continual: expected two-phase"),
        ({"layers": [{"neurons": 4, "theta": 1, "alpha_rate": 1}]}, "with alpha_rate: expected 0"),
    ],
)
def test_noise_that_nobody_measures_is_refused(change, message):
    with pytest.raises(InputError, match=rf"noise\.sigma=0.1 .*{message}"):
        parse(NetworkSpec, minimal(noise={"sigma": 0.1}, **change), source="test")
    assert parse(NetworkSpec, minimal(**change), source="test").noise.of_layer(0) is None


def test_noise_takes_bits_to_real_numbers():
    quiet, noisy = (
        parse(NetworkSpec, minimal(noise={"sigma": s, "samples": 9}), source="test")
        for s in (0.0, 0.3)
    )
    assert quiet.bits_suffice and not noisy.bits_suffice
    assert quiet.noise.of_layer(1) is None
    assert noisy.noise.of_layer(1).deviation == pytest.approx(0.1)
    assert noisy.noise.of_layer(1).layer == 1
