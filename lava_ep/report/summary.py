"""The numbers that a report derives from its content."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lava_ep.analysis.efficiency import (
    Account,
    dense_macs,
    inference_account,
    phase_steps,
    training_account,
)
from lava_ep.report.content import ReportContent, RunContent
from lava_ep.training.counters import PHASES


@dataclass(frozen=True)
class PhaseActivity:
    """What one sample costs in one kind of phase.

    Parameters
    ----------
    name
        "free" or "nudged".
    steps
        Time steps of all phases of this kind together.
    events, synaptic_operations
        Mean per sample over the last epoch.
    dense_operations
        Multiply-accumulates of an implementation that evaluates every synapse at every step.
    """

    name: str
    steps: int
    events: float
    synaptic_operations: float
    dense_operations: int

    @property
    def saving(self) -> float | None:
        """Dense operations for each synaptic operation; None where there was none."""
        if self.synaptic_operations == 0:
            return None
        return self.dense_operations / self.synaptic_operations


@dataclass(frozen=True)
class Summary:
    """Headline numbers of a run; accuracies are fractions and those of the last epoch.

    Weights that feedback has of its own are counted, too. ``inference`` and ``training`` account
    for a test sample and for a training sample of the last epoch.
    """

    epochs: int
    seconds: float
    test_samples: int
    test_accuracy: float
    standard_error: float
    train_accuracy: float
    baseline_accuracy: float | None
    baseline_epochs: int
    binary_weights: int
    real_weights: int
    flips: int
    activity: tuple[PhaseActivity, ...]
    inference: Account
    training: Account

    @property
    def decimals(self) -> int:
        """Decimals of a percentage that the size of the test set justifies."""
        return 2 if self.test_samples >= 5000 else 1

    @property
    def worth(self) -> float | None:
        """What learning into the first layer is worth: the gain over the frozen input layer."""
        if self.baseline_accuracy is None:
            return None
        return self.test_accuracy - self.baseline_accuracy


def learning_place(content: ReportContent) -> str:
    """Say where learning is missing if the input layer is frozen."""
    layers = len(content.experiment.ep_network.layers)
    return {1: "the only layer", 2: "the hidden layer"}.get(layers, "the first hidden layer")


def synapse_names(content: ReportContent) -> tuple[str, ...]:
    """Name every synapse by the layers it joins, input side first."""
    names = ("input", *content.recording.layer_names)
    return tuple(f"{pre} \N{RIGHTWARDS ARROW} {post}" for pre, post in pairwise(names))


def flipping_layers(content: ReportContent) -> tuple[int, ...]:
    """Layers that are entered by binary weights, the only ones that flip."""
    layers = content.experiment.ep_network.layers
    return tuple(index for index, layer in enumerate(layers) if layer.binary)


@dataclass(frozen=True)
class Mistake:
    """How often samples of one class were taken for another, and the share in their class."""

    true: str
    predicted: str
    samples: int
    share: float


def frequent_mistakes(content: RunContent, most: int = 5) -> list[Mistake]:
    """List the most frequent confusions of two classes, at most ``most`` of them."""
    errors = content.confusion - np.diag(content.confusion.diagonal())
    order = np.argsort(-errors, axis=None, kind="stable")[:most]
    mistakes = []
    for true, predicted in zip(*np.unravel_index(order, errors.shape), strict=True):
        samples = int(errors[true, predicted])
        if samples:
            mistakes.append(
                Mistake(
                    content.class_names[true],
                    content.class_names[predicted],
                    samples,
                    samples / int(content.confusion[true].sum()),
                )
            )
    return mistakes


def summarize(content: ReportContent) -> Summary:
    """Compute the headline numbers."""
    last = content.metrics[-1]
    network = content.experiment.ep_network
    weights = {True: 0, False: 0}
    for index, (layer, connection) in enumerate(
        zip(network.layers, network.connections, strict=True)
    ):
        copies = 2 if network.feedback_angle is not None and index > 0 else 1
        weights[layer.binary] += copies * math.prod(connection.weight_shape)
    accuracy = float(last["test_accuracy"])
    samples = int(content.confusion.sum())
    steps = phase_steps(network)
    baseline = content.baseline_metrics
    return Summary(
        epochs=int(last["epoch"]),
        seconds=sum(float(line["seconds"]) for line in content.metrics),
        test_samples=samples,
        test_accuracy=accuracy,
        standard_error=math.sqrt(accuracy * (1.0 - accuracy) / samples),
        train_accuracy=float(last["train_accuracy"]),
        baseline_accuracy=None if baseline is None else float(baseline[-1]["test_accuracy"]),
        baseline_epochs=0 if baseline is None else int(baseline[-1]["epoch"]),
        binary_weights=weights[True],
        real_weights=weights[False],
        flips=sum(sum(line["weight_flips"]) for line in content.metrics),
        activity=tuple(
            PhaseActivity(
                name=phase,
                steps=steps[phase],
                events=float(last["events_per_sample"][phase]),
                synaptic_operations=float(last["synaptic_operations_per_sample"][phase]),
                dense_operations=dense_macs(network.connections, steps[phase]),
            )
            for phase in PHASES
        ),
        inference=inference_account(
            network,
            events=content.events_per_inference,
            operations=content.operations_per_inference,
        ),
        training=training_account(network, last),
    )
