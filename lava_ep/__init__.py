"""Equilibrium propagation as event-driven computation on Lava.

`lava_ep.processes` holds the Processes, `lava_ep.training` trains them, `lava_ep.runtime`
supervises Lava runs, `lava_ep.estimator` speaks scikit-learn, `lava_ep.dynamics` has the equations.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import TYPE_CHECKING

from lava_ep._notice import CompilationNotice

with CompilationNotice():
    from lava_ep import (
        _lava,  # noqa: F401  (before any other import of Lava)
        models,
        processes,
    )

if TYPE_CHECKING:
    from lava_ep.training import TrainedNetwork

__version__ = version("lava-ep")

__all__ = ["__version__", "load_run", "models", "processes"]


def load_run(
    path: str | os.PathLike[str],
    *,
    epoch: int | None = None,
    backend: str | None = None,
    threads: int | None = None,
) -> TrainedNetwork:
    """Load the trained network of a run folder, see `lava_ep.training.load_run`."""
    # Here, as training is slow to import.
    from lava_ep import training

    return training.load_run(path, epoch=epoch, backend=backend, threads=threads)
