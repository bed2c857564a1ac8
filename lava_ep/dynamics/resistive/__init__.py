"""Deep resistive networks: circuits of conductances and ideal diodes, which settle by physics."""

from lava_ep.dynamics.resistive.circuit import (
    MARGIN,
    Resistive,
    add_conductance,
    check_nudging,
    conductance_contrast,
    energy,
    initial_conductances,
    mirrored,
    moves,
    settle_block,
)
from lava_ep.dynamics.resistive.pixels import learn_pixels, pixel_currents

__all__ = [
    "MARGIN",
    "Resistive",
    "add_conductance",
    "check_nudging",
    "conductance_contrast",
    "energy",
    "initial_conductances",
    "learn_pixels",
    "mirrored",
    "moves",
    "pixel_currents",
    "settle_block",
]
