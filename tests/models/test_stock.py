"""Networks of Lava's own Processes: against plain integers, and what they are made of."""

from __future__ import annotations

import re
import sys
import types

import numpy as np
import pytest
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.process import Dense, LearningDense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIFReset
from stock_reference import payloads_of, transcribe

from lava_ep.errors import InputError
from lava_ep.models import check_backend, default_backend, loihi, run_config
from lava_ep.models.loihi import FIXED_POINT, FLOATING_POINT, SynapseScale, hardware
from lava_ep.models.loihi.arithmetic import Timing
from lava_ep.parameters import initial_parameters
from lava_ep.processes import EPNetwork
from lava_ep.runtime import supervised
from lava_ep.runtime.network import compile_network
from lava_ep.spec import NetworkSpec, load_preset
from lava_ep.training import StockSession

ON_CHIP = {LIFReset, Dense, LearningDense}
"""Processes with models in Intel's extension that a network may be made of."""

LAYER = {"du": 2048, "dv": 2048, "vth": 900, "impulse": 20, "weight_exp": -5}
OUTPUT = {"du": 256, "dv": 1024, "vth": 3500, "impulse": 8, "feedback_exp": 2}


def make_spec(sizes=(12, 9, 7, 3), *, steps=8, neuron=(), **changes):
    """Return a small network with hidden layers that spike."""
    hidden = len(sizes) - 2
    middle = {**LAYER, "weight_exp": 0, "vth": 500, "feedback_exp": 1}
    layers = [LAYER, *[middle] * (hidden - 1), OUTPUT]
    options = {"kind": "stock-lif", "layers": layers, "excitation": 1392, "inhibition": 1008}
    values = {
        "inputs": sizes[0],
        "input_levels": 16,
        "classes": sizes[-1],
        "layers": [
            {"neurons": n, "weights": "real", "scale": scale, "rate": rate}
            for n, scale, rate in zip(
                sizes[1:], (880, *[400] * hidden), (128, *[64] * hidden), strict=True
            )
        ],
        "neuron": {**options, **dict(neuron)},
        "phases": {"free_steps": steps, "nudged_steps": steps, "beta": 1, "nudging": "positive"},
        "feedback_angle": 0,
    }
    return NetworkSpec.model_validate({**values, **changes})


def make_samples(samples, seed=0, inputs=12, classes=3):
    """Images with a bright patch for each class, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    images = rng.integers(0, 5, (samples, inputs))
    size = inputs // classes
    for image, label in zip(images, labels, strict=True):
        image[size * label : size * (label + 1)] += rng.integers(8, 12, size)
    return images.astype(np.uint8), labels


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"neuron": {"learning_epoch": 4, "pixel_tau": 16, "feedback": "fixed"}},
    ],
    ids=["every step, two hidden layers", "epochs of 4 steps, fixed feedback"],
)
def test_fixed_point_is_the_transcription_bit_for_bit(changes):
    spec, samples, seed = make_spec(**changes), 5, 3
    parameters = initial_parameters(spec, seed=seed)
    images, labels = make_samples(samples)
    expected = transcribe(spec, parameters, seed=seed)
    payloads = payloads_of(spec, images)

    network = EPNetwork(spec=spec, parameters=parameters, seed=seed)
    half = spec.phases.free_steps
    period = 2 * half
    target = np.zeros((3, samples, period))
    target[:, :, half - 1 : -1] = np.eye(3)[labels].T[:, :, None]
    pixels = Source(data=np.repeat(payloads.T, period, axis=1))
    teacher = Source(data=target.reshape(3, -1))
    sinks = [Sink(shape=(size,), buffer=samples * period) for size in spec.sizes[1:]]
    pixels.s_out.connect(network.s_in)
    teacher.s_out.connect(network.label_in)
    for name, sink in zip(spec.layer_names, sinks, strict=True):
        network.spikes_of(name).connect(sink.a_in)
    with supervised(network, run_cfg=run_config("loihi-fixed")) as run:
        run.run(samples * period)
        spikes = [run.get(sink.data).T for sink in sinks]
        weights = [run.get(network.layer_var(name, "weights")) for name in spec.layer_names]
        feedback = [run.get(network.layer_var(name, "feedback")) for name in spec.layer_names[1:]]

    shown = [expected.show(image, label) for image, label in zip(payloads, labels, strict=True)]
    for layer, found in enumerate(spikes):
        np.testing.assert_array_equal(found, np.concatenate([trace[layer] for trace in shown]))
        assert found.any()
    before = transcribe(spec, parameters, seed=seed)
    for found, synapses, start in zip(weights, expected.forward, before.forward, strict=True):
        np.testing.assert_array_equal(found, synapses.weights)
        assert np.count_nonzero(found != start.weights) > 10
    plastic = spec.neuron.feedback == "learned"
    for found, synapses, start in zip(
        feedback, expected.feedback[1:], before.feedback[1:], strict=True
    ):
        np.testing.assert_array_equal(found, synapses.weights)
        assert np.any(found != start.weights) == plastic
    if plastic:
        # The mirrored rule: what changes the weights changes the feedback, up to its rounding.
        gaps = [np.abs(f - w.T).max() for f, w in zip(feedback, weights[1:], strict=True)]
        changes = [
            np.abs(f - s.weights).max() for f, s in zip(feedback, before.feedback[1:], strict=True)
        ]
        assert max(gaps) < max(changes) / 2


def test_inference_is_the_transcription_too():
    spec, seed = make_spec(steps=16), 3
    parameters = initial_parameters(spec, seed=seed)
    images, _ = make_samples(20)
    network = transcribe(spec, parameters, seed=seed, learning=False)
    payloads = payloads_of(spec, images)
    expected = [network.show(image) for image in payloads]
    with StockSession(spec, batch=1, parameters=parameters, learning=False) as session:
        scores = session.scores(images)
        counters = session.counters()
    # The first step is one of the sample before.
    np.testing.assert_array_equal(scores, [trace[-1][1:].sum(axis=0) for trace in expected])
    assert scores.any()
    spikes = np.array([[layer.sum() for layer in trace] for trace in expected]).sum(axis=0)
    assert counters.events.tolist() == [spikes.sum(), 0]
    pixels = 16 * np.count_nonzero(images)
    reached = pixels * 9 + spikes @ [7, 3 + 9, 7]
    assert counters.synaptic_operations.tolist() == [reached, 0]


def test_real_numbers_learn_what_integers_learn():
    spec = make_spec((12, 16, 3), steps=16)
    start = initial_parameters(spec, seed=1)
    images, labels = make_samples(6)
    changes = {}
    for backend in ("loihi-fixed", "loihi-float"):
        with StockSession(spec, batch=1, parameters=start, seed=1, backend=backend) as session:
            assert len(list(session.stream(images, labels))) == 6
            learned = session.parameters()
        assert learned.batch == 6
        changes[backend] = [
            (getattr(new, kind) - getattr(old, kind)).ravel()
            for new, old in zip(learned.layers, start.layers, strict=True)
            for kind in ("weights", "feedback")
            if getattr(old, kind) is not None
        ]
    for fixed, real in zip(*changes.values(), strict=True):
        cosine = fixed @ real / np.linalg.norm(fixed) / np.linalg.norm(real)
        assert cosine > 0.9
        assert 0.8 < np.linalg.norm(fixed) / np.linalg.norm(real) < 1.25


@pytest.mark.parametrize("backend", ["loihi-fixed", "loihi-float"])
@pytest.mark.parametrize("learning", [True, False])
def test_networks_are_made_of_stock_processes_and_their_own_models_only(backend, learning):
    spec = make_spec()
    network = EPNetwork(spec=spec, learning=learning)
    _, processes = compile_network(network, run_config(backend), {})
    leaves = processes - {network}
    assert {type(process) for process in leaves} == (ON_CHIP if learning else {LIFReset, Dense})
    plastic = [process.name for process in leaves if isinstance(process, LearningDense)]
    expected = ["hidden1_synapses", "hidden2_feedback", "hidden2_synapses"]
    expected += ["output_feedback", "output_synapses"]
    assert sorted(plastic) == (expected if learning else [])
    for process in leaves:
        assert type(process).__module__.startswith("lava.proc.")
        assert process.model_class.__module__.startswith("lava.proc.")
        assert run_config(backend).select_tag in process.model_class.tags


def test_feedback_and_plasticity_are_as_asked_for():
    def kinds(**changes):
        network = EPNetwork(spec=make_spec(**changes))
        _, processes = compile_network(network, run_config("loihi-fixed"), {})
        return {p.name: type(p) for p in processes - {network}}

    fixed = kinds(neuron={"feedback": "fixed"}, feedback_angle=90)
    assert fixed["output_feedback"] is Dense
    assert fixed["output_synapses"] is LearningDense
    none = kinds(neuron={"feedback": "none"}, feedback_angle=None)
    assert not any("feedback" in name for name in none)
    layers = make_spec().model_dump()["layers"]
    frozen = kinds(layers=[{**layers[0], "frozen": True}, *layers[1:]])
    assert frozen["hidden1_synapses"] is Dense
    assert frozen["hidden2_synapses"] is LearningDense


@pytest.mark.parametrize("arithmetic", [FIXED_POINT, FLOATING_POINT])
@pytest.mark.parametrize("scale", [SynapseScale(2, -5, graded=True), SynapseScale(0, 2)])
def test_weights_stand_for_parameters(arithmetic, scale):
    representable = (2.0**scale.unit * np.array([[-254, 0, 2, 254]])).astype(np.float32)
    weights = arithmetic.weights(representable, scale)
    np.testing.assert_array_equal(arithmetic.parameters(weights, scale), representable)
    # The current of a spike is the same in both: payloads are 128 times as large in integers.
    gain = 2.0**scale.exponent * 128**scale.graded if arithmetic is FIXED_POINT else 1
    np.testing.assert_allclose(weights * gain, representable * scale.gain)


def test_integer_weights_are_even_and_of_8_bits():
    values = np.array([[-1e6, -3.1, -0.9, 0.9, 3.1, 1e6]], np.float32)
    found = FIXED_POINT.weights(values, SynapseScale(0, 0))
    assert found.tolist() == [[-254, -4, 0, 0, 4, 254]]


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(64, "1*2^-4"), (96, "3*2^-5"), (70, "1*2^-4"), (112, "7*2^-6"), (7, "1*2^-7")],
)
def test_rates_become_mantissas_and_exponents(rate, expected):
    traces = {"x1_tau": 4, "x1_impulse": 0, "y1_tau": 6, "y1_impulse": 20}
    scale = SynapseScale(2, -5, graded=True)
    rule = FIXED_POINT.learning_rule(rate, scale, traces, Timing(1, 5, 1))
    assert rule.dw_str.startswith(f"{expected}*u5*x1*y1*d - ")
    assert FLOATING_POINT.learning_rule(64, scale, traces, Timing(1, 5, 1)).dw_str == (
        "1*2^6*u5*x1*y1*d - 1*2^6*u5*t*d"
    )


@pytest.mark.parametrize("rate", [1e-3, 1e6])
def test_rates_that_no_exponent_fits_are_refused(rate):
    traces = {"x1_tau": 4, "x1_impulse": 0, "y1_tau": 6, "y1_impulse": 20}
    for arithmetic in (FIXED_POINT, FLOATING_POINT):
        with pytest.raises(InputError, match=re.escape(f"rate={rate:g} of plastic synapses:")):
            arithmetic.learning_rule(rate, SynapseScale(0, 0), traces, Timing(1, 5, 1))


def test_without_the_extension_the_error_says_where_it_is_to_be_had():
    spec = make_spec()
    message = "backend loihi2: .*lava-loihi is not installed.*INRC.*inrc_interest@intel.com"
    for refused in (
        lambda: check_backend("loihi2", spec),
        lambda: run_config("loihi2"),
        lambda: StockSession(
            spec, batch=1, parameters=initial_parameters(spec, seed=0), backend="loihi2"
        ),
    ):
        with pytest.raises(InputError, match=message):
            refused()
    assert not any(name.startswith("lava.proc.embedded_io") for name in sys.modules)


def test_backends_are_for_their_own_networks():
    stock, own = make_spec(), load_preset("binary-digits").network
    assert default_backend(stock) == "loihi-fixed"
    assert default_backend(own) == "message-passing"
    with pytest.raises(InputError, match="'fused': expected one of loihi-fixed, loihi-float, loi"):
        check_backend("fused", stock)
    with pytest.raises(InputError, match="'loihi-float': expected one of message-passing, fused"):
        check_backend("loihi-float", own)
    with pytest.raises(InputError, match="kind binary, expected stock-lif"):
        compile_network(EPNetwork(spec=own), run_config("loihi-fixed"), {})
    with pytest.raises(InputError, match="stock-lif have no process: expected another backend"):
        compile_network(EPNetwork(spec=stock), run_config("message-passing"), {})
    with pytest.raises(InputError, match="batch=2 with neurons of kind stock-lif: expected 1"):
        EPNetwork(spec=stock, batch=2)


class _Adapter(AbstractProcess):
    """Relay of spikes in place of the extension's adapters, which no test can have."""

    def __init__(self, *, shape, num_message_bits=0):
        super().__init__(shape=shape, num_message_bits=num_message_bits)
        self.inp, self.out = InPort(shape=shape), OutPort(shape=shape)


class ToChip(_Adapter):
    """From the host to the chip."""


class FromChip(_Adapter):
    """From the chip to the host."""


class _Relay(PyLoihiProcessModel):
    inp: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self):
        self.out.send(self.inp.recv())


@implements(proc=ToChip, protocol=LoihiProtocol)
@requires(CPU)
class PyToChip(_Relay):
    """On the CPU."""


@implements(proc=FromChip, protocol=LoihiProtocol)
@requires(CPU)
class PyFromChip(_Relay):
    """On the CPU."""


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # Lava's own runtime leaves sockets
def test_the_graph_for_the_chip_has_adapters_and_learns_the_same(monkeypatch):
    extension = types.ModuleType("lava.proc.embedded_io.spike")
    extension.PyToNxAdapter, extension.NxToPyAdapter = ToChip, FromChip
    monkeypatch.setitem(sys.modules, "lava.proc.embedded_io", types.ModuleType("embedded_io"))
    monkeypatch.setitem(sys.modules, "lava.proc.embedded_io.spike", extension)
    monkeypatch.setattr(hardware.loihi, "is_installed", lambda: True)
    chosen = run_config("loihi2")
    assert (type(chosen).__name__, chosen.select_tag) == ("Loihi2HwCfg", "fixed_pt")
    assert chosen.exception_proc_model_map == {EPNetwork: loihi.FixedStockNetworkModel}
    # Loihi2HwCfg itself cannot choose without the extension; the graph it gets is the same.
    monkeypatch.setattr(
        loihi,
        "hardware_config",
        lambda models: Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=models),
    )
    spec = make_spec((12, 6, 3), steps=4)
    images, labels = make_samples(2)
    found = {}
    for backend in ("loihi-fixed", "loihi2"):
        with StockSession(
            spec, batch=1, parameters=initial_parameters(spec, seed=0), backend=backend
        ) as session:
            scores = list(session.stream(images, labels))
            found[backend] = scores, session.parameters().to_arrays()
            adapters = session._build(images, labels).adapters
    assert [(type(a), a.inp.shape) for a in adapters] == [
        (ToChip, (12,)),
        (ToChip, (3,)),
        (FromChip, (6,)),
        (FromChip, (3,)),
    ]
    assert [a.proc_params["num_message_bits"] for a in adapters] == [8, 0, 0, 0]
    np.testing.assert_array_equal(*(scores for scores, _ in found.values()))
    expected, arrays = (arrays for _, arrays in found.values())
    for name, array in expected.items():
        np.testing.assert_array_equal(array, arrays[name])
