"""A process that has loaded lava_ep and runs command lines, each in a fork of its own.

::

    python -m lava_ep.cli.server

Command lines come by standard input, each a JSON list of arguments in a line, the first of them the
file for all output. Exit codes go to standard output. The fork and then the process end when
standard input is closed, as it is when the process at its other end dies, however it dies.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import traceback

from lava_ep import cli
from lava_ep.runtime.worker import follow_parent

LOOK = 0.05
"""Seconds between two looks whether the fork has ended."""


def main() -> None:
    """Run commands until there are no more."""
    while line := sys.stdin.readline():
        log, *arguments = json.loads(line)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _run(log, arguments, parent)
        code = _wait(pid)
        if code is None:
            return
        print(code, flush=True)


def _run(log: str, arguments: list[str], parent: int) -> None:
    """Run a command line and exit."""
    code = 1
    try:
        follow_parent(parent)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        sys.argv[:] = ["lava-ep", *arguments]
        cli.main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(pid: int) -> int | None:
    """Return the exit code of the fork, or end it if standard input is closed."""
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        # Nobody sends a command before the last one is answered: what comes is the end.
        if select.select([sys.stdin], [], [], LOOK)[0]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return None


if __name__ == "__main__":
    main()
