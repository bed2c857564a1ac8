"""Integer networks: the same in Processes and in one, within their widths, and as they report."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from harness import binary_convolution, make_samples
from lava.magma.core.run_configs import Loihi2SimCfg

from lava_ep.analysis import compare_backends
from lava_ep.data import Dataset
from lava_ep.dynamics import Binary, Nudging, PhaseSchedule
from lava_ep.dynamics.fixed_point import weight_limits
from lava_ep.errors import InputError
from lava_ep.loihi2.formats import (
    ACTIVATION,
    BIAS,
    BIAS_EXPONENT,
    PAYLOAD,
    STATE,
    TAG,
    TRACE,
    WEIGHT_EXPONENT,
)
from lava_ep.models.fixed_point import NeuronFormat, check_covered, convert
from lava_ep.models.fixed_point.engine import FixedEngine
from lava_ep.parameters import initial_parameters
from lava_ep.processes import BinaryNeuron, BinarySynapse
from lava_ep.runtime import ProcessTester
from lava_ep.spec import ExperimentSpec, NetworkSpec, load_preset, override

BINARY = {"gamma": 0.05, "theta": 0.0103, "scale": 0.6, "bias_rate": 0.02, "bias_offset": 0.2}
REAL = {"weights": "real", "rate": 0.1, "bias_rate": 0.1, "bias_offset": 0.1}
SPIKING = {**REAL, "rate": 0.5, "bias_offset": 0.5}
PHASES = {"free_steps": 6, "nudged_steps": 4, "beta": 0.6, "nudging": "symmetric"}
IMAGE = {"inputs": 64, "image_shape": (8, 8, 1), "input_levels": 16, "classes": 3}
SEED, BATCH = 3, 5


def network(**values):
    return NetworkSpec.model_validate({**IMAGE, "phases": PHASES, **values})


NETWORKS = {
    "binary": network(
        layers=[{"neurons": 9, **BINARY}, {"neurons": 8, **BINARY}, {"neurons": 6, **BINARY}],
        phases={**PHASES, "beta": 2.5, "nudging": "random-sign"},
        input_levels=255,
    ),
    "binary convolution": NetworkSpec.model_validate(
        {
            **binary_convolution().model_dump(),
            "layers": [
                {**layer.model_dump(), "alpha_rate": 0.0} for layer in binary_convolution().layers
            ],
        }
    ),
    "sigma-delta, adaptive, real and binary weights": network(
        layers=[{"neurons": 9, **REAL}, {"neurons": 6, **BINARY}],
        neuron={"kind": "sigma-delta", "levels": 12, "start": 4, "adaptive": True},
        encoding={"code": "latency", "steps": 4},
    ),
    "integrate-and-fire, real weights": network(
        layers=[{"neurons": 9, **SPIKING}, {"neurons": 6, **SPIKING}],
        neuron={"kind": "lif", "dv": 0.1, "refractory": 1, "trace_rate": 0.2},
    ),
}

PAIR = ("fixed_point", "fixed_point-message-passing")


def dataset(spec, samples=2 * BATCH):
    images, labels = make_samples(spec, samples, seed=1)
    return Dataset(
        name="noise",
        x_train=images.astype(np.uint8),
        y_train=labels,
        x_test=images.astype(np.uint8),
        y_test=labels,
        image_shape=(8, 8),
        class_names=("a", "b", "c"),
        levels=spec.input_levels,
    )


def experiment(spec):
    return ExperimentSpec(network=spec, training={"batch_size": BATCH, "seed": SEED, "decay": 0.8})


@pytest.mark.parametrize("name", NETWORKS)
def test_processes_and_one_process_are_the_same_bit_for_bit(name):
    spec = NETWORKS[name]
    parameters = initial_parameters(spec, seed=SEED)
    found = compare_backends(experiment(spec), parameters, dataset(spec), PAIR, samples=2 * BATCH)
    assert found.difference is None
    assert found.exact


def shown(spec, samples, *, seed):
    """Samples in the types that engines get them in."""
    images, labels = make_samples(spec, samples, seed=seed)
    return images.astype(np.int32), labels.astype(np.int32)


def engine(spec, *, learning=True, parameters=None, batch=BATCH):
    parameters = parameters or initial_parameters(spec, seed=SEED)
    made = FixedEngine(
        spec,
        batch=batch,
        schedule=spec.phases.schedule(SEED),
        learning=learning,
        formats=convert(spec, parameters).layers,
        first_batch=parameters.batch,
    )
    for index, layer in enumerate(parameters.layers):
        for field, value in layer.arrays.items():
            made.set(index, field, value)
    return made


def check_widths(made):
    """All that a network holds now is of the format that the chip has for it."""
    (shard,) = made.shards
    for neuron, synapse, layer in zip(shard.neurons, shard.synapses, made._formats, strict=True):
        for state in ("state", "synaptic"):
            # The last word of Lava's current means +2**23.
            values = getattr(neuron, state, np.zeros(1, np.int32))
            assert STATE.holds(values - (state == "synaptic"))
        assert BIAS.holds(neuron.bias)
        assert STATE.holds(neuron._biases())
        assert PAYLOAD.holds(neuron.change)
        for current in (synapse.current_post, synapse.current_pre):
            assert current.dtype == np.int32
            assert ACTIVATION.holds(current)
        moment = synapse._moment()
        for trace in moment:
            assert TRACE.holds(trace)
            assert np.array_equal(trace, np.rint(trace))
        store = synapse.store
        if store.binary:
            assert TAG.holds(store.momentum)
            assert set(np.unique(store._forward)) <= {-1, 1}
            assert layer.synapses.forward.factor in range(2, 255, 2)
        else:
            lowest, highest = weight_limits()
            assert np.all((store._forward >= lowest) & (store._forward <= highest))
            assert not (store._forward % 2).any()
        for direction in (layer.synapses.forward, layer.synapses.backward):
            assert WEIGHT_EXPONENT.holds(np.array(direction.exponent))
        assert BIAS_EXPONENT.holds(np.array(layer.neurons.bias_exponent))


@pytest.mark.parametrize("name", NETWORKS)
def test_no_value_ever_leaves_its_width(name):
    spec = NETWORKS[name]
    made = engine(spec)
    images, labels = shown(spec, 8 * BATCH, seed=2)
    period = spec.phases.schedule(SEED).period(learning=True)
    for first in range(0, len(images), BATCH):
        frames = spec.input_encoding.frames(images[first : first + BATCH], period)
        made.set_labels(labels[first : first + BATCH])
        for position in range(period):
            sent = frames[position] if position < len(frames) else None
            made.advance(position, position + 1, sent)
            check_widths(made)
        made.learn()
        check_widths(made)
    moved = initial_parameters(spec, seed=SEED).layers
    assert any(
        not np.array_equal(made.get(index, "weights"), layer.weights)
        for index, layer in enumerate(moved)
    )


def test_it_learns_what_floats_learn():
    spec = network(
        layers=[{"neurons": 40, **REAL, "rate": 1.0}, {"neurons": 6, **REAL, "rate": 0.3}],
        neuron={"kind": "sigma-delta", "levels": 8},
        phases={**PHASES, "free_steps": 12, "nudged_steps": 6},
    )
    images, labels = shown(spec, 30, seed=5)
    made = engine(spec, batch=30)
    period = spec.phases.schedule(SEED).period(learning=True)
    right = []
    for _ in range(40):
        made.set_labels(labels)
        made.advance(0, spec.phases.free_steps + 1, images)
        scores = made.outputs("state").reshape(30, 3, 2).mean(axis=2)
        right.append(np.mean(scores.argmax(axis=1) == labels))
        made.advance(spec.phases.free_steps + 1, period)
        made.learn()
    assert right[0] < 0.7
    assert right[-1] > 0.9


@pytest.mark.parametrize("name", NETWORKS)
def test_what_was_learned_reads_back_as_the_same_integers(name):
    spec = NETWORKS[name]
    made = engine(spec)
    images, labels = shown(spec, BATCH, seed=2)
    made.set_labels(labels)
    period = spec.phases.schedule(SEED).period(learning=True)
    made.advance(0, period, spec.input_encoding.frames(images, period)[0])
    made.learn()
    fields = [tuple(layer.arrays) for layer in initial_parameters(spec, seed=SEED).layers]
    learned = [
        replace(layer, **{field: made.get(index, field) for field in fields[index]})
        for index, layer in enumerate(initial_parameters(spec, seed=SEED).layers)
    ]
    start = initial_parameters(spec, seed=SEED)
    again = engine(spec, parameters=replace(start, layers=tuple(learned), batch=1))
    for index, names in enumerate(fields):
        for field in names:
            assert np.array_equal(again.get(index, field), made.get(index, field)), field
    # What is a copy has to be set: writing to it would change nothing.
    with pytest.raises(ValueError, match="read-only"):
        made.get(0, "bias")[...] = 0


def test_integers_are_close_to_the_floats_that_they_stand_for():
    spec = NETWORKS["sigma-delta, adaptive, real and binary weights"]
    parameters = initial_parameters(spec, seed=SEED)
    made = engine(spec)
    for index, layer in enumerate(parameters.layers):
        unit = made._formats[index].synapses.unit
        assert np.abs(made.get(index, "weights") - layer.weights).max() <= unit * 1.0001
        assert made.get(index, "bias") == pytest.approx(layer.bias, abs=1e-3)


def test_conversion_reports_each_clipped_value():
    spec = NETWORKS["binary"]
    parameters = initial_parameters(spec, seed=SEED)
    bias = parameters.layers[1].bias.copy()
    bias[[2, 5]] = 30.0, -40.0
    layers = (
        parameters.layers[0],
        replace(parameters.layers[1], bias=bias),
        parameters.layers[2],
    )
    found = convert(spec, replace(parameters, layers=layers))
    one, exponent = found.layers[1].neurons.one, found.layers[1].neurons.bias_exponent
    (entry,) = (e for e in found.entries if (e.layer, e.what) == ("hidden2", "bias"))
    assert [(clip.index, clip.value) for clip in entry.clipped] == [((2,), 30.0), ((5,), -40.0)]
    assert entry.clipped[0].kept == BIAS.highest * 2**exponent / one
    assert entry.clipped[1].kept == BIAS.lowest * 2**exponent / one
    assert found.clipped == 2
    assert "clipped: [5] -40 to" in str(found)
    assert json.loads(json.dumps(found.to_json()))["clipped"] == 2
    assert convert(spec, parameters).clipped == 0
    # What the report says is what the network does.
    made = engine(spec, parameters=replace(parameters, layers=layers))
    assert made.get(1, "bias")[2] == np.float32(entry.clipped[0].kept)


def test_conversion_reports_errors_and_ranges():
    spec = NETWORKS["integrate-and-fire, real weights"]
    parameters = initial_parameters(spec, seed=SEED)
    found = convert(spec, parameters)
    made = engine(spec)
    for index, name in enumerate(spec.layer_names):
        (entry,) = (e for e in found.entries if (e.layer, e.what) == (name, "weights"))
        wanted = parameters.layers[index].weights.astype(np.float64)
        unit = found.layers[index].synapses.unit
        error = made.weights[index]._forward * unit - wanted
        assert entry.largest_error == np.abs(error).max() > 0
        assert entry.largest_error <= entry.step / 2 * 1.0001
        assert entry.relative_error == pytest.approx(
            np.sqrt(np.mean(error**2) / np.mean(wanted**2))
        )
        assert entry.exponent == found.layers[index].synapses.forward.exponent
    largest = np.abs(parameters.layers[1].weights.astype(np.float64)).sum(axis=1).max()
    assert found.inputs[1].largest == pytest.approx(largest * 819 / 4096)
    assert found.inputs[1].safe
    larger = override_layers(spec, scale=8.0)
    assert not convert(larger, initial_parameters(larger, seed=SEED)).inputs[0].safe


def override_layers(spec, **values):
    layers = [layer.model_dump() | values for layer in spec.layers]
    return NetworkSpec.model_validate({**spec.model_dump(), "layers": layers})


def test_the_magnitudes_of_binary_weights_come_close_to_eight_bits():
    for preset in ("binary-digits", "binary-mnist", "sigma-delta-binary-digits"):
        spec = load_preset(preset).network
        entries = convert(spec, initial_parameters(spec, seed=0)).entries
        errors = {(e.layer, e.what): e.relative_error for e in entries if "alpha" in e.what}
        assert len(errors) == 3
        assert errors["hidden1", "alpha"] < 1e-4
        assert max(errors.values()) < 3e-3


@pytest.mark.parametrize(
    ("name", "scale", "message"),
    [
        ("integrate-and-fire, real weights", 1e5, "layers.0.weights: weights up to .* at most 7"),
        ("binary", 1e5, "layers.0.scale: weights up to .* at most 7, make them smaller"),
        ("binary", 1e-6, "layers.0.scale: binary weights of 1.25e-07 are too small for 8 bits"),
    ],
)
def test_weights_that_no_exponent_suits_are_refused(name, scale, message):
    spec = override_layers(NETWORKS[name], scale=scale)
    with pytest.raises(InputError, match=message):
        convert(spec, initial_parameters(spec, seed=SEED))


def test_values_at_their_limits_keep_their_formats():
    # A resumed run converts what it has saturated, and has to go on with the same integers.
    spec = NETWORKS["integrate-and-fire, real weights"]
    parameters = initial_parameters(spec, seed=SEED)
    formats = convert(spec, parameters).layers
    made = engine(spec)
    for index, layer in enumerate(parameters.layers):
        made.set(index, "weights", np.resize([1e3, -1e3], layer.weights.shape))
        made.set(index, "bias", np.resize([1e3, -1e3], layer.bias.shape))
    extreme = tuple(
        replace(layer, weights=made.get(index, "weights"), bias=made.get(index, "bias"))
        for index, layer in enumerate(parameters.layers)
    )
    assert convert(spec, replace(parameters, layers=extreme)).layers == formats
    assert set(np.unique(made.weights[0]._forward)) == set(weight_limits())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"neuron": {"kind": "graded"}}, "network.neuron.kind=graded: fixed point covers binary"),
        ({"normalization": {"mean": [0.5], "std": [0.5]}}, "network.normalization: fixed point"),
        ({"encoding": {"code": "rate"}}, "network.encoding.code=rate: .* constant, latency"),
        ({"phases": {"updates": "continual"}}, "network.phases.updates=continual: .* two-phase"),
        ({"feedback_angle": 0, "layers": [{"neurons": 6, **REAL}]}, "network.feedback_angle=0"),
        ({"layers": [{"neurons": 6, **BINARY, "alpha_rate": 0.1}]}, "layers.0.alpha_rate=0.1"),
        (
            {
                "layers": [
                    {"channels": 2, "pool": 2, "pooling": "average", **BINARY},
                    {"neurons": 6, **BINARY},
                ]
            },
            "network.layers.0.pooling=average: fixed point covers max",
        ),
    ],
)
def test_networks_without_integer_models_are_refused(changes, message):
    spec = network(**{"layers": [{"neurons": 6, **BINARY}], **changes})
    with pytest.raises(InputError, match=message):
        check_covered(spec)


@pytest.mark.parametrize("tag", ["fixed_pt", "bit_accurate_loihi"])
def test_a_neuron_alone_is_found_by_the_tags_of_lava(tag):
    schedule = PhaseSchedule(2, 1, 3.0, Nudging.SYMMETRIC)
    neuron = BinaryNeuron(
        shape=(1, 1),
        schedule=schedule,
        neuron=Binary(filter_rate=0.5, initial_state=0.0),
        fixed_point=NeuronFormat(index=0, one=4096 * 64),
    )
    tester = ProcessTester(neuron, run_cfg=Loihi2SimCfg(select_tag=tag), inputs=["a_in"])
    sent = tester.run([{"a_in": np.array([[current]], np.int32)} for current in (0, 2048, 3072)])
    assert sent["state_out"].ravel().tolist() == [0.0, 0.25, 0.5]
    assert sent["s_out"].ravel().tolist() == [0, 0, 1]


def test_a_process_without_a_format_is_refused():
    schedule = PhaseSchedule(2, 1, 3.0)
    config = Loihi2SimCfg(select_tag="fixed_pt")
    with pytest.raises(InputError, match="fixed_point is missing: expected a NeuronFormat"):
        ProcessTester(BinaryNeuron(shape=(1, 1), schedule=schedule), run_cfg=config)
    synapse = BinarySynapse(weights=np.ones((1, 1), np.int8), batch=1, schedule=schedule)
    with pytest.raises(InputError, match="fixed_point is missing: expected a SynapseFormat"):
        ProcessTester(synapse, run_cfg=config)


def test_another_scaling_factor_than_the_converted_one_is_refused():
    with pytest.raises(InputError, match=r"alpha=\[2.\]: expected .* build the network anew"):
        engine(NETWORKS["binary"]).set(0, "alpha", np.array([2.0]))


def test_backends_of_other_arithmetic_are_not_compared_bit_for_bit():
    spec = NETWORKS["binary"]
    parameters = initial_parameters(spec, seed=SEED)
    with pytest.raises(InputError, match=r"fused \(floating-point\), fixed_point \(fixed-point\)"):
        compare_backends(
            experiment(spec), parameters, dataset(spec), ("fused", "fixed_point"), samples=5
        )


def test_random_rounding_follows_the_seed():
    spec = NETWORKS["integrate-and-fire, real weights"]
    images, labels = shown(spec, BATCH, seed=2)

    def learned(seed):
        schedule = replace(spec.phases.schedule(SEED), seed=seed)
        made = engine(spec)
        made.shards[0].clock.schedule = schedule
        made.set_labels(labels)
        made.advance(0, schedule.period(learning=True), images)
        made.learn()
        return made.get(0, "weights")

    assert np.array_equal(learned(1), learned(1))
    assert not np.array_equal(learned(1), learned(2))


def test_presets_are_covered():
    covered = []
    for preset in ("if-digits", "lif-digits", "sigma-delta-mnist", "laydevant-fc", "ep-1h"):
        spec = override(load_preset(preset), []).network
        try:
            check_covered(spec)
        except InputError:
            continue
        covered.append(preset)
    assert covered == ["if-digits", "lif-digits", "sigma-delta-mnist", "laydevant-fc"]
