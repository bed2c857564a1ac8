"""The registry of kinds of neurons: one row for each, written beside the models it names.

Every floor adds its own entry of a row when it is imported:

=====================  ================================================================
entry                  what it is
=====================  ================================================================
``constants``          the frozen constants, `lava_ep.dynamics.NeuronConstants`
``spec``               the same as plain data, `lava_ep.spec.NeuronSpecBase`
``process``            the Process, `lava_ep.processes.Neuron`
``population``         what a layer does in a time step, `lava_ep.populations`
``fixed_population``   the same in Loihi's integers, `lava_ep.models.fixed_point`
``engine``             a compiled engine and the networks that it suits, `lava_ep.models.fused`
``nir_nodes``          a function that yields the nodes of NIR for a layer
=====================  ================================================================

Packages of other people add kinds, and backends, when they are imported. Those that name a module
in the entry point group `lava_ep.plugins` are imported as soon as an unknown name is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, TypeVar

from lava_ep.errors import InputError

PLUGINS = "lava_ep.plugins"
"""Entry point group of modules that register something."""

Entry = TypeVar("Entry")

_ROWS: dict[str, dict[str, Any]] = {}
_imported = False


def register(kind: str, entry: str) -> Callable[[Entry], Entry]:
    """Add an entry to the row of a kind of neurons.

    Parameters
    ----------
    kind
        Name of the kind, such as ``lif``.
    entry
        Name of the entry, see the top of this module.

    Raises
    ------
    InputError
        If the kind has another one.
    """

    def add(value: Entry) -> Entry:
        # Lava imports the files beside a Process a second time, under another name.
        present = _ROWS.setdefault(kind, {}).setdefault(entry, value)
        if getattr(present, "__qualname__", "") != getattr(value, "__qualname__", ""):
            raise InputError(
                f"{entry} {value!r} of neurons of kind {kind}: they have {present!r} already; "
                "choose another name for the kind"
            )
        return value

    return add


def kinds(entry: str) -> tuple[str, ...]:
    """Return the names of all kinds that have an entry."""
    import_plugins()
    return tuple(kind for kind, row in _ROWS.items() if entry in row)


def find(kind: str, entry: str) -> Any:
    """Return an entry of a kind of neurons.

    Raises
    ------
    InputError
        If the kind has none.
    """
    if entry not in _ROWS.get(kind, {}):
        import_plugins()
    if entry not in _ROWS.get(kind, {}):
        raise InputError(
            f"neurons of kind {kind} have no {entry.replace('_', ' ')}: expected another backend, "
            f"or neurons of kind {', '.join(kinds(entry))}"
        )
    return _ROWS[kind][entry]


def has(kind: str, entry: str) -> bool:
    """Whether a kind of neurons has an entry."""
    return entry in _ROWS.get(kind, {})


def import_plugins() -> None:
    """Import the modules that installed packages name as plugins, once.

    Raises
    ------
    InputError
        If one of them cannot be imported.
    """
    global _imported
    if _imported:
        return
    _imported = True
    failed: list[tuple[str, Exception]] = []
    for point in entry_points(group=PLUGINS):
        try:
            point.load()
        except Exception as error:  # the code of other people
            failed.append((f"{point.name} ({point.value})", error))
    if failed:
        name, cause = failed[0]
        raise InputError(
            f"plugin {name} cannot be imported: {type(cause).__name__}: {cause}; mend or uninstall "
            "its package"
        ) from cause
