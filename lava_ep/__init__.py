"""Equilibrium propagation as event-driven computation on Lava.

`lava_ep.processes` holds the Processes, `lava_ep.training` trains them, `lava_ep.runtime`
supervises Lava runs, `lava_ep.estimator` speaks scikit-learn, `lava_ep.dynamics` has the equations.
"""

from importlib.metadata import version

from lava_ep._notice import CompilationNotice

with CompilationNotice():
    from lava_ep import (
        _lava,  # noqa: F401  (before any other import of Lava)
        models,
        processes,
    )

__version__ = version("lava-ep")

__all__ = ["__version__", "models", "processes"]
