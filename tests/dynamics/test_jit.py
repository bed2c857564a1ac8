"""Compiled code is kept where it can be, and does not outlive what it was compiled from."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lava_ep.dynamics import _jit

WORDS = """\
from toy.dynamics._jit import kernel

@kernel("int64(int64)", inline=True)
def bits(word):
    return {bits}
"""

SUMS = """\
from toy.dynamics._jit import kernel
from toy.dynamics._words import bits

@kernel("int64(int64)")
def total(word):
    return bits(word) + 1
"""


class Toy:
    """A package of two kernels, one of which contains the other's code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = folder / "toy"
        inner = self.package / "dynamics" / "inner"
        inner.mkdir(parents=True)
        for place in (self.package, inner.parent, inner):
            (place / "__init__.py").write_text("")
        shutil.copy(_jit.__file__, inner.parent / "_jit.py")
        (inner / "sums.py").write_text(SUMS)
        self.define("word * 10")

    def define(self, bits: str) -> None:
        (self.package / "dynamics" / "_words.py").write_text(WORDS.format(bits=bits))

    def start(self, **environment: str | None) -> subprocess.Popen[str]:
        everything = {**os.environ, **environment}
        everything.setdefault("NUMBA_CACHE_DIR", None)
        code = "from toy.dynamics.inner.sums import total; print(total(3))"
        return subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env={name: value for name, value in everything.items() if value is not None},
        )

    def total(self, **environment: str | None) -> tuple[str, str]:
        """Return what an interpreter computes, and its errors."""
        out, errors = self.start(**environment).communicate(timeout=300)
        return out.strip(), errors

    def kept(self, base: Path | None = None) -> list[Path]:
        """Return the folders of compiled code."""
        return sorted((base or self.package / "__pycache__").glob("lava-ep-kernels-*"))


@pytest.fixture
def toy(tmp_path):
    return Toy(tmp_path)


def compiled_files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.nb[ic]")}


def test_a_change_in_a_folder_beside_reaches_every_kernel(toy):
    assert toy.total() == ("31", "")
    (first,) = toy.kept()
    before = compiled_files(first)
    assert len(before) == 4
    assert toy.total() == ("31", "")
    assert compiled_files(first) == before
    toy.define("word * 100")
    assert toy.total() == ("301", "")
    toy.define("word * 10")
    assert toy.total() == ("31", "")
    assert len(toy.kept()) == 2


def test_a_change_reaches_code_that_is_kept_elsewhere(toy, tmp_path):
    elsewhere = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert toy.total(**elsewhere) == ("31", "")
    toy.define("word * 100")
    assert toy.total(**elsewhere) == ("301", "")
    assert len(toy.kept(tmp_path / "cache")) == 2
    assert toy.kept() == []


def test_interpreters_that_start_together(toy):
    started = [toy.start() for _ in range(3)]
    assert [process.communicate(timeout=300) for process in started] == [("31\n", "")] * 3
    assert toy.total() == ("31", "")


def test_old_versions_are_removed(tmp_path, monkeypatch):
    package = tmp_path / "package"
    package.mkdir()
    source = package / "kernels.py"
    monkeypatch.setattr(_jit, "_own_folders", lambda: iter([tmp_path / "cache"]))
    folders = []
    for number in range(5):
        source.write_text(f"from lava_ep.dynamics._jit import kernel  # {number}")
        folders.append(_jit.choose_folder(package))
        os.utime(folders[-1], ns=(number, number))
    assert [folder.exists() for folder in folders] == [False, False, True, True, True]


def test_sources_are_those_of_folders_with_kernels(tmp_path):
    texts = {
        "dynamics/kernels.py": "from package.dynamics._jit import kernel",
        "dynamics/constants.py": "",
        "dynamics/inner/deeper/helper.py": "",
        "report/page.py": "",
        "models/fused/settle.py": "from package.dynamics._jit import kernel",
        "models/base.py": "",
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = {str(path.relative_to(tmp_path)) for path in _jit.kernel_sources(tmp_path)}
    assert found == texts.keys() - {"report/page.py", "models/base.py"}


@pytest.fixture
def nowhere(toy, tmp_path):
    """An installation and a home that cannot be written, by root either."""
    (toy.package / "__pycache__").write_text("")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    return {"HOME": "/dev/null/home", "XDG_CACHE_HOME": None, "TMPDIR": str(temporary)}


def test_nothing_but_the_temporary_directory_can_be_written(toy, nowhere):
    found, errors = toy.total(**nowhere)
    base = Path(nowhere["TMPDIR"]) / f"lava-ep-{os.geteuid()}"
    assert found == "31"
    assert len(errors.splitlines()) == 1
    assert f"kept in {base}; set NUMBA_CACHE_DIR" in errors
    assert stat.S_IMODE(base.stat().st_mode) == 0o700
    before = compiled_files(base)
    assert toy.total(**nowhere) == ("31", "")
    assert compiled_files(base) == before


def open_folder(base):
    base.mkdir()
    base.chmod(0o777)


def link(base):
    elsewhere = base.with_name("elsewhere")
    elsewhere.mkdir(mode=0o700)
    base.symlink_to(elsewhere)


def folder_of_another_user(base):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another user")
    base.mkdir(mode=0o700)
    os.chown(base, 12345, 12345)


@pytest.mark.parametrize("trap", [open_folder, link, folder_of_another_user])
def test_code_of_others_is_not_loaded(toy, nowhere, trap):
    base = Path(nowhere["TMPDIR"]) / f"lava-ep-{os.geteuid()}"
    trap(base)
    found, errors = toy.total(**nowhere)
    assert found == "31"
    assert len(errors.splitlines()) == 1
    assert "there is no place for compiled kernels" in errors
    assert list(base.iterdir()) == []


def test_disk_that_is_full(toy):
    """Files may be created but not filled, as on a full disk."""
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "import numba, llvmlite.binding; resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64)); "
        "from toy.dynamics.inner.sums import total; print(total(3))"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        capture_output=True,
        text=True,
        cwd=toy.folder,
        timeout=300,
        check=False,
    )
    assert done.stdout == "31\n", done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be kept in" in done.stderr
