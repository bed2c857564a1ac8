"""One typed decorator for every compiled kernel, so that all share the same exact arithmetic."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_PACKAGE = Path(__file__).resolve().parents[1]


def forget_stale_code(*folders: Path) -> None:
    """Remove the cached code of the kernels in some folders if any file there has changed.

    Kernels contain the code of others, but Numba looks for changes only in a kernel's own file.
    """
    digest = hashlib.sha256()
    for source in sorted(path for folder in folders for path in folder.glob("*.py")):
        digest.update(source.read_bytes())
    stamp = folders[0] / "__pycache__" / "kernels.sha256"
    try:
        if stamp.exists() and stamp.read_text() == digest.hexdigest():
            return
        for folder in folders:
            for cached in folder.glob("__pycache__/*.nb[ic]"):
                cached.unlink(missing_ok=True)
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(digest.hexdigest())
    except OSError:
        # Not ours to write: a system-wide installation, whose files are only replaced all at once.
        return


forget_stale_code(_PACKAGE / "dynamics", _PACKAGE / "models" / "fused")

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
    options: dict[str, Any] = {"cache": True, "nogil": True, "fastmath": False}
    # Numba's own name for the counting of references; it has no public one.
    options |= {"_nrt": allocates, "forceinline": inline, "error_model": "numpy"}
    return cast(Callable[[Kernel], Kernel], numba.njit(list(signatures), **options))


def type_of(example: Any) -> Any:
    """Return Numba's type of a value, for signatures."""
    return numba.typeof(example)  # type: ignore[no-untyped-call]
