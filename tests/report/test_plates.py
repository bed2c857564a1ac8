"""A figure of a report is one module, which registers it."""

from __future__ import annotations

from typing import Any

from lava_ep.figures.theme import LIGHT, Theme, new_figure
from lava_ep.report import plates, writer
from lava_ep.report.plates import run_plates, sample_plates


def test_every_figure_has_a_module_of_its_own() -> None:
    modules = [plate.draw.__module__ for plate in run_plates()]
    assert len(set(modules)) == len(modules)
    assert set(sample_plates()) < set(run_plates())


def test_a_registered_figure_is_drawn(make_content: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(plates, "RUN", {})

    @plates.plate(plates.RUN, "dot", "A dot", caption=lambda _: "Dot.", alt=lambda _: "A dot.")
    def dot(content: Any, theme: Theme) -> Any:
        return new_figure(0.2, 0.2, framed=False)

    (first, *others) = plates.run_plates()
    assert (first.name, first.title(make_content())) == ("dot", "A dot")
    assert tuple(others) == sample_plates()
    drawn = writer.drawn([first], make_content(), LIGHT)
    assert drawn["dot"].data.startswith(b"\x89PNG")
