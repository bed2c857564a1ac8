"""Threads of numerical libraries: as many for models as a worker of their own would have."""

from __future__ import annotations

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
        found = [] if threads is None else ThreadpoolController().lib_controllers
        self._libraries: list[Any] = found
        self._before: list[int] = []

    def set(self) -> None:
        """Begin to limit."""
        if self._libraries:
            self._before = [library.get_num_threads() for library in self._libraries]
            for library in self._libraries:
                library.set_num_threads(self._threads)

    def lift(self) -> None:
        """Give the libraries the threads that they had before."""
        for library, threads in zip(self._libraries, self._before, strict=True):
            library.set_num_threads(threads)
