"""Activity of a network, as it is counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.training.ranks import Ranks


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
        return {
            "weight_flips": self.flips.tolist(),
            "events_per_sample": per_sample(self.events, samples),
            "synaptic_operations_per_sample": per_sample(self.synaptic_operations, samples),
        }

    def over(self, ranks: Ranks) -> Counters:
        """Return the activity on all ranks; as they have the same weights, flips are the same."""
        return Counters(ranks.sum(self.events), ranks.sum(self.synaptic_operations), self.flips)


def per_sample(counts: NDArray[np.int64], samples: int) -> dict[str, float]:
    """Divide the counters of both phases by the number of samples."""
    return {"free": float(counts[0] / samples), "nudged": float(counts[1] / samples)}
