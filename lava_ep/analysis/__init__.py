"""Looking into single samples, comparing backends, and studies of how networks learn."""

from lava_ep.analysis.angle import AngleStudy, study_angles
from lava_ep.analysis.bptt import Loss, backpropagate
from lava_ep.analysis.comparison import Comparison, Difference, compare_backends
from lava_ep.analysis.gdu import GDUStudy, study_gdu
from lava_ep.analysis.recording import Recording, record_sample

__all__ = [
    "AngleStudy",
    "Comparison",
    "Difference",
    "GDUStudy",
    "Loss",
    "Recording",
    "backpropagate",
    "compare_backends",
    "record_sample",
    "study_angles",
    "study_gdu",
]
