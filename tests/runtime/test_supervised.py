"""Supervised runs on the real Lava runtime: results, state, Vars and host ports."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.extractor import Extractor
from lava.proc.io.injector import Injector
from lava.proc.io.sink import RingBuffer
from lava.proc.lif.process import LIF
from lava.proc.monitor.process import Monitor
from lava.proc.sparse.process import Sparse
from patience import patience
from scipy.sparse import csr_matrix

from lava_ep.errors import InputError
from lava_ep.runtime import RunStateError, supervised


def stock_network():
    rng = np.random.default_rng(0)
    source = LIF(shape=(5,), bias_mant=rng.random(5), vth=1.5, name="source")
    dense = Dense(weights=rng.normal(size=(3, 5)), name="dense")
    target = LIF(shape=(3,), vth=0.7, du=0.3, dv=0.1, name="target")
    sink = RingBuffer(shape=(3,), buffer=20)
    source.s_out.connect(dense.s_in)
    dense.a_out.connect(target.a_in)
    target.s_out.connect(sink.a_in)
    return source, dense, target, sink


def test_same_results_as_a_plain_run():
    source, _, target, sink = stock_network()
    with supervised(source) as run:
        run.run(12)
        run.run(8)
        found = [run.get(var) for var in (source.v, target.u, target.v, sink.data)]
    source, _, target, sink = stock_network()
    source.run(RunSteps(20), Loihi2SimCfg(select_tag="floating_pt"))
    expected = [var.get() for var in (source.v, target.u, target.v, sink.data)]
    source.stop()
    assert expected[-1].sum() > 0
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_lavas_own_calls_work_in_the_block():
    source, _, target, _ = stock_network()
    with supervised(source) as run:
        source.run(RunSteps(4))
        np.testing.assert_array_equal(target.v.get(), run.get(target.v))
        target.v.set(np.array([0.25, 0.5, 0.75]))
        np.testing.assert_array_equal(run.get(target.v), [0.25, 0.5, 0.75])
        source.stop()
        with pytest.raises(RunStateError, match="has ended"):
            run.run(1)


def test_monitor_of_a_var_and_a_port():
    def monitored():
        lif = LIF(shape=(2,), bias_mant=np.array([0.5, 0.7]), vth=1)
        of_var, of_port = Monitor(), Monitor()
        of_var.probe(lif.v, 9)
        of_port.probe(lif.s_out, 9)
        return lif, of_var, of_port

    lif, *monitors = monitored()
    with supervised(lif) as run:
        run.run(9)
        found = [next(iter(next(iter(m.get_data().values())).values())) for m in monitors]
    lif, *monitors = monitored()
    lif.run(RunSteps(9), Loihi2SimCfg(select_tag="floating_pt"))
    expected = [next(iter(next(iter(m.get_data().values())).values())) for m in monitors]
    lif.stop()
    assert expected[0].any()
    assert expected[1].any()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_lavas_injector_and_extractor():
    injector, extractor = Injector(shape=(2,), buffer_size=3), Extractor(shape=(2,), buffer_size=3)
    injector.out_port.connect(extractor.in_port)
    with supervised(injector, Loihi2SimCfg()) as run:
        run.start(3)
        for number in range(3):
            injector.send(np.full(2, number))
        received = [extractor.receive()[0] for _ in range(3)]
        run.wait()
    assert received == [0, 1, 2]
    with pytest.raises(AssertionError, match="Runtime needs to be created"):
        injector.send(np.zeros(2))


def test_run_in_another_thread(toys):
    relay = toys.Relay(listening=False)
    relay.s_out.flag_external_pipe(3)
    received = []

    def host():
        with supervised(relay, toys.config()) as run:
            run.run(3)
            received.extend(message[0] for message in run.outbox(relay.s_out))

    thread = threading.Thread(target=host)
    thread.start()
    thread.join()
    assert received == [1, 2, 3]


def test_pids_name_every_worker():
    source, *_ = stock_network()
    with supervised(source) as run:
        assert {"source", "dense", "target", "LoihiProtocol_SyncDomain"} < run.pids.keys()
        assert len(set(run.pids.values())) == 5


def test_quick_end():
    source, *_ = stock_network()
    with supervised(source) as run:
        run.run(1)
        start = time.monotonic()
    assert time.monotonic() - start < 1


def test_same_process_twice(toys):
    relay = toys.Relay(listening=False)
    relay.s_out.flag_external_pipe(2)
    for _ in range(2):
        with supervised(relay, toys.config()) as run:
            run.run(2)
            assert [message[0] for message in run.outbox(relay.s_out)] == [1, 2]


def test_hierarchical_process_twice_is_refused(toys):
    box = toys.Box()
    with supervised(box, toys.config()):
        pass
    with pytest.raises(RunStateError, match="Build the Processes anew"):
        supervised(box, toys.config()).__enter__()


def test_process_in_two_runs_is_refused(toys):
    relay = toys.Relay(name="shared")
    with (
        supervised(relay, toys.config()),
        pytest.raises(RunStateError, match=r"'shared'.*running already"),
    ):
        supervised(relay, toys.config()).__enter__()


def test_two_networks_at_once(toys):
    first, second = toys.Relay(listening=False), toys.Relay(listening=False)
    first.s_out.flag_external_pipe(4)
    with supervised(first, toys.config()) as one, supervised(second, toys.config()) as other:
        one.start(4)
        other.run(3)
        assert len(list(one.outbox(first.s_out))) == 4


@pytest.mark.parametrize("dtype", [np.float32, np.int8])
def test_ten_million_elements_in_two_seconds(toys, dtype):
    relay = toys.Relay(shape=(2500, 4000))
    var = relay.weights if dtype == np.float32 else relay.small
    value = np.random.default_rng(1).integers(-128, 128, size=relay.weights.shape).astype(dtype)
    with supervised(relay, toys.config()) as run:
        start = time.monotonic()
        run.set(var, value)
        written = time.monotonic()
        back = run.get(var)
        read = time.monotonic()
        assert back.dtype == dtype
        np.testing.assert_array_equal(back, value)
        assert written - start < patience(2)
        assert read - written < patience(2)
        assert run.get(relay.updates) == [1]


def test_aliased_var(toys):
    box = toys.Box()
    with supervised(box, toys.config()) as run:
        run.set(box.weights, [1.5, 2.5])
        np.testing.assert_array_equal(run.get(box.weights), np.float32([1.5, 2.5]))
        np.testing.assert_array_equal(run.get(box.weights.aliased_var), [1.5, 2.5])
        with pytest.raises(InputError, match=r"'loose'.*Box.*not a Var"):
            run.get(box.loose)


def test_ports_of_a_hierarchical_process(toys):
    box = toys.Box()
    box.a_in.flag_external_pipe(3)
    box.s_out.flag_external_pipe(3)
    with supervised(box, toys.config()) as run:
        run.inbox(box.a_in).put([1.0, 2.0])
        run.run(1)
        np.testing.assert_array_equal(run.outbox(box.s_out).get(), [2, 3])


def test_sparse_var():
    weights = csr_matrix(np.array([[0, 2.0], [1, 0]]))
    sparse = Sparse(weights=weights)
    with supervised(sparse) as run:
        assert (run.get(sparse.weights) != weights).nnz == 0
        run.set(sparse.weights, weights * 3)
        assert (run.get(sparse.weights) != weights * 3).nnz == 0
        assert (sparse.weights.get() != weights * 3).nnz == 0
        sparse.weights.set(weights * 5)
        assert (run.get(sparse.weights) != weights * 5).nnz == 0
        with pytest.raises(InputError, match="csr_matrix"):
            run.set(sparse.weights, np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("weights", np.zeros(3), r"'weights' of Process 'relay'.*\(3,\), expected \(2,\)"),
        ("weights", [1e60, 0], "float64 do not fit float32"),
        ("weights", ["a", "b"], "elements of type"),
        ("small", [1, 128], "int64 do not fit int8"),
        ("small", [0.5, 0], "float64 do not fit int8"),
        ("updates", [1.5], "float64 do not fit int64"),
    ],
)
def test_unfit_values_are_refused(toys, name, value, message):
    relay = toys.Relay(name="relay")
    with supervised(relay, toys.config()) as run:
        before = run.get(getattr(relay, name))
        with pytest.raises(InputError, match=message):
            run.set(getattr(relay, name), value)
        np.testing.assert_array_equal(run.get(getattr(relay, name)), before)


def test_misuse(toys):
    relay = toys.Relay(listening=False, pause=0.2, name="relay")
    stranger = toys.Relay()
    run = supervised(relay, toys.config())
    with pytest.raises(RunStateError, match="has not begun"):
        run.run(1)
    with run:
        for steps in (0, -1, 1.5, "2"):
            with pytest.raises(InputError, match="n_steps"):
                run.run(steps)
        with pytest.raises(InputError, match="not a Var of a Process that runs"):
            run.get(stranger.weights)
        with pytest.raises(InputError, match="not a Var"):
            run.get("weights")
        with pytest.raises(InputError, match=r"'s_out' of Process 'relay'.*flag_external_pipe"):
            run.outbox(relay.s_out)
        with pytest.raises(InputError, match="Expected an InPort, got OutPort"):
            run.inbox(relay.s_out)
        run.start(3)
        for call in (
            lambda: run.get(relay.weights),
            lambda: run.set(relay.weights, [0, 0]),
            lambda: run.start(1),
        ):
            with pytest.raises(RunStateError, match="while the network is running"):
                call()
        assert not run.poll(0.05)
        run.wait()
        assert run.poll()
    for call in (lambda: run.run(1), lambda: run.get(relay.weights), run.wait):
        with pytest.raises(RunStateError, match="has ended"):
            call()


def test_results_stream_to_the_host_during_the_run(toys):
    relay = toys.Relay(listening=False, pause=0.02)
    relay.s_out.flag_external_pipe(2)
    with supervised(relay, toys.config()) as run:
        outbox = run.outbox(relay.s_out)
        run.start(25)
        assert outbox.get()[0] == 1
        assert not run.poll()
        assert [message[0] for message in outbox] == list(range(2, 26))
        assert run.poll()


def test_messages_are_there_as_soon_as_the_run_is_done(toys):
    relay = toys.Relay()
    relay.a_in.flag_external_pipe(1)
    relay.s_out.flag_external_pipe(1)
    with supervised(relay, toys.config()) as run:
        inbox, outbox = run.inbox(relay.a_in), run.outbox(relay.s_out)
        for step in range(300):
            assert inbox.ready()
            inbox.put([step, 0])
            assert not inbox.ready()
            assert not outbox.ready()
            run.run(1)
            assert outbox.ready()
            assert outbox.get()[0] == step + 1


def test_many_messages_through_small_channels(toys):
    first, second = toys.Relay(), toys.Relay()
    first.s_out.connect(second.a_in)
    first.a_in.flag_external_pipe(1)
    second.s_out.flag_external_pipe(1)
    with supervised(first, toys.config(), channel_size=1) as run:
        inbox, outbox = run.inbox(first.a_in), run.outbox(second.s_out)
        run.start(1000)
        feeder = threading.Thread(target=lambda: [inbox.put([i, 0]) for i in range(1000)])
        feeder.start()
        received = [message[0] for message in outbox]
        feeder.join()
    assert received == list(range(2, 1002))


def test_waits_that_could_not_end_are_refused(toys):
    relay = toys.Relay()
    relay.a_in.flag_external_pipe(1)
    relay.s_out.flag_external_pipe(1)
    with supervised(relay, toys.config()) as run:
        inbox, outbox = run.inbox(relay.a_in), run.outbox(relay.s_out)
        with pytest.raises(InputError, match=r"shape \(3,\), expected \(2,\)"):
            inbox.put(np.zeros(3))
        inbox.put([0, 0])
        with pytest.raises(RunStateError, match="larger buffer_size"):
            inbox.put([0, 0])
        with pytest.raises(RunStateError, match="no message"):
            outbox.get()
        with pytest.raises(TimeoutError, match="'a_in'"):
            inbox.put([0, 0], timeout=0.05)
        with pytest.raises(TimeoutError, match="'s_out'"):
            outbox.get(timeout=0.05)


def test_full_outbox_is_reported(toys, monkeypatch):
    monkeypatch.setattr("lava_ep.runtime.run._FULL_OUTBOX_PATIENCE", 0.1)
    relay = toys.Relay(listening=False, name="relay")
    relay.s_out.flag_external_pipe(1)
    with supervised(relay, toys.config()) as run:
        run.outbox(relay.s_out)
        with pytest.warns(RuntimeWarning, match=r"'s_out' of Process 'relay'"):
            release = threading.Timer(0.5, lambda: list(run.outbox(relay.s_out)))
            release.start()
            run.run(3)
        release.join()


def test_leaving_a_run_that_cannot_end(toys):
    relay = toys.Relay(listening=False)
    relay.s_out.flag_external_pipe(1)
    with supervised(relay, toys.config()) as run:
        run.start(100)
        start = time.monotonic()
    assert time.monotonic() - start < 4


def test_pause_and_go_on(toys):
    relay = toys.Relay(listening=False, pause=0.01)
    with supervised(relay, toys.config()) as run:
        for _ in range(3):
            run.start(10**9)
            time.sleep(0.05)
            run.pause()
            run.run(2)
            run.get(relay.weights)


def test_request_of_a_model_to_pause(toys):
    asker = toys.Asker()
    with supervised(asker, toys.config()) as run:
        run.run(10)
        assert run.get(asker.steps) == [2]
        run.run(5)
        assert run.get(asker.steps) == [7]
        assert not run.stop_requested


def test_request_of_a_model_to_stop(toys):
    asker = toys.Asker(stop=True)
    with supervised(asker, toys.config()) as run:
        run.run(10)
        assert run.get(asker.steps) == [2]
        assert run.stop_requested
        with pytest.raises(RunStateError, match="asked to stop"):
            run.run(1)


def test_asynchronous_model(toys):
    ticker = toys.Ticker()
    ticker.s_out.flag_external_pipe(4)
    with supervised(ticker, toys.config()) as run:
        run.run(3)
        run.set(ticker.total, [10])
        run.run(2)
        assert run.get(ticker.total) == [12]
        assert [int(message[0]) for message in run.outbox(ticker.s_out)] == [3, 12]


def test_sparse_external_pipe_is_refused(toys, monkeypatch):
    monkeypatch.setattr(toys.RelayModel, "s_out", LavaPyType(PyOutPort.VEC_SPARSE, float))
    relay = toys.Relay()
    relay.a_in.flag_external_pipe(1)
    relay.s_out.flag_external_pipe(1)
    with pytest.raises(InputError, match=r"'s_out'.*PyOutPortVectorSparse.*VEC_DENSE"):
        supervised(relay, toys.config()).__enter__()


def test_unusable_options(toys):
    with pytest.raises(InputError, match="channel_size is 0"):
        supervised(toys.Relay(), channel_size=0)
    with pytest.raises(InputError, match="needs a Lava Process"):
        supervised("relay")
    with pytest.raises(InputError, match="use_watchdog"):
        supervised(toys.Relay(), compile_config={"use_watchdog": True}).__enter__()
