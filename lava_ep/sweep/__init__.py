"""Sweeps: one experiment with many values of some fields, trained by Ray Tune."""

from lava_ep.sweep.folder import SweepFolder
from lava_ep.sweep.requirement import require_ray
from lava_ep.sweep.space import Point, SweepSpec, make_sweep, named, plan
from lava_ep.sweep.table import Row, best, read_rows, write_results
from lava_ep.sweep.tuner import run_trials

__all__ = [
    "Point",
    "Row",
    "SweepFolder",
    "SweepSpec",
    "best",
    "make_sweep",
    "named",
    "plan",
    "read_rows",
    "require_ray",
    "run_trials",
    "write_results",
]
