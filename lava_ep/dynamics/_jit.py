"""One typed decorator for every compiled kernel, so that all share the same exact arithmetic."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite.binding
import numba

_PACKAGE = Path(__file__).resolve().parents[1]

_NUMBA: Any = numba.config  # which has its settings only when it runs

_MARK = b"_jit import"
"""Stands in every file with kernels."""

_PREFIX = "lava-ep-kernels-"

_KEPT = 3
"""Versions of the compiled code that stay on disk, the one in use among them."""


def kernel_sources(package: Path) -> list[Path]:
    """Return every file of a package that compiled code may come from.

    These are all files in and below the folders that have kernels: a kernel contains the code and
    the constants of others.
    """
    files = {path: path.read_bytes() for path in package.rglob("*.py")}
    folders = {path.parent for path, text in files.items() if _MARK in text}
    return sorted(path for path in files if not folders.isdisjoint(path.parents))


def fingerprint(package: Path) -> str:
    """Return what the compiled code of a package depends on, as a short digest.

    The processor is part of it, because machines that share a home directory would otherwise
    overwrite each other's code.
    """
    digest = hashlib.sha256()
    processor = (llvmlite.binding.get_host_cpu_name(), llvmlite.binding.get_host_cpu_features())
    digest.update(f"{numba.__version__} {processor[0]} {processor[1].flatten()}".encode())
    for path in kernel_sources(package):
        text = path.read_bytes()
        digest.update(f"\0{path.relative_to(package)}\0{len(text)}\0".encode() + text)
    return digest.hexdigest()[:16]


def _writable(folder: Path) -> bool:
    """Create a folder and return whether files can be created in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _private(folder: Path) -> bool:
    """Create a folder for this user and return whether nobody else can put files into it."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    mine = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    return stat.S_ISDIR(found.st_mode) and mine and not found.st_mode & 0o077


def _own_folders() -> Iterator[Path]:
    """Yield the places for compiled code that belong to the user or to the installation."""
    if _NUMBA.CACHE_DIR:
        yield Path(_NUMBA.CACHE_DIR)
    yield _PACKAGE / "__pycache__"
    with contextlib.suppress(RuntimeError):  # there may be no home directory
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lava-ep"


def _forget_old_versions(base: Path, present: Path) -> None:
    """Remove the code of versions that were not used lately; others may do the same right now."""
    with contextlib.suppress(OSError):
        os.utime(present)
        found = [folder for folder in base.glob(f"{_PREFIX}*") if folder != present]
        found.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
        for folder in found[_KEPT - 1 :]:
            shutil.rmtree(folder, ignore_errors=True)


def choose_folder(package: Path) -> Path | None:
    """Return the folder for the compiled code of a package as it is now, None if there is none.

    Every version of the sources has its own folder, so that compiled code cannot outlive what it
    was compiled from, wherever it is kept and whoever runs at the same time.
    """
    name = f"{_PREFIX}{fingerprint(package)}"
    for base in _own_folders():
        if _writable(base / name):
            _forget_old_versions(base, base / name)
            return base / name
    user = os.geteuid() if hasattr(os, "geteuid") else "user"
    base = Path(tempfile.gettempdir()) / f"lava-ep-{user}"
    if _private(base):
        is_new = not (base / name).exists()
        if _writable(base / name):
            if is_new:
                _say(
                    "neither the installation nor the home directory can be written, so compiled "
                    f"kernels are kept in {base}"
                )
            _forget_old_versions(base, base / name)
            return base / name
    _say("there is no place for compiled kernels, so every start takes a minute or two")
    return None


def _say(text: str) -> None:
    print(
        f"lava-ep: {text}; set NUMBA_CACHE_DIR to a folder that you can write and that stays",
        file=sys.stderr,
        flush=True,
    )


_FOLDER = choose_folder(_PACKAGE)

_setting = threading.RLock()


@contextlib.contextmanager
def _caching_in(folder: Path) -> Iterator[None]:
    """Have Numba keep what is compiled meanwhile in a folder."""
    with _setting:
        before = _NUMBA.CACHE_DIR
        _NUMBA.CACHE_DIR = str(folder)
        try:
            yield
        finally:
            _NUMBA.CACHE_DIR = before


Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def kernel(
    *signatures: Any, allocates: bool = False, inline: bool = False
) -> Callable[[Kernel], Kernel]:
    """Compile a function ahead of its first call for the given Numba signatures.

    The compiled code is cached on disk, runs without the GIL, and keeps IEEE arithmetic (no
    ``fastmath``), because different backends must agree bit for bit; a division by 0 gives what
    IEEE says, since Python's check for it would keep loops from being vectorized. Compiling at
    import keeps compilation out of the forked ProcessModels.

    Parameters
    ----------
    signatures
        Strings or Numba types.
    allocates
        Whether the function makes or returns arrays. Without, it counts no references, which at
        every call costs more than a small kernel itself.
    inline
        Whether other kernels contain its code instead of calling it, which pays off where many
        arrays are passed on.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": False}
    # Numba's own name for the counting of references; it has no public one.
    options |= {"_nrt": allocates, "forceinline": inline, "error_model": "numpy"}

    def compiled(function: Kernel) -> Kernel:
        global _FOLDER
        if _FOLDER is not None:
            try:
                with _caching_in(_FOLDER):
                    made = numba.njit(list(signatures), cache=True, **options)(function)
                return cast(Kernel, made)
            except OSError as error:  # such as a full disk
                _say(f"compiled kernels cannot be kept in {_FOLDER} ({error.strerror})")
                _FOLDER = None
        return cast(Kernel, numba.njit(list(signatures), **options)(function))

    return compiled


def type_of(example: Any) -> Any:
    """Return Numba's type of a value, for signatures."""
    return numba.typeof(example)  # type: ignore[no-untyped-call]
