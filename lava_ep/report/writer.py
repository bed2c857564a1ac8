"""Writing a report: figures as PNG files and one page that carries everything inside itself."""

from __future__ import annotations

import base64
import io
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import jinja2

from lava_ep.report import text
from lava_ep.report.content import PHASES, ReportContent
from lava_ep.report.description import facts, layer_rows, learning_note
from lava_ep.report.gallery import PLATES, Plate
from lava_ep.report.phases import events_within
from lava_ep.report.summary import (
    flipping_layers,
    frequent_mistakes,
    learning_place,
    summarize,
    synapse_names,
)
from lava_ep.report.theme import DARK, LIGHT, Theme, applied

REPORT = "report.html"
FIGURES = "figures"


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
    plates = [plate for plate in PLATES if plate.applies(content)]
    light = {plate.name: draw_png(plate, content, LIGHT) for plate in plates}
    dark = {plate.name: draw_png(plate, content, DARK) for plate in plates}
    page = render_page(content, light, dark)
    files = {f"{FIGURES}/{name}.png": png for name, png in light.items()}
    files[REPORT] = page.encode("utf-8")
    _replace_files(files, run_dir)
    return run_dir / REPORT


def draw_png(plate: Plate, content: ReportContent, theme: Theme) -> bytes:
    """Draw one figure in a theme and encode it as PNG."""
    buffer = io.BytesIO()
    with applied(theme):
        plate.draw(content, theme).savefig(buffer, format="png")
    return buffer.getvalue()


def render_page(
    content: ReportContent, light: Mapping[str, bytes], dark: Mapping[str, bytes]
) -> str:
    """Fill the page's template; ``light`` and ``dark`` hold the PNG of every figure by name."""
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
    )
    plates = {
        plate.name: {
            "name": plate.name,
            "heading": plate.heading,
            "caption": plate.caption(content),
            "alt": plate.alt(content),
            "light": _data_url(light[plate.name]),
            "dark": _data_url(dark[plate.name]),
            "size": _png_size(light[plate.name]),
        }
        for plate in PLATES
        if plate.name in light
    }
    return environment.get_template("report.html.j2").render(
        content=content,
        summary=summarize(content),
        learning_place=learning_place(content),
        facts=facts(content),
        network=layer_rows(content),
        learning_note=learning_note(content),
        continual=content.experiment.network.phases.schedule(0).continual,
        mistakes=frequent_mistakes(content),
        layers=[
            (name, *(events_within(content.recording, layer, phase) for phase in PHASES))
            for layer, name in enumerate(content.recording.layer_names)
        ],
        flipping=[(layer, synapse_names(content)[layer]) for layer in flipping_layers(content)],
        spec=json.dumps(content.experiment.model_dump(mode="json"), indent=2, ensure_ascii=False),
        plates=plates,
    )


def _data_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _png_size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the IHDR chunk that every PNG begins with."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def _replace_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files beside their place and move them there, in order, once all are on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".report-") as name:
        staging = Path(name)
        for path, data in files.items():
            staged = staging / path
            staged.parent.mkdir(exist_ok=True)
            with staged.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        for path in files:
            (folder / path).parent.mkdir(exist_ok=True)
        for path in files:
            (staging / path).replace(folder / path)
