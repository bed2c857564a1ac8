"""Multi-layer perceptrons of bits that learn from local binary errors.

C. Colombo, F. Pittorino and M. Roveri, "Training Multi-Layer Binary Neural Networks With Local
Binary Error Signals", arXiv 2412.00119, 2024.
"""

from lava_ep.dynamics.bmlp import packed
from lava_ep.dynamics.bmlp.draws import bernoulli_places, fixed_classifier, initial_hidden
from lava_ep.dynamics.bmlp.inputs import binarize, median_thresholds, thermometer_thresholds
from lava_ep.dynamics.bmlp.rule import (
    LayerRule,
    chosen,
    errors,
    logits,
    moved,
    passed_on,
    reinforced,
    reinforcement_probability,
    signs,
    sums,
    taught,
)

__all__ = [
    "LayerRule",
    "bernoulli_places",
    "binarize",
    "chosen",
    "errors",
    "fixed_classifier",
    "initial_hidden",
    "logits",
    "median_thresholds",
    "moved",
    "packed",
    "passed_on",
    "reinforced",
    "reinforcement_probability",
    "signs",
    "sums",
    "taught",
    "thermometer_thresholds",
]
