"""Sweeps: one experiment with many values of some fields, trained here or by Ray Tune."""

from lava_ep.sweep.folder import SweepFolder, train_here
from lava_ep.sweep.requirement import require_ray
from lava_ep.sweep.space import SweepSpec, make_sweep, plan
from lava_ep.sweep.table import write_results
from lava_ep.sweep.tuner import run_trials
from lava_ep.training.grid import Point, Row, best, named, read_rows

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
    "train_here",
    "write_results",
]
