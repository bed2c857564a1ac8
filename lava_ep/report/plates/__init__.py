"""The figures of reports: one module per figure, which registers it."""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Generic, Protocol, TypeVar

from matplotlib.figure import Figure

from lava_ep.figures.theme import Theme
from lava_ep.report.content import ReportContent, SampleContent


class Named(Protocol):
    """What a heading may be filled with."""

    @property
    def event(self) -> str:
        """What an event is called."""

    @property
    def state(self) -> str:
        """What a state is called."""


Content = TypeVar("Content", bound=Named, contravariant=True)
Shown = TypeVar("Shown", bound=Named)
Draw = TypeVar("Draw", bound=Callable[..., Figure])


def _always(content: Named) -> bool:
    return True


@dataclass(frozen=True)
class Plate(Generic[Content]):
    """One figure of a page.

    Parameters
    ----------
    name : str
        Name of the PNG file without its ending, and anchor in the page.
    heading : str
        Heading above the figure; "{events}" and "{state}" in it are what they are called of its
        neurons, and "{Events}" and "{State}" the same with a capital.
    draw : callable
        Draws the figure in a theme.
    caption : callable
        One sentence that says what to see.
    alt : callable
        Description for those who cannot see it.
    applies : callable
        Whether a network has what it shows.
    """

    name: str
    heading: str
    draw: Callable[[Content, Theme], Figure]
    caption: Callable[[Content], str]
    alt: Callable[[Content], str]
    applies: Callable[[Content], bool] = _always

    def title(self, content: Content) -> str:
        """Return the heading for a network."""
        words = {"events": f"{content.event}s", "state": content.state}
        capitals = {name.capitalize(): word.capitalize() for name, word in words.items()}
        return self.heading.format(**words, **capitals)


SAMPLE: dict[str, Plate[SampleContent]] = {}
"""Figures of one sample, as far as their modules are imported; see `sample_plates`."""

RUN: dict[str, Plate[ReportContent]] = {}
"""Other figures of a run; see `run_plates`."""


def plate(
    plates: dict[str, Plate[Shown]],
    name: str,
    heading: str,
    *,
    caption: Callable[[Shown], str],
    alt: Callable[[Shown], str],
    applies: Callable[[Shown], bool] = _always,
) -> Callable[[Draw], Draw]:
    """Register the function that draws a figure, among `SAMPLE` or `RUN`; see `Plate`."""

    def register(draw: Draw) -> Draw:
        plates[name] = Plate(name, heading, draw, caption, alt, applies)
        return draw

    return register


@functools.cache
def _import_all() -> None:
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")


def sample_plates() -> tuple[Plate[SampleContent], ...]:
    """Return the figures of one sample."""
    _import_all()
    return tuple(SAMPLE.values())


def run_plates() -> tuple[Plate[ReportContent], ...]:
    """Return the figures of a run, among them those of one sample."""
    _import_all()
    return (*RUN.values(), *SAMPLE.values())
