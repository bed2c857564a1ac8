"""Names from files may be no text in any encoding, and a notebook may name a missing backend."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lava_ep.figures.theme import LIGHT
from lava_ep.report import ReportContent, write_sample
from lava_ep.report.plates import run_plates
from lava_ep.report.writer import drawn, render_page

NAMES = (os.fsdecode(b"caf\xe9"), "[bold]", ":x:", "$\\frac$", *"456789")


@pytest.fixture
def content(make_content: Callable[..., ReportContent]) -> ReportContent:
    return make_content(title=os.fsdecode(b"64-12-10 on \xe4.npz"), class_names=NAMES)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_sample_of_such_names_is_drawn(
    content: ReportContent, tmp_path: Path, ending: str
) -> None:
    assert write_sample(content, tmp_path / f"sample.{ending}").stat().st_size > 10_000


def test_a_report_shows_such_names_with_escapes(content: ReportContent) -> None:
    confusion = next(plate for plate in run_plates() if plate.name == "confusion-matrix")
    assert drawn([confusion], content, LIGHT)[confusion.name].data.startswith(b"\x89PNG")
    assert content.title == "64-12-10 on \\udce4.npz"
    assert content.class_names == ("caf\\udce9", *NAMES[1:])


@pytest.mark.parametrize(("chosen", "found"), [("nonsense", "agg"), ("svg", "svg"), (None, "agg")])
def test_figures_need_no_backend_of_the_environment(chosen: str | None, found: str) -> None:
    # Just the module: that the package imports it first is tested with the command line.
    source = Path(render_page.__code__.co_filename).parents[1] / "figures" / "_matplotlib.py"
    environment = {key: value for key, value in os.environ.items() if key != "MPLBACKEND"}
    if chosen is not None:
        environment["MPLBACKEND"] = chosen
    program = (
        f"import runpy; runpy.run_path({str(source)!r}); import os, matplotlib; "
        "print(os.environ.get('MPLBACKEND'), matplotlib.get_backend().lower())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.split() == [str(chosen), found]
