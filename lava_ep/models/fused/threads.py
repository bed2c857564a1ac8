"""Sharing work among the threads of one OS process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def blocks(size: int, parts: int, unit: int = 1) -> Iterator[tuple[int, int]]:
    """Cut a range into parts of about equal size that begin at multiples of a unit."""
    step = -(-size // (parts * unit)) * unit
    for first in range(0, size, step):
        yield first, min(first + step, size)


class Team:
    """Threads that share lists of tasks; started when they are first needed.

    Parameters
    ----------
    threads
        Number of threads, the calling one included.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool: ThreadPoolExecutor | None = None

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Call a function for all items; every thread takes the next one when it has time."""
        if len(items) == 1:
            return [function(items[0])]
        order = iter(enumerate(items))
        results: dict[int, Result] = {}

        def some() -> None:
            # One bytecode takes an item, so no two threads take the same.
            for index, item in order:
                results[index] = function(item)

        helpers = min(self.threads, len(items)) - 1
        if helpers > 0 and self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads - 1)
        futures = [self._pool.submit(some) for _ in range(helpers)] if self._pool else []
        some()
        for future in futures:
            future.result()
        return [results[index] for index in range(len(items))]
