"""A word to users who wait while the kernels are compiled, once for each machine."""

from __future__ import annotations

import sys
import threading
from types import TracebackType

DELAY = 4.0
"""Seconds after which an import is taken to be compiling; from the cache it takes about one."""


class CompilationNotice:
    """Tell on standard error what is going on if the body of the ``with`` takes long."""

    def __enter__(self) -> None:
        self._timer = threading.Timer(DELAY, self._tell)
        self._timer.daemon = True
        self._timer.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        self._timer.join()

    @staticmethod
    def _tell() -> None:
        print(
            "lava-ep: compiling its kernels for this machine; this takes a minute or two and "
            "happens only once",
            file=sys.stderr,
            flush=True,
        )
