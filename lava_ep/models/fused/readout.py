"""The readout of a network that takes one Lava time step for a whole batch."""

from __future__ import annotations

from lava_ep.arrays import as_reals
from lava_ep.models.discovery import cpu_model
from lava_ep.models.message_passing.readout import GroupMeans
from lava_ep.processes.readout import Readout


@cpu_model(Readout, "fused", "fixed_pt_fused")
class PyReadoutModelFused(GroupMeans):
    """Average the output states of every message; each is the end of a free phase."""

    def run_spk(self) -> None:
        """Receive the states, send the scores."""
        self.read(as_reals(self.state_in.recv()))
        self.score_out.send(self.scores)
