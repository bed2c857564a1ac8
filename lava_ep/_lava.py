"""Import Lava, on any Python and after any choice of how `multiprocessing` starts processes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import _lava_ep_compat
from lava_ep.errors import LavaMissingError

RELEASE = "lava-nc==0.10.0"

OPTIONS = "" if sys.version_info < (3, 11) else "--no-deps --ignore-requires-python "
"""With which pip installs Lava on this Python; without, it refuses those newer than 3.10."""

MISSING = f'Lava is not installed: python -m pip install {OPTIONS}"{RELEASE}"'


def _nothing() -> None:
    pass


import_models: Callable[[], object] = _nothing
"""Imports all ProcessModels; `lava_ep`, which lies above them and the Processes, provides it."""


def is_installed() -> bool:
    """Return whether Lava can be found; it is not imported."""
    try:
        return find_spec("lava.magma") is not None
    except ModuleNotFoundError:
        return False


def require() -> None:
    """Import Lava.

    Lava chooses the start method of `multiprocessing` when it is imported and fails where there is
    a choice already, as in a joblib worker. Our networks are forked whatever it is, so it is given
    back afterwards.

    Raises
    ------
    LavaMissingError
        If it is not installed.
    """
    import multiprocessing

    # Where lava-ep was not installed but is found on the path, nobody else has.
    _lava_ep_compat.register()
    if not is_installed():
        raise LavaMissingError(MISSING, name="lava")
    chosen = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method(None, force=True)
    try:
        import_module("lava.magma.runtime.message_infrastructure.multiprocessing")
    finally:
        if chosen is not None:
            multiprocessing.set_start_method(chosen, force=True)
