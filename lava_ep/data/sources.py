"""The table of data sets, which each set enters beside the function that loads it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lava_ep.errors import InputError

Load = TypeVar("Load", bound=Callable[..., Any])


@dataclass(frozen=True)
class Source:
    """A data set, or a family of them, that can be loaded by name.

    Parameters
    ----------
    name : str
        Its name; that of a family has a colon, and stands for all that begin alike.
    about : str
        What it holds, in one line.
    function : callable
        Loads it, see `register_dataset`.
    events : bool
        Whether it consists of event recordings, of which images are made.
    """

    name: str
    about: str
    function: Callable[..., Any]
    events: bool

    @property
    def prefix(self) -> str | None:
        """What the names of a family begin with; None for a single set."""
        family, colon, _ = self.name.partition(":")
        return family + colon if colon else None

    def load(self, name: str, data_dir: Path | None) -> Any:
        """Return all samples or recordings of the set of this name."""
        given = {"name": name, "data_dir": data_dir}
        wanted = inspect.signature(self.function).parameters
        return self.function(**{key: given[key] for key in wanted})


_SOURCES: dict[str, Source] = {}


def register_dataset(name: str, about: str, *, events: bool = False) -> Callable[[Load], Load]:
    """Make a data set known by name, as a decorator of the function that loads it.

    The function has no parameters, or those of ``name`` and ``data_dir`` (a folder to search, or
    None) that it needs. It returns a `lava_ep.data.Dataset`, or a `lava_ep.data.EventDataset`.

    Parameters
    ----------
    name : str
        The name; with a colon, as in ``features:NAME``, all names that begin alike.
    about : str
        What the set holds, in one line.
    events : bool
        Whether it consists of event recordings.

    Raises
    ------
    InputError
        If another set has this name, or the function other parameters.
    """

    def register(function: Load) -> Load:
        known = source_of(name)
        place = (function.__module__, function.__qualname__)
        if known is not None and (known.function.__module__, known.function.__qualname__) != place:
            raise InputError(f"data set {name!r}: there is one of this name; choose another")
        if others := inspect.signature(function).parameters.keys() - {"name", "data_dir"}:
            raise InputError(
                f"data set {name!r}: {function.__qualname__} has the parameters "
                f"{', '.join(sorted(others))}: expected none but name and data_dir"
            )
        _SOURCES[name] = Source(name, about, function, events)
        return function

    return register


def source_of(name: str) -> Source | None:
    """Return the source that a name belongs to, None if there is none."""
    for source in _SOURCES.values():
        if name == source.name or (source.prefix and name.startswith(source.prefix)):
            return source
    return None


class _Datasets(Mapping[str, str]):
    """Name of each data set and what it holds: images first, then events, families last."""

    def __getitem__(self, name: str) -> str:
        return _SOURCES[name].about

    def __iter__(self) -> Iterator[str]:
        def place(source: Source) -> tuple[bool, bool]:
            return source.events, source.prefix is not None

        return (source.name for source in sorted(_SOURCES.values(), key=place))

    def __len__(self) -> int:
        return len(_SOURCES)


DATASETS: Mapping[str, str] = _Datasets()
"""Name of each data set and what it holds, in one line."""
