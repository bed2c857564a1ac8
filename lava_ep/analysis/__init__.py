"""Looking into single samples, and comparing backends."""

from lava_ep.analysis.comparison import Comparison, Difference, compare_backends
from lava_ep.analysis.recording import Recording, record_sample

__all__ = ["Comparison", "Difference", "Recording", "compare_backends", "record_sample"]
