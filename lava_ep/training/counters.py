"""Activity of a network, as it is counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.training.ranks import Ranks

PHASES = ("free", "nudged")
"""Keys of the counters of each phase in a line of ``metrics.jsonl``."""

COUNTED = ("weight_flips", "events_per_sample", "synaptic_operations_per_sample")
"""What a line of ``metrics.jsonl`` has of equilibrium propagation, besides `METRICS` of any run."""


@dataclass(frozen=True)
class Counters:
    """Activity since a network started, summed over its samples.

    Parameters
    ----------
    events
        Events of all neurons, (2,): free phases, nudged phases.
    synaptic_operations
        Events times the synapses they reach, (2,).
    flips
        Weight flips, one for each layer, input side first.
    """

    events: NDArray[np.int64]
    synaptic_operations: NDArray[np.int64]
    flips: NDArray[np.int64]

    def __sub__(self, earlier: Counters) -> Counters:
        return Counters(
            self.events - earlier.events,
            self.synaptic_operations - earlier.synaptic_operations,
            self.flips - earlier.flips,
        )

    def metrics(self, samples: int) -> dict[str, Any]:
        """Return what a line of ``metrics.jsonl`` tells of so many samples."""
        events, operations = (
            per_sample(counts, samples) for counts in (self.events, self.synaptic_operations)
        )
        return dict(zip(COUNTED, (self.flips.tolist(), events, operations), strict=True))

    def over(self, ranks: Ranks) -> Counters:
        """Return the activity on all ranks; as they have the same weights, flips are the same."""
        return Counters(ranks.sum(self.events), ranks.sum(self.synaptic_operations), self.flips)


def per_sample(counts: NDArray[np.int64], samples: int) -> dict[str, float]:
    """Divide the counters of both phases by the number of samples."""
    return {phase: float(n / samples) for phase, n in zip(PHASES, counts, strict=True)}
