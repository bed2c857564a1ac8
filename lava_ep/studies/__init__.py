"""Learning compared with theory: one module per study, which registers its command.

A module without a leading underscore is a study of that name; it holds the mathematics and the
command-line options, and its figures where they fit.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from importlib import import_module

Command = Callable[..., None]

_COMMANDS: dict[str, Command] = {}


def study(command: Command) -> Command:
    """Register a function as ``lava-ep study NAME``, by its own name, docstring and parameters."""
    _COMMANDS[command.__name__] = command
    return command


def study_names() -> list[str]:
    """Return the names of all studies, without importing them."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted({name for name in modules if not name.startswith("_")} | set(_COMMANDS))


def find_study(name: str) -> Command:
    """Return the command of a study."""
    if name not in _COMMANDS:
        import_module(f"{__name__}.{name}")
    return _COMMANDS[name]
