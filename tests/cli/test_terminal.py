"""The program as a process: terminals, pipes, full devices, and what a notebook hands down."""

import json
import os
import subprocess
import sys
from pathlib import Path

from lava_ep.training import RunFolder

LAVA_EP = Path(sys.executable).with_name("lava-ep")

ASCII = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def lava_ep(*arguments, output=subprocess.PIPE, **environment):
    """Run the installed command with an environment of its own."""
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LC_"))
    }
    return subprocess.run(
        [LAVA_EP, *arguments],
        stdout=output,
        stderr=subprocess.PIPE,
        env=inherited | environment,
        timeout=250,
        check=False,
    )


def test_a_training_in_a_notebook_on_a_terminal_of_ascii_keeps_everything(small, tmp_path):
    # `!lava-ep` inherits the backend of the notebook, which exists in its Python only. The name
    # is markup, and no text in any encoding.
    out = os.fsencode(tmp_path) + b"/r[beta=1]:x:\xe4"
    done = lava_ep(
        "train",
        *small,
        "--json",
        "--open",
        "--out",
        out,
        MPLBACKEND="module://matplotlib_inline.backend_inline",
        DISPLAY="",
        WAYLAND_DISPLAY="",
        BROWSER="",
        **ASCII,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.decode("ascii"))
    assert os.fsencode(result["run_dir"]) == out
    shown = f"{tmp_path}/r[beta=1]:x:\\udce4/report.html"
    assert f"Report: {shown}\n".encode() in done.stderr
    assert done.stderr.decode().splitlines()[-1].startswith("No browser can be opened here")
    page = (Path(result["run_dir"]) / "report.html").read_text(encoding="utf-8")
    assert "r[beta=1]:x:\\udce4" in page
    assert len(page) > 50_000


def test_results_degrade_where_characters_are_missing(trained):
    done = lava_ep("evaluate", str(trained), PYTHONIOENCODING="ascii", MPLBACKEND="nonsense")
    assert done.returncode == 0, done.stderr
    # The dash in the range of energies.
    assert b"\\u2013" in done.stdout
    assert f"Run folder: {trained}\n".encode() in done.stdout


def test_a_full_device_is_one_line_and_exit_code_1(small, tmp_path):
    message = b"lava-ep: standard output: cannot be written (No space left on device)\n"
    out = tmp_path / "run"
    with Path("/dev/full").open("wb") as full:
        for arguments in (["presets"], ["train", *small, "--out", out]):
            done = lava_ep(*arguments, output=full)
            assert done.returncode == 1
            assert done.stderr == message, arguments
    assert RunFolder.open(out).spec().training.epochs == 1


def test_a_run_that_could_not_be_printed_goes_on_later(small, tmp_path, invoke):
    out = tmp_path / "run"
    reading, writing = os.pipe()
    os.close(reading)
    done = lava_ep("train", *small, "--no-report", "--out", out, output=writing)
    os.close(writing)
    # As `yes | head -1` in a shell, and as quiet.
    assert (done.returncode, done.stderr) == (141, b"")
    resumed = invoke("train", "--resume", "--no-report", "--json", "--out", out)
    assert resumed.exit_code == 0, resumed.output
    assert json.loads(resumed.stdout)["epochs"] == 1
