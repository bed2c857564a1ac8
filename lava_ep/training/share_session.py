"""A session with one rank's share of a network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.models.data_parallel import Frames
from lava_ep.processes import EPNetworkShare
from lava_ep.spec import NetworkSpec
from lava_ep.training.ranks import Ranks
from lava_ep.training.session import NetworkSession

ROOM = 4
"""Messages that may be on their way between the network and the host."""


class ShareSession(NetworkSession):
    """A `NetworkSession` in which every rank shows its share of each batch, and learns from all.

    Parameters
    ----------
    spec
        The network.
    ranks
        Add up the contrasts.
    whole_batch
        Samples in the batches of all ranks together; ``batch`` is the number of this rank's.
    options
        See `NetworkSession`.
    """

    def __init__(
        self, spec: NetworkSpec, *, ranks: Ranks, whole_batch: int, **options: Any
    ) -> None:
        self._ranks = ranks
        self._whole_batch = whole_batch
        self._frames = Frames.suited_to(spec)
        super().__init__(spec, **options)

    def _network(self, **options: Any) -> EPNetworkShare:
        share = EPNetworkShare(
            whole_batch=self._whole_batch, message=self._frames.length, **options
        )
        for port in (share.contrast_out, share.total_in):
            port.flag_external_pipe(ROOM)
        self._share = share
        return share

    def __enter__(self) -> ShareSession:
        super().__enter__()
        self._contrasts = self._run.outbox(self._share.contrast_out)
        self._totals = self._run.inbox(self._share.total_in)
        return self

    def _learned(self) -> NDArray[np.float32]:
        scores = super()._learned()
        # The network asks for sums until it has learned from the batch.
        while (values := self._frames.unpack(self._contrasts.get)).size:
            for message in self._frames.pack(self._ranks.sum(values)):
                self._totals.put(message)
        return scores
