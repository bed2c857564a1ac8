"""Equilibrium propagation on Lava."""

from lava_ep import models, processes

__all__ = ["models", "processes"]
