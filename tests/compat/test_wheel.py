"""Wheels and editable installs have the finder beside the package, and it finds by itself."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import lava_ep

ROOT = Path(lava_ep.__file__).parents[1]

if not (ROOT / "pyproject.toml").is_file():
    pytest.skip("not a checkout, from which wheels are made", allow_module_level=True)

TRY = """
import site, sys
site.addsitedir(sys.argv[1])  # as Python does when it starts
finders = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") == "LavaFinder"]
assert len(finders) == (sys.version_info >= (3, 11)), sys.meta_path
sys.path.append(sys.argv[2])  # where Lava is, without its .pth files
import lava.magma.compiler.var_model as model
assert model.CoreEncoder().x == model.ByteEncoder()
import _lava_ep_compat
print(_lava_ep_compat.__file__)
import lava_ep
print(lava_ep.__file__)
"""


@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_the_finder_is_installed(kind, tmp_path):
    built, installed = tmp_path / "built", tmp_path / "installed"
    built.mkdir()
    code = (
        "import os, sys, hatchling.build as b\n"
        f"os.chdir({str(ROOT)!r})\n"
        f"print(b.build_{kind}({str(built)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=200, capture_output=True)
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
        names = set(archive.namelist())
    assert {"_lava_ep_compat.py", "lava_ep_compat.pth"} <= names
    assert ("lava_ep/spec/__init__.py" in names) == (kind == "wheel")
    # -S: this environment has its own finder, which -I alone would not keep away.
    purelib = sysconfig.get_path("purelib")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", TRY, str(installed), purelib],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    finder, package = done.stdout.splitlines()
    assert Path(finder) == installed / "_lava_ep_compat.py"
    assert Path(package).parent == (installed if kind == "wheel" else ROOT) / "lava_ep"
