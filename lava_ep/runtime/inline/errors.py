"""The exception of a network in which nobody can go on."""

from __future__ import annotations

from collections.abc import Sequence

from lava_ep.errors import LavaEPError


class DeadlockError(LavaEPError):
    """No ProcessModel can continue.

    Attributes
    ----------
    waits : tuple of (str, str)
        Who waits for whom, as "process.port" both: each entry follows from the one before.
    on_host : bool
        Whether only a message from or to the host is missing. The network is intact then: after
        ``Inbox.put`` or ``Outbox.get`` it runs on.
    """

    def __init__(
        self, message: str, waits: Sequence[tuple[str, str]] = (), on_host: bool = False
    ) -> None:
        super().__init__(message)
        self.waits = tuple(waits)
        self.on_host = on_host
