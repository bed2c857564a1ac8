"""A word to users who wait while the kernels are compiled, once for each machine."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

DELAY = 4.0
"""Seconds of processor time after which kernels are taken to be compiling; from the cache all of
them take about one, however busy the machine is."""

POLL = 0.5
"""Seconds between two looks at the processor time."""


class CompilationNotice:
    """Tell on standard error what is going on if the body of the ``with`` takes long.

    One inside another, or in another thread meanwhile, adds nothing.
    """

    _open = 0
    _counting = threading.Lock()
    _done = threading.Event()
    _watch = threading.Thread()

    def __enter__(self) -> None:
        kind = CompilationNotice
        with kind._counting:
            kind._open += 1
            if kind._open == 1:
                kind._done = threading.Event()
                kind._watch = threading.Thread(
                    target=_tell_if_slow, args=(kind._done,), daemon=True
                )
                kind._watch.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with CompilationNotice._counting:
            CompilationNotice._open -= 1
            if CompilationNotice._open == 0:
                CompilationNotice._done.set()
                CompilationNotice._watch.join()


def _tell_if_slow(done: threading.Event) -> None:
    start = time.process_time()
    while time.process_time() - start < DELAY:
        if done.wait(POLL):
            return
    print(
        "lava-ep: compiling its kernels for this machine; this takes a minute or two and "
        "happens only once",
        file=sys.stderr,
        flush=True,
    )
