"""Integer arrays of any length as messages of one length, which is what Lava's ports carry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.spec import NetworkSpec

Message = NDArray[np.int32]

HEADER = 2
"""Numbers before the first value: bytes of all values, bytes of each."""

LONGEST = 1 << 16
"""Numbers in a message; longer ones would leave the cache between the copies on their way."""


class Frames:
    """Packs arrays of signed integers into messages, and unpacks them.

    Parameters
    ----------
    length
        Numbers in a message.
    """

    def __init__(self, length: int) -> None:
        self.length = length

    @classmethod
    def suited_to(cls, spec: NetworkSpec) -> Frames:
        """Return the ones for the contrasts of a network."""
        entries = max(n * m for n, m in zip(spec.sizes[1:], spec.sizes[:-1], strict=True))
        return cls(HEADER + min(max(entries, sum(spec.sizes)), LONGEST - HEADER))

    def _messages(self, size: int) -> int:
        return max(1, -(-(4 * HEADER + size) // (4 * self.length)))

    def pack(self, values: NDArray[Any]) -> Iterator[Message]:
        """Yield the messages of an array, (values,) of any signed integers."""
        packed = np.zeros(self._messages(values.nbytes) * self.length, np.int32)
        packed[:HEADER] = values.nbytes, values.itemsize
        packed[HEADER:].view(np.uint8)[: values.nbytes] = values.view(np.uint8)
        yield from packed.reshape(-1, self.length)

    def unpack(self, receive: Callable[[], Message]) -> NDArray[Any]:
        """Return an array whose messages ``receive`` returns one after the other."""
        first = receive()
        size, item = int(first[0]), int(first[1])
        messages = [first, *(receive() for _ in range(self._messages(size) - 1))]
        packed = np.concatenate(messages) if len(messages) > 1 else first
        return packed[HEADER:].view(np.uint8)[:size].view(f"i{item}")
