"""Counting the time steps of a schedule."""

from __future__ import annotations

from lava_ep.dynamics import Phase, PhaseSchedule


class Clock:
    """Knows from its own count which phase a time step belongs to.

    Parameters
    ----------
    schedule
        The phases.
    learning
        Whether samples have nudged phases.
    batch
        Number of batches learned from before.

    Attributes
    ----------
    position
        Position of the current step within the sample, from 0.
    phase
        Phase of the current step.
    batch
        Number of batches learned from so far.
    sign
        Sign of beta in the first nudged phase of this batch.
    """

    def __init__(self, schedule: PhaseSchedule, *, learning: bool, batch: int = 0) -> None:
        self.schedule = schedule
        self.learning = learning
        self.batch = batch
        self.position = -1
        self.sign = 1
        self.phase = Phase.LOAD
        self._last = schedule.period(learning=learning) - 1

    def tick(self) -> None:
        """Go on to the next step."""
        self.position = 0 if self.at_end else self.position + 1
        self.phase = self.schedule.phase(self.position)
        if self.position == 0 and self.learning:
            self.sign = self.schedule.sign(self.batch)

    def steps_until(self, last: int) -> int:
        """Return the steps from this one to the end of its phase, or to a position before it."""
        if self.phase in (Phase.LOAD, Phase.RESTORE):
            return 1
        ends = (self.schedule.free_end, self.schedule.first_nudged_end, last - 1)
        return min(end for end in ends if end >= self.position) + 1 - self.position

    @property
    def at_end(self) -> bool:
        """Whether this is the last step of a sample."""
        return self.position == self._last

    @property
    def beta(self) -> float:
        """Nudging strength in this step: 0, +beta or -beta."""
        return self.schedule.beta_at(self.position, self.sign)

    @property
    def counter(self) -> int:
        """Index of this step in counters: 0 in the free phase, 1 in nudged phases."""
        return int(self.phase in (Phase.NUDGED, Phase.RESTORE))

    @property
    def restorable(self) -> bool:
        """Whether the condition after this step is to be kept, to restore it later."""
        return self.schedule.symmetric and self.position == self.schedule.free_end

    @property
    def remembers(self) -> bool:
        """Whether a state is to be kept after this step, to contrast the final one with."""
        two_phase = self.learning and not self.schedule.continual
        return two_phase and self.position == self.schedule.remembered_end

    @property
    def contrast_sign(self) -> int:
        """+1 if the state at the end of the sample lies at the larger beta, else -1."""
        return self.schedule.contrast_sign(self.sign)

    @property
    def continual_sign(self) -> int:
        """Sign of the contrast with the step before, or 0 where none is learned from."""
        if not (self.learning and self.schedule.continual):
            return 0
        return self.schedule.continual_sign(self.position, self.sign)
