"""`EPClassifier`: a network of binary neurons and synapses as a scikit-learn estimator."""

from lava_ep.data.own.pixels import thermometer
from lava_ep.estimator.classifier import EPClassifier

__all__ = ["EPClassifier", "thermometer"]
