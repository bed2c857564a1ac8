"""After a supervised run, Vars are not silently what they were before it."""

from __future__ import annotations

import numpy as np
import pytest
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer
from lava.proc.lif.process import LIF
from lava.proc.monitor.process import Monitor

from lava_ep.models import run_config
from lava_ep.processes import EPNetwork, ImageSource
from lava_ep.runtime import ProcessFailure, RunStateError, supervised
from lava_ep.spec import load_preset


def stock_network():
    source = LIF(shape=(2,), bias_mant=1, vth=5)
    dense, sink = Dense(weights=np.eye(2)), RingBuffer(shape=(2,), buffer=4)
    source.s_out.connect(dense.s_in)
    dense.a_out.connect(sink.a_in)
    return source, dense, sink


def test_every_var_of_lavas_own_processes_refuses():
    source, dense, sink = stock_network()
    with supervised(source) as run:
        run.run(3)
        np.testing.assert_array_equal(source.v.get(), [3, 3])
    for process in (source, dense, sink):
        for var in process.vars:
            with pytest.raises(RunStateError, match=r"within the 'with' block: value = run\.get"):
                var.get()
            with pytest.raises(RunStateError, match="can no longer be set"):
                var.set(np.zeros(var.shape))


@pytest.mark.parametrize("backend", ["fused", "message-passing"])
def test_weights_of_a_network_refuse(backend):
    spec = load_preset("binary-digits").network
    schedule = spec.phases.schedule(0)
    images = np.zeros((1, spec.inputs), np.uint8)
    source = ImageSource(images=images, labels=np.zeros(1, int), batch=1, schedule=schedule)
    network = EPNetwork(spec=spec, batch=1)
    source.s_out.connect(network.s_in)
    source.label_out.connect(network.label_in)
    with supervised(network, run_config(backend)) as run:
        run.run(1)
    with pytest.raises(RunStateError, match="values of its Vars are gone"):
        network.hidden1_weights.get()
    with pytest.raises(RunStateError, match="can no longer be set"):
        network.hidden1_weights.set(np.ones(network.hidden1_weights.shape))


def test_monitor_refuses():
    lif, monitor = LIF(shape=(2,), bias_mant=1), Monitor()
    monitor.probe(lif.v, 3)
    with supervised(lif) as run:
        run.run(3)
    with pytest.raises(RunStateError, match="values of its Vars are gone"):
        monitor.get_data()


def test_lavas_run_refuses():
    source, *_ = stock_network()
    with supervised(source) as run:
        run.run(1)
    with pytest.raises(RunStateError, match=r"run\(\) cannot resume it"):
        source.run(RunSteps(1), Loihi2SimCfg(select_tag="floating_pt"))
    with pytest.raises(RunStateError, match="has ended"):
        run.run(1)
    for call in (source.wait, source.pause, source.stop):
        call()


def test_failed_run_refuses_too(toys):
    def blow_up():
        raise ValueError

    relay = toys.Relay(listening=False, trouble=("run_spk", blow_up))
    with pytest.raises(ProcessFailure), supervised(relay, toys.config()) as run:
        run.run(4)
    with pytest.raises(RunStateError, match="values of its Vars are gone"):
        relay.weights.get()


def test_processes_that_never_ran_keep_their_initial_values(toys):
    def blow_up():
        raise ValueError

    relay = toys.Relay(listening=False, trouble=("__init__", blow_up))
    with pytest.raises(ProcessFailure):
        supervised(relay, toys.config()).__enter__()
    assert relay.weights.get() == 0


def test_next_run_starts_from_the_initial_values():
    source, *_ = stock_network()
    for _ in range(2):
        with supervised(source) as run:
            run.run(3)
            np.testing.assert_array_equal(run.get(source.v), [3, 3])
