"""Whatever fails inline ends the host's call at once, with the right name and a live stack."""

from __future__ import annotations

import itertools
import pdb
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback

import numpy as np
import pytest
from lava.magma.compiler.channels.pypychannel import CspSelector
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import (
    AbstractPyProcessModel,
    PyAsyncProcessModel,
    PyLoihiProcessModel,
)
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.core.sync.protocols.async_protocol import AsyncProtocol
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.process import LIF
from patience import patience

from lava_ep.errors import InputError
from lava_ep.runtime import ProcessFailure, RunStateError
from lava_ep.runtime.inline import DeadlockError, inline

PHASES = ("run_spk", "run_lrn", "run_pre_mgmt", "run_post_mgmt")


def config(toys):
    """Choose the models by name, which takes no time."""
    return Loihi2SimCfg(exception_proc_model_map={toys.Relay: toys.RelayModel})


def blow_up():
    raise ValueError("the relay broke")


def interrupted_loop():
    signal.raise_signal(signal.SIGINT)
    while True:
        pass


def chain(toys, length, culprit=None, **trouble):
    """Build Relays in a row; one of them gets into trouble at step 3."""
    relays = [
        toys.Relay(name=f"relay{k}", listening=k > 0, **(trouble if k == culprit else {}))
        for k in range(length)
    ]
    for one, other in itertools.pairwise(relays):
        one.s_out.connect(other.a_in)
    return relays


def ring(toys, length, name="ring"):
    """Build Relays that all wait for each other."""
    relays = [toys.Relay(name=f"{name}{k}") for k in range(length)]
    for k, relay in enumerate(relays):
        relay.s_out.connect(relays[(k + 1) % length].a_in)
    return relays


def works(toys):
    relay = toys.Relay(listening=False)
    relay.s_out.flag_external_pipe(4)
    with inline(relay, config(toys)) as run:
        run.run(4)
        assert [message[0] for message in run.outbox(relay.s_out)] == [1, 2, 3, 4]


def test_a_hundred_failures_end_at_once_with_the_right_name(toys):
    for seed in range(100):
        draw = random.Random(seed)
        kind = ("deadlock", "raise", "interrupt")[seed % 3]
        length = draw.randint(2, 5)
        if kind == "deadlock":
            relays = ring(toys, length)
            for k in range(draw.randint(0, 2)):  # bystanders that wait for the circle
                follower = toys.Relay(name=f"follower{k}")
                draw.choice(relays).s_out.connect(follower.a_in)
            expected, start = DeadlockError, draw.choice(relays)
        else:
            culprit, phase = draw.randrange(length), draw.choice(PHASES)
            what = blow_up if kind == "raise" else interrupted_loop
            relays = chain(toys, length, culprit, trouble=(phase, what))
            expected = ProcessFailure if kind == "raise" else KeyboardInterrupt
            start = draw.choice(relays)
        run = inline(start, config(toys), channel_size=draw.randint(1, 3))
        begin = None
        with pytest.raises(expected) as caught, run:
            begin = time.monotonic()
            run.run(draw.randint(3, 50))
        assert time.monotonic() - begin < patience(1.0), seed
        error = caught.value
        if kind == "deadlock":
            waits = {(f"ring{(k + 1) % length}.a_in", f"ring{k}.s_out") for k in range(length)}
            assert set(error.waits) == waits, seed
            assert len(error.waits) == length, seed
            assert "which closes the circle" in str(error)
        elif kind == "raise":
            assert error.process_name == f"relay{culprit}", seed
            assert f"in {phase}\n" in error.traceback_text, seed
    works(toys)


def test_the_circle_is_named_in_the_order_of_the_waits(toys):
    first, _ = ring(toys, 2)
    with pytest.raises(DeadlockError) as caught, inline(first, config(toys)) as run:
        run.run(1)
    text = str(caught.value)
    assert (
        "ring0.a_in waits for ring1.s_out, which waits at ring1.a_in for ring0.s_out, which closes "
        "the circle"
    ) in text or (
        "ring1.a_in waits for ring0.s_out, which waits at ring0.a_in for ring1.s_out, which closes "
        "the circle"
    ) in text
    assert "conftest.py:" in text
    assert "in run_spk" in text


@pytest.mark.parametrize("phase", ["__init__", *PHASES, "on_var_update"])
def test_model_that_raises(toys, phase):
    culprit = chain(toys, 2, 0, trouble=(phase, blow_up))[0]
    with pytest.raises(ProcessFailure) as caught, inline(culprit, config(toys)) as run:
        run.run(2)
        run.set(culprit.weights, [0, 0])
        run.run(10)
    error = caught.value
    assert (error.process_name, error.model_name) == ("relay0", "RelayModel")
    assert "Process 'relay0' (Relay, model RelayModel) raised an exception" in str(error)
    assert isinstance(error.__cause__, ValueError)
    # The stack is alive: the model and its variables are there.
    frames = [frame for frame, _ in traceback.walk_tb(error.__cause__.__traceback__)]
    assert frames[-1].f_code.co_name == "blow_up"
    model = frames[-2].f_locals["self"]
    assert type(model).__name__ == "RelayModel"
    if phase in PHASES:
        assert model.time_step == 3
    works(toys)


def test_post_mortem_debugging(toys, monkeypatch):
    culprit = chain(toys, 2, 1, trouble=("run_spk", blow_up))[0]
    with pytest.raises(ProcessFailure) as caught, inline(culprit, config(toys)) as run:
        run.run(5)
    seen = []

    def interaction(self, frame, tb):
        self.setup(frame, tb)
        seen.append((self.curframe.f_code.co_name, self.stack[-2][0].f_locals["self"].time_step))

    monkeypatch.setattr(pdb.Pdb, "interaction", interaction)
    pdb.post_mortem(caught.value.__cause__.__traceback__)
    assert seen == [("blow_up", 3)]


def test_the_run_is_over_after_a_failure(toys):
    culprit = chain(toys, 2, 0, trouble=("run_spk", blow_up))[0]
    with pytest.raises(KeyError), inline(culprit, config(toys)) as run:
        for _ in range(2):
            with pytest.raises(ProcessFailure, match="the relay broke"):
                run.run(5)
        with pytest.raises(ProcessFailure, match="the relay broke"):
            run.get(culprit.weights)
        raise KeyError  # not hidden by the failure of the network
    works(toys)


def test_interrupt_ends_a_model_that_loops(toys):
    timer = threading.Timer(0.1, signal.raise_signal, (signal.SIGINT,))

    def loop():
        timer.start()
        while True:
            time.sleep(0.001)

    relays = chain(toys, 3, 1, trouble=("run_spk", loop))
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt) as caught, inline(relays[0], config(toys)) as run:
        run.run(10)
    assert time.monotonic() - start < patience(2.0)
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert "loop" in names
    timer.join()
    works(toys)


def test_models_that_are_ended_clean_up(toys):
    ended = []

    class Tidy(toys.RelayModel):
        def run_spk(self):
            try:
                super().run_spk()
            finally:
                ended.append(self.time_step)

        def join(self):
            super().join()
            ended.append("join")

    waiting = toys.Relay(name="waiting")
    waiting.a_in.flag_external_pipe(1)
    tidy = Loihi2SimCfg(exception_proc_model_map={toys.Relay: Tidy})
    with pytest.raises(DeadlockError), inline(waiting, tidy) as run:
        run.run(1)
    assert ended == [1, "join"]


def test_waits_for_the_host_name_the_port_and_can_be_resumed(toys):
    relay = toys.Relay(name="relay")
    relay.a_in.flag_external_pipe(1)
    relay.s_out.flag_external_pipe(1)
    with inline(relay, config(toys)) as run:
        inbox, outbox = run.inbox(relay.a_in), run.outbox(relay.s_out)
        with pytest.raises(RunStateError, match="no message and the network is paused"):
            outbox.get()
        with pytest.raises(TimeoutError, match="'s_out'"):
            outbox.get(timeout=0.05)
        with pytest.raises(DeadlockError, match=r"relay\.a_in waits for the host to put") as caught:
            run.run(3)
        assert caught.value.on_host
        assert caught.value.waits == (("relay.a_in", "the host"),)
        assert not run.poll()
        inbox.put([1, 1])
        inbox.put([2, 2])
        with pytest.raises(DeadlockError, match=r"relay\.s_out waits for the host to take"):
            run.wait()
        with pytest.raises(DeadlockError, match=r"relay\.s_out waits for the host to take"):
            inbox.put([3, 3]) or inbox.put([4, 4])
        assert [outbox.get()[0] for _ in range(3)] == [2, 3, 4]
        run.wait()
        inbox.put([5, 5])
        with pytest.raises(RunStateError, match="larger buffer_size"):
            inbox.put([6, 6])


def test_another_thread_may_come_to_help_but_not_for_ever(toys, monkeypatch):
    monkeypatch.setattr("lava_ep.runtime.inline.host._WARN_AFTER", 0.05)
    monkeypatch.setattr("lava_ep.runtime.inline.host._PATIENCE", 0.3)
    relay = toys.Relay(name="relay")
    relay.a_in.flag_external_pipe(1)
    with inline(relay, config(toys)) as run:
        inbox = run.inbox(relay.a_in)
        idle = threading.Event()
        bystander = threading.Thread(target=idle.wait)
        bystander.start()
        try:
            feeder = threading.Timer(0.2, inbox.put, ([1, 1],))
            feeder.start()
            with pytest.warns(RuntimeWarning, match=r"another thread.*relay\.a_in waits"):
                run.run(1)
            feeder.join()
            with (
                pytest.warns(RuntimeWarning, match="another thread"),
                pytest.raises(DeadlockError, match=r"relay\.a_in waits for the host"),
            ):
                run.run(1)
        finally:
            idle.set()
            bystander.join()


class Greedy(AbstractProcess):
    """Wants one message more than it gets, without time steps."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.a_in = InPort(shape=(2,))


@implements(proc=Greedy, protocol=AsyncProtocol)
@requires(CPU)
class GreedyModel(PyAsyncProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)

    def run_async(self):
        for _ in range(self.num_steps + 1):
            self.a_in.recv()


def test_a_message_that_nobody_will_send(toys):
    relay, greedy = toys.Relay(listening=False, name="relay"), Greedy(name="greedy")
    relay.s_out.connect(greedy.a_in)
    with (
        pytest.raises(DeadlockError, match=r"greedy\.a_in waits for relay\.s_out, which has taken"),
        inline(relay, Loihi2SimCfg()) as run,
    ):
        run.run(4)


class Impatient(AbstractProcess):
    """Reads a Var of another Process in the spiking phase, where nobody answers."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.ref = RefPort(shape=(2,))


@implements(proc=Impatient, protocol=LoihiProtocol)
@requires(CPU)
class ImpatientModel(PyLoihiProcessModel):
    ref: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)

    def run_spk(self):
        self.ref.read()


def test_a_var_that_is_asked_for_at_the_wrong_time():
    lif, impatient = LIF(shape=(2,), name="lif"), Impatient(name="impatient")
    impatient.ref.connect_var(lif.v)
    with (
        pytest.raises(DeadlockError, match=r"impatient\.ref waits for lif\..*management phases"),
        inline(lif) as run,
    ):
        run.run(1)


class Spinner(AbstractProcess):
    """Polls for ever for a message."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.a_in = InPort(shape=(2,))


@implements(proc=Spinner, protocol=AsyncProtocol)
@requires(CPU)
class SpinnerModel(PyAsyncProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)

    def run_async(self):
        while not self.a_in.probe():
            pass


def test_a_circle_beside_a_model_that_polls(toys):
    relays, spinner = ring(toys, 3), Spinner(name="spinner")
    relays[0].s_out.connect(spinner.a_in)
    with (
        pytest.raises(DeadlockError, match="closes the circle"),
        inline(spinner, Loihi2SimCfg()) as run,
    ):
        run.run(1)


class Caller(AbstractProcess):
    """Calls the host's run from within its model."""

    def __init__(self, *, call, **kwargs):
        super().__init__(call=call, **kwargs)
        self.s_out = OutPort(shape=(1,))


@implements(proc=Caller, protocol=LoihiProtocol)
@requires(CPU)
class CallerModel(PyLoihiProcessModel):
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def run_spk(self):
        self.proc_params["call"]()


def test_a_model_cannot_run_its_own_network():
    runs = []
    caller = Caller(call=lambda: runs[0].wait(), name="caller")
    with (
        pytest.raises(ProcessFailure, match="while the network is running") as caught,
        inline(caller, Loihi2SimCfg()) as run,
    ):
        runs.append(run)
        run.run(1)
    assert caught.value.process_name == "caller"


def test_a_thread_of_a_model_cannot_wait_at_its_ports():
    found = []

    class Threaded(CallerModel):
        def run_spk(self):
            def work():
                try:
                    for _ in range(3):
                        self.s_out.send(np.ones(1))
                except RunStateError as error:
                    found.append(str(error))

            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

    caller, sink = Caller(call=None, name="caller"), Deaf(name="sink")
    caller.s_out.connect(sink.a_in)
    threaded = Loihi2SimCfg(exception_proc_model_map={Caller: Threaded})
    with inline(caller, threaded, channel_size=1) as run:
        run.run(1)
    assert "caller.s_out would have to wait, in a thread" in found[0]


class Deaf(AbstractProcess):
    """Receives nothing."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.a_in = InPort(shape=(1,))


@implements(proc=Deaf, protocol=LoihiProtocol)
@requires(CPU)
class DeafModel(PyLoihiProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)


SCRIPT = """
    import numpy as np
    from lava.magma.core.decorator import implements, requires
    from lava.magma.core.model.py.model import PyLoihiProcessModel
    from lava.magma.core.model.py.ports import PyInPort
    from lava.magma.core.model.py.type import LavaPyType
    from lava.magma.core.process.ports.ports import InPort
    from lava.magma.core.process.process import AbstractProcess
    from lava.magma.core.resources import CPU
    from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
    from lava.proc.lif.process import LIF
    from lava_ep.runtime.inline import inline

    class Looker(AbstractProcess):
        def __init__(self):
            super().__init__()
            self.a_in = InPort(shape=(2,))

    @implements(proc=Looker, protocol=LoihiProtocol)
    @requires(CPU)
    class LookerModel(PyLoihiProcessModel):
        a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
        def run_spk(self):
            if self.time_step == 3:
                breakpoint()
            spikes = self.a_in.recv()
            if self.time_step == 4:
                print("step four goes on")

    from lava.magma.core.run_configs import Loihi2SimCfg
    lif, looker = LIF(shape=(2,), bias_mant=1, vth=0), Looker()
    lif.s_out.connect(looker.a_in)
    with inline(looker, Loihi2SimCfg(select_tag=None)) as run:
        run.run(5)
    print("done")
"""


def test_breakpoint_in_a_model(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    commands = "p 'at', self.time_step\nnext\nnext\np 'spikes', spikes.tolist()\nc\n"
    ended = subprocess.run(
        [sys.executable, str(script)],
        input=commands,
        capture_output=True,
        text=True,
        timeout=patience(60),
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "('at', 3)" in ended.stdout
    assert "('spikes', [1.0, 1.0])" in ended.stdout
    assert ended.stdout.rstrip().endswith("done")
    assert "step four goes on" in ended.stdout


def test_every_line_of_a_model_is_traced(toys):
    """As coverage and profilers need it, also where a model waits in between."""
    relay, follower = toys.Relay(name="relay"), toys.Relay(name="follower")
    relay.a_in.flag_external_pipe(8)
    relay.s_out.connect(follower.a_in)
    lines: dict[int, int] = {}
    code = toys.RelayModel.run_spk.__code__

    def tracer(frame, event, argument):
        if frame.f_code is code and event == "line":
            lines[frame.f_lineno] = lines.get(frame.f_lineno, 0) + 1
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        with inline(relay, config(toys)) as run:
            inbox = run.inbox(relay.a_in)
            run.start(4)
            for _ in range(4):
                assert not run.poll()  # it waits for the host
                inbox.put([0, 0])
            run.wait()
    finally:
        sys.settrace(before)
    assert lines[max(lines)] == 8  # the last line of both, in each of four steps


class Picker(AbstractProcess):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.a_in = InPort((1,))
        self.b_in = InPort((1,))
        self.picked = Var((2,), init=0)


@implements(Picker, protocol=LoihiProtocol)
@requires(CPU)
class PickerModel(PyLoihiProcessModel):
    """Takes two messages per step in the order in which they come."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    b_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    picked: np.ndarray = LavaPyType(np.ndarray, float)

    def select(self, *channel_actions):
        return self._selector.select(*channel_actions)

    def run_spk(self):
        ends = self.a_in.csp_ports[0], self.b_in.csp_ports[0]
        self.picked[:] = [self.select(*((end, end.recv) for end in ends))[0] for _ in range(2)]


class StrangerPickerModel(PickerModel):
    """Waits by a selector of its own, for which a second thread would have to run."""

    def select(self, *channel_actions):
        return CspSelector().select(*channel_actions)


def picking(toys, model):
    """Build two Relays, which send the number of the step, in front of a Picker."""
    picker = Picker(name="picker")
    for port in (picker.a_in, picker.b_in):
        toys.Relay(shape=(1,), listening=False).s_out.connect(port)
    choices = {toys.Relay: toys.RelayModel, Picker: model}
    return picker, Loihi2SimCfg(exception_proc_model_map=choices)


def test_selector_of_a_model(toys):
    picker, choices = picking(toys, PickerModel)
    with inline(picker, run_cfg=choices) as run:
        run.run(3)
        np.testing.assert_array_equal(run.get(picker.picked), [3, 3])


def test_selector_that_would_block_the_only_thread_is_refused(toys):
    picker, choices = picking(toys, StrangerPickerModel)
    with inline(picker, run_cfg=choices) as run, pytest.raises(ProcessFailure) as caught:
        run.run(1)
    assert "picker.a_in: Lava's CspSelector would block" in str(caught.value.__cause__)


class Shapeless(AbstractProcess):
    pass


@implements(Shapeless, protocol=LoihiProtocol)
@requires(CPU)
class ShapelessModel(AbstractPyProcessModel):
    """Has none of the phases of its protocol."""

    def add_ports_for_polling(self):
        pass


def test_model_without_the_phases_of_its_protocol_is_refused():
    process = Shapeless(name="shapeless")
    choices = Loihi2SimCfg(exception_proc_model_map={Shapeless: ShapelessModel})
    run = inline(process, run_cfg=choices)
    with pytest.raises(InputError, match=r"shapeless.* is no PyLoihiProcessModel"), run:
        pass
