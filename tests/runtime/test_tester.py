"""ProcessModels tested alone behave as they do on the real runtime."""

from __future__ import annotations

import pdb
import sys

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
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.core.sync.protocols.async_protocol import AsyncProtocol
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.models import PyDenseModelFloat
from lava.proc.dense.process import Dense
from lava.proc.lif.models import PyLifModelFloat
from lava.proc.lif.process import LIF

from lava_ep.errors import InputError, LavaEPError
from lava_ep.runtime import DeadlockError, ProcessTester, supervised


class Recorder(AbstractProcess):
    """Notes its phases and sends one, several or no messages."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.a_in = InPort(shape=(2,))
        self.sparse_in = InPort(shape=(4,))
        self.one_out = OutPort(shape=(2,))
        self.more_out = OutPort(shape=(2,))
        self.sparse_out = OutPort(shape=(4,))
        self.total = Var(shape=(2,), init=np.array([10, 20]))


@implements(proc=Recorder, protocol=LoihiProtocol)
@requires(CPU)
class RecorderModel(PyLoihiProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    sparse_in: PyInPort = LavaPyType(PyInPort.VEC_SPARSE, np.int32)
    one_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    more_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    sparse_out: PyOutPort = LavaPyType(PyOutPort.VEC_SPARSE, np.int32)
    total: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.phases = []

    def run_spk(self):
        self.phases.append(("spk", self.time_step))
        self.total += self.a_in.recv()
        self.one_out.send(self.total)
        if self.time_step == 2:
            self.more_out.send(self.total)
            self.more_out.send(-self.total)
            data, indices = self.sparse_in.recv()
            self.sparse_out.send(data * 2, indices)
        if self.time_step == 3:
            self.one_out.send(np.zeros(3))

    def pre_guard(self):
        return self.time_step == 2

    def lrn_guard(self):
        return self.time_step in (1, 2)

    def post_guard(self):
        return self.time_step == 2

    def run_pre_mgmt(self):
        self.phases.append(("pre", self.time_step))

    def run_lrn(self):
        self.phases.append(("lrn", self.time_step))

    def run_post_mgmt(self):
        self.phases.append(("post", self.time_step))


def test_equal_to_the_real_run():
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(3, 4))
    spikes = rng.integers(0, 2, size=(15, 4)).astype(float)

    def processes():
        return (
            Dense(weights=weights),
            LIF(shape=(3,), vth=0.8, du=0.3, dv=0.1, bias_mant=0.1),
        )

    dense, lif = processes()
    dense.a_out.connect(lif.a_in)
    dense.s_in.flag_external_pipe(15)
    lif.s_out.flag_external_pipe(15)
    with supervised(dense) as run:
        for spike in spikes:
            run.inbox(dense.s_in).put(spike)
        run.run(15)
        expected = np.stack(list(run.outbox(lif.s_out)))
        expected_v = run.get(lif.v)

    dense, lif = processes()
    dense_tester = ProcessTester(dense, model=PyDenseModelFloat)
    lif_tester = ProcessTester(lif)
    assert isinstance(lif_tester.model, PyLifModelFloat)
    currents = dense_tester.run([{"s_in": spike} for spike in spikes])["a_out"]
    found = lif_tester.run([{"a_in": current} for current in currents])["s_out"]
    assert expected.any()
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(lif_tester.model.v, expected_v)


def test_process_stays_usable_for_a_run():
    lif = LIF(shape=(2,), bias_mant=1, vth=9)
    ProcessTester(lif).step()
    with supervised(lif) as run:
        run.run(2)
        np.testing.assert_array_equal(run.get(lif.v), [2, 2])


def test_phases_follow_the_guards():
    tester = ProcessTester(Recorder(), model=RecorderModel)
    tester.step()
    tester.step({"sparse_in": ([5, 6], [0, 3])})
    assert tester.model.phases == [
        ("spk", 1),
        ("lrn", 1),
        ("spk", 2),
        ("pre", 2),
        ("lrn", 2),
        ("post", 2),
    ]


def test_messages_of_a_step():
    tester = ProcessTester(Recorder(), model=RecorderModel)
    first = tester.step({"a_in": [1, 2]})
    assert first.keys() == {"one_out"}
    np.testing.assert_array_equal(first["one_out"], [11, 22])
    assert first["one_out"].dtype == np.int32
    second = tester.step({"sparse_in": ([5, 6], [0, 3])})
    np.testing.assert_array_equal(second["one_out"], [11, 22])
    np.testing.assert_array_equal(second["more_out"], [[11, 22], [-11, -22]])
    data, indices = second["sparse_out"]
    np.testing.assert_array_equal(data, [10, 12])
    np.testing.assert_array_equal(indices, [0, 3])
    np.testing.assert_array_equal(first["one_out"], [11, 22])
    with pytest.raises(LavaEPError, match=r"'one_out'.*shape \(3,\).*shape \(2,\)"):
        tester.step()


def test_steps_that_cannot_be_stacked():
    tester = ProcessTester(Recorder(), model=RecorderModel)
    with pytest.raises(InputError, match="exactly one dense message"):
        tester.run([{}, {}])


def test_vars_of_the_model_can_be_changed():
    tester = ProcessTester(Recorder(), model=RecorderModel)
    np.testing.assert_array_equal(tester.model.total, [10, 20])
    tester.model.total[:] = 0
    np.testing.assert_array_equal(tester.step({"a_in": [3, 4]})["one_out"], [3, 4])


def test_unconnected_ports():
    tester = ProcessTester(Recorder(), RecorderModel, inputs=["a_in"], outputs=[])
    assert len(tester.model.a_in.csp_ports) == 1
    assert len(tester.model.sparse_in.csp_ports) == 0
    assert len(tester.model.one_out.csp_ports) == 0
    assert tester.step({"a_in": [1, 1]}) == {}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"a_in": [1, 2, 3]}, r"Port 'a_in' of Process 'rec'.*\(3,\), expected \(2,\)"),
        ({"a_in": [0.5, 1]}, "do not fit int32"),
        ({"b_in": [1, 2]}, "no connected InPort 'b_in'; it has a_in, sparse_in"),
        ({"a_in": [1, 2], "sparse_in": ([1, 2], [0])}, "2 values and 1 indices"),
    ],
)
def test_unfit_inputs(inputs, message):
    tester = ProcessTester(Recorder(name="rec"), model=RecorderModel)
    with pytest.raises(InputError, match=message):
        tester.step(inputs)
    np.testing.assert_array_equal(tester.step({"a_in": [5, 5]})["one_out"], [15, 25])


def test_unknown_ports():
    with pytest.raises(InputError, match="no OutPort 'x_out'; it has more_out"):
        ProcessTester(Recorder(), RecorderModel, outputs=["x_out"])


def test_model_must_be_python():
    with pytest.raises(InputError, match="ProcessModels written in Python"):
        ProcessTester(Recorder(), model=int)


def test_asynchronous_model(toys):
    ticker = toys.Ticker()
    tester = ProcessTester(ticker, run_cfg=None, model=toys.TickerModel)
    assert [int(tester.step()["s_out"][0]) for _ in range(3)] == [1, 2, 3]


def test_messages_that_are_not_received_stay():
    waiting = ProcessTester(Patient(), PatientModel)
    assert waiting.step({"a_in": [7]}) == {}  # the model receives in even steps only
    np.testing.assert_array_equal(waiting.step({"a_in": [8]})["s_out"], [7])
    assert waiting.step() == {}
    np.testing.assert_array_equal(waiting.step()["s_out"], [8])


class Patient(AbstractProcess):
    """Receives in even time steps, and then waits for a message by looking for one."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.a_in = InPort(shape=(1,))
        self.s_out = OutPort(shape=(1,))


@implements(proc=Patient, protocol=LoihiProtocol)
@requires(CPU)
class PatientModel(PyLoihiProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self):
        if self.time_step % 2 == 0:
            while not self.a_in.probe():
                pass
            self.s_out.send(self.a_in.recv())


def test_a_model_that_looks_for_messages_forever_is_ended():
    tester = ProcessTester(Patient(name="patient"), PatientModel)
    tester.step()
    with pytest.raises(DeadlockError, match=r"patient\.a_in has found no message") as caught:
        tester.step()
    assert caught.value.waits == (("patient.a_in", "the host"),)
    assert caught.traceback[-1].frame.f_globals["__name__"].startswith("lava_ep.")
    assert "run_spk" in [entry.name for entry in caught.traceback]
    tester.step()
    np.testing.assert_array_equal(tester.step({"a_in": [3]})["s_out"], [3])


class Server(AbstractProcess):
    """Runs without time steps until it is told to stop, or waits for a command."""


@implements(proc=Server, protocol=AsyncProtocol)
@requires(CPU)
class PollingServerModel(PyAsyncProcessModel):
    def run_async(self):
        while not self.check_for_stop_cmd():
            pass


@implements(proc=Server, protocol=AsyncProtocol)
@requires(CPU)
class WaitingServerModel(PyAsyncProcessModel):
    def run_async(self):
        self.service_to_process.recv()


@pytest.mark.parametrize(
    ("model", "trouble"),
    [
        (PollingServerModel, "has found no message"),
        (WaitingServerModel, "waits for the runtime service"),
    ],
)
def test_a_model_that_waits_for_commands_is_ended(model, trouble):
    tester = ProcessTester(Server(name="server"), model)
    with pytest.raises(DeadlockError, match=rf"server\.service_to_process {trouble}"):
        tester.step()


class Learner(AbstractProcess):
    """Notes its phases in a Var, and what it reads by a RefPort."""

    def __init__(self, notes=None, **kwargs):
        super().__init__(notes=notes, **kwargs)
        self.ref = RefPort(shape=(2,))
        self.log = Var(shape=(64,), init=0)


@implements(proc=Learner, protocol=LoihiProtocol)
@requires(CPU)
class LearnerModel(PyLoihiProcessModel):
    ref: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
    log: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.notes = proc_params["notes"]
        self.place = 0

    def note(self, phase):
        self.log[self.place] = 10 * self.time_step + phase
        self.place += 1

    def run_spk(self):
        self.note(1)
        if self.notes is not None:
            self.notes.append(self.time_step)

    def pre_guard(self):
        return self.time_step & 1

    def lrn_guard(self):
        return self.time_step & 2

    def post_guard(self):
        return self.time_step & 4

    def run_pre_mgmt(self):
        self.note(2)
        self.ref.write(self.ref.read() + 1)
        self.ref.wait()

    def run_lrn(self):
        self.note(3)
        self._req_pause = self.time_step == 15

    def run_post_mgmt(self):
        self.note(4)


# What Lava's runtime does: pre-management only before learning, and nothing after a pause.
PHASES = [11, 21, 23, 31, 32, 33, 41, 44, 51, 54, 61, 63, 64, 71, 72, 73, 74, 81, 91]
PHASES += [101, 103, 111, 112, 113, 121, 124, 131, 134, 141, 143, 144, 151, 152, 153, 161]


@pytest.mark.parametrize("execution", ["inline", "processes"])
def test_phases_are_those_of_a_run(execution):
    tester = ProcessTester(Learner(), LearnerModel)
    tester.run([{}] * 16)
    assert tester.model.log[: len(PHASES)].tolist() == PHASES
    learner = Learner()
    config = Loihi2SimCfg(exception_proc_model_map={Learner: LearnerModel})
    with supervised(learner, config, execution=execution) as run:
        for _ in range(16):
            run.run(1)
        np.testing.assert_array_equal(run.get(learner.log), tester.model.log)


def test_ref_ports_read_zeros():
    learner, lif = Learner(), LIF(shape=(2,), v=5)
    learner.ref.connect_var(lif.v)
    tester = ProcessTester(learner, LearnerModel)
    np.testing.assert_array_equal(tester.model.ref.read(), [0, 0])


def test_guards_of_the_model_can_be_replaced():
    tester = ProcessTester(LIF(shape=(1,)), PyLifModelFloat)
    learned = []
    tester.model.lrn_guard = lambda: tester.model.time_step == 2
    tester.model.run_lrn = lambda: learned.append(tester.model.time_step)
    tester.run([{}] * 3)
    assert learned == [2]


def test_arguments_of_the_process_are_not_changed():
    notes = [0]
    tester = ProcessTester(Learner(notes), LearnerModel)
    tester.step()
    assert (notes, tester.model.notes) == ([0], [0, 1])


@implements(proc=Patient, protocol=LoihiProtocol)
@requires(CPU)
class FragileModel(PyLoihiProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self):
        divisor = int(self.a_in.recv()[0])
        self.s_out.send(np.array([12 // divisor]))


def test_an_exception_of_the_model_has_its_own_live_stack(monkeypatch):
    tester = ProcessTester(Patient(), FragileModel)
    with pytest.raises(ZeroDivisionError) as caught:
        tester.step()
    seen = []
    monkeypatch.setattr(
        pdb.Pdb,
        "cmdloop",
        lambda self, intro=None: seen.append(
            (self.curframe.f_code.co_name, self.curframe.f_locals)
        ),
    )
    pdb.post_mortem(caught.value.__traceback__)
    ((function, variables),) = seen
    assert (function, variables["divisor"]) == ("run_spk", 0)
    assert variables["self"] is tester.model
    np.testing.assert_array_equal(tester.step({"a_in": [4]})["s_out"], [3])


def test_a_breakpoint_shows_the_callers(monkeypatch):
    tester = ProcessTester(Patient(), FragileModel)
    stacks = []

    def look():
        frame, names = sys._getframe(1), []
        while frame is not None:
            names.append(frame.f_code.co_name)
            frame = frame.f_back
        stacks.append(names)
        return True

    monkeypatch.setattr(sys, "breakpointhook", look)
    tester.model.post_guard = breakpoint
    tester.step({"a_in": [1]})
    assert stacks
    assert all("test_a_breakpoint_shows_the_callers" in names for names in stacks)
