"""What the system lacks is named, with a way out, and nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lava_ep.errors import InputError
from lava_ep.runtime import ProcessFailure, ProcessTester, supervised

FOLDERS = [str(folder) for folder in Path(__file__).parents[:2]]
HOST = """\
import sys
sys.path[:0] = {folders!r}
import conftest as toys
from lava_ep.errors import LavaEPError
from lava_ep.runtime import supervised

first = last = toys.Relay(listening=False)
for _ in range({n}):
    other = toys.Relay()
    last.s_out.connect(other.a_in)
    last = other
before = toys._present()
try:
    with supervised(first, toys.toy_config()) as run:
        run.run(3)
except LavaEPError as error:
    print(error)
else:
    print("no error")
import time
deadline = time.monotonic() + 5
while toys._left_over(before) and time.monotonic() < deadline:
    time.sleep(0.05)
print(toys._left_over(before))
"""


def run_host(command: str, n: int, *prefix: str) -> tuple[str, str]:
    """Run a network after a shell command; return the error and what is left behind."""
    code = HOST.format(folders=FOLDERS, n=n)
    done = subprocess.run(
        [*prefix, "bash", "-c", f'{command}; exec "$0" "$@"', sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    error, left = done.stdout.strip().splitlines()
    return error, left


def test_too_few_open_files():
    error, left = run_host("ulimit -n 32", 12)
    assert error.startswith(
        "The network of 14 workers could not be started: too few files may be open at the same "
        "time (the limit is 32). It takes about 42 of them."
    )
    assert "ulimit -n 4096" in error
    assert left == "{}"


def can_mount():
    command = [*UNSHARE, "mount", "-t", "tmpfs", "none", "/dev/shm"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


UNSHARE = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]


@pytest.mark.parametrize(
    ("mount", "cause"),
    [
        ("mount -t tmpfs -o size=16k none /dev/shm", "No space left on device; 0 bytes are free"),
        (
            "mount -t tmpfs -o size=1m none /dev/shm; dd if=/dev/zero of=/dev/shm/full 2>/dev/null",
            "No space left on device; 0 bytes are free",
        ),
        ("mount -t tmpfs -o ro none /dev/shm", "Read-only file system"),
    ],
    ids=["tiny", "full", "read-only"],
)
def test_shared_memory(mount, cause):
    if not can_mount():
        pytest.skip("needs the right to mount another /dev/shm, as root or in a user namespace")
    error, left = run_host(mount, 2, *UNSHARE)
    assert error.startswith("The network of 4 workers could not be started: its semaphores")
    assert cause in error
    assert "--shm-size=1g" in error
    assert left == "{}"


DEEP = """\
import sys
sys.path[:0] = {folders!r}
import conftest as toys
from lava_ep.runtime import supervised

def depth(n):
    return depth(n - 1) + 1 if n else 0

def dive():
    sys.setrecursionlimit(20000)
    assert depth(8000) == 8000

with supervised(toys.Relay(listening=False, trouble=("run_spk", dive)), toys.toy_config()) as run:
    run.run(5)
print("dived")
"""


def test_models_have_room_to_recurse():
    done = subprocess.run(
        ["bash", "-c", 'ulimit -s unlimited; exec "$0" "$@"', sys.executable, "-"],
        input=DEEP.format(folders=FOLDERS),
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.stdout == "dived\n", done.stderr


class Mute(Exception):
    """An exception that cannot even say its name."""

    def __str__(self):
        raise ValueError("no text")

    __repr__ = __str__


class Leaving(Exception):
    def __str__(self):
        sys.exit("from __str__")


@pytest.mark.parametrize(("kind", "cause"), [(Mute, "ValueError"), (Leaving, "SystemExit")])
@pytest.mark.parametrize("phase", ["__init__", "run_spk"])
def test_exception_without_text(toys, kind, cause, phase):
    def fail():
        raise kind

    relay = toys.Relay(listening=False, trouble=(phase, fail), name="relay")
    with pytest.raises(ProcessFailure) as caught, supervised(relay, toys.config()) as run:
        run.run(10)
    error = caught.value
    assert (error.process_name, error.error_name) == ("relay", kind.__name__)
    assert cause in error.message
    assert f"in {phase}\n" in error.traceback_text
    assert "in fail\n" in error.traceback_text


def test_exception_whose_text_is_no_string(toys):
    class Strange(Exception):
        def __str__(self):
            return 5

    def fail():
        raise Strange

    relay = toys.Relay(listening=False, trouble=("run_spk", fail))
    with pytest.raises(ProcessFailure, match="in fail"), supervised(relay, toys.config()) as run:
        run.run(10)


def test_lists_are_taken_for_arrays(toys):
    relay = toys.Relay()
    relay.a_in.flag_external_pipe(2)
    relay.s_out.flag_external_pipe(2)
    with supervised(relay, toys.config()) as run:
        run.inbox(relay.a_in).put([1, 2.5])
        run.set(relay.weights, [0.5, 1])
        run.set(relay.threads, [7])
        run.run(1)
        np.testing.assert_array_equal(run.outbox(relay.s_out).get(), [2, 3.5])
        np.testing.assert_array_equal(run.get(relay.weights), [0.5, 1])
        assert run.get(relay.threads) == 7
    tester = ProcessTester(toys.Relay(), model=toys.RelayModel)
    np.testing.assert_array_equal(tester.step({"a_in": [1, 2.5]})["s_out"], [2, 3.5])


RAGGED = [[1], [1, 2]]


def test_what_is_no_array_is_refused(toys):
    relay = toys.Relay()
    relay.a_in.flag_external_pipe(2)
    with supervised(relay, toys.config()) as run:
        for value, cause in ((RAGGED, "rows of different length"), (["a", "b"], "type <U1")):
            with pytest.raises(InputError, match=cause):
                run.inbox(relay.a_in).put(value)
            with pytest.raises(InputError, match=cause):
                run.set(relay.weights, value)
        with pytest.raises(InputError, match=r"Var 'threads'.*rows of different length"):
            run.set(relay.threads, RAGGED)
        run.inbox(relay.a_in).put([0, 0])
        run.run(1)
    tester = ProcessTester(toys.Relay(), model=toys.RelayModel)
    with pytest.raises(InputError, match="rows of different length"):
        tester.step({"a_in": RAGGED})
    with pytest.raises(InputError, match="got inputs of type list, expected a mapping"):
        tester.step([[1, 2]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"run_cfg": "fused"}, r"run_cfg is 'fused', expected a RunConfig, such as"),
        ({"channel_size": 0}, "channel_size is 0, expected an integer of at least 1"),
        ({"channel_size": "2"}, "channel_size is '2', expected an integer"),
        ({"threads_per_worker": 0.5}, r"threads_per_worker is 0\.5, expected an integer"),
    ],
)
def test_options_of_a_run_are_checked(toys, options, message):
    with pytest.raises(InputError, match=message):
        supervised(toys.Relay(), **options)
