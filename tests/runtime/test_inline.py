"""Networks in one process: the same results as in OS processes, state, Vars and host ports."""

from __future__ import annotations

import itertools
import multiprocessing
import random
import threading
import time
import warnings

import numpy as np
import pytest
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import PyAsyncProcessModel, PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.run_conditions import RunContinuous, RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.core.sync.protocols.async_protocol import AsyncProtocol
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.conv.process import Conv
from lava.proc.dense.process import Dense, LearningDense
from lava.proc.io.extractor import Extractor, VarWire
from lava.proc.io.injector import Injector
from lava.proc.io.sink import RingBuffer
from lava.proc.io.source import RingBuffer as Source
from lava.proc.io.utils import ChannelConfig, ReceiveEmpty, SendFull
from lava.proc.learning_rules.stdp_learning_rule import STDPLoihi
from lava.proc.lif.process import LIF
from lava.proc.monitor.process import Monitor
from lava.proc.sparse.process import Sparse
from scipy.sparse import csr_matrix

from lava_ep.errors import InputError
from lava_ep.runtime import RunStateError, supervised
from lava_ep.runtime.inline import InlineRun, inline

BOTH = (supervised, inline)


def agree(found):
    """Check that both executions gave the same values, and not only zeros."""
    assert any(np.any(value) for value in found[0])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def spiking_network():
    rng = np.random.default_rng(0)
    source = LIF(shape=(5,), bias_mant=rng.random(5), vth=1.5, name="source")
    dense = Dense(weights=rng.normal(size=(3, 5)), name="dense")
    target = LIF(shape=(3,), vth=0.7, du=0.3, dv=0.1, name="target")
    back = Dense(weights=rng.normal(size=(5, 3)) * 0.1, name="back")
    sink = RingBuffer(shape=(3,), buffer=20)
    source.s_out.connect(dense.s_in)
    dense.a_out.connect(target.a_in)
    target.s_out.connect(sink.a_in)
    target.s_out.connect(back.s_in)
    back.a_out.connect(source.a_in)
    return source, target, sink


def test_recurrent_network_with_monitors():
    found = []
    for execution in BOTH:
        source, target, sink = spiking_network()
        monitor, of_port = Monitor(), Monitor()
        monitor.probe(target.v, 20)
        of_port.probe(source.s_out, 20)
        with execution(source) as run:
            run.run(12)
            run.run(8)
            data = [
                next(iter(next(iter(m.get_data().values())).values())) for m in (monitor, of_port)
            ]
            found.append([run.get(v) for v in (source.v, target.u, target.v, sink.data)] + data)
    agree(found)


@pytest.mark.parametrize("tag", ["floating_pt", "fixed_pt"])
def test_learning(tag):
    found = []
    for execution in BOTH:
        rng = np.random.default_rng(1)
        np.random.seed(0)  # noqa: NPY002 - the rule draws its seed there
        kind = float if tag == "floating_pt" else int
        rule = STDPLoihi(
            learning_rate=1, A_plus=2, A_minus=-2, tau_plus=10, tau_minus=10, t_epoch=4
        )
        spikes = [(rng.random((4, 40)) < 0.4).astype(kind) for _ in range(2)]
        pre, post = Source(data=spikes[0]), Source(data=spikes[1])
        plastic = LearningDense(weights=np.full((4, 4), 20, kind), learning_rule=rule)
        neurons = LIF(shape=(4,), vth=10)
        pre.s_out.connect(plastic.s_in)
        plastic.a_out.connect(neurons.a_in)
        post.s_out.connect(plastic.s_in_bap)
        with execution(pre, Loihi2SimCfg(select_tag=tag)) as run:
            run.run(30)
            run.run(10)
            found.append([run.get(plastic.weights) - 20, run.get(plastic.x1), run.get(neurons.u)])
    agree(found)


def test_images_through_a_convolution():
    found = []
    for execution in BOTH:
        rng = np.random.default_rng(2)
        source = Source(data=rng.integers(0, 2, (6, 6, 2, 10)))
        conv = Conv(weight=rng.integers(-3, 4, (3, 3, 3, 2)), input_shape=(6, 6, 2), padding=(1, 1))
        sink = RingBuffer(shape=conv.output_shape, buffer=10)
        source.s_out.connect(conv.s_in)
        conv.a_out.connect(sink.a_in)
        with execution(source, Loihi2SimCfg(select_tag="fixed_pt")) as run:
            run.run(10)
            found.append([run.get(sink.data)])
    agree(found)


class Prober(AbstractProcess):
    """Reads a Var of another Process in each management phase and writes it back, doubled."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.ref = RefPort(shape=(2,))
        self.seen = Var(shape=(2,), init=0)


@implements(proc=Prober, protocol=LoihiProtocol)
@requires(CPU)
class ProberModel(PyLoihiProcessModel):
    ref: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)
    seen: np.ndarray = LavaPyType(np.ndarray, float)

    def post_guard(self):
        return True

    def run_post_mgmt(self):
        self.seen[:] = self.ref.read()
        self.ref.write(2 * self.seen)
        self.ref.wait()


class Counter(AbstractProcess):
    """Adds its step to a Var, in the spiking and in the first management phase."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.value = Var(shape=(2,), init=np.array([1, 2]))
        self.phases = Var(shape=(4,), init=0)


@implements(proc=Counter, protocol=LoihiProtocol)
@requires(CPU)
class CounterModel(PyLoihiProcessModel):
    value: np.ndarray = LavaPyType(np.ndarray, float)
    phases: np.ndarray = LavaPyType(np.ndarray, int)

    def run_spk(self):
        self.value += self.time_step
        self.phases[0] += 1

    def lrn_guard(self):
        return self.time_step % 2 == 0

    def pre_guard(self):
        return self.time_step % 4 == 0

    def run_pre_mgmt(self):
        self.value += 100
        self.phases[1] += 1

    def run_lrn(self):
        self.phases[2] += 1

    def post_guard(self):
        return self.time_step % 3 == 0

    def run_post_mgmt(self):
        self.phases[3] += 1


def test_ref_ports_and_guards():
    """What Lava does: the phases of each step, and answers of Vars within them."""
    found = []
    for execution in BOTH:
        prober, counter = Prober(), Counter()
        prober.ref.connect_var(counter.value)
        with execution(prober, Loihi2SimCfg()) as run:
            run.run(5)
            run.run(7)
            found.append([run.get(v) for v in (prober.seen, counter.value, counter.phases)])
    agree(found)
    assert found[1][2].tolist() == [12, 3, 6, 4]


class Stage(AbstractProcess):
    """Doubles what it receives, without time steps."""

    def __init__(self, *, poll=False, **kwargs):
        super().__init__(poll=poll, **kwargs)
        self.a_in = InPort(shape=(1,))
        self.s_out = OutPort(shape=(1,))
        self.turns = Var(shape=(1,), init=0)


@implements(proc=Stage, protocol=AsyncProtocol)
@requires(CPU)
class StageModel(PyAsyncProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    turns: np.ndarray = LavaPyType(np.ndarray, int)

    def run_async(self):
        if self.proc_params["poll"]:
            while not self.check_for_pause_cmd() and not self.check_for_stop_cmd():
                self.turns += 1
                if self.a_in.probe():
                    self.s_out.send(2 * self.a_in.recv())
            return
        for _ in range(self.num_steps):
            self.s_out.send(2 * self.a_in.recv())


def test_models_without_time_steps_among_others(toys):
    found = []
    for execution in BOTH:
        relay, stage = toys.Relay(shape=(1,), listening=False), Stage()
        sink = RingBuffer(shape=(1,), buffer=9)
        relay.s_out.connect(stage.a_in)
        stage.s_out.connect(sink.a_in)
        with execution(relay, Loihi2SimCfg()) as run:
            run.run(5)
            run.run(4)
            found.append([run.get(sink.data)])
    agree(found)
    np.testing.assert_array_equal(found[1][0][0], 2 * np.arange(1, 10))


def test_models_that_poll_let_others_run():
    stage = Stage(poll=True)
    stage.a_in.flag_external_pipe(4)
    stage.s_out.flag_external_pipe(4)
    with inline(stage, Loihi2SimCfg()) as run:
        inbox, outbox = run.inbox(stage.a_in), run.outbox(stage.s_out)
        run.start(1)
        for value in range(50):
            inbox.put([value])
            assert outbox.get() == [2 * value]
        run.pause()
        assert run.get(stage.turns)[0] >= 50
        run.start(1)
        inbox.put([3])
        assert outbox.get() == [6]
    # The block ended it by Lava's command to stop.


def test_nothing_of_the_operating_system_is_used(monkeypatch):
    """No process, thread or shared memory, so that it works where Lava cannot fork."""

    def refuse(*args, **kwargs):
        raise AssertionError("not inline")

    monkeypatch.setattr(multiprocessing.Process, "start", refuse)
    monkeypatch.setattr("multiprocessing.shared_memory.SharedMemory.__init__", refuse)
    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refuse)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr("os.fork", refuse)
    monkeypatch.setattr("signal.signal", refuse)
    monkeypatch.setattr("signal.pthread_sigmask", refuse)
    source, _, sink = spiking_network()
    with inline(source) as run:
        run.run(20)
        assert run.pids == {}
        assert run.get(sink.data).any()


def test_lavas_own_calls_work_in_the_block():
    source, target, _ = spiking_network()
    with inline(source) as run:
        source.run(RunSteps(4))
        np.testing.assert_array_equal(target.v.get(), run.get(target.v))
        target.v.set(np.array([0.25, 0.5, 0.75]))
        np.testing.assert_array_equal(run.get(target.v), [0.25, 0.5, 0.75])
        source.run(RunSteps(3, blocking=False))
        with pytest.raises(RunStateError, match="while the network is running"):
            target.v.get()
        source.wait()
        source.run(RunContinuous())
        source.pause()
        target.v.get()
        source.stop()
        with pytest.raises(RunStateError, match="has ended"):
            run.run(1)
    with pytest.raises(RunStateError, match="are gone"):
        target.v.get()


def test_vars_of_all_kinds(toys):
    dense = Sparse(weights=csr_matrix(np.array([[0.0, 2.0], [3.0, 0.0]])))
    relay = toys.Relay(shape=(2,), name="relay")
    with inline(dense) as run:
        run.set(dense.weights, csr_matrix(np.array([[0.0, 5.0], [7.0, 0.0]])))
        assert run.get(dense.weights).toarray().tolist() == [[0, 5], [7, 0]]
        assert dense.weights.get().toarray().tolist() == [[0, 5], [7, 0]]
    assert dense.weights.init.toarray().tolist() == [[0, 2], [3, 0]]
    with inline(relay, toys.config()) as run:
        run.set(relay.weights, [1.5, 2])
        copy = run.get(relay.weights)
        assert copy.dtype == np.float32
        copy[:] = 9
        assert run.get(relay.weights).tolist() == [1.5, 2]
        assert run.get(relay.updates) == [1]  # by on_var_update
        with pytest.raises(InputError, match="float64 do not fit int8"):
            run.set(relay.small, [0.5, 0])


def test_models_change_copies_of_what_the_host_holds():
    """As after a fork: the Process can run again, from the same values."""
    weights, data = np.eye(2), np.ones((2, 3))
    source, dense, sink = (
        Source(data=data),
        Dense(weights=weights),
        RingBuffer(shape=(2,), buffer=3),
    )
    source.s_out.connect(dense.s_in)
    dense.a_out.connect(sink.a_in)
    found = []
    for _ in range(2):
        with inline(source) as run:
            run.set(dense.weights, 2 * run.get(dense.weights))
            run.run(3)
            found.append(run.get(sink.data))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(weights, np.eye(2))


def test_hierarchical_process(toys):
    box = toys.Box(name="box")
    box.a_in.flag_external_pipe(2)
    box.s_out.flag_external_pipe(2)
    with inline(box, toys.config()) as run:
        run.inbox(box.a_in).put([4, 5])
        run.run(1)
        assert run.outbox(box.s_out).get().tolist() == [5, 6]
        run.set(box.weights, [1, 2])
        assert run.get(box.weights).tolist() == [1, 2]


def test_host_streams_messages_while_the_network_runs(toys):
    first, second = toys.Relay(), toys.Relay()
    first.s_out.connect(second.a_in)
    first.a_in.flag_external_pipe(1)
    second.s_out.flag_external_pipe(1)
    with inline(first, toys.config(), channel_size=1) as run:
        inbox, outbox = run.inbox(first.a_in), run.outbox(second.s_out)
        run.start(100)
        received = []
        for value in range(100):
            inbox.put([value, 0])
            if value:
                received.append(outbox.get()[0])
        received += [message[0] for message in outbox]
        assert received == list(range(2, 102))
        assert run.poll()
        assert inbox.taken == outbox.taken == 100


def test_results_are_there_before_the_run_is_over(toys):
    relay = toys.Relay(listening=False)
    relay.s_out.flag_external_pipe(8)
    with inline(relay, toys.config()) as run:
        outbox = run.outbox(relay.s_out)
        run.start(25)
        assert outbox.get()[0] == 1
        assert not run.poll()
        assert [message[0] for message in outbox] == list(range(2, 26))
        assert run.poll()


def test_poll_keeps_to_its_time(toys):
    relay = toys.Relay(listening=False, pause=0.01)
    with inline(relay, toys.config()) as run:
        run.start(10**9)
        start = time.monotonic()
        assert not run.poll(0.1)
        assert 0.1 <= time.monotonic() - start < 2
        run.pause()
        assert run.poll()


def test_two_threads_of_the_host(toys):
    first, second = toys.Relay(), toys.Relay()
    first.s_out.connect(second.a_in)
    first.a_in.flag_external_pipe(1)
    second.s_out.flag_external_pipe(1)
    with inline(first, toys.config(), channel_size=1) as run:
        inbox, outbox = run.inbox(first.a_in), run.outbox(second.s_out)
        run.start(300)
        feeder = threading.Thread(target=lambda: [inbox.put([i, 0]) for i in range(300)])
        feeder.start()
        received = [message[0] for message in outbox]
        feeder.join()
    assert received == list(range(2, 302))


def test_threads_that_feed_drain_and_wait(toys):
    config = Loihi2SimCfg(exception_proc_model_map={toys.Relay: toys.RelayModel})
    for seed in range(8):
        draw = random.Random(seed)
        relays = [toys.Relay() for _ in range(draw.randint(1, 4))]
        for one, other in itertools.pairwise(relays):
            one.s_out.connect(other.a_in)
        relays[0].a_in.flag_external_pipe(draw.randint(1, 3))
        relays[-1].s_out.flag_external_pipe(draw.randint(1, 3))
        steps, received = draw.randint(50, 200), []
        with inline(relays[0], config, channel_size=draw.randint(1, 2)) as run:
            inbox, outbox = run.inbox(relays[0].a_in), run.outbox(relays[-1].s_out)
            run.start(steps)

            def feed(inbox=inbox, steps=steps):
                for value in range(steps):
                    inbox.put([value, 0])

            def drain(outbox=outbox, steps=steps, received=received):
                received += [int(outbox.get()[0]) for _ in range(steps)]

            threads = [threading.Thread(target=work) for work in (feed, drain, run.wait)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert received == [value + len(relays) for value in range(steps)], seed


def test_each_call_in_another_thread(toys):
    relay = toys.Relay(listening=False)
    relay.s_out.flag_external_pipe(4)
    with inline(relay, toys.config()) as run:
        outbox = run.outbox(relay.s_out)
        found = []
        for _ in range(3):
            run.start(4)
            for _ in range(4):
                thread = threading.Thread(target=lambda: found.append(outbox.get()[0]))
                thread.start()
                thread.join()
            run.wait()
    assert found == list(range(1, 13))


def test_asyncio_to_thread(toys):
    import asyncio

    relay = toys.Relay(listening=False)
    relay.s_out.flag_external_pipe(64)

    async def main():
        with inline(relay, toys.config()) as run:
            outbox = run.outbox(relay.s_out)
            await asyncio.to_thread(run.run, 10)
            run.start(10)
            return [int((await asyncio.to_thread(outbox.get))[0]) for _ in range(20)]

    assert asyncio.run(main()) == list(range(1, 21))


def test_injector_and_extractor_of_lava():
    injector, extractor = Injector(shape=(2,), buffer_size=2), Extractor(shape=(2,), buffer_size=2)
    injector.out_port.connect(extractor.in_port)
    with inline(injector, Loihi2SimCfg()) as run:
        run.start(20)
        for value in range(20):
            injector.send(np.array([value, 1]))
            assert extractor.receive().tolist() == [value, 1]
        run.wait()


def test_injector_and_extractor_that_do_not_block():
    config = ChannelConfig(
        send_full=SendFull.NON_BLOCKING_DROP, receive_empty=ReceiveEmpty.NON_BLOCKING_ZEROS
    )
    injector = Injector(shape=(1,), buffer_size=1, channel_config=config)
    extractor = Extractor(shape=(1,), buffer_size=1, channel_config=config)
    injector.out_port.connect(extractor.in_port)
    with inline(injector, Loihi2SimCfg()):
        injector.send(np.array([5.0]))
        with pytest.warns(UserWarning, match="buffer is full"):
            injector.send(np.array([6.0]))
        injector.run(RunContinuous())
        # Looking for a message lets the network take a step.
        assert extractor.receive() == [5]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the zeros of further steps may not fit
            injector.pause()


def test_wire_tap_of_lava():
    lif = LIF(shape=(2,), bias_mant=1, vth=99)
    wire = VarWire(buffer_size=3)
    wire.connect_var(lif.v)
    with inline(lif, Loihi2SimCfg()) as run:
        run.start(5)
        found = [wire.receive()[0] for _ in range(5)]
        run.wait()
        assert found == [1, 2, 3, 4, 5]
    # Lava keeps every Process, so this one never ends what it has started for itself.
    wire._pm_to_p_dst_port.join()
    wire._pm_to_p_dst_port.thread.join()
    wire._multi_processing.stop()


def test_requests_of_a_model_to_pause_and_to_stop(toys):
    asker = toys.Asker()
    with inline(asker, toys.config()) as run:
        run.run(10)
        assert run.get(asker.steps) == [2]
        run.run(5)
        assert run.get(asker.steps) == [7]
    asker = toys.Asker(stop=True)
    with inline(asker, toys.config()) as run:
        run.run(10)
        assert run.get(asker.steps) == [2]
        assert run.stop_requested
        with pytest.raises(RunStateError, match="asked to stop"):
            run.run(1)


def test_the_order_of_models_is_that_of_the_messages(toys):
    """Those who send before those who receive, whatever the order of their making."""
    order = []

    class Noted(toys.RelayModel):
        def run_spk(self):
            order.append(self.proc_params["label"])
            super().run_spk()

    last, middle = toys.Relay(label="last"), toys.Relay(label="middle")
    first = toys.Relay(label="first", listening=False)
    first.s_out.connect(middle.a_in)
    middle.s_out.connect(last.a_in)
    config = Loihi2SimCfg(exception_proc_model_map={toys.Relay: Noted})
    with inline(middle, config) as run:
        run.run(2)
    assert order == ["first", "middle", "last"] * 2


def test_a_run_within_a_model_of_another_run(toys):
    class Nested(toys.RelayModel):
        def run_spk(self):
            lif = LIF(shape=(2,), bias_mant=1, vth=99)
            with inline(lif) as run:
                run.run(self.time_step)
                self.weights[:] = run.get(lif.v)
            super().run_spk()

    relay = toys.Relay(listening=False)
    with inline(relay, Loihi2SimCfg(exception_proc_model_map={toys.Relay: Nested})) as run:
        run.run(3)
        assert run.get(relay.weights).tolist() == [3, 3]


def test_misuse(toys):
    relay = toys.Relay(listening=False, name="relay")
    run = inline(relay, toys.config())
    assert isinstance(run, InlineRun)
    with pytest.raises(RunStateError, match="has not begun"):
        run.run(1)
    with run:
        with pytest.raises(InputError, match="n_steps"):
            run.run(0)
        with pytest.raises(InputError, match=r"'s_out' of Process 'relay'.*flag_external_pipe"):
            run.outbox(relay.s_out)
        run.start(3)
        for call in (lambda: run.get(relay.weights), lambda: run.start(1)):
            with pytest.raises(RunStateError, match="while the network is running"):
                call()
        run.wait()
    for call in (lambda: run.run(1), lambda: run.get(relay.weights), run.wait):
        with pytest.raises(RunStateError, match="has ended"):
            call()
    with pytest.raises(RunStateError, match="entered before"):
        run.__enter__()
    with pytest.raises(InputError, match="needs a Lava Process, got int"):
        inline(3)
