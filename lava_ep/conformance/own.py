"""Our own backends, and adapters of others by name."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from lava_ep.conformance.adapter import Adapter, LavaAdapter
from lava_ep.conformance.case import ARITHMETICS, FIXED, FLOATING, network_of
from lava_ep.conformance.kit import Entry, record
from lava_ep.conformance.suite import cases
from lava_ep.errors import InputError

OWN_BACKENDS = {
    "message-passing": FLOATING,
    "fused": FLOATING,
    "fixed_point-message-passing": FIXED,
    "fixed_point": FIXED,
    "loihi-fixed": FIXED,
    "loihi2": FIXED,
}
"""Arithmetic of each of our backends."""

REFERENCE = {FLOATING: "message-passing", FIXED: "fixed_point-message-passing"}
"""Backend that golden traces are recorded from, for each arithmetic."""


def find_adapter(name: str, execution: str | None = None) -> Adapter:
    """Return an adapter.

    Parameters
    ----------
    name
        One of `OWN_BACKENDS`, or ``MODULE:CLASS`` or ``FILE.py:CLASS`` for a class of your own,
        which is imported and made without arguments.
    execution
        How networks are executed by one of `OWN_BACKENDS`, see `LavaAdapter`.

    Raises
    ------
    InputError
        If there is no such backend, module or class, or it is no adapter, or it does not let an
        execution be chosen.
    """
    if name in OWN_BACKENDS:
        return LavaAdapter(name, OWN_BACKENDS[name], execution)
    place, colon, member = name.rpartition(":")
    if not colon:
        raise InputError(
            f"backend {name!r}: expected one of {', '.join(OWN_BACKENDS)}, or MODULE:CLASS or "
            "FILE.py:CLASS of an adapter"
        )
    if execution is not None:
        raise InputError(
            f"execution {execution!r} with adapter {name!r}: only backends of lava-ep let it be "
            "chosen; check other adapters without"
        )
    module = _from_file(Path(place)) if place.endswith(".py") else _from_name(place)
    if not hasattr(module, member):
        raise InputError(f"adapter {name!r}: {place} has no {member}")
    try:
        adapter: Adapter = getattr(module, member)()
    except Exception as error:  # the user's own code
        raise InputError(
            f"adapter {name!r} cannot be made without arguments: {type(error).__name__}: {error}"
        ) from error
    missing = [want for want in ("name", "arithmetic", "run") if not hasattr(adapter, want)]
    if missing:
        raise InputError(
            f"adapter {name!r} has no {', '.join(missing)}: see lava_ep.conformance.Adapter"
        )
    if adapter.arithmetic not in ARITHMETICS:
        raise InputError(
            f"adapter {name!r} has arithmetic {adapter.arithmetic!r}: expected one of "
            f"{', '.join(ARITHMETICS)}"
        )
    return adapter


def _from_name(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(
            f"adapter module {name!r} cannot be imported ({error}); name its folder in PYTHONPATH"
        ) from None


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"adapter {path}: there is no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent.resolve()))  # as `python FILE.py` has it
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's own code
        raise InputError(f"adapter {path}: {type(error).__name__}: {error}") from error
    return module


def record_all() -> list[Entry]:
    """Record all cases, each from the reference backend of its arithmetic."""
    adapters = {
        arithmetic: LavaAdapter(backend, arithmetic) for arithmetic, backend in REFERENCE.items()
    }
    found = []
    for case in cases():
        adapter = adapters[case.arithmetic]
        if case.is_network and network_of(case)[0].stock:
            adapter = LavaAdapter("loihi-fixed", case.arithmetic)
        found += record([case], adapter)
    return found
