"""What rules see of activations."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from lava_ep.dynamics import Noise
from lava_ep.populations.clock import Clock

Array = NDArray[Any]


def measured(
    noise: Noise | None, activation: Array, clock: Clock, phase: int, levels: int = 1
) -> Array:
    """Return a copy of activations, with the noise of their measurement if there is any.

    Neurons and the synapses on both sides of them see the same: each draws the noise from its own
    copy of the seed, as it does with the sign of beta.

    Parameters
    ----------
    noise
        Of their layer.
    activation
        (batch, n).
    clock
        Tells the batch, and the seed.
    phase
        0 for the first of the two contrasted phases, 1 for the second.
    levels
        Activation that means 1.0.
    """
    if noise is None:
        return activation.copy()
    seed = clock.schedule.seed
    return noise.measured(activation, seed=seed, batch=clock.batch, phase=phase, levels=levels)
