"""Writing pages that carry everything inside themselves, and figures as files."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from lava_ep.analysis.efficiency import CAVEAT
from lava_ep.errors import InputError
from lava_ep.figures import text
from lava_ep.figures.theme import DARK, LIGHT, Theme, applied
from lava_ep.files import check_writable, make_folder, replace_files, replacing
from lava_ep.report.content import ReportContent, SampleContent
from lava_ep.report.description import facts, layer_rows, learning_note
from lava_ep.report.plates import Content, Plate, film, run_plates, sample_plates
from lava_ep.report.plates._overview import overview
from lava_ep.report.summary import (
    flipping_layers,
    frequent_mistakes,
    learning_place,
    summarize,
    synapse_names,
)

REPORT = "report.html"
FIGURES = "figures"
ENERGIES = (
    ("energy", "Energy on neuromorphic chips"),
    ("loihi_energy", "Energy on Loihi with its neurons"),
    ("arithmetic_energy", "Arithmetic alone, 45 nm"),
    ("dense_energy", "Dense arithmetic, 45 nm"),
    ("feedforward_energy", "Forward pass arithmetic, 45 nm"),
)
"""Energies of an `Account` that the report shows, with their labels."""
KINDS = (".html", ".png", ".svg")
"""Endings of the files that `write_sample` can write."""


def write_report(content: ReportContent, run_dir: Path) -> Path:
    """Write ``figures/*.png`` and the self-contained ``report.html`` into a run folder.

    Everything is drawn before the first file is touched, and every file replaces its predecessor
    in one piece, the page last: after a failure the old report is still there, whole.

    Parameters
    ----------
    content
        What the report shows.
    run_dir
        Folder of the run; created if missing.

    Returns
    -------
    Path
        The page.
    """
    plates = [plate for plate in run_plates() if plate.applies(content)]
    light, dark = drawn(plates, content, LIGHT), drawn(plates, content, DARK)
    page = render_page(content, light, dark)
    return replace_report(page, light, run_dir)


def replace_report(page: str, figures: Mapping[str, Drawing], run_dir: Path) -> Path:
    """Write the page and the figures of a report, and return the page."""
    files = {f"{FIGURES}/{name}.png": drawing.data for name, drawing in figures.items()}
    files[REPORT] = page_bytes(page)
    replace_files(run_dir, files)
    return run_dir / REPORT


def page_bytes(page: str) -> bytes:
    """Return a page as it is stored, whatever bytes the names of files in it have."""
    return page.encode("utf-8", errors="backslashreplace")


def check_place(folder: Path) -> None:
    """Check that a folder, if it is there, can take a report.

    Raises
    ------
    InputError
        If it cannot.
    """
    check_writable(folder / REPORT)


def check_kind(path: Path) -> None:
    """Check that `write_sample` can write such a file.

    Raises
    ------
    InputError
        If the name has another ending than `KINDS`.
    """
    if path.suffix not in KINDS:
        raise InputError(f"{path}: expected a name that ends in {', '.join(KINDS)}")


def write_sample(content: SampleContent, path: Path) -> Path:
    """Draw one sample through its phases.

    Parameters
    ----------
    content
        What to show.
    path
        File to write, replaced in one piece: with the ending ``.html`` a self-contained page, with
        ``.png`` or ``.svg`` one figure.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If the name has another ending, or the file cannot be written.
    """
    check_kind(path)
    if path.suffix == ".html":
        plates = [plate for plate in sample_plates() if plate.applies(content)]
        light, dark = drawn(plates, content, LIGHT), drawn(plates, content, DARK)
        data = page_bytes(render_sample_page(content, light, dark))
    else:
        data = _encoded(overview, content, LIGHT, path.suffix[1:]).data
    make_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_bytes(data)
    return path


@dataclass(frozen=True)
class Drawing:
    """A figure as it is embedded.

    Parameters
    ----------
    data
        The encoded figure.
    span
        Left, top, width and height of what its uppermost plot and those below it with the same
        horizontal axis take up, as fractions of the figure; zeros if it has no plots.
    """

    data: bytes
    span: tuple[float, float, float, float]


def drawn(plates: Iterable[Plate[Content]], content: Content, theme: Theme) -> dict[str, Drawing]:
    """Draw figures in a theme, by name."""
    return {plate.name: _encoded(plate.draw, content, theme, "png") for plate in plates}


def _encoded(
    draw: Callable[[Content, Theme], Figure], content: Content, theme: Theme, kind: str
) -> Drawing:
    buffer = io.BytesIO()
    with applied(theme):
        figure = draw(content, theme)
        figure.savefig(buffer, format=kind)
    return Drawing(buffer.getvalue(), _span(figure))


def _span(figure: Figure) -> tuple[float, float, float, float]:
    """Find `Drawing.span` of a figure that has been laid out."""
    boxes = [axes.get_position() for axes in figure.axes]
    plots = [box for box in boxes if abs(box.x0 - boxes[0].x0) < 1e-6]
    if not plots:
        return (0.0, 0.0, 0.0, 0.0)
    top, bottom = max(box.y1 for box in plots), min(box.y0 for box in plots)
    return (plots[0].x0, 1 - top, plots[0].width, top - bottom)


def render_page(
    content: ReportContent, light: Mapping[str, Drawing], dark: Mapping[str, Drawing]
) -> str:
    """Fill the page's template; ``light`` and ``dark`` hold every figure by name."""
    numbers = summarize(content)
    return (
        templates()
        .get_template("report.html.j2")
        .render(
            content=content,
            summary=numbers,
            caveat=CAVEAT,
            accounts=(numbers.inference, numbers.training),
            energies=ENERGIES,
            learning_place=learning_place(content),
            facts=facts(content),
            network=layer_rows(content),
            learning_note=learning_note(content),
            continual=content.experiment.ep_network.phases.schedule(0).continual,
            mistakes=frequent_mistakes(content),
            layers=_layer_events(content),
            flipping=[(layer, synapse_names(content)[layer]) for layer in flipping_layers(content)],
            spec=json.dumps(
                content.experiment.model_dump(mode="json"), indent=2, ensure_ascii=False
            ),
            plates=shown_plates(run_plates(), content, light, dark),
            player=_player(content, light),
        )
    )


def render_sample_page(
    content: SampleContent, light: Mapping[str, Drawing], dark: Mapping[str, Drawing]
) -> str:
    """Fill the template of the page of one sample; see `render_page`."""
    return (
        templates()
        .get_template("sample.html.j2")
        .render(
            content=content,
            layers=_layer_events(content),
            plates=shown_plates(sample_plates(), content, light, dark),
            player=_player(content, light),
        )
    )


def _layer_events(content: SampleContent) -> list[tuple[str, int, int]]:
    """Events of the recorded sample in free and in nudged phases, by layer."""
    recording = content.recording
    return [
        (name, recording.events_within(layer, "free"), recording.events_within(layer, "nudged"))
        for layer, name in enumerate(recording.layer_names)
    ]


def templates() -> jinja2.Environment:
    """Return the templates of pages, with our own ways of writing numbers."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lava_ep.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=text.percent,
        points=text.points,
        count=text.count,
        magnitude=text.magnitude,
        duration=text.duration,
        plural=text.plural,
        ratio=text.ratio,
        energy=text.energy,
    )
    return environment


def shown_plates(
    plates: Iterable[Plate[Content]],
    content: Content,
    light: Mapping[str, Drawing],
    dark: Mapping[str, Drawing],
) -> dict[str, dict[str, Any]]:
    """Return what templates show of the figures that there are."""
    return {
        plate.name: {
            "name": plate.name,
            "heading": plate.title(content),
            "caption": plate.caption(content),
            "alt": plate.alt(content),
            "light": _data_url(light[plate.name].data),
            "dark": _data_url(dark[plate.name].data),
            "size": _png_size(light[plate.name].data),
        }
        for plate in plates
        if plate.name in light
    }


def _player(content: SampleContent, drawn: Mapping[str, Drawing]) -> dict[str, Any] | None:
    """Return what the template needs to play the input over time; None if it stands still.

    The policy of the page allows its one script by its hash, and no other.
    """
    if not film.moves(content):
        return None
    light, columns = film.sheet(content, LIGHT)
    dark, _ = film.sheet(content, DARK)
    height, width = content.image_shape[:2]
    script = (resources.files("lava_ep.report") / "templates" / "player.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    sides = zip(("left", "top", "width", "height"), drawn["event-raster"].span, strict=True)
    return {
        "light": _data_url(light),
        "dark": _data_url(dark),
        "columns": columns,
        "width": width,
        "height": height,
        "notes": film.notes(content),
        "steps": content.recording.steps,
        "span": "; ".join(f"{side}: {100 * size:.3f}%" for side, size in sides),
        "script": script,
        "script_hash": f"sha256-{digest}",
    }


def _data_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _png_size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the IHDR chunk that every PNG begins with."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
