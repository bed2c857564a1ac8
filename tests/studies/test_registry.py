"""A study is one module: it registers its command, and nothing else knows of it."""

import json
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

import lava_ep.studies
from lava_ep.cli import app
from lava_ep.studies import find_study, study, study_names


@pytest.mark.parametrize("name", ["angle", "gdu", "uncertainty"])
def test_every_study_is_offered_by_its_name(name):
    assert name in study_names()
    assert find_study(name).__name__ == name


def test_a_study_of_somebody_else_is_a_command(monkeypatch):
    monkeypatch.setattr(lava_ep.studies, "_COMMANDS", dict(lava_ep.studies._COMMANDS))

    @study
    def rest(steps: Annotated[int, typer.Option(help="How long to rest.")] = 3) -> None:
        """Do nothing for a while."""
        print(json.dumps({"steps": steps}))

    assert "Do nothing for a while." in CliRunner().invoke(app, ["study", "--help"]).output
    done = CliRunner().invoke(app, ["study", "rest", "--steps", "5"])
    assert (done.exit_code, json.loads(done.output)) == (0, {"steps": 5})


def test_a_study_that_does_not_exist_is_refused():
    done = CliRunner().invoke(app, ["study", "nothing"])
    assert done.exit_code == 2
    assert "No such command 'nothing'" in done.output


def test_a_new_module_is_a_study(tmp_path, monkeypatch):
    (tmp_path / "walk.py").write_text(
        "from lava_ep.studies import study\n\n\n@study\ndef walk() -> None:\n"
        '    """Walk about."""\n    print("walked")\n'
    )
    monkeypatch.setattr(lava_ep.studies, "_COMMANDS", dict(lava_ep.studies._COMMANDS))
    monkeypatch.setattr(lava_ep.studies, "__path__", [*lava_ep.studies.__path__, str(tmp_path)])
    assert "walk" in study_names()
    assert CliRunner().invoke(app, ["study", "walk"]).output == "walked\n"
