"""The fused backend on Lava: the message-passing network's ports, Vars, counters and results."""

from __future__ import annotations

import numpy as np
import pytest
from harness import connect, make_samples, make_spec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.source import RingBuffer as Source

from lava_ep.errors import InputError
from lava_ep.models import find_backend, run_config
from lava_ep.models.fused import PyEPNetworkModelFused
from lava_ep.processes import EPNetwork
from lava_ep.runtime import ProcessFailure, supervised

SEED = 4
LEARNED = ("weights", "bias", "momentum", "alpha")
COUNTERS = ("events", "synaptic_operations", "flips")


def results(built, batches):
    """Run some batches; return everything that the network has at the end."""
    steps = built.period if built.stepwise or built.backend == "message-passing" else 1
    with built.running() as run:
        run.run(batches * steps)
        fields = (*LEARNED, *COUNTERS, "state", "activation")
        found = {field: built.values(run, field) for field in fields}
        found["scores"] = [run.get(built.readout.scores)]
        found["pixel events"] = [run.get(built.source.events)]
    return found


def assert_equal(found, expected):
    for field, values in expected.items():
        for layer, (a, b) in enumerate(zip(found[field], values, strict=True)):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b, err_msg=f"{field} of layer {layer}")


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    hidden=st.lists(st.sampled_from([4, 9, 33]), min_size=0, max_size=3),
    nudging=st.sampled_from(["positive", "random-sign", "symmetric", "swing"]),
    alpha_rate=st.sampled_from([0.0, 0.05]),
    initial_state=st.sampled_from([0.0, 1.0]),
    learning=st.booleans(),
)
def test_whole_batches_equal_message_passing(hidden, nudging, alpha_rate, initial_state, learning):
    spec = make_spec(
        (12, *hidden, 6),
        nudging=nudging,
        alpha_rate=alpha_rate,
        bias_rate=0.02,
        initial_state=initial_state,
        theta=0.0103,
    )
    images, labels = make_samples(spec, 12)
    options = {"batch": 4, "seed": SEED, "learning": learning, "decay": 0.9}
    expected = results(connect(spec, images, labels, **options), 3)
    for stepwise in (False, True):
        built = connect(
            spec, images, labels, backend="fused", stepwise=stepwise, threads=2, **options
        )
        assert_equal(results(built, 3), expected)


# Lava's own runtime leaves semaphores and sockets to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_lavas_own_runtime_selects_it_by_its_tag():
    spec = make_spec(theta=0.0103)
    images, labels = make_samples(spec, 8)
    expected = results(connect(spec, images, labels, batch=4, seed=SEED), 2)
    built = connect(spec, images, labels, batch=4, seed=SEED)
    network = built.network
    try:
        network.run(condition=RunSteps(num_steps=2), run_cfg=Loihi2SimCfg(select_tag="fused"))
        assert network.model_class is PyEPNetworkModelFused
        assert built.readout.model_class.__name__ == "PyReadoutModelFused"
        np.testing.assert_array_equal(network.output_weights.get(), expected["weights"][-1])
        np.testing.assert_array_equal(built.readout.scores.get(), expected["scores"][0])
    finally:
        network.stop()


@pytest.mark.parametrize("select_sub_proc_model", [True, False])
def test_message_passing_is_still_selected_by_its_tag(select_sub_proc_model):
    spec = make_spec()
    images, labels = make_samples(spec, 4)
    built = connect(spec, images, labels, batch=4)
    config = Loihi2SimCfg(select_tag="floating_pt", select_sub_proc_model=select_sub_proc_model)
    with supervised(built.network, run_cfg=config):
        assert built.network.model_class.__name__ == "SubEPNetworkModel"


def test_what_is_sent_tells_of_the_end_of_the_free_phase():
    spec = make_spec()
    images, labels = make_samples(spec, 4)
    stepwise = connect(spec, images, labels, batch=4, backend="fused")
    with stepwise.running() as run:
        run.run(spec.phases.free_steps + 1)
        expected = run.get(stepwise.network.output_state)
        active = run.get(stepwise.network.output_activation)
    built = connect(spec, images, labels, batch=4, backend="fused", stepwise=False)
    built.network.state_out.flag_external_pipe(buffer_size=2)
    built.network.s_out.flag_external_pipe(buffer_size=2)
    with built.running() as run:
        run.run(1)
        np.testing.assert_array_equal(run.outbox(built.network.state_out).get(), expected)
        np.testing.assert_array_equal(run.outbox(built.network.s_out).get(), active)
        assert not np.array_equal(run.get(built.network.output_state), expected)


@pytest.mark.parametrize("nudging", ["random-sign", "symmetric", "swing"])
def test_images_that_change_while_they_are_shown_are_learned_alike(nudging):
    spec = make_spec(nudging=nudging, alpha_rate=0.05, bias_rate=0.02, theta=0.0103)
    steps = spec.phases.schedule(SEED).period(learning=True)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, spec.input_levels, (4, spec.inputs, 2 * steps))
    pixels *= rng.random(pixels.shape) < 0.2
    labels = np.repeat(rng.integers(0, 3, (4, 2)), steps, axis=1)
    found = {}
    for backend in ("message-passing", "fused"):
        # Stock Processes send whatever they are told, in every step.
        network = EPNetwork(spec=spec, batch=4, seed=SEED, name="network")
        Source(data=pixels).s_out.connect(network.s_in)
        Source(data=labels).s_out.connect(network.label_in)
        with supervised(network, run_cfg=run_config(backend, stepwise=True)) as run:
            run.run(2 * steps)
            found[backend] = {
                field: [run.get(network.layer_var(name, field)) for name in spec.layer_names]
                for field in (*LEARNED, *COUNTERS, "state", "activation")
            }
    assert_equal(found["fused"], found["message-passing"])
    assert all(flips > 0 for flips in found["fused"]["flips"])


def test_vars_can_be_replaced_while_it_runs():
    spec = make_spec()
    images, labels = make_samples(spec, 4)
    built = connect(spec, images, labels, batch=4, backend="fused", stepwise=False)
    with built.running() as run:
        for field in LEARNED:
            var = built.network.layer_var("hidden1", field)
            value = run.get(var)
            changed = -value if field == "weights" else value + 1
            run.set(var, changed)
            np.testing.assert_array_equal(run.get(var), changed)


def test_a_var_that_no_network_has_is_an_error():
    model_class = PyEPNetworkModelFused
    assert model_class.hidden7_momentum.d_type is np.float32
    for name in ("hidden1_weight", "input_weights", "nonsense"):
        with pytest.raises(AttributeError, match=name):
            getattr(model_class, name)


def test_a_label_that_is_no_class_stops_the_run():
    spec = make_spec()
    images, labels = make_samples(spec, 4)
    built = connect(spec, images, labels + 7, batch=4, backend="fused", stepwise=False)
    with (
        pytest.raises(ProcessFailure, match="expected classes from 0 to 2"),
        built.running() as run,
    ):
        run.run(1)


def test_backends_and_threads_are_checked():
    with pytest.raises(InputError, match="backend 'gpu': expected one of message-passing, fused"):
        run_config("gpu")
    assert find_backend("fused").whole_batches
    assert not find_backend("message-passing").whole_batches
    with pytest.raises(InputError, match="threads=0: expected at least 1"):
        EPNetwork(spec=make_spec(), threads=0)
