"""Message-passing models of target and readout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from numpy.typing import NDArray

from lava_ep.arrays import as_integers, as_reals
from lava_ep.dynamics import expand_target, group_mean
from lava_ep.models.discovery import STEPWISE, cpu_model
from lava_ep.models.message_passing.base import ScheduledModel
from lava_ep.models.messages import SummingInPort
from lava_ep.processes.readout import Readout, Target


@cpu_model(Target, *STEPWISE)
class PyTargetModel(PyLoihiProcessModel):
    """Expand the labels of every step."""

    label_in: SummingInPort = LavaPyType(SummingInPort, np.int32)
    target_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)

    def __init__(self, proc_params: Mapping[str, Any]) -> None:
        super().__init__(proc_params)
        self._classes: int = proc_params["classes"]
        self._neurons: int = proc_params["shape"][1]
        self._labels: NDArray[np.int32] | None = None

    def run_spk(self) -> None:
        """Receive labels, send targets."""
        labels = as_integers(self.label_in.recv(), np.int32)
        if self._labels is None or not np.array_equal(labels, self._labels):
            self._target = expand_target(labels, self._classes, self._neurons)
            self._labels = labels.copy()
        self.target_out.send(self._target)


class GroupMeans(ScheduledModel):
    """Average the states of the output neurons of each class."""

    state_in: SummingInPort = LavaPyType(SummingInPort, np.float32)
    score_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    scores: NDArray[np.float32] = LavaPyType(np.ndarray, np.float32)

    def __init__(self, proc_params: Mapping[str, Any]) -> None:
        super().__init__(proc_params)
        self._classes: int = proc_params["classes"]
        self._stream: bool = proc_params["stream"]

    def read(self, states: NDArray[np.float32]) -> None:
        """Take the states at the end of a free phase."""
        self.scores[...] = group_mean(states, self._classes)


@cpu_model(Readout, *STEPWISE)
class PyReadoutModel(GroupMeans):
    """Read the scores in the last free step."""

    def step(self) -> None:
        """Receive the states, send the scores."""
        states = as_reals(self.state_in.recv())
        at_end = self.clock.position == self.clock.schedule.free_end
        if at_end:
            self.read(states)
        if at_end or not self._stream:
            self.score_out.send(self.scores)
