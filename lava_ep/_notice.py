"""A word to users who wait while the kernels are compiled, once for each machine."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

DELAY = 4.0
"""Seconds of processor time after which an import is taken to be compiling; from the cache it takes
about one, however busy the machine is."""

POLL = 0.5
"""Seconds between two looks at the processor time."""


class CompilationNotice:
    """Tell on standard error what is going on if the body of the ``with`` takes long.

    One inside another adds nothing.
    """

    _open = 0

    def __enter__(self) -> None:
        CompilationNotice._open += 1
        if CompilationNotice._open > 1:
            return
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._tell_if_slow, daemon=True)
        self._watch.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        CompilationNotice._open -= 1
        if CompilationNotice._open == 0:
            self._done.set()
            self._watch.join()

    def _tell_if_slow(self) -> None:
        start = time.process_time()
        while time.process_time() - start < DELAY:
            if self._done.wait(POLL):
                return
        print(
            "lava-ep: compiling its kernels for this machine; this takes a minute or two and "
            "happens only once",
            file=sys.stderr,
            flush=True,
        )
