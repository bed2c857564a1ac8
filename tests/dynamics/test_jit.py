"""Compiled code is kept where it can be, and does not outlive what it was compiled from."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import numba
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
    before = compiled_files(toy.package)
    assert len(before) == 4
    assert toy.total() == ("31", "")
    assert compiled_files(toy.package) == before
    toy.define("word * 100")
    assert toy.total() == ("301", "")
    toy.define("word * 10")
    assert toy.total() == ("31", "")
    assert len(compiled_files(toy.package)) == 8


def test_a_change_recompiles_only_what_depends_on_it(toy):
    assert toy.total() == ("31", "")
    sums = toy.package / "dynamics" / "inner" / "sums.py"
    sums.write_text(SUMS.replace("+ 1", "+ 2"))
    assert toy.total() == ("32", "")
    assert [folder.name[:-16] for folder in toy.kept()] == [
        "lava-ep-kernels-dynamics._words-",
        "lava-ep-kernels-inner.sums-",
        "lava-ep-kernels-inner.sums-",
    ]


def test_a_change_before_the_first_call_leaves_no_stale_code(toy):
    """What is compiled then is what was imported, which the file no longer says."""
    code = (
        "import toy.dynamics.inner.sums as sums, pathlib; "
        "path = pathlib.Path(sums.__file__).parents[1] / '_words.py'; "
        "path.write_text(path.read_text().replace('* 10', '* 100')); print(sums.total(3))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=toy.folder, check=True)
    assert done.stdout == "31\n"
    assert toy.total() == ("301", "")


def test_a_change_reaches_code_that_is_kept_elsewhere(toy, tmp_path):
    elsewhere = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert toy.total(**elsewhere) == ("31", "")
    toy.define("word * 100")
    assert toy.total(**elsewhere) == ("301", "")
    assert len(toy.kept(tmp_path / "cache")) == 4
    assert toy.kept() == []


def test_interpreters_that_start_together(toy):
    started = [toy.start() for _ in range(3)]
    assert [process.communicate(timeout=300) for process in started] == [("31\n", "")] * 3
    assert toy.total() == ("31", "")


def test_old_versions_are_removed(tmp_path, monkeypatch):
    package, base = tmp_path / "package", tmp_path / "cache"
    package.mkdir()
    source = package / "kernels.py"
    monkeypatch.setattr(_jit, "_own_folders", lambda: iter([base]))
    unused, used = (base / f"lava-ep-kernels-{name}" for name in ("0123456789abcdef", "other.py-1"))
    for folder in (unused, used):
        folder.mkdir(parents=True)
    os.utime(unused, ns=(0, 0))
    folders, now = [], time.time()
    for number in range(5):
        source.write_text(f"# {number}")
        folders.append(_jit.Cache(package).folder(source))
        os.utime(folders[-1], (now + number, now + number))
    assert [folder.exists() for folder in folders] == [False, False, True, True, True]
    assert used.exists() and not unused.exists()


def test_sources_are_what_a_file_imports_by_way_of_others_too(tmp_path):
    package = tmp_path / "package"
    texts = {
        "dynamics/kernels.py": "from package.dynamics.one import X\nimport numpy\nX = 1",
        "dynamics/one.py": "def late():\n    import package.dynamics.two",
        "dynamics/two.py": "from package import three",
        "dynamics/inner/relative.py": "from . import beside\nfrom ..one import X",
        "dynamics/inner/beside.py": "from package.dynamics.inner.beside import itself",
        "dynamics/all.py": "from package.inner import anything",
        "inner/__init__.py": "",
        "inner/some.py": "from package.three import Y",
        "three.py": "",
        "unrelated.py": "from package.dynamics.kernels import X",
    }
    for name, text in texts.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    sources = _jit.Sources(package)
    found = {}
    for name in ("kernels.py", "inner/relative.py", "all.py"):
        paths = sources.needed_by(package / "dynamics" / name)
        found[name] = {str(path.relative_to(package)) for path in paths}
    lower = {"dynamics/one.py", "dynamics/two.py", "three.py"}
    assert found["kernels.py"] == {"dynamics/kernels.py", *lower}
    inner = {"dynamics/inner/relative.py", "dynamics/inner/beside.py"}
    assert found["inner/relative.py"] == {*inner, *lower}
    assert found["all.py"] == {"dynamics/all.py", "inner/__init__.py", "inner/some.py", "three.py"}


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


@pytest.mark.parametrize("name", _jit.PRIVATE)
def test_numba_has_what_it_does_not_promise(name):
    _jit.private(name)


def test_an_object_says_its_type_to_numba():
    class Stand:
        _numba_type_ = numba.types.int64

    assert numba.typeof(Stand()) == numba.types.int64


@_jit.kernel("int64(int64)", inline=True)
def doubled(number):
    return 2 * number


@_jit.kernel("int64(int64)")
def doubled_and_one(number):
    return doubled(number) + 1


def test_a_kernel_compiles_when_it_or_another_with_it_is_called():
    assert doubled_and_one(3) == 7
    assert doubled._compiled is not None
    assert doubled(4) == 8
    assert doubled.__name__ == "doubled"
    with pytest.raises(TypeError):
        doubled("text")


FORKED = """
import os, sys
from lava_ep.dynamics import _jit
compiling, compiled = _jit.LazyKernel._compile, []
def watched(kernel):
    open(sys.argv[1], "a").write(f"{os.getpid()} ")
    return compiling(kernel)
_jit.LazyKernel._compile = watched
import numpy as np
from lava_ep.spec import load_preset
from lava_ep.parameters import initial_parameters
from lava_ep.training import NetworkSession
network = load_preset("binary-digits").network

@_jit.kernel("int64(int64)")
def declared_late(number):
    return number

assert _jit.LazyKernel.waiting[-1] is declared_late
parameters = initial_parameters(network, seed=0)
options = {"backend": "message-passing", "execution": "processes"}
with NetworkSession(network, batch=1, parameters=parameters, **options) as session:
    for _ in session.stream(np.zeros((1, network.inputs), np.uint8), np.zeros(1, int)):
        pass
assert declared_late._compiled is not None
print(os.getpid())
"""


def test_no_kernel_is_compiled_in_a_forked_worker(tmp_path):
    log = tmp_path / "pids"
    command = [sys.executable, "-c", FORKED, str(log)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert set(log.read_text().split()) == {done.stdout.strip()}


THREADS = """\
import sys, threading
from lava_ep.dynamics import _jit

sys.setswitchinterval(1e-6)
barrier, failures = threading.Barrier(6), []

def prepare():
    barrier.wait()
    try:
        _jit.prepare()
    except Exception as error:
        failures.append(error)

threads = [threading.Thread(target=prepare) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failures, len(_jit.LazyKernel.waiting))
"""


def test_threads_may_need_kernels_at_the_same_time():
    command = [sys.executable, "-c", THREADS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.stdout == "[] 0\n", done.stderr
