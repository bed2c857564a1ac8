"""Resistive networks: nodes of a layer, and the conductances between two layers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from lava_ep.dynamics.resistive import (
    Resistive,
    add_conductance,
    check_nudging,
    conductance_contrast,
    mirrored,
    moves,
    settle_block,
)
from lava_ep.kinds import register
from lava_ep.populations.clock import Clock
from lava_ep.populations.neuron import NeuronPopulation
from lava_ep.populations.receiver import Receiver
from lava_ep.populations.synapse import Moment, SynapsePopulation
from lava_ep.populations.weights import Contrast, Weights

Array = NDArray[Any]


@register(Resistive.kind, "population")
class ResistivePopulation(NeuronPopulation):
    """Nodes that move to the minimum of the energy; see `settle_block`.

    State and activation are both the voltage, and so are exactly what receivers know.

    Parameters
    ----------
    shape, biases, common
        See `NeuronPopulation`.
    neuron
        Constants of the network; those of its pixels.
    layer
        Number of the layer, which decides in which time steps it moves, see `moves`.
    diodes
        Whether diodes clamp the nodes.

    Attributes
    ----------
    conductance
        Sum of the conductances at each node, (n,).
    """

    STATE_VARS: ClassVar[tuple[str, ...]] = ("activation",)

    def __init__(
        self,
        shape: tuple[int, int],
        biases: int,
        *,
        neuron: Resistive,
        layer: int,
        diodes: bool,
        **common: Any,
    ) -> None:
        super().__init__(shape, biases, messages=np.float32, activations=np.float32, **common)
        self.state = self.activation
        self.conductance = np.zeros(shape[1], np.float32)
        self._layer = layer
        self._diodes = diodes
        self._moves = False

    def step(self, clock: Clock, current: Array, target: Array | None) -> int:
        """Take a time step; see `NeuronPopulation.step`."""
        self._moves = moves(clock.schedule, clock.position, self._layer)
        return super().step(clock, current, target)

    def _initial_activation(self) -> float:
        return 0.0

    def _settle(self, current: Array, target: Array | None, beta: float) -> int:
        if not self._moves:
            self.change.fill(0)
            return 0
        check_nudging(self.conductance, beta)
        return settle_block(
            self.activation,
            current,
            self.conductance,
            self.bias,
            self.change,
            diodes=self._diodes,
            target=target,
            beta=beta,
        )


class MirroredReceiver(Receiver):
    """Pixels that are sources of voltage, each twice: +A x and, after all of these, -A x.

    Parameters
    ----------
    shape
        (batch, sources), twice as many as there are pixels.
    dtype
        Type that is computed with.
    levels
        Pixel value that means 1.0.
    voltage
        A.
    """

    def __init__(
        self, shape: tuple[int, int], dtype: npt.DTypeLike, levels: int, voltage: float
    ) -> None:
        super().__init__(shape, dtype)
        self._levels = levels
        self._voltage = voltage

    def receive(self, clock: Clock, message: Array) -> Array | None:
        """Take in changes of the pixels; see `Receiver.receive`."""
        return super().receive(clock, mirrored(message, self._levels, self._voltage))


class Conductances(Weights):
    """Weights that never go below 0; see `Weights`."""

    def apply(
        self,
        contrast: Contrast,
        *,
        batch: int,
        sign: int,
        clock: Clock,
        rows: slice = slice(None),
    ) -> None:
        """Change the conductances; see `Weights.apply`."""
        factor, _ = self.coefficients(batch=batch, sign=sign, clock=clock)
        add_conductance(self._forward[rows], factor, contrast.forward)
        self.version += 1


class ConductancePopulation(SynapsePopulation):
    """Conductances between two layers: their contrast is that of the power they take.

    They also tell the nodes at both ends the sum of their conductances.

    Parameters
    ----------
    weights, options
        See `SynapsePopulation`.
    """

    store: Conductances

    def __init__(self, weights: Conductances, **options: Any) -> None:
        super().__init__(weights, **options)
        self._totals_version = -1
        self._totals: tuple[Array, Array]

    @property
    def totals(self) -> tuple[Array, Array]:
        """Sums of the conductances at the targets, (n_post,), and at the sources, (n_pre,)."""
        if self._totals_version != self.store.version:
            found = self.store.weights
            self._totals = found.sum(axis=1), found.sum(axis=0)
            self._totals_version = self.store.version
        return self._totals

    def _contrast(self, before: Moment, now: Moment) -> Contrast:
        """Return the contrast between two moments."""
        return Contrast(conductance_contrast(before.pre, now.pre, before.located, now.located))
