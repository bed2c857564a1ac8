"""The cases of the kit: every Process in its variants, and small networks that learn.

Stimuli are random, from a fixed seed, and chosen so that thresholds are crossed, both phases and
both signs of beta occur, and weights change. Golden traces are added by `record`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np

from lava_ep import processes
from lava_ep.analysis.comparison import TOLERANCE
from lava_ep.conformance.case import FIXED, FLOATING, NETWORK, Array, Case, network_of, to_plain
from lava_ep.dynamics import (
    BOP,
    LIF,
    SGD,
    Activation,
    Code,
    Connection,
    Convolution,
    Dense,
    Encoding,
    Nudging,
    PhaseSchedule,
    Pooling,
    Reading,
    Reset,
    SpikeTrace,
    StepSize,
    Updates,
)
from lava_ep.loihi2.formats import ACTIVATION_SHIFT
from lava_ep.models.fixed_point import convert
from lava_ep.parameters import initial_parameters
from lava_ep.processes.arguments import parameters_of
from lava_ep.spec import NetworkSpec, load_preset, parse

SEED = 0
BATCH, SOURCES, NEURONS = 2, 6, 5
SYMMETRIC = PhaseSchedule(4, 3, 0.8, Nudging.SYMMETRIC)
SWEEPS = PhaseSchedule(4, 4, 0.8, Nudging.SYMMETRIC)
RANDOM_SIGN = PhaseSchedule(4, 3, 0.8, Nudging.RANDOM_SIGN)
CONTINUAL = PhaseSchedule(4, 3, 0.8, Nudging.RANDOM_SIGN, updates=Updates.CONTINUAL)


_NEWER = ("fixed_point", "neuron", "noise", "noises")
"""Arguments that the kit holds only where a case sets them, so that kits stay the same."""


def cases() -> Iterator[Case]:
    """Yield all cases, their arguments with the defaults of the Process."""
    for case in _all():
        yield case if case.is_network else _complete(case)


def _complete(case: Case) -> Case:
    subject = getattr(processes, case.subject)
    defaults = {
        name: parameter.default
        for name, parameter in parameters_of(subject).items()
        if parameter.default is not parameter.empty
        and name not in ("name", "log_config", *_NEWER, *case.initial)
    }
    if case.subject in ("BinaryNeuron", "GradedNeuron", "SigmaDeltaNeuron"):
        # In a kit, constants stand alone, as `Neuron.with_constants` reads them.
        constants = {constant.name: constant.default for constant in fields(subject.CONSTANTS)}
        if "nudge" in constants:
            constants["nudge_current"] = constants.pop("nudge") == "current"
        defaults |= constants
    plain = {name: to_plain(value) for name, value in defaults.items()}
    return replace(case, arguments={**plain, **case.arguments})


def _all() -> Iterator[Case]:
    yield from _neurons()
    yield from _synapses()
    yield from _ends()
    yield from _networks()
    yield from _fixed()


def _random(name: str) -> np.random.Generator:
    """Return the generator of a case: cases do not change when others are added."""
    return np.random.default_rng(np.random.SeedSequence([SEED, *name.encode()]))


def _neurons() -> Iterator[Case]:
    yield _neuron("binary-neuron", "BinaryNeuron", filter_rate=0.45, initial_state=0.0)
    yield _neuron("binary-neuron-random-sign", "BinaryNeuron", RANDOM_SIGN, initial_state=1.0)
    for activation in Activation:
        name = f"graded-neuron-{activation.value}"
        yield _neuron(name, "GradedNeuron", activation=activation, event_threshold=0.001)
    yield _neuron("graded-neuron-energy", "GradedNeuron", time_step=0.2)
    yield _neuron("graded-neuron-continual", "GradedNeuron", CONTINUAL)
    for name, steps in (
        ("constant", StepSize(levels=5)),
        ("decaying", StepSize(levels=8, start=4, decay=0.8)),
        ("adaptive", StepSize(levels=8, start=4, adaptive=True)),
    ):
        yield _neuron(f"sigma-delta-neuron-{name}", "SigmaDeltaNeuron", step_size=steps)
    trace = SpikeTrace(0.1)
    for name, neuron in (
        ("subtract", LIF(du=0.3, trace=trace)),
        ("leak", LIF(du=0.3, dv=0.2, reset=Reset.ZERO, trace=trace)),
        ("refractory", LIF(du=0.3, dv=0.1, refractory=2, trace=trace)),
    ):
        yield _neuron(f"lif-neuron-{name}", "LIFNeuron", neuron=neuron)
    for name, options in (("hidden", {}), ("output", {"diodes": False})):
        case = _neuron(
            f"resistive-neuron-{name}",
            "ResistiveNeuron",
            SWEEPS,
            layer=1 if name == "hidden" else 2,
            neurons=6,
            **options,
        )
        rng = _random(f"{case.name} conductances")
        drawn = rng.uniform(2.0, 4.0, (case.steps, 6)).astype(np.float32)
        yield replace(case, inputs={**case.inputs, "g_in": drawn})


def _neuron(
    name: str,
    subject: str,
    schedule: PhaseSchedule = SYMMETRIC,
    *,
    neurons: int = NEURONS,
    **arguments: Any,
) -> Case:
    """Return neurons that are fed random currents and targets for two samples."""
    rng = _random(name)
    steps, shape = 2 * schedule.period(learning=True), (BATCH, neurons)
    target = np.zeros(shape, np.int8)
    target[range(BATCH), rng.integers(0, neurons, BATCH)] = 1
    return Case(
        name,
        subject,
        FLOATING,
        {
            "shape": list(shape),
            "schedule": to_plain(schedule),
            "bias_rate": 0.05,
            **{key: to_plain(value) for key, value in arguments.items()},
        },
        initial={"bias": rng.uniform(-0.2, 0.3, neurons).astype(np.float32)},
        inputs={
            "a_in": rng.normal(0.5, 0.8, (steps, *shape)).astype(np.float32),
            "target_in": np.repeat(target[None], steps, axis=0),
        },
        steps=steps,
        outputs=("s_out", "state_out"),
        after=("state", "bias", "events"),
        tolerance=TOLERANCE,
    )


def _synapses() -> Iterator[Case]:
    dense = Dense(SOURCES, NEURONS)
    bop = BOP(gamma=0.1, theta=0.05)
    yield _synapse("binary-synapse", "BinarySynapse", dense, bop, tolerance=0.0)
    yield _synapse("binary-synapse-alpha", "BinarySynapse", dense, bop, alpha_rate=0.1)
    pixels: dict[str, Any] = {"levels": 16, "from_pixels": True}
    yield _synapse("binary-synapse-pixels", "BinarySynapse", dense, bop, tolerance=0.0, **pixels)
    yield _synapse("binary-synapse-graded", "BinarySynapse", dense, bop, graded=True)
    sgd = SGD(0.2)
    yield _synapse("real-synapse", "RealSynapse", dense, sgd, graded=True)
    yield _synapse("real-synapse-untied", "RealSynapse", dense, sgd, graded=True, untied=True)
    yield _synapse("real-synapse-continual", "RealSynapse", dense, sgd, CONTINUAL, graded=True)
    for name, reading in (
        ("sigma-delta", StepSize(levels=5)),
        ("adaptive", StepSize(levels=8, start=4, adaptive=True)),
        ("spikes", SpikeTrace(0.2)),
    ):
        ends = (reading, reading)
        yield _synapse(f"real-synapse-{name}", "RealSynapse", dense, sgd, readings=ends)
        yield _synapse(f"binary-synapse-{name}", "BinarySynapse", dense, bop, readings=ends)
    for pooling in Pooling:
        shape = Convolution((6, 6, 1), 2, kernel=3, padding=1, pool=2, pooling=pooling)
        name = f"conv-synapse-{pooling.value}"
        yield _synapse(name, "ConvSynapse", shape, sgd, graded=True)
        yield _synapse(f"{name}-binary", "ConvSynapse", shape, bop, alpha=0.3)
    yield _conductances("conductance-synapse", dense, sgd)
    yield _conductances("conductance-synapse-pixels", dense, sgd, levels=16, input_voltage=2.0)


def _conductances(name: str, connection: Dense, rule: SGD, **pixels: Any) -> Case:
    """Return conductances that are fed random changes of voltages, or pixels at one end."""
    case = _synapse(name, "ConductanceSynapse", connection, rule, SWEEPS, graded=True)
    arguments = {key: value for key, value in case.arguments.items() if key != "readings"}
    inputs = dict(case.inputs)
    if pixels:
        period, pixel = SWEEPS.period(learning=True), inputs["s_in_pre"][:, :, : SOURCES // 2]
        inputs["s_in_pre"] = np.zeros(pixel.shape, np.int32)
        inputs["s_in_pre"][::period] = np.abs(np.rint(20 * pixel[::period])) % 17
    return replace(
        case,
        arguments={**arguments, **{key: to_plain(value) for key, value in pixels.items()}},
        initial={"weights": np.maximum(case.initial["weights"], 0)},
        inputs=inputs,
        outputs=(*case.outputs, "g_out_post", "g_out_pre"),
    )


def _synapse(
    name: str,
    subject: str,
    connection: Connection,
    rule: BOP | SGD,
    schedule: PhaseSchedule = SYMMETRIC,
    *,
    graded: bool = False,
    untied: bool = False,
    from_pixels: bool = False,
    readings: tuple[Reading, Reading] = (None, None),
    tolerance: float = TOLERANCE,
    **arguments: Any,
) -> Case:
    """Return synapses that are fed random events of both ends for two samples and learn twice."""
    rng = _random(name)
    period = schedule.period(learning=True)
    steps, binary = 2 * period, isinstance(rule, BOP)
    shape = connection.weight_shape
    arguments |= {"learning_rule": rule, "readings": readings, "schedule": schedule}
    if subject == "ConvSynapse":
        arguments["connection"] = connection
    if subject == "BinarySynapse":
        arguments |= {"alpha": 0.25, "graded": graded}
    pre = _events(rng, (steps, BATCH, connection.n_pre), period, readings[0], graded)
    if from_pixels:
        pre = np.zeros_like(pre, np.int32)
        pre[::period] = rng.integers(0, 17, pre[::period].shape)
    post = _events(rng, (steps, BATCH, connection.n_post), period, readings[1], graded)
    weights = rng.choice([-1, 1], shape) if binary else rng.normal(0, 0.5, shape)
    initial = {"weights": weights.astype(np.int8 if binary else np.float32)}
    if untied:
        initial["feedback"] = rng.normal(0, 0.5, shape).astype(np.float32)
    return Case(
        name,
        subject,
        FLOATING,
        {"batch": BATCH, **{key: to_plain(value) for key, value in arguments.items()}},
        initial=initial,
        inputs={"s_in_pre": pre, "s_in_post": post},
        steps=steps,
        outputs=("a_out_post", "a_out_pre"),
        after=(*initial, "synaptic_operations", *(["alpha"] if binary else [])),
        tolerance=tolerance,
    )


def _events(
    rng: np.random.Generator, shape: tuple[int, ...], period: int, reading: Reading, graded: bool
) -> Array:
    """Return messages that neurons might send: none that their activation has no room for."""
    if graded:
        sent = rng.normal(0, 0.3, shape) * (rng.random(shape) < 0.4)
        return sent.astype(np.float32)
    if isinstance(reading, SpikeTrace):
        return (rng.random(shape) < 0.3).astype(np.int8)
    if isinstance(reading, StepSize):
        return rng.choice([-1, 0, 0, 1], shape).astype(np.int8)
    active = rng.random(shape) < 0.4
    events = np.diff(active.astype(np.int8), axis=0, prepend=np.zeros_like(active[:1], np.int8))
    events[::period] = active[::period]
    return events


def _ends() -> Iterator[Case]:
    """Yield what stands at the ends of a network."""
    rng = _random("ends")
    images, labels = rng.integers(0, 17, (2 * BATCH, SOURCES)), rng.integers(0, 3, 2 * BATCH)
    steps = 2 * SYMMETRIC.period(learning=True)
    arguments = {"batch": BATCH, "schedule": to_plain(SYMMETRIC)}
    asked: dict[str, Any] = {
        "steps": steps,
        "outputs": ("s_out", "label_out"),
        "after": ("events",),
    }
    shown = {"images": images.astype(np.int32), "labels": labels.astype(np.int32)}
    for code in (Code.CONSTANT, Code.LATENCY, Code.RATE):
        encoding = to_plain(Encoding(code, 16, 3 if code is Code.LATENCY else 1))
        yield Case(
            f"image-source-{code.value}",
            "ImageSource",
            FLOATING,
            {**arguments, "encoding": encoding},
            initial=shown,
            **asked,
        )
    yield Case(
        "event-source",
        "EventSource",
        FLOATING,
        {**arguments, "levels": 4},
        initial={
            "recordings": rng.integers(0, 3, (2 * BATCH, 3, SOURCES)).astype(np.int32),
            "labels": shown["labels"],
        },
        **asked,
    )
    yield Case(
        "target",
        "Target",
        FLOATING,
        {"shape": [BATCH, SOURCES], "classes": 3},
        inputs={"label_in": rng.integers(0, 3, (4, BATCH)).astype(np.int32)},
        steps=4,
        outputs=("target_out",),
    )
    yield Case(
        "readout",
        "Readout",
        FLOATING,
        {"shape": [BATCH, SOURCES], "classes": 3, "schedule": to_plain(SYMMETRIC)},
        inputs={"state_in": rng.random((steps, BATCH, SOURCES)).astype(np.float32)},
        steps=steps,
        outputs=("score_out",),
        tolerance=TOLERANCE,
    )


PHASES = {"free_steps": 5, "nudged_steps": 4, "beta": 2, "nudging": "symmetric"}
BINARY_LAYERS = [
    {"neurons": 8, "scale": 0.7, "theta": 0.01, "gamma": 0.1, "bias_rate": 0.01},
    {"neurons": 6, "scale": 0.6, "theta": 0.01, "gamma": 0.1, "bias_rate": 0.01},
]
REAL_LAYERS = [
    {"neurons": 8, "weights": "real", "rate": 0.3, "bias_rate": 0.1, "bias_offset": 0.1},
    {"neurons": 6, "weights": "real", "rate": 0.1, "bias_rate": 0.1, "bias_offset": 0.2},
]
CONVOLUTION = {
    "channels": 2,
    "kernel": 3,
    "padding": 1,
    "pool": 2,
    **{key: value for key, value in BINARY_LAYERS[0].items() if key != "neurons"},
}
NETWORKS: dict[str, dict[str, Any]] = {
    "network-binary": {
        "layers": BINARY_LAYERS,
        "neuron": {"kind": "binary", "filter_rate": 0.45, "initial_state": 0.0},
    },
    "network-graded": {"layers": REAL_LAYERS, "neuron": {"kind": "graded"}},
    "network-continual": {
        "layers": REAL_LAYERS,
        "neuron": {"kind": "graded"},
        "phases": {**PHASES, "beta": 0.3, "nudging": "random-sign", "updates": "continual"},
    },
    "network-sigma-delta": {
        "layers": BINARY_LAYERS,
        "neuron": {"kind": "sigma-delta", "levels": 5, "filter_rate": 0.4},
    },
    "network-lif": {
        "layers": REAL_LAYERS,
        "neuron": {"kind": "lif", "du": 0.3, "trace_rate": 0.2},
        "phases": {**PHASES, "beta": 0.7},
    },
    "network-resistive": {
        "layers": [
            {"neurons": 8, "weights": "conductance", "rate": 0.01, "bias_rate": 0.01},
            {"neurons": 6, "weights": "conductance", "rate": 0.01, "bias_rate": 0.01, "scale": 2},
        ],
        "neuron": {"kind": "resistive", "input_voltage": 4},
        "phases": {**PHASES, "beta": 0.1},
    },
    "network-convolution": {
        "inputs": 36,
        "image_shape": [6, 6, 1],
        "layers": [CONVOLUTION, BINARY_LAYERS[1]],
        "neuron": {"kind": "binary", "filter_rate": 0.45, "initial_state": 0.0},
    },
}


def _stock() -> Case:
    """Return a network of Lava's own Processes that is shown one sample."""
    preset = load_preset("stock-digits").network.model_dump(mode="json")
    # Rates of its own, as recorded traces shall not change with those of the preset.
    own = ({"neurons": 8, "rate": 128.0}, {"neurons": 3, "rate": 32.0})
    layers = [{**layer, **more} for layer, more in zip(preset["layers"], own, strict=True)]
    content = {**preset, "inputs": 12, "classes": 3, "layers": layers}
    case = _network("fixed-network-stock", content, batch=1, batches=1)
    steps = preset["phases"]["free_steps"] + preset["phases"]["nudged_steps"]
    after = tuple(name for name in case.after if not name.endswith(".bias"))  # they do not learn
    return replace(case, arithmetic=FIXED, steps=steps, after=after)


def _networks() -> Iterator[Case]:
    for name, content in NETWORKS.items():
        exact = content["layers"] is BINARY_LAYERS or "image_shape" in content
        yield _network(name, content, tolerance=0.0 if exact else TOLERANCE)


def _network(
    name: str,
    content: dict[str, Any],
    *,
    tolerance: float = 0.0,
    batch: int = BATCH,
    batches: int = 2,
) -> Case:
    """Return a network that learns from some batches."""
    rng = _random(name)
    plain = {"inputs": 12, "input_levels": 16, "classes": 3, "phases": PHASES, **content}
    spec = parse(NetworkSpec, plain, source=name)
    start = initial_parameters(spec, seed=SEED).to_arrays()
    del start["batch"]
    fields = ("state", "activation")
    return Case(
        name,
        NETWORK,
        FLOATING,
        {"spec": spec.model_dump(mode="json", exclude={"kind"}), "batch": batch, "seed": SEED},
        initial=start,
        inputs={
            "images": rng.integers(0, 17, (batches, batch, spec.inputs)).astype(np.uint8),
            "labels": rng.integers(0, 3, (batches, batch)).astype(np.int64),
        },
        steps=batches * spec.schedule(SEED).period(learning=True),
        outputs=tuple(f"{layer}.{field}" for layer in spec.layer_names for field in fields),
        after=(*(key for key in start if not key.endswith(".momentum")), "scores"),
        tolerance=tolerance,
    )


LIKE_FIXED = {
    "binary-neuron": ("network-binary", 1),
    "sigma-delta-neuron-constant": ("network-sigma-delta", 1),
    "lif-neuron-subtract": ("network-lif", 1),
    "lif-neuron-leak": ("network-lif", 1),
    "lif-neuron-refractory": ("network-lif", 1),
    "binary-synapse": ("network-binary", 1),
    "binary-synapse-pixels": ("network-binary", 0),
    "binary-synapse-sigma-delta": ("network-sigma-delta", 1),
    "binary-synapse-spikes": ("network-lif", 1),
    "real-synapse-sigma-delta": ("network-sigma-delta", 1),
    "real-synapse-spikes": ("network-lif", 1),
    "conv-synapse-max-binary": ("network-convolution", 0),
}
"""Cases that are there in fixed point, too, and the network and layer whose formats they take."""


def _fixed() -> Iterator[Case]:
    """Yield cases in fixed point: the same Processes and networks, with integers as currents."""
    networks = {case.name: case for case in _networks()}
    formats = {
        name: convert(*network_of(case)).layers
        for name, case in networks.items()
        if name in FIXED_NETWORKS
    }
    for case in (*_neurons(), *_synapses()):
        if case.name not in LIKE_FIXED:
            continue
        network, layer = LIKE_FIXED[case.name]
        found = formats[network][layer]
        inputs = dict(case.inputs)
        if "a_in" in inputs:
            unit = found.neurons.one / 2**ACTIVATION_SHIFT
            inputs["a_in"] = np.rint(inputs["a_in"] * unit).astype(np.int32)
        form = found.neurons if "a_in" in inputs else found.synapses
        arguments = {**case.arguments, "fixed_point": to_plain(form)}
        if "alpha" in arguments:
            arguments["alpha"] = found.synapses.unit
        yield replace(
            case,
            name=f"fixed-{case.name}",
            arithmetic=FIXED,
            arguments=arguments,
            inputs=inputs,
            tolerance=0.0,
        )
    for name in FIXED_NETWORKS:
        yield replace(networks[name], name=f"fixed-{name}", arithmetic=FIXED, tolerance=0.0)
    yield _stock()


FIXED_NETWORKS = ("network-binary", "network-sigma-delta", "network-lif", "network-convolution")
