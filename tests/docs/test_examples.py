"""Every code block of the README and the quickstart runs, and every command of "Your own data"."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from patience import patience
from typer.testing import CliRunner

import lava_ep
from lava_ep.cli import app

ROOT = Path(lava_ep.__file__).parent.parent
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page, language):
    """Return the code blocks of a page in a language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [code for kind, code in BLOCK.findall(text) if kind == language]


PYTHON = [
    pytest.param(code, id=f"{Path(page).stem}-{number}")
    for page in ("README.md", "docs/quickstart.md")
    for number, code in enumerate(blocks(page, "python"))
]


@pytest.mark.parametrize("code", PYTHON)
def test_a_block_runs_as_written(code, tmp_path):
    script = tmp_path / "example.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=patience(120),
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore::lava_ep.training.OtherSamplesWarning")
def test_your_own_data_works_as_written(tmp_path, monkeypatch):
    """Run all blocks of the page in order, and compare what commands print with the page."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "own_data.md").read_text(encoding="utf-8")
    ran = []
    for language, code in BLOCK.findall(text):
        if language == "python":
            exec(compile(code, "own_data.md", "exec"), {})
            continue
        command, expected = None, {}
        for line in code.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                command = line.removeprefix("$ lava-ep ")
                expected[command] = []
            else:
                expected[command].append(line)
        for command, lines in expected.items():
            done = CliRunner().invoke(app, shlex.split(command))
            assert done.exit_code == 0, done.output
            ran.append(command.split()[0])
            printed = [untimed(line) for line in done.stdout.splitlines()]
            for line in lines:
                assert line == "…" or untimed(line) in printed, done.stdout
    assert sorted(set(ran)) == ["evaluate", "predict", "train"]


def untimed(line):
    """Return a line without the seconds in it."""
    return re.sub(r"\d+\.\d s", "… s", line)
