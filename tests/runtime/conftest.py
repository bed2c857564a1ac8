"""Toy Processes that misbehave on demand, and a check that every test leaves nothing behind."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from multiprocessing import resource_tracker
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import PyAsyncProcessModel, PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.core.sync.protocols.async_protocol import AsyncProtocol
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from patience import patience

LEFTOVER_PATIENCE = 3.0


class Relay(AbstractProcess):
    """Adds one to what it receives; does ``trouble[1]()`` in the phase ``trouble[0]``, at step 3.

    Without ``listening`` it sends the number of the step.
    """

    def __init__(self, *, shape=(2,), trouble=("", None), listening=True, pause=0, **kwargs):
        super().__init__(shape=shape, trouble=trouble, listening=listening, pause=pause, **kwargs)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.weights = Var(shape=shape, init=0)
        self.small = Var(shape=shape, init=0)
        self.updates = Var(shape=(1,), init=0)
        self.threads = Var(shape=(1,), init=0)


@implements(proc=Relay, protocol=LoihiProtocol)
@requires(CPU)
class RelayModel(PyLoihiProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    weights: np.ndarray = LavaPyType(np.ndarray, np.float32)
    small: np.ndarray = LavaPyType(np.ndarray, np.int8)
    updates: int = LavaPyType(int, int)
    threads: int = LavaPyType(int, int)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self._trouble("__init__")

    def _trouble(self, phase):
        where, what = self.proc_params["trouble"]
        if where == phase and (self.time_step == 3 or where in ("__init__", "on_var_update")):
            what()

    def run_spk(self):
        self._trouble("run_spk")
        if self.proc_params["pause"]:
            time.sleep(self.proc_params["pause"])
        received = self.a_in.recv() + 1 if self.proc_params["listening"] else self.time_step
        self.s_out.send(np.broadcast_to(received, self.proc_params["shape"]))

    def pre_guard(self):
        return self.proc_params["trouble"][0] == "run_pre_mgmt"

    def lrn_guard(self):
        return self.proc_params["trouble"][0] in ("run_lrn", "run_pre_mgmt")

    def post_guard(self):
        return self.proc_params["trouble"][0] == "run_post_mgmt"

    def run_pre_mgmt(self):
        self._trouble("run_pre_mgmt")

    def run_lrn(self):
        self._trouble("run_lrn")

    def run_post_mgmt(self):
        self._trouble("run_post_mgmt")

    def on_var_update(self):
        self.updates += 1
        self._trouble("on_var_update")


class Ticker(AbstractProcess):
    """Has an asynchronous model that sends its number of steps, then raises if told to."""

    def __init__(self, *, fail=False, **kwargs):
        super().__init__(fail=fail, **kwargs)
        self.s_out = OutPort(shape=(1,))
        self.total = Var(shape=(1,), init=0)


@implements(proc=Ticker, protocol=AsyncProtocol)
@requires(CPU)
class TickerModel(PyAsyncProcessModel):
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    total: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def run_async(self):
        self.total += self.num_steps
        self.s_out.send(self.total)
        if self.proc_params["fail"]:
            raise RuntimeError("the ticker broke")


class Asker(AbstractProcess):
    """Asks Lava to pause (or to stop) after its second step."""

    def __init__(self, *, stop=False, **kwargs):
        super().__init__(stop=stop, **kwargs)
        self.steps = Var(shape=(1,), init=0)


@implements(proc=Asker, protocol=LoihiProtocol)
@requires(CPU)
class AskerModel(PyLoihiProcessModel):
    steps: np.ndarray = LavaPyType(np.ndarray, np.int64)

    def run_spk(self):
        self.steps += 1
        if self.time_step == 2:
            self._req_stop = self.proc_params["stop"]
            self._req_pause = not self.proc_params["stop"]


class Box(AbstractProcess):
    """A hierarchical Process around one Relay."""

    def __init__(self, *, shape=(2,), **kwargs):
        super().__init__(shape=shape, **kwargs)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.weights = Var(shape=shape, init=0)
        self.loose = Var(shape=shape, init=0)


@implements(proc=Box)
@requires(CPU)
class BoxModel(AbstractSubProcessModel):
    def __init__(self, process):
        self.inner = Relay(shape=process.proc_params["shape"], name="inner")
        process.a_in.connect(self.inner.a_in)
        self.inner.s_out.connect(process.s_out)
        process.weights.alias(self.inner.weights)


MODELS = {
    Relay: RelayModel,
    Ticker: TickerModel,
    Asker: AskerModel,
    Box: BoxModel,
}


class _Models(dict):
    """Finds the model of any toy Process, so that Lava does not search files for it."""

    def __contains__(self, process):
        return type(process) in MODELS

    def __getitem__(self, process):
        return MODELS[type(process)]


def toy_config() -> Loihi2SimCfg:
    config = Loihi2SimCfg(select_tag="floating_pt")
    config.exception_proc_model_map = _Models()
    return config


@pytest.fixture
def toys() -> SimpleNamespace:
    return SimpleNamespace(
        Relay=Relay,
        Ticker=Ticker,
        Asker=Asker,
        Box=Box,
        RelayModel=RelayModel,
        TickerModel=TickerModel,
        config=toy_config,
    )


def _present() -> dict[str, object]:
    return {
        "children": {child.pid for child in psutil.Process().children(recursive=True)},
        "segments": {
            path.name
            for pattern in ("psm_*", "sem.*")  # those of Python's multiprocessing
            for path in Path("/dev/shm").glob(pattern)
        },
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": sorted(thread.name for thread in threading.enumerate()),
    }


def _used_elsewhere(segment: str) -> bool:
    """Tell whether a process that is none of ours maps a shared-memory segment."""
    ours = {psutil.Process().pid, *(child.pid for child in psutil.Process().children())}
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):
            maps = Path(f"/proc/{process.pid}/maps").read_text()
            if process.pid not in ours and f"/dev/shm/{segment}" in maps:
                return True
    return False


def _left_over(before: dict[str, object]) -> dict[str, object]:
    found = {key: value for key, value in _present().items() if value != before[key]}
    if "segments" in found:
        new = found.pop("segments") - before["segments"]
        if segments := {name for name in new if not _used_elsewhere(name)}:
            found["segments"] = segments
    return found


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    # Python's own helper, which plain Lava starts, lasts as long as the interpreter.
    resource_tracker.ensure_running()
    before = _present()
    yield
    deadline = time.monotonic() + patience(LEFTOVER_PATIENCE)
    while (found := _left_over(before)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not found, f"before: {before}"
