"""Memory shared with forked workers that has no name, so nothing can be left behind.

Lava's channels live in named segments below ``/dev/shm`` that an extra manager process unlinks at
the end; a killed host leaves that manager running, and the segments count against the small
``/dev/shm`` of a container. Lava forks its workers, which inherit anonymous mappings: they need
neither a name nor a manager, and the kernel frees them with the last process that maps them.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt


class SharedBlock:
    """Zeroed memory that this process shares with the workers forked after its creation.

    Parameters
    ----------
    size : int
        Bytes wanted. Pages are only backed by memory once something is written to them.

    Attributes
    ----------
    buf : memoryview
        The memory, named as in ``multiprocessing.shared_memory.SharedMemory``.
    """

    def __init__(self, size: int) -> None:
        self.buf = memoryview(mmap.mmap(-1, max(1, size)))

    def array(
        self, shape: tuple[int, ...], dtype: npt.DTypeLike, offset: int = 0
    ) -> npt.NDArray[Any]:
        """View part of the block as an array.

        Parameters
        ----------
        shape : tuple of int
            Shape of the array.
        dtype : dtype-like
            Its element type.
        offset : int
            Byte at which it starts.

        Returns
        -------
        numpy.ndarray
            A view, no copy.
        """
        return np.ndarray(shape, dtype, buffer=self.buf, offset=offset)


class AnonymousMemoryManager:
    """Stands in for Lava's ``SharedMemoryManager`` where channels ask for memory."""

    def create_shared_memory(self, size: int) -> SharedBlock:
        """Return a new block of ``size`` bytes."""
        return SharedBlock(size)
