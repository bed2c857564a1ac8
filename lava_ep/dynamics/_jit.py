"""One typed decorator for every compiled kernel, so that all share the same exact arithmetic.

Numba is imported, and kernels are compiled or loaded from disk, when the first of them is needed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast

from lava_ep._notice import CompilationNotice

_LOCK = "numba.core.compiler_lock:global_compiler_lock"

PRIVATE: Mapping[str, str] = MappingProxyType(
    {
        "numba.core.config:CACHE_DIR": "where compiled code is kept; the public variable of the "
        "environment would also move the code of others",
        "numba.core.options:DefaultOptions._nrt": "kernels without reference counts, which cost "
        "more than a small kernel itself",
        "numba.core.options:DefaultOptions.forceinline": "kernels inside kernels; inline='always' "
        "copies Python code instead, which types variables differently",
        _LOCK: "one thread compiles at a time; a lock of our own could block those that hold this",
        "numba.core.dispatcher:Dispatcher.disable_compile": "a call with other types is an error "
        "instead of a compilation in a forked process",
        "numba.core.registry:cpu_target.typing_context.refresh": "takes up intrinsics that were "
        "defined after the first compilation",
        "numba.core.registry:cpu_target.typing_context.resolve_value_type": "the type of an "
        "intrinsic, for the object that stands for it until it is needed",
        "numba.core.imputils:lower_builtin": "operators of a new type, here 256 bits",
        "numba.core.typing.templates:ConcreteTemplate": "their signatures",
        "numba.core.typing.templates:infer_global": "their signatures",
        "numba.core.typing.templates:signature": "their signatures",
        "numba.core.cgutils:alloca_once_value": "variables and loops in code for LLVM",
        "numba.core.cgutils:for_range": "variables and loops in code for LLVM",
        "numba.core.cgutils:get_or_insert_function": "calls of LLVM's own functions",
    }
)
"""Names without a promise of Numba that we depend on, and why.

So does the attribute ``_numba_type_``, by which an object tells Numba its type.
"""


def private(name: str) -> Any:
    """Return what a key of `PRIVATE` names, or an error that names it."""
    module, _, path = name.partition(":")
    if name not in PRIVATE:
        raise ValueError(f"{name!r} is not listed in lava_ep.dynamics._jit.PRIVATE")
    try:
        return functools.reduce(getattr, path.split("."), cast(Any, import_module(module)))
    except (ImportError, AttributeError) as error:
        raise ImportError(f"this version of Numba has no {name}: {error}") from error


_PACKAGE = Path(__file__).resolve().parents[1]

_PREFIX = "lava-ep-kernels-"

_KEPT = 3
"""Versions of the compiled code of a file that stay on disk, the one in use among them."""

_UNUSED = 30 * 24 * 3600
"""Seconds after which code that nobody has loaded since is removed, whatever it was."""


def _states(package: Path) -> dict[Path, tuple[int, int]]:
    """Return when each source file of a package was changed, and its size."""
    found = {}
    for folder, inner, names in os.walk(package):
        inner[:] = (name for name in inner if name != "__pycache__")
        for name in names:
            with contextlib.suppress(OSError):
                if name.endswith(".py"):
                    path = Path(folder, name)
                    status = path.stat()
                    found[path] = status.st_mtime_ns, status.st_size
    return found


class Sources:
    """The source files of a package, and which of them the code of a file may depend on.

    Parameters
    ----------
    package : Path
        Its folder.
    """

    def __init__(self, package: Path) -> None:
        self.package = package
        self._loaded = _states(package)
        self._imports: dict[Path, set[Path]] = {}
        self._digests: dict[Path, bytes] = {}

    def needed_by(self, path: Path) -> list[Path]:
        """Return a file and all files of the package that it imports, by way of others, too.

        A kernel contains the code and the constants of these. One of another package may contain
        those of any file here.
        """
        if self.package not in path.parents:
            return [path, *sorted(self._loaded)]
        found, waiting = {path}, [path]
        while waiting:
            new = self._imported(waiting.pop()) - found
            found |= new
            waiting.extend(new)
        return sorted(found)

    def digest(self, path: Path) -> str | None:
        """Return what the compiled code of a file depends on; None if that has changed meanwhile.

        The processor is part of it, because machines that share a home directory would otherwise
        overwrite each other's code.
        """
        digest = hashlib.sha256(_machine().encode())
        try:
            for source in self.needed_by(path):
                status = source.stat()
                state = status.st_mtime_ns, status.st_size
                if self._loaded.get(source, state) != state:
                    return None
                if source not in self._digests:
                    self._digests[source] = hashlib.sha256(source.read_bytes()).digest()
                digest.update(f"\0{source.name}\0".encode() + self._digests[source])
        except OSError:  # such as a kernel that was typed into a notebook
            return None
        return digest.hexdigest()[:16]

    def _imported(self, path: Path) -> set[Path]:
        import ast

        if path not in self._imports:
            inside = path.relative_to(self.package.parent).parts[:-1]
            found = set()
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Import):
                    for alias in node.names:
                        found |= self._files(alias.name.split("."))
                elif isinstance(node, ast.ImportFrom):
                    base = list(inside[: len(inside) + 1 - node.level]) if node.level else []
                    base += node.module.split(".") if node.module else []
                    for alias in node.names:
                        found |= self._files([*base, alias.name]) or self._files(base)
            self._imports[path] = found
        return self._imports[path]

    def _files(self, module: list[str]) -> set[Path]:
        """Return the file of a module; of a package, all in it, as it may pass any of them on."""
        place = self.package.parent.joinpath(*module)
        if module[0] != self.package.name:
            return set()
        if place.is_dir():
            return set(place.rglob("*.py"))
        file = place.with_suffix(".py")
        return {file} if file.is_file() else set()


@functools.cache
def _machine() -> str:
    import llvmlite.binding
    import numba

    features = llvmlite.binding.get_host_cpu_features().flatten()
    return f"{numba.__version__} {llvmlite.binding.get_host_cpu_name()} {features}"


def _writable(folder: Path) -> bool:
    """Create a folder and return whether files can be created in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _private_to_user(folder: Path) -> bool:
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
    import numba

    configured = cast(Any, numba.config).CACHE_DIR  # which has its settings only when it runs
    if configured:
        yield Path(configured)
    yield _PACKAGE / "__pycache__"
    with contextlib.suppress(RuntimeError):  # there may be no home directory
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lava-ep"


def _choose_base() -> Path | None:
    """Return the folder for all compiled code, None if there is none."""
    for base in _own_folders():
        if _writable(base):
            return base
    user = os.geteuid() if hasattr(os, "geteuid") else "user"
    base = Path(tempfile.gettempdir()) / f"lava-ep-{user}"
    if _private_to_user(base) and _writable(base):
        if not any(base.iterdir()):
            _say(
                "neither the installation nor the home directory can be written, so compiled "
                f"kernels are kept in {base}"
            )
        return base
    _say("there is no place for compiled kernels, so every start takes a minute or two")
    return None


def _say(text: str) -> None:
    print(
        f"lava-ep: {text}; set NUMBA_CACHE_DIR to a folder that you can write and that stays",
        file=sys.stderr,
        flush=True,
    )


class Cache:
    """The folders of the compiled code, one for each version of each file with kernels.

    A version is a file and all files that it imports, so that compiled code cannot outlive what it
    was compiled from, wherever it is kept and whoever runs at the same time.

    Parameters
    ----------
    package : Path
        Folder of the package with the kernels.
    """

    def __init__(self, package: Path) -> None:
        self._sources = Sources(package)
        self._folders: dict[Path, Path | None] = {}

    @functools.cached_property
    def _base(self) -> Path | None:
        return _choose_base()

    def folder(self, path: Path) -> Path | None:
        """Return the folder for the compiled code of a file, None if it cannot be kept."""
        if path not in self._folders:
            self._folders[path] = self._make_folder(path)
        return self._folders[path]

    def give_up(self, reason: str | None) -> None:
        """Keep no more compiled code, as where the disk is full."""
        if self._base is not None:
            _say(f"compiled kernels cannot be kept in {self._base} ({reason})")
        self._base = None
        self._folders.clear()

    def _make_folder(self, path: Path) -> Path | None:
        digest = self._sources.digest(path) if self._base else None
        if self._base is None or digest is None:
            return None
        name = f"{_PREFIX}{path.parent.name}.{path.stem}-"
        folder = self._base / f"{name}{digest}"
        is_new = not folder.exists()
        if not _writable(folder):
            return None
        with contextlib.suppress(OSError):
            os.utime(folder)
        if is_new:
            self._forget_old_versions(name, folder)
        return folder

    def _forget_old_versions(self, name: str, present: Path) -> None:
        """Remove what was not used lately; others may do the same right now."""
        assert self._base is not None
        used = {}
        for folder in self._base.glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError):
                used[folder] = folder.stat().st_mtime
        used.pop(present, None)
        versions = [folder for folder in used if folder.name[:-16] == name]
        versions.sort(key=used.__getitem__, reverse=True)
        old = [folder for folder, when in used.items() if when < time.time() - _UNUSED]
        for folder in {*versions[_KEPT - 1 :], *old}:
            shutil.rmtree(folder, ignore_errors=True)


_CACHE = Cache(_PACKAGE)

_setting = threading.Lock()


@contextlib.contextmanager
def _caching_in(folder: Path) -> Iterator[None]:
    """Have Numba keep the code of functions that are decorated meanwhile in a folder."""
    import numba

    config = cast(Any, numba.config)
    with _setting:
        before = config.CACHE_DIR
        config.CACHE_DIR = str(folder)
        try:
            yield
        finally:
            config.CACHE_DIR = before


class Late:
    """Stands in kernels for something that Numba gets to know when the first one is compiled.

    Parameters
    ----------
    make : callable
        Returns it.
    """

    waiting: list[Late] = []  # noqa: RUF012

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = functools.cache(make)
        Late.waiting.append(self)

    @functools.cached_property
    def _numba_type_(self) -> Any:
        context = "numba.core.registry:cpu_target.typing_context"
        return private(f"{context}.resolve_value_type")(self.make())


def late(place: str) -> Any:
    """Return what stands for ``module:name`` in kernels; the module is not yet imported."""
    module, _, name = place.partition(":")
    return Late(lambda: getattr(import_module(module), name))


def by_type(choose: Callable[..., Callable[..., Any]]) -> Any:
    """Make of a function that returns another one, given types, a function for kernels."""

    def make() -> Any:
        from numba.extending import overload

        overload(choose)(choose)
        return choose

    return Late(make)


class LazyKernel:
    """A function that is compiled, or loaded from disk, when it is first called.

    Other kernels contain or call it as if it were Numba's own. Each has a class of its own, whose
    ``__call__`` becomes the compiled function, so that a call costs no more than that.
    """

    waiting: list[LazyKernel] = []  # noqa: RUF012

    def __init__(
        self,
        function: Callable[..., Any],
        signatures: Iterable[str],
        examples: Callable[[], Iterable[Any]],
        options: Mapping[str, Any],
    ) -> None:
        functools.update_wrapper(self, function)
        self._function, self._signatures = function, signatures
        self._examples, self._options = examples, options
        self._compiled: Any = None
        LazyKernel.waiting.append(self)

    def __call__(self, *arguments: Any) -> Any:
        return self.compiled()(*arguments)

    def __reduce__(self) -> str:
        return self._function.__qualname__

    @property
    def _numba_type_(self) -> Any:
        import numba

        return numba.typeof(self.compiled())  # type: ignore[no-untyped-call]

    def compiled(self) -> Any:
        """Return the compiled function."""
        if self._compiled is None:
            with CompilationNotice(), private(_LOCK):
                if self._compiled is None:
                    self._compiled = self._compile()
            type(self).__call__ = staticmethod(self._compiled)  # type: ignore[method-assign]
        return self._compiled

    def _compile(self) -> Any:
        while Late.waiting:
            Late.waiting.pop().make()
        private("numba.core.registry:cpu_target.typing_context.refresh")()
        folder = _CACHE.folder(Path(self._function.__code__.co_filename).resolve())
        if folder is not None:
            try:
                return self._compile_in(folder)
            except OSError as error:  # such as a full disk
                _CACHE.give_up(error.strerror)
        return self._compile_in(None)

    def _compile_in(self, folder: Path | None) -> Any:
        import numba

        with contextlib.nullcontext() if folder is None else _caching_in(folder):
            made: Any = numba.njit(cache=folder is not None, **self._options)(self._function)
        if made is self._function:  # as NUMBA_DISABLE_JIT asks for
            return made
        names: dict[str, Any] = {type(x).__name__: x for x in self._examples()}
        names = {name: numba.typeof(x) for name, x in names.items()}  # type: ignore[no-untyped-call]
        for signature in self._signatures:
            made.compile(eval(signature, vars(numba.types) | names) if names else signature)
        made.disable_compile()
        return made


Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def kernel(
    *signatures: str,
    examples: Callable[[], Iterable[Any]] = tuple,
    allocates: bool = False,
    inline: bool = False,
) -> Callable[[Kernel], Kernel]:
    """Compile a function for the given signatures when it is first called, or by `prepare`.

    The compiled code is cached on disk, runs without the GIL, and keeps IEEE arithmetic (no
    ``fastmath``), because different backends must agree bit for bit; a division by 0 gives what
    IEEE says, since Python's check for it would keep loops from being vectorized.

    Parameters
    ----------
    signatures : str
        As Numba writes them.
    examples : callable
        Returns one value of every NamedTuple whose name is in the signatures.
    allocates : bool
        Whether the function makes or returns arrays. Without, it counts no references, which at
        every call costs more than a small kernel itself.
    inline : bool
        Whether other kernels contain its code instead of calling it, which pays off where many
        arrays are passed on.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": False, "error_model": "numpy"}
    options |= {"_nrt": allocates, "forceinline": inline}

    def declare(function: Kernel) -> Kernel:
        one = type(function.__name__, (LazyKernel,), {"__module__": function.__module__})
        return cast(Kernel, one(function, signatures, examples, options))

    return declare


def prepare() -> None:
    """Compile, or load from disk, every kernel of the modules that are imported by now.

    Call it before processes are forked, which would otherwise each compile their own.
    """
    with CompilationNotice(), private(_LOCK):
        while LazyKernel.waiting:
            LazyKernel.waiting[0].compiled()
            del LazyKernel.waiting[0]
