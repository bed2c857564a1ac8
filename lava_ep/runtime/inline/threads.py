"""Threads of numerical libraries: as many for models as a worker of their own would have."""

from __future__ import annotations

import functools
import sys
from typing import Any

from threadpoolctl import ThreadpoolController


class ThreadLimit:
    """Limits the libraries that are loaded by now, whenever models run.

    Sums of a matrix product depend on the number of threads, so that results would otherwise not be
    those of `lava_ep.runtime.supervised`.

    Parameters
    ----------
    threads : int or None
        Threads of each library, None for no limit.
    """

    def __init__(self, threads: int | None) -> None:
        self._threads = threads
        self._libraries = [] if threads is None else _libraries(len(sys.modules))
        self._limited: list[tuple[Any, int]] = []

    def set(self) -> None:
        """Begin to limit."""
        for library in self._libraries:
            before = library.get_num_threads()
            if before != self._threads:
                self._limited.append((library, before))
                library.set_num_threads(self._threads)

    def lift(self) -> None:
        """Give the libraries the threads that they had before."""
        for library, threads in self._limited:
            library.set_num_threads(threads)
        self._limited.clear()


@functools.lru_cache(maxsize=1)
def _libraries(modules: int) -> list[Any]:
    """Return the libraries; they come with modules, and looking for them takes milliseconds."""
    found: list[Any] = ThreadpoolController().lib_controllers
    return found
