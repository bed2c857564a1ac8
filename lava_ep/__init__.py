"""Equilibrium propagation as event-driven computation on Lava.

`lava_ep.processes` holds the Processes, `lava_ep.training` trains them, `lava_ep.runtime`
supervises Lava runs, `lava_ep.estimator` speaks scikit-learn, `lava_ep.dynamics` has the equations.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lava_ep import _lava

if TYPE_CHECKING:
    from lava_ep import models, processes
    from lava_ep.training import TrainedNetwork

    __version__: str

__all__ = ["__version__", "load_run", "models", "processes"]

_lava.import_models = lambda: import_module("lava_ep.models.published")


def __getattr__(name: str) -> Any:
    # Lava, Numba and its kernels take a while, which who only reads a preset need not wait.
    if name == "__version__":
        from importlib.metadata import version

        return version("lava-ep")
    if name in ("models", "processes"):
        return import_module(f"lava_ep.{name}")
    raise AttributeError(f"module 'lava_ep' has no attribute {name!r}")


def load_run(
    path: str | os.PathLike[str],
    *,
    epoch: int | None = None,
    backend: str | None = None,
    threads: int | None = None,
    execution: str | None = None,
) -> TrainedNetwork:
    """Load the trained network of a run folder, see `lava_ep.training.load_run`."""
    from lava_ep import training

    return training.load_run(
        path, epoch=epoch, backend=backend, threads=threads, execution=execution
    )
