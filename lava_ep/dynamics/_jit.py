"""One typed decorator for every compiled kernel, so that all share the same exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def kernel(*signatures: Any) -> Callable[[Kernel], Kernel]:
    """Compile a function ahead of its first call for the given Numba signatures (strings or types).

    The compiled code is cached on disk, runs without the GIL, and keeps IEEE arithmetic (no
    ``fastmath``), because different backends must agree bit for bit. Compiling at import keeps
    compilation out of the forked ProcessModels.
    """
    compiled = numba.njit(list(signatures), cache=True, nogil=True, fastmath=False)
    return cast(Callable[[Kernel], Kernel], compiled)
