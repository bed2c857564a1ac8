"""The Processes in the hands of a Lava user: no runtime, trainer or other help of ours."""

from __future__ import annotations

import numpy as np
import pytest
from harness import connect, make_samples, make_spec
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.monitor.process import Monitor
from reference import ReferenceNetwork

from lava_ep.dynamics import BOP, Binary, Nudging, PhaseSchedule
from lava_ep.parameters import initial_parameters
from lava_ep.processes import BinaryNeuron, BinarySynapse, ImageSource, Target
from lava_ep.runtime import ProcessFailure, supervised

CONFIG = Loihi2SimCfg(select_tag="floating_pt")
BATCH, BATCHES, SEED = 2, 3, 5

pytestmark = [
    # Lava's own runtime leaves semaphores and sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def spec():
    return make_spec(nudging="symmetric", gamma=0.2, bias_rate=0.05)


@pytest.fixture
def samples(spec):
    return make_samples(spec, BATCH * BATCHES)


@pytest.fixture
def reference(spec):
    return ReferenceNetwork(spec, initial_parameters(spec, seed=SEED), seed=SEED)


def shown(samples, number):
    chosen = slice(number * BATCH, (number + 1) * BATCH)
    return samples[0][chosen], samples[1][chosen]


def in_steps(traces, field, layer):
    """A quantity of one layer in all steps of several batches, (steps, batch, n)."""
    return np.concatenate([getattr(trace, field)[layer] for trace in traces])


def test_a_network_learns_with_lavas_own_runtime(spec, samples, reference):
    built = connect(spec, *samples, batch=BATCH, seed=SEED)
    network = built.network
    try:
        for number in range(BATCHES):
            expected = reference.show(*shown(samples, number))
            network.run(condition=RunSteps(num_steps=built.period), run_cfg=CONFIG)
            np.testing.assert_array_equal(built.readout.scores.get(), expected.scores)
            np.testing.assert_array_equal(network.output_state.get(), expected.states[-1][-1])
        for layer, name in enumerate(spec.layer_names):
            weights = network.layer_var(name, "weights").get()
            np.testing.assert_array_equal(weights, reference.signs[layer])
            bias = network.layer_var(name, "bias").get()
            np.testing.assert_array_equal(bias, reference.biases[layer])
        assert all(reference.flips)
    finally:
        network.stop()


def by_hand(spec, source, parameters):
    """Connect leaf Processes to the network that `EPNetwork` is, for one hidden layer."""
    schedule = spec.phases.schedule(SEED)
    synapses = [
        BinarySynapse(
            weights=values.weights,
            alpha=float(values.alpha[0]),
            batch=BATCH,
            schedule=schedule,
            learning_rule=BOP(layer.gamma, layer.theta),
            levels=levels,
        )
        for layer, values, levels in zip(
            spec.layers, parameters.layers, (spec.input_levels, 1), strict=True
        )
    ]
    neurons = [
        BinaryNeuron(
            shape=(BATCH, layer.neurons),
            schedule=schedule,
            bias=values.bias,
            neuron=spec.neuron.constants,
            bias_rate=layer.bias_rate,
        )
        for layer, values in zip(spec.layers, parameters.layers, strict=True)
    ]
    target = Target(shape=(BATCH, spec.sizes[-1]), classes=spec.classes)
    source.s_out.connect(synapses[0].s_in_pre)
    neurons[0].s_out.connect(synapses[1].s_in_pre)
    for synapse, neuron in zip(synapses, neurons, strict=True):
        synapse.a_out_post.connect(neuron.a_in)
        neuron.s_out.connect(synapse.s_in_post)
    synapses[1].a_out_pre.connect(neurons[0].a_in)
    source.label_out.connect(target.label_in)
    target.target_out.connect(neurons[1].target_in)
    return synapses, neurons


def test_leaf_processes_wired_by_hand_are_the_network(spec, samples, reference):
    schedule = spec.phases.schedule(SEED)
    source = ImageSource(images=samples[0], labels=samples[1], batch=BATCH, schedule=schedule)
    synapses, neurons = by_hand(spec, source, initial_parameters(spec, seed=SEED))
    with supervised(neurons[0]) as run:
        run.run(BATCHES * schedule.period(learning=True))
        traces = [reference.show(*shown(samples, number)) for number in range(BATCHES)]
        for layer, (synapse, neuron) in enumerate(zip(synapses, neurons, strict=True)):
            np.testing.assert_array_equal(run.get(synapse.weights), reference.signs[layer])
            np.testing.assert_array_equal(run.get(neuron.bias), reference.biases[layer])
            np.testing.assert_array_equal(run.get(neuron.state), traces[-1].states[layer][-1])
            assert run.get(synapse.flips) == reference.flips[layer] > 0


def recorded(monitor, process):
    """Return what a Monitor has recorded of its one target."""
    (data,) = monitor.get_data()[process.name].values()
    return data


def test_monitors_record_states_and_events(spec, samples, reference):
    built = connect(spec, *samples, batch=BATCH, seed=SEED)
    network, steps = built.network, BATCHES * built.period
    monitors = [Monitor() for _ in range(3)]
    for monitor, target in zip(
        monitors, (network.hidden1_state, network.s_out, network.state_out), strict=True
    ):
        monitor.probe(target, steps)
    try:
        network.run(condition=RunSteps(num_steps=steps), run_cfg=CONFIG)
        states, events, output_states = (recorded(monitor, network) for monitor in monitors)
    finally:
        network.stop()
    traces = [reference.show(*shown(samples, number)) for number in range(BATCHES)]
    np.testing.assert_array_equal(states, in_steps(traces, "states", 0))
    np.testing.assert_array_equal(events, np.concatenate([trace.changes(1) for trace in traces]))
    np.testing.assert_array_equal(output_states, in_steps(traces, "states", 1))


def test_a_neuron_listens_to_stock_processes_and_is_heard_by_them():
    schedule = PhaseSchedule(free_steps=4, nudged_steps=3, beta=1.5, nudging=Nudging.POSITIVE)
    steps = 2 * schedule.period(learning=True)
    rng = np.random.default_rng(0)
    shape = (2, 3)
    currents, goal = rng.normal(0.4, 0.8, (*shape, steps)), rng.integers(0, 2, (*shape, 1))
    source, target = Source(data=currents), Source(data=goal)
    neuron = BinaryNeuron(
        shape=shape,
        schedule=schedule,
        bias=np.array([0.1, 0.0, -0.1]),
        neuron=Binary(filter_rate=0.4),
    )
    sinks = [Sink(shape=shape, buffer=steps) for _ in range(2)]
    source.s_out.connect(neuron.a_in)
    target.s_out.connect(neuron.target_in)
    neuron.s_out.connect(sinks[0].a_in)
    neuron.state_out.connect(sinks[1].a_in)
    with supervised(neuron, run_cfg=CONFIG) as run:
        run.run(steps)
        events, states = (run.get(sink.data) for sink in sinks)

    s = None
    f32 = np.float32
    for step in range(steps):
        position = step % schedule.period(learning=True)
        before = np.zeros(shape) if position == 0 else s >= f32(0.5)
        if position == 0:
            s = np.ones(shape, f32)
        else:
            drive = currents[..., step].astype(f32) + np.array([0.1, 0.0, -0.1], f32)
            if position > 4:
                drive = drive + f32(1.5) * (goal[..., 0].astype(f32) - s)
            s = np.clip((f32(1) - f32(0.4)) * s + f32(0.4) * drive, f32(0), f32(1))
        np.testing.assert_array_equal(states[..., step], s, err_msg=f"step {step}")
        change = (s >= f32(0.5)).astype(int) - before
        np.testing.assert_array_equal(events[..., step], change, err_msg=f"step {step}")
    assert np.abs(events[..., 1:]).sum() > 5


def test_a_synapse_listens_to_stock_processes_and_is_heard_by_them():
    schedule = PhaseSchedule(free_steps=4, nudged_steps=3, beta=1.5)
    steps = schedule.period(learning=True)
    rng = np.random.default_rng(0)
    weights = rng.choice(np.array([-1, 1], np.int8), (3, 5))
    events = np.zeros((2, 5, steps))
    events[..., 0] = rng.integers(0, 2, (2, 5))
    events[..., 3] = -events[..., 0] * rng.integers(0, 2, (2, 5))
    source, sink = Source(data=events), Sink(shape=(2, 3), buffer=steps)
    synapse = BinarySynapse(weights=weights, batch=2, schedule=schedule, alpha=0.5)
    source.s_out.connect(synapse.s_in_pre)
    synapse.a_out_post.connect(sink.a_in)
    with supervised(synapse, run_cfg=CONFIG) as run:
        run.run(steps)
        currents = run.get(sink.data)
        operations = run.get(synapse.synaptic_operations)
    activity = np.cumsum(events, axis=2)
    expected = 0.5 * np.einsum("ij,bjt->bit", weights, activity)
    np.testing.assert_array_equal(currents[..., 0], 0)  # nothing was received before
    np.testing.assert_array_equal(currents[..., 1:], expected[..., :-1])
    assert operations.tolist() == [3 * np.count_nonzero(events), 0]


@pytest.mark.parametrize("value", [0.5, 200.0])
def test_values_that_no_event_can_have_are_refused(value):
    schedule = PhaseSchedule(free_steps=1, nudged_steps=1, beta=1.0)
    source = Source(data=np.full((1, 2, 1), value))
    synapse = BinarySynapse(weights=np.ones((1, 2), np.int8), batch=1, schedule=schedule)
    source.s_out.connect(synapse.s_in_pre)
    message = f"received {value}: expected values of type int8"
    with pytest.raises(ProcessFailure, match=message), supervised(synapse, CONFIG) as run:
        run.run(1)
