"""Packages whose names are imported when they are first used, and not before."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from lava_ep import _lava


def lazily(package: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package.

    Parameters
    ----------
    package
        Its full name.
    names
        The names that each of its modules has for the package; with no names, the module itself.
        No name may be that of a module, which would take its place when it is imported.
    """
    # Importing such a module would put it in the place of what it holds.
    clash = [name for found in names.values() for name in found if name in names]
    if clash:
        raise ValueError(f"{package}: {clash} are names of modules and of something in them")
    places = {name: module for module, found in names.items() for name in found or (module,)}

    def find(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = import_module(f"{package}.{places[name]}")
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] == "lava":
                _lava.require()  # which says how to get it
            raise
        value = module if places[name] == name and not names[name] else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    return find
