"""The part that all message-passing models share: counting the steps of their own schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lava.magma.core.model.py.model import PyLoihiProcessModel

from lava_ep.models.parts import Clock


class ScheduledModel(PyLoihiProcessModel):
    """A ProcessModel that knows from its own count which phase a time step belongs to.

    Subclasses implement ``step``, called in every time step, and may implement ``learn``, called in
    the learning phase of the last step of every sample.

    Attributes
    ----------
    clock
        The count.
    """

    def __init__(self, proc_params: Mapping[str, Any]) -> None:
        super().__init__(proc_params)
        self.clock = Clock(
            proc_params["schedule"],
            learning=proc_params["learning"],
            batch=proc_params.get("first_batch", 0),
        )

    def run_spk(self) -> None:
        """Advance the count and take the step."""
        self.clock.tick()
        self.step()

    def lrn_guard(self) -> bool:
        """Ask for a learning phase in the last step of a sample."""
        return self.clock.learning and self.clock.at_end

    def run_lrn(self) -> None:
        """Learn from the sample that ends with this step."""
        self.learn()
        self.clock.batch += 1

    def step(self) -> None:
        """Receive, compute and send for one time step."""
        raise NotImplementedError(f"{type(self).__name__} must implement step()")

    def learn(self) -> None:
        """Change the parameters at the end of a sample; nothing by default."""
