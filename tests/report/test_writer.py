"""The page stands on its own, says everything, and is replaced in one piece or not at all."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from lava_ep import files
from lava_ep.analysis.efficiency import CAVEAT
from lava_ep.errors import InputError, LavaEPError
from lava_ep.figures import theme
from lava_ep.figures.text import energy, magnitude
from lava_ep.figures.theme import DARK, LIGHT, Theme, new_figure
from lava_ep.report import (
    ReportContent,
    SampleContent,
    write_report,
    write_sample,
    writer,
)
from lava_ep.report.plates import event_raster, film, run_plates, sample_plates
from lava_ep.report.summary import summarize

pytestmark = [
    pytest.mark.filterwarnings("error::UserWarning:matplotlib"),
]

VOID = {"meta", "link", "img", "source", "br", "input"}
SECTIONS = [
    "headline",
    "network",
    "learning",
    "efficiency",
    "phases",
    "weights",
    "epochs",
    "reproduce",
]
BINARY = ("weight-flips",)
REAL = ("events-per-epoch",)
DENSE = ("receptive-fields", "mean-field")
CONVOLUTIONAL = ("kernels", "feature-maps")
LIF = ("traces",)
MOVING = ("input",)
HOSTILE = (
    "<script>alert('1')</script> \"><img src=http://example.org/x onerror=y> & {{ 7*7 }} $\\x$"
)

CASES: dict[str, dict[str, Any]] = {
    "one epoch, no baseline": {
        "epochs": 1,
        "baseline_epochs": None,
        "shape": (3, 11),
        "recording": {"prediction": 0},
    },
    "three layers, two nudged phases, a long free phase": {
        "layers": (40, 30, 120),
        "phases": (("free", 1, 101), ("nudged +β", 101, 106), ("nudged \N{MINUS SIGN}β", 107, 112)),
        "baseline_epochs": 1,
    },
    "silent, many classes, one epoch": {
        "layers": (3, 27),
        "classes": 27,
        "rate": 0.0,
        "epochs": 1,
        "baseline_epochs": 1,
    },
    "hostile": {
        "title": HOSTILE,
        "command": HOSTILE,
        "versions": {HOSTILE: HOSTILE},
        "started": HOSTILE,
        "backend": HOSTILE,
        "data_name": f"</pre></details>{HOSTILE}",
        "class_names": tuple(f"{HOSTILE}{k}"[-30:] for k in range(10)),
        "recording": {"layer_names": (HOSTILE[:20], HOSTILE[-20:])},
    },
}


class _Page(HTMLParser):
    """Collects elements, texts and references, and fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.by_tag: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
            self.by_tag.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        for tag in set(self.open):
            self.by_tag[tag][-1] += data

    def attributes(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@dataclasses.dataclass(frozen=True)
class _Written:
    content: ReportContent
    folder: Path
    html: str
    page: _Page


KINDS = {
    "graded, real": {*REAL, *DENSE},
    "graded, mixed": {*BINARY, *DENSE},
    "continual, untied": {*REAL, *DENSE},
    "graded convolution in color": {*REAL, *CONVOLUTIONAL},
    "binary convolution": {*BINARY, *CONVOLUTIONAL},
    "dense in color": {*REAL, *DENSE},
    "two channels": {*REAL, *DENSE},
    "no hidden layer": {*BINARY, *DENSE},
    "sigma-delta": {*REAL, *DENSE},
    "sigma-delta convolution": {*REAL, *CONVOLUTIONAL},
    "integrate-and-fire": {*REAL, *DENSE, *LIF},
    "rate": {*REAL, *DENSE, *LIF, *MOVING},
    "events": {*REAL, *DENSE, *LIF, *MOVING},
}
"""What is drawn of some networks."""


WRITTEN = ("graded, mixed", "continual, untied", "graded convolution in color", "events")
"""Those that whole reports are written of here, which takes a while."""


@pytest.fixture(scope="module", params=[*CASES, *WRITTEN])
def written(request: Any, make_content: Any, kinds: Any, tmp_path_factory: Any) -> _Written:
    content = make_content(**(CASES.get(request.param) or kinds[request.param]))
    folder = tmp_path_factory.mktemp("run") / "new"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theme, "DPI", 60)  # to save time
        path = write_report(content, folder)
    assert path == folder / "report.html"
    html = path.read_text(encoding="utf-8")
    return _Written(content, folder, html, _Page(html))


def test_sections_and_anchors(written: _Written) -> None:
    ids = [a["id"] for _, a in written.page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert [a["id"] for a in written.page.attributes("section")] == SECTIONS
    assert set(_names(written.content)) <= set(ids)
    targets = [a["href"] for a in written.page.attributes("a")]
    assert targets == [f"#{section}" for section in SECTIONS]


def test_nothing_is_loaded_from_elsewhere(written: _Written) -> None:
    tags = {tag for tag, _ in written.page.elements}
    assert not tags & {"iframe", "object", "embed", "base", "form"}
    for tag, attributes in written.page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "srcset", "href"):
                assert value.startswith(("data:", "#")), (tag, name, value[:80])
    (style,) = written.page.by_tag["style"]
    assert "url(" not in style
    assert "@import" not in style
    policy = written.page.attributes("meta")[1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"].startswith("default-src 'none'")


def test_the_only_script_is_the_player_and_is_allowed_by_its_hash(written: _Written) -> None:
    scripts = written.page.by_tag.get("script", [])
    policy = written.page.attributes("meta")[1]["content"]
    if "input" not in _names(written.content):
        assert scripts == []
        assert "script-src" not in policy
        return
    (script,) = scripts
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode()
    assert policy.endswith(f"; script-src 'sha256-{digest}'")
    # Of what a script could do, this one neither loads nor writes markup.
    assert not re.search(r"fetch|XMLHttp|import|innerHTML|document\.write|eval", script)


def test_embedded_images_decode_in_both_color_schemes(written: _Written) -> None:
    # The sheet of the player has no size of its own and comes with its own test.
    pictures = zip(written.page.attributes("img"), written.page.attributes("source"), strict=True)
    pairs = [(image, source) for image, source in pictures if "width" in image]
    assert len(pairs) == len(_names(written.content))
    files = {path.read_bytes() for path in (written.folder / "figures").glob("*.png")}
    for image, source in pairs:
        light, dark = (
            base64.b64decode(url.removeprefix("data:image/png;base64,"), validate=True)
            for url in (image["src"], source["srcset"])
        )
        assert light in files
        for png in (light, dark):
            picture = Image.open(io.BytesIO(png))
            picture.load()
            assert picture.size == (int(image["width"]), int(image["height"]))
        assert "prefers-color-scheme: dark" in source["media"]
        assert len(image["alt"]) > 20


def test_figures_lie_beside_the_page(written: _Written) -> None:
    assert {path.name for path in written.folder.iterdir()} == {"figures", "report.html"}
    names = {path.stem for path in (written.folder / "figures").iterdir()}
    assert names == set(_names(written.content))
    for name in names:
        picture = Image.open(written.folder / "figures" / f"{name}.png").convert("L")
        low, high = picture.getextrema()
        assert low < high, f"{name} is blank"


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_has_the_figures_that_apply_to_it(
    make_content: Any, kinds: Any, kind: str
) -> None:
    special = {*BINARY, *REAL, *DENSE, *CONVOLUTIONAL, *LIF, *MOVING}
    assert special & set(_names(make_content(**kinds[kind]))) == KINDS[kind]


def test_every_caption_is_one_sentence(written: _Written) -> None:
    captions = written.page.by_tag["figcaption"]
    assert len(captions) == len(_names(written.content)) - 1
    for caption in captions:
        assert re.sub(r"\s+", " ", caption).strip().endswith(".")
    for plate in run_plates():
        applies = plate.applies(written.content)
        if applies and not any("." in name for name in written.content.class_names):
            assert ". " not in plate.caption(written.content)


def test_page_says_how_to_reproduce_the_run(written: _Written) -> None:
    content, codes = written.content, written.page.by_tag["code"]
    assert codes[0] == content.command
    assert json.loads(codes[1]) == content.experiment.model_dump(mode="json")
    for package, version in content.versions.items():
        assert package in written.page.by_tag["dt"]
        assert version in written.page.by_tag["dd"]
    assert written.page.by_tag["h1"] == [content.title]
    assert f"seed {content.seed}" in "".join(written.page.texts)


def test_headline_and_epochs(written: _Written) -> None:
    text = re.sub(r"\s+", " ", "".join(written.page.texts))
    last = written.content.metrics[-1]
    assert f"{100 * last['test_accuracy']:.1f} %" in text
    if written.content.baseline_metrics is None:
        assert "not run" in text
        assert "Test, frozen" not in text
    else:
        worth = last["test_accuracy"] - written.content.baseline_metrics[-1]["test_accuracy"]
        assert f"+{100 * worth:.1f} points" in text
        assert "Test, frozen" in text
    layers = written.content.experiment.network.layers
    place = {1: "the only layer", 2: "the hidden layer"}.get(len(layers), "the first hidden layer")
    assert f"what learning in {place} is worth" in text
    binary = [index for index, layer in enumerate(layers) if layer.binary]
    for line in written.content.metrics:
        for layer in binary:
            assert f"{line['weight_flips'][layer]:,}" in written.page.by_tag["td"]
    columns = [text for text in written.page.by_tag["th"] if text.startswith("Flips")]
    assert len(columns) == len(binary)


def test_flips_and_binary_weights_are_spoken_of_only_where_they_are(written: _Written) -> None:
    network = written.content.experiment.network
    kinds = {layer.weights for layer in network.layers}
    terms = written.page.by_tag["dt"]
    for term in ("Binary weights", "Weight flips", "Flips per binary weight"):
        assert (term in terms) == ("binary" in kinds)
    assert ("Real weights" in terms) == ("real" in kinds)
    text = "".join(written.page.texts)
    assert ("changing in every nudged step" in text) == network.phases.schedule(0).continual
    content = written.content
    for quoted in (written.page.by_tag["code"][1], content.command, content.title):
        text = text.replace(quoted, "")
    assert ("flip" in text) == ("binary" in kinds)
    assert ("binary" in text) == ("binary" in kinds or network.neuron.kind == "binary")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("learning-curve", None), ("event-raster", "graded, real"), ("kernels", "binary convolution")],
)
def test_figures_do_not_depend_on_global_state_nor_change_it(
    make_content: Any, kinds: Any, name: str, kind: str | None
) -> None:
    plate = next(plate for plate in run_plates() if plate.name == name)
    content = make_content(**(kinds[kind] if kind else {}))
    first = writer.drawn([plate], content, LIGHT)[plate.name].data
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 40.0, "text.color": "red"}):
        changed = dict(matplotlib.rcParams)
        second = writer.drawn([plate], content, LIGHT)[plate.name].data
        assert dict(matplotlib.rcParams) == changed
    assert second == first
    assert dict(matplotlib.rcParams) == before
    assert writer.drawn([plate], content, DARK)[plate.name].data != first


def test_the_report_accounts_for_efficiency_and_says_that_it_estimates(written: _Written) -> None:
    content = written.content
    text = re.sub(r"\s+", " ", "".join(written.page.texts))
    assert CAVEAT in text
    account = summarize(content).inference
    for source in {found.source for found in account.energies().values()}:
        assert source in text
    cells = written.page.by_tag["td"]
    assert magnitude(account.dense_macs) in cells
    assert magnitude(account.feedforward_macs) in cells
    assert energy(2100 * 12.7, 2100 * 26) in cells


@pytest.mark.parametrize(
    "kind",
    [None, "graded convolution in color", "sigma-delta", "integrate-and-fire", "latency", "events"],
)
def test_a_sample_has_a_page_of_its_own_with_the_figures_of_the_report(
    make_content: Any, kinds: Any, tmp_path: Path, kind: str | None
) -> None:
    content = _sample(make_content(**(kinds[kind] if kind else {})))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theme, "DPI", 60)
        path = write_sample(content, tmp_path / "new" / "raster.html")
    page = _Page(path.read_text(encoding="utf-8"))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    names = [plate.name for plate in sample_plates() if plate.applies(content)]
    assert sorted(ids) == sorted(["phases", *names])
    assert page.by_tag["h1"] == [content.title]
    sheets = 1 if "input" in names else 0
    assert len(page.attributes("img")) == len(page.attributes("source")) == len(names) + sheets
    assert all(image["src"].startswith("data:") for image in page.attributes("img"))
    assert page.attributes("meta")[1]["content"].startswith("default-src 'none'")


@pytest.mark.parametrize("code", ["latency", "rate", "events", "repeated-events"])
def test_the_input_can_be_played(
    make_content: Any, kinds: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    content = _sample(make_content(**kinds[code]))
    plates = tuple(dataclasses.replace(plate, draw=_blank) for plate in sample_plates())
    monkeypatch.setattr(writer, "sample_plates", lambda: plates)
    path = write_sample(content, tmp_path / "raster.html")
    page = _Page(path.read_text(encoding="utf-8"))
    (player,) = (a for a in page.attributes("div") if a.get("class") == "player")
    # Without scripts there is only the still picture, which stands beside it.
    assert "hidden" in player
    assert json.loads(player["data-notes"]) == film.notes(content)
    (canvas,) = page.attributes("canvas")
    height, width = content.image_shape[:2]
    assert (canvas["width"], canvas["height"]) == (str(width), str(height))
    (slider,) = page.attributes("input")
    assert slider["type"] == "range"
    assert slider["max"] == str(len(content.recording.sent) - 1)
    assert slider["aria-label"] == "Time step"
    assert page.by_tag["button"] == ["Play"]
    (light,) = (a["src"] for a in page.attributes("img") if "width" not in a)
    dark = next(
        source["srcset"]
        for image, source in zip(page.attributes("img"), page.attributes("source"), strict=True)
        if "width" not in image
    )
    for url, colors in ((light, LIGHT), (dark, DARK)):
        png, columns = film.sheet(content, colors)
        assert base64.b64decode(url.removeprefix("data:image/png;base64,")) == png
        assert player["data-columns"] == str(columns)
    (mark,) = (a for a in page.attributes("div") if a.get("class") == "now")
    assert "hidden" in mark
    assert mark["data-steps"] == str(content.recording.steps)


def test_the_mark_of_the_time_step_lies_over_the_plots_of_the_raster(
    make_content: Any, kinds: Any
) -> None:
    content = make_content(**kinds["events"])
    with theme.applied(LIGHT), pytest.MonkeyPatch.context() as patch:
        patch.setattr(theme, "DPI", 60)
        figure = event_raster.raster(content, LIGHT)
        figure.draw_without_rendering()
        drawing = writer._encoded(event_raster.raster, content, LIGHT, "png")
    left, top, width, height = drawing.span
    above, below = figure.axes
    assert left == pytest.approx(above.get_position().x0, abs=1e-3)
    assert left + width == pytest.approx(below.get_position().x1, abs=1e-3)
    assert 1 - top == pytest.approx(above.get_position().y1, abs=1e-3)
    assert 1 - top - height == pytest.approx(below.get_position().y0, abs=1e-3)
    # Step k is in the middle of its part of the axis, where the script puts the mark.
    steps = content.recording.steps
    x, _ = figure.transFigure.inverted().transform(above.transData.transform((3, 0)))
    assert left + width * 3.5 / steps == pytest.approx(x, abs=1e-3)


@pytest.mark.parametrize(("kind", "begin"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_a_sample_can_be_one_figure(
    make_content: Any, tmp_path: Path, kind: str, begin: bytes
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theme, "DPI", 60)
        path = write_sample(_sample(make_content()), tmp_path / f"raster.{kind}")
    assert path.read_bytes().startswith(begin)


def test_a_sample_can_only_be_written_as_what_can_be_looked_at(
    make_content: Any, tmp_path: Path
) -> None:
    content = _sample(make_content())
    with pytest.raises(InputError, match=r"expected a name that ends in \.html, \.png, \.svg"):
        write_sample(content, tmp_path / "raster.gif")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_sample(content, tmp_path / "file" / "raster.svg")


def _sample(content: ReportContent) -> SampleContent:
    names = [field.name for field in dataclasses.fields(SampleContent)]
    return SampleContent(**{name: getattr(content, name) for name in names})


def _names(content: ReportContent) -> list[str]:
    return [plate.name for plate in run_plates() if plate.applies(content)]


def _snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _blank(content: ReportContent, _: Theme) -> Figure:
    return new_figure(0.5, 0.5, framed=False)


@pytest.fixture
def blank_plates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace every drawing by an empty one, to save time where only the files matter."""
    plates = tuple(dataclasses.replace(plate, draw=_blank) for plate in run_plates())
    monkeypatch.setattr(writer, "run_plates", lambda: plates)


@pytest.fixture
def reported(make_content: Any, tmp_path: Path, blank_plates: None) -> tuple[ReportContent, Path]:
    """Return a content and a run folder that already holds its report and other files."""
    content = make_content(layers=(4, 4), classes=2, epochs=1, shape=(2, 2))
    (tmp_path / "metrics.jsonl").write_text("{}\n")
    write_report(content, tmp_path)
    return dataclasses.replace(content, title="new"), tmp_path


def test_same_content_gives_the_same_bytes(reported: tuple[ReportContent, Path]) -> None:
    content, folder = reported
    write_report(content, folder)
    first = _snapshot(folder)
    write_report(content, folder)
    assert _snapshot(folder) == first


def test_a_new_report_replaces_the_old_one_and_nothing_else(
    reported: tuple[ReportContent, Path],
) -> None:
    content, folder = reported
    write_report(content, folder)
    assert "<h1>new</h1>" in (folder / "report.html").read_text(encoding="utf-8")
    assert (folder / "metrics.jsonl").read_text() == "{}\n"
    assert {path.name for path in folder.iterdir()} == {"figures", "metrics.jsonl", "report.html"}


@pytest.mark.parametrize("plate", ["learning-curve", "mean-field"])
def test_a_failing_figure_leaves_the_old_report(
    reported: tuple[ReportContent, Path], monkeypatch: pytest.MonkeyPatch, plate: str
) -> None:
    content, folder = reported
    old = _snapshot(folder)

    def fail(*_: object) -> None:
        raise RuntimeError("no ink")

    plates = tuple(
        dataclasses.replace(drawn, draw=fail if drawn.name == plate else drawn.draw)
        for drawn in writer.run_plates()
    )
    monkeypatch.setattr(writer, "run_plates", lambda: plates)
    with pytest.raises(RuntimeError, match="no ink"):
        write_report(content, folder)
    assert _snapshot(folder) == old


def test_a_full_disk_leaves_the_old_report(
    reported: tuple[ReportContent, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    content, folder = reported
    old = _snapshot(folder)
    synced = iter(range(5))

    def fsync(_: int) -> None:
        if next(synced, None) is None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(LavaEPError, match=r"cannot be written \(No space left.*Make room"):
        write_report(content, folder)
    assert _snapshot(folder) == old


def test_a_file_in_the_place_of_the_figures_leaves_the_old_page(
    make_content: Any, tmp_path: Path, blank_plates: None
) -> None:
    content = make_content(layers=(4, 4), classes=2, epochs=1, shape=(2, 2))
    (tmp_path / "report.html").write_text("old")
    (tmp_path / "figures").write_text("not a folder")
    with pytest.raises(InputError, match=r"figures: cannot be written \(File exists\)"):
        write_report(content, tmp_path)
    assert _snapshot(tmp_path) == {"report.html": b"old", "figures": b"not a folder"}


def test_a_perfect_confusion_matrix_has_no_errors_to_list(
    make_content: Any, tmp_path: Path, blank_plates: None
) -> None:
    content = make_content(
        layers=(4, 4), classes=2, epochs=1, shape=(2, 2), confusion=np.diag([5, 5])
    )
    page = _Page(write_report(content, tmp_path).read_text(encoding="utf-8"))
    assert "Most frequent errors" not in "".join(page.texts)
