"""The part that all message-passing models share: counting the steps of their own schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lava.magma.core.model.py.model import PyLoihiProcessModel

from lava_ep.dynamics import Phase, PhaseSchedule


class ScheduledModel(PyLoihiProcessModel):
    """A ProcessModel that knows from its own count which phase a time step belongs to.

    Subclasses implement ``step``, called in every time step, and may implement ``learn``, called in
    the learning phase of the last step of every sample.

    Attributes
    ----------
    position
        Position of the current step within the sample, from 0.
    ep_phase
        Phase of the current step (``phase`` is Lava's own).
    batch
        Number of batches learned from so far.
    sign
        Sign of beta for this batch.
    """

    def __init__(self, proc_params: Mapping[str, Any]) -> None:
        super().__init__(proc_params)
        self.schedule: PhaseSchedule = proc_params["schedule"]
        self.learning: bool = proc_params["learning"]
        self.batch: int = proc_params.get("first_batch", 0)
        self.position = -1
        self.sign = 1
        self.ep_phase = Phase.LOAD
        self._last = self.schedule.period(learning=self.learning) - 1

    def run_spk(self) -> None:
        """Advance the count and take the step."""
        self.position = 0 if self.position == self._last else self.position + 1
        self.ep_phase = self.schedule.phase(self.position)
        if self.position == 0 and self.learning:
            self.sign = self.schedule.sign(self.batch)
        self.step()

    def lrn_guard(self) -> bool:
        """Ask for a learning phase in the last step of a sample."""
        return self.learning and self.position == self._last

    def run_lrn(self) -> None:
        """Learn from the sample that ends with this step."""
        self.learn()
        self.batch += 1

    @property
    def contrast_sign(self) -> int:
        """+1 if the state at the end of the sample lies at the larger beta, else -1."""
        return -1 if self.schedule.symmetric else self.sign

    @property
    def counter(self) -> int:
        """Index of the current step in counters: 0 in the free phase, 1 in nudged phases."""
        return int(self.ep_phase in (Phase.NUDGED, Phase.RESTORE))

    def step(self) -> None:
        """Receive, compute and send for one time step."""
        raise NotImplementedError(f"{type(self).__name__} must implement step()")

    def learn(self) -> None:
        """Change the parameters at the end of a sample; nothing by default."""
