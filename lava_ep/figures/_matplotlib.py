"""Imports matplotlib whatever ``MPLBACKEND`` says.

A process started from a notebook inherits the backend of the notebook, which may exist in the
Python of that one only: importing matplotlib would fail. Our figures are drawn to files and need
no backend; one that exists stays chosen for the user's own figures.
"""

from __future__ import annotations

import os
import sys

if "matplotlib" not in sys.modules:
    _chosen = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib as mpl
    finally:
        if _chosen is not None:
            os.environ["MPLBACKEND"] = _chosen
    if _chosen:
        try:
            mpl.rcParams["backend"] = _chosen
        except ValueError:
            mpl.rcParams["backend"] = "agg"
