"""When the phases of equilibrium propagation begin and end, counted in time steps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from numbers import Integral

from lava_ep.dynamics.seeds import Stream, generator
from lava_ep.errors import InputError


class Nudging(str, Enum):
    """How the nudging strength is chosen (Laydevant et al. 2021; Laborieux et al. 2021)."""

    POSITIVE = "positive"
    """+beta for every batch."""
    RANDOM_SIGN = "random-sign"
    """+beta or -beta, drawn anew for every batch."""
    SYMMETRIC = "symmetric"
    """+beta and then, from the same free state, -beta."""
    SWING = "swing"
    """+beta and then, from the state it has led to, -beta: no state needs to be stored."""


class Updates(str, Enum):
    """When parameters change."""

    TWO_PHASE = "two-phase"
    """Once a batch, by the contrast of the ends of two phases (Scellier & Bengio 2017)."""
    CONTINUAL = "continual"
    """In every nudged step, by the contrast with the step before (C-EP; Ernoult et al. 2020)."""


class Phase(Enum):
    """What a Process does in one time step."""

    LOAD = "load"
    """States are reset, the image and the initial activations are sent."""
    FREE = "free"
    """The network settles without a target."""
    NUDGED = "nudged"
    """The output is pulled towards (beta > 0) or away from (beta < 0) the target."""
    RESTORE = "restore"
    """The free state is restored before the second phase of symmetric nudging."""


@dataclass(frozen=True)
class PhaseSchedule:
    r"""The sequence of phases that every Process counts for itself.

    A training sample (or batch) takes one ``LOAD`` step, :math:`T` free steps and :math:`K` nudged
    steps; symmetric nudging adds a ``RESTORE`` step and :math:`K` more, the swing :math:`K` more
    without one. Without learning a sample ends with its free phase. Positions are counted from 0
    (``LOAD``) within a sample.

    Parameters
    ----------
    free_steps
        :math:`T`, at least 1.
    nudged_steps
        :math:`K`, at least 1.
    beta
        Nudging strength :math:`\beta > 0`.
    nudging
        Choice of the sign of :math:`\beta`, a `Nudging` or its value.
    seed
        Seed of the run; the random sign of batch ``k`` depends on ``(seed, k)`` alone, so that
        every Process draws the same sign from its own copy of the schedule.
    updates
        When parameters change, an `Updates` or its value.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    free_steps: int
    nudged_steps: int
    beta: float
    nudging: Nudging = Nudging.RANDOM_SIGN
    seed: int = 0
    updates: Updates = Updates.TWO_PHASE

    def __post_init__(self) -> None:
        for name in ("free_steps", "nudged_steps"):
            steps = getattr(self, name)
            if not isinstance(steps, Integral) or steps < 1:
                raise InputError(f"{name}={steps}: expected a whole number of at least 1 time step")
        if self.nudging not in tuple(Nudging):
            choices = ", ".join(choice.value for choice in Nudging)
            raise InputError(f"nudging={self.nudging!r}: expected one of {choices}")
        object.__setattr__(self, "nudging", Nudging(self.nudging))
        if self.updates not in tuple(Updates):
            choices = ", ".join(choice.value for choice in Updates)
            raise InputError(f"updates={self.updates!r}: expected one of {choices}")
        object.__setattr__(self, "updates", Updates(self.updates))
        if not self.beta > 0:
            raise InputError(
                f"beta={self.beta}: expected a positive nudging strength; "
                "choose its sign with `nudging`"
            )
        if self.seed < 0:
            raise InputError(f"seed={self.seed}: expected a non-negative integer")

    @property
    def symmetric(self) -> bool:
        """Whether both signs of beta are applied to every sample, each from the free state."""
        return self.nudging is Nudging.SYMMETRIC

    @property
    def two_sided(self) -> bool:
        """Whether both signs of beta are applied to every sample."""
        return self.nudging in (Nudging.SYMMETRIC, Nudging.SWING)

    @property
    def continual(self) -> bool:
        """Whether parameters change in every nudged step."""
        return self.updates is Updates.CONTINUAL

    def period(self, *, learning: bool) -> int:
        """Time steps that one sample (or batch) takes."""
        if not learning:
            return 1 + self.free_steps
        phases = 2 if self.two_sided else 1
        return 1 + self.free_steps + phases * self.nudged_steps + self.symmetric

    @property
    def free_end(self) -> int:
        """Position of the last free step."""
        return self.free_steps

    @property
    def first_nudged_end(self) -> int:
        """Position of the last step of the first nudged phase."""
        return self.free_steps + self.nudged_steps

    @property
    def remembered_end(self) -> int:
        """Position of the state that the one at the end of the sample is contrasted with."""
        return self.first_nudged_end if self.two_sided else self.free_end

    def phase(self, position: int) -> Phase:
        """Phase at a position within a sample."""
        if position == 0:
            return Phase.LOAD
        if position <= self.free_end:
            return Phase.FREE
        if self.symmetric and position == self.first_nudged_end + 1:
            return Phase.RESTORE
        return Phase.NUDGED

    def sign(self, batch: int) -> int:
        """Sign of beta in the first nudged phase of a batch, counted from the start of the run."""
        if self.nudging is not Nudging.RANDOM_SIGN:
            return 1
        return 1 if generator(self.seed, Stream.NUDGING_SIGN, batch).integers(2) else -1

    def beta_at(self, position: int, sign: int) -> float:
        """Nudging strength at a position within a sample: 0, +beta or -beta."""
        if self.phase(position) is not Phase.NUDGED:
            return 0.0
        second = position > self.first_nudged_end
        return -self.beta if second else sign * self.beta

    @property
    def contrast_span(self) -> float:
        r"""Distance of the two contrasted states in nudging strength.

        :math:`|\beta|` for a free and a nudged state, :math:`2|\beta|` where both signs are used.
        """
        return 2.0 * self.beta if self.two_sided else self.beta

    def contrast_sign(self, sign: int) -> int:
        """Return +1 if the state at the end of the sample lies at the larger beta, else -1."""
        return -1 if self.two_sided else sign

    def continual_sign(self, position: int, sign: int) -> int:
        """Return the sign of the contrast that a step makes with the one before it.

        Summed over all steps these contrasts are the one of `contrast_sign`, as long as parameters
        stay the same. It is 0 where nothing is learned: outside nudged phases, and in the first one
        of the swing.
        """
        beta = self.beta_at(position, sign)
        silent = self.nudging is Nudging.SWING and position <= self.first_nudged_end
        return 0 if silent or beta == 0 else 1 if beta > 0 else -1
