"""The exceptions that lava_ep raises on purpose."""

from __future__ import annotations


class LavaEPError(Exception):
    """Base class of every error that lava_ep raises itself; the command line exits with 1."""


class DivergedError(LavaEPError):
    """Training has moved parameters to where the network cannot go on."""


class InputError(LavaEPError, ValueError):
    """A value, file or option given by the user is unusable; the command line exits with 2.

    The message names the value, what was expected and how to mend it.
    """


class LavaMissingError(LavaEPError, ModuleNotFoundError):
    """Lava is not installed, without which only engines called directly can run networks."""
