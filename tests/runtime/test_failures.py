"""Whatever fails in a supervised network ends the host's call quickly and leaves nothing behind."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from patience import patience

from lava_ep.runtime import ProcessFailure, WorkerDied, supervised

PATIENCE = 5.0
PAUSE = 1000


@contextlib.contextmanager
def soon():
    """Check that the block ends soon after its last call of what it is given."""
    times = [time.monotonic()]
    yield lambda: times.append(time.monotonic())
    assert time.monotonic() - times[-1] < patience(PATIENCE)


def blow_up():
    raise ValueError("the relay broke")


def works(toys):
    """Check that the next run in this interpreter is a normal one."""
    relay = toys.Relay(listening=False)
    relay.s_out.flag_external_pipe(4)
    with supervised(relay, toys.config()) as run:
        run.run(4)
        assert [message[0] for message in run.outbox(relay.s_out)] == [1, 2, 3, 4]


def pair(toys, **kwargs):
    """Build a Process that gets into trouble and one that waits for its messages."""
    culprit = toys.Relay(listening=False, name="culprit", **kwargs)
    bystander = toys.Relay(name="bystander")
    culprit.s_out.connect(bystander.a_in)
    return culprit, bystander


@pytest.mark.parametrize("phase", ["run_spk", "run_lrn", "run_pre_mgmt", "run_post_mgmt"])
def test_model_that_raises(toys, phase, capfd):
    culprit, _ = pair(toys, trouble=(phase, blow_up))
    with (
        soon() as event,
        pytest.raises(ProcessFailure) as caught,
        supervised(culprit, toys.config()) as run,
    ):
        run.run(2)
        event()
        run.run(10)
    error = caught.value
    assert (error.process_name, error.model_name) == ("culprit", "RelayModel")
    assert "Process 'culprit' (Relay, model RelayModel) raised an exception" in str(error)
    assert f"in {phase}\n" in str(error)
    assert "ValueError: the relay broke" in error.traceback_text
    assert capfd.readouterr().err == ""
    works(toys)


def test_model_that_raises_when_built(toys):
    culprit, _ = pair(toys, trouble=("__init__", blow_up))
    with soon(), pytest.raises(ProcessFailure, match="the relay broke") as caught:
        supervised(culprit, toys.config()).__enter__()
    assert caught.value.process_name == "culprit"
    works(toys)


def test_model_that_raises_when_a_var_changes(toys):
    culprit, _ = pair(toys, trouble=("on_var_update", blow_up))
    with (
        soon(),
        pytest.raises(ProcessFailure, match="the relay broke"),
        supervised(culprit, toys.config()) as run,
    ):
        run.set(culprit.weights, [1, 2])
    works(toys)


def test_asynchronous_model_that_raises(toys):
    ticker = toys.Ticker(fail=True, name="ticker")
    with (
        soon(),
        pytest.raises(ProcessFailure, match=r"'ticker'[\s\S]*the ticker broke"),
        supervised(ticker, toys.config()) as run,
    ):
        run.run(1)
    works(toys)


def test_failure_between_calls_is_raised_on_leaving(toys):
    culprit, _ = pair(toys, trouble=("run_spk", blow_up))
    with (
        soon(),
        pytest.raises(ProcessFailure, match="the relay broke"),
        supervised(culprit, toys.config()) as run,
    ):
        run.start(10)
        time.sleep(0.5)
    works(toys)


def test_error_of_the_host_is_not_hidden(toys):
    culprit, _ = pair(toys, trouble=("run_spk", blow_up))
    with pytest.raises(KeyError), supervised(culprit, toys.config()) as run:
        run.start(10)
        time.sleep(0.3)
        raise KeyError


def exit_quietly():
    os._exit(3)


def leave():
    sys.exit("enough")


def segfault():
    faulthandler.disable()
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.parametrize(
    ("end", "cause"), [(exit_quietly, "exited with code 3"), (segfault, "was killed by SIGSEGV")]
)
@pytest.mark.parametrize("phase", ["__init__", "run_spk", "on_var_update"])
def test_worker_that_ends(toys, end, cause, phase):
    culprit, _ = pair(toys, trouble=(phase, end))
    with soon(), pytest.raises(WorkerDied, match=cause), supervised(culprit, toys.config()) as run:
        run.set(culprit.weights, [0, 0])
        run.run(10)
    works(toys)


def test_model_that_calls_sys_exit(toys):
    culprit, _ = pair(toys, trouble=("run_spk", leave))
    with (
        pytest.raises(ProcessFailure, match="SystemExit: enough"),
        supervised(culprit, toys.config()) as run,
    ):
        run.run(10)


def kill_soon(pid, event):
    def kill():
        event()
        os.kill(pid, signal.SIGKILL)

    threading.Timer(0.3, kill).start()


def wait_until_dead(pid):
    """Wait for the end of a worker without reaping it; the supervisor may have done so."""
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@pytest.mark.parametrize("name", ["culprit", "bystander", "LoihiProtocol_SyncDomain"])
def test_killed_during_a_run(toys, name):
    culprit, _ = pair(toys, pause=0.01)
    with (
        soon() as event,
        pytest.raises(WorkerDied) as caught,
        supervised(culprit, toys.config()) as run,
    ):
        pid = run.pids[name]
        kill_soon(pid, event)
        run.run(10**6)
    error = caught.value
    assert (error.process_name, error.pid, error.exit_code) == (name, pid, -signal.SIGKILL)
    assert f"'{name}'" in str(error)
    assert f"(pid {pid}) was killed by SIGKILL" in str(error)
    works(toys)


@pytest.mark.parametrize("name", ["culprit", "LoihiProtocol_SyncDomain"])
@pytest.mark.parametrize(
    ("call", "dead"),
    [
        ("run", False),
        ("run", True),
        ("get", False),
        ("set", False),
        ("put", True),
        ("get message", True),
        ("leave", False),
        ("leave", True),
    ],
)
def test_killed_while_paused(toys, name, call, dead):
    culprit, bystander = pair(toys)
    culprit.a_in.flag_external_pipe(1)
    bystander.s_out.flag_external_pipe(8)
    with (
        soon() as event,
        pytest.raises(WorkerDied, match=name),
        supervised(culprit, toys.config()) as run,
    ):
        run.run(1)
        run.outbox(bystander.s_out).get()
        event()
        os.kill(run.pids[name], signal.SIGKILL)
        if dead:
            wait_until_dead(run.pids[name])
        calls = {
            "run": lambda: run.run(1),
            "get": lambda: run.get(bystander.weights),
            "set": lambda: run.set(bystander.weights, [0, 0]),
            "put": lambda: run.inbox(culprit.a_in).put([0, 0]),
            "get message": lambda: run.outbox(bystander.s_out).get(),
            "leave": lambda: None,
        }
        calls[call]()
    works(toys)


def test_killed_while_the_host_waits_to_put(toys):
    relay = toys.Relay(pause=PAUSE, name="relay")
    relay.a_in.flag_external_pipe(1)
    with (
        soon() as event,
        pytest.raises(WorkerDied, match="'relay'"),
        supervised(relay, toys.config()) as run,
    ):
        run.start(100)
        kill_soon(run.pids["relay"], event)
        for _ in range(5):
            run.inbox(relay.a_in).put([0, 0])
    works(toys)


@pytest.mark.parametrize("timeout", [None, PAUSE])
def test_killed_while_the_host_waits_for_a_message(toys, timeout):
    relay = toys.Relay(listening=False, pause=PAUSE, name="relay")
    relay.s_out.flag_external_pipe(1)
    with (
        soon() as event,
        pytest.raises(WorkerDied, match="'relay'"),
        supervised(relay, toys.config()) as run,
    ):
        run.start(100)
        kill_soon(run.pids["relay"], event)
        run.outbox(relay.s_out).get(timeout)
    works(toys)


def test_killed_in_the_middle_of_a_transfer(toys):
    relay = toys.Relay(shape=(1000, 10000), name="relay")
    value = np.zeros(relay.weights.shape, np.float32)
    with (
        soon() as event,
        pytest.raises(WorkerDied, match="'relay'"),
        supervised(relay, toys.config()) as run,
    ):
        kill_soon(run.pids["relay"], event)
        while True:
            run.set(relay.weights, value)
            run.get(relay.weights)
    works(toys)


def test_stopped_worker_is_ended(toys):
    culprit, _ = pair(toys)
    with (
        soon() as event,
        pytest.raises(KeyError),
        supervised(culprit, toys.config()) as run,
    ):
        run.run(1)
        event()
        os.kill(run.pids["culprit"], signal.SIGSTOP)
        raise KeyError
    works(toys)


def test_ctrl_c_in_this_interpreter(toys):
    culprit, _ = pair(toys, pause=0.01)
    main = threading.main_thread().ident
    with (
        soon() as event,
        pytest.raises(KeyboardInterrupt),
        supervised(culprit, toys.config()) as run,
    ):
        event()
        threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start()
        run.run(10**6)
    works(toys)


FOLDERS = [str(folder) for folder in Path(__file__).parents[:2]]
SCRIPT = """\
import sys, time
sys.path[:0] = {folders!r}
import conftest as toys
from lava_ep.runtime import supervised

relay = toys.Relay(listening=False, pause=0.01)
other = toys.Relay()
relay.s_out.connect(other.a_in)
run = supervised(relay, toys.toy_config())
"""


@contextlib.contextmanager
def host_script(body):
    """Run a script in a process group of its own, up to the line that it prints."""
    host = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(folders=FOLDERS) + body],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
    )
    with host:
        try:
            assert host.stdout.readline() == "running\n", host.stderr.read()
            yield host
        finally:
            host.kill()


def group_members(group):
    """Return the processes of a group that have not ended."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def assert_group_ends(group):
    deadline = time.monotonic() + patience(PATIENCE)
    while group_members(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert group_members(group) == []


LONG_RUN = """
with run:
    print("running", flush=True)
    run.run(10**6)
"""


def test_ctrl_c_for_the_whole_process_group():
    with host_script(LONG_RUN) as host:
        time.sleep(0.3)
        with soon():
            os.killpg(host.pid, signal.SIGINT)
            _, errors = host.communicate(timeout=200)
        assert host.returncode == -signal.SIGINT
        assert errors.rstrip().endswith("KeyboardInterrupt")
        assert errors.count("Traceback") == 1
        assert_group_ends(host.pid)


def test_ctrl_c_pressed_again_and_again():
    with host_script(LONG_RUN) as host:
        with soon():
            while host.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(host.pid, signal.SIGINT)
                time.sleep(0.02)
        assert_group_ends(host.pid)


def test_killed_host_takes_its_workers_along():
    with host_script(LONG_RUN) as host:
        assert len(group_members(host.pid)) == 4
        host.kill()
        assert_group_ends(host.pid)


def test_interpreter_ends_without_leaving_the_block():
    body = """
run.__enter__()
run.run(1)
print("running", flush=True)
sys.exit(7)
"""
    with host_script(body) as host:
        with soon():
            _, errors = host.communicate(timeout=200)
        # A busy machine takes a while to import, and a line then tells of compilation.
        told = [line for line in errors.splitlines() if "compiling its kernels" not in line]
        assert (host.returncode, told) == (7, [])
        assert_group_ends(host.pid)
