"""The same samples on two backends: bit for bit the same, or as far as rounding allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.data import Dataset
from lava_ep.dynamics import Rate
from lava_ep.errors import InputError
from lava_ep.models import check_backend
from lava_ep.parameters import NetworkParameters
from lava_ep.spec import ExperimentSpec, NetworkSpec
from lava_ep.training import NetworkSession, evaluate

TOLERANCE = 1e-4
"""Largest difference of graded networks, as a share of the largest value of an array.

Backends add float32 currents in different orders, so that sums of up to some thousand terms differ
by about 1e-6 of themselves, and more after steps that have not settled yet and after some batches.
"""

FLIP_SHARE = 1e-3
"""Share of binary weights that may differ: where rounding has moved a momentum over the threshold.
"""

COUNT_SHARE = 0.02
"""Share of counts that may differ: messages smaller than rounding are sent or not."""

RESISTIVE_COUNT_SHARE = 0.2
"""The same of resistive networks: those that have settled still change by their last digit, or not.
"""

NEURON_FIELDS = ("state", "activation", "bias", "events")


@dataclass(frozen=True)
class Difference:
    """The first place where two backends disagree.

    Parameters
    ----------
    process
        Name of the Process, as in a message-passing network.
    field
        Its Var, or what it sends.
    batch, step
        When: the number of the batch, and the time step within it, from 0; ``None`` for what is
        compared after a whole batch.
    index
        Element of the Var.
    values
        What the two backends have there, by their names.
    """

    process: str
    field: str
    batch: int
    step: int | None
    index: tuple[int, ...]
    values: dict[str, Any]

    def __str__(self) -> str:
        when = f"batch {self.batch}" + ("" if self.step is None else f", step {self.step}")
        values = " != ".join(f"{value} ({name})" for name, value in self.values.items())
        return f"Process '{self.process}', {self.field}{list(self.index)}, {when}: {values}"


@dataclass(frozen=True)
class Comparison:
    """What was compared, and how it came out.

    Parameters
    ----------
    samples, steps
        Samples shown, and time steps in which all states and activations were compared.
    exact
        Whether everything had to be the same bit for bit.
    largest
        Largest difference of real numbers, as a share of the largest value of an array.
    difference
        The first one that is too large, or ``None`` if there is none.
    """

    samples: int
    steps: int
    exact: bool
    largest: float
    difference: Difference | None


def compare_backends(
    spec: ExperimentSpec,
    parameters: NetworkParameters,
    dataset: Dataset,
    backends: Sequence[str],
    *,
    samples: int,
    threads: int | None = None,
) -> Comparison:
    """Let several backends learn from the same samples and look for the first difference.

    First all of them go step by step: every state and activation is compared after every time step,
    and all that is learned and counted after every batch. Then they start anew, each in the
    way it runs fastest, and scores, parameters and counters are compared after every batch.
    Networks of binary or sigma-delta neurons with binary weights, and all in fixed point, have to
    agree bit for bit, others up to `TOLERANCE`.

    Parameters
    ----------
    spec, parameters
        The network, and what it starts from.
    dataset
        The first training samples are shown.
    backends
        Their names, at least two; the others are compared with the first.
    samples
        Number of samples, rounded up to whole batches; fewer than a batch make a smaller batch.
    threads
        See `EPNetwork`.

    Raises
    ------
    InputError
        If there are not two backends of such names for this network, or not enough samples, or
        backends compute with different numbers.
    """
    if len(set(backends)) < 2 or len(set(backends)) < len(backends):
        raise InputError(f"backends {', '.join(backends)}: expected at least two different ones")
    if spec.ep_network.stock:
        raise InputError(
            "networks of neurons of kind stock-lif cannot be compared: their backends compute with "
            "integers or with real numbers and differ on purpose; `lava-ep evaluate --backend` "
            "tells how well each does"
        )
    arithmetics = {name: check_backend(name, spec.ep_network).arithmetic for name in backends}
    if len(set(arithmetics.values())) > 1:
        kinds = ", ".join(f"{name} ({arithmetic})" for name, arithmetic in arithmetics.items())
        raise InputError(
            f"backends {kinds}: expected the same arithmetic; what other numbers make of a network "
            "is told by `lava-ep convert`"
        )
    if samples < 1:
        raise InputError(f"samples={samples}: expected at least 1")
    size = min(spec.training.batch_size, samples)
    batches = -(-samples // size)
    if batches * size > len(dataset.x_train):
        raise InputError(
            f"samples={samples}: makes {batches} batches of {size}, but {dataset.name} has "
            f"{len(dataset.x_train)} training samples; ask for fewer"
        )
    shown = [slice(number * size, (number + 1) * size) for number in range(batches)]
    data = [(dataset.x_train[chosen], dataset.y_train[chosen]) for chosen in shown]
    network = spec.ep_network
    exact = "fixed-point" in arithmetics.values() or _all_integers(network)
    comparer = _Comparer(exact, RESISTIVE_COUNT_SHARE if network.resistive else COUNT_SHARE)
    steps = 0
    for stepwise in (True, False):
        with ExitStack() as stack:
            sessions = {
                name: stack.enter_context(
                    NetworkSession(
                        spec.ep_network,
                        batch=size,
                        parameters=parameters,
                        seed=spec.training.seed,
                        decay=spec.training.decay,
                        epoch_batches=len(dataset.x_train) // spec.training.batch_size,
                        backend=name,
                        threads=threads,
                        stepwise=stepwise,
                    )
                )
                for name in backends
            }
            for number, (images, labels) in enumerate(data):
                run = _walk if stepwise else _stream
                for step, views in run(sessions, images, labels):
                    steps += step is not None
                    found = comparer.first_difference(views, number, step)
                    if found is not None:
                        return Comparison(number * size, steps, exact, comparer.largest, found)
    return Comparison(batches * size, steps, exact, comparer.largest, None)


@dataclass(frozen=True)
class Predictions:
    """What two backends predict of the same test samples.

    Parameters
    ----------
    backends
        Their names.
    samples, identical
        Samples shown, and how many of them get the same class from both.
    accuracies
        Test accuracy of both.
    """

    backends: tuple[str, str]
    samples: int
    identical: int
    accuracies: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        share = self.identical / self.samples
        accuracies = zip(self.backends, self.accuracies, strict=True)
        return (
            f"predictions: {self.identical} of {self.samples} identical ({share:.4f}); accuracy "
            + ", ".join(f"{name} {accuracy:.4f}" for name, accuracy in accuracies)
        )


def compare_predictions(
    spec: ExperimentSpec,
    parameters: NetworkParameters,
    dataset: Dataset,
    backends: tuple[str, str],
) -> Predictions:
    """Let two backends, of any arithmetic, predict the classes of all test samples."""
    first, second = (evaluate(spec, parameters, dataset, backend=name) for name in backends)
    return Predictions(
        backends,
        len(first.labels),
        int(np.sum(first.predictions == second.predictions)),
        (first.accuracy, second.accuracy),
    )


def _all_integers(network: NetworkSpec) -> bool:
    """Tell whether all that neurons and synapses add up are integers."""
    means = isinstance(network.input_encoding.reading, Rate) or network.normalization is not None
    if means or network.noise.sigma or not all(layer.binary for layer in network.layers):
        return False
    return network.neuron.constants.WHOLE


View = dict[tuple[str, str], NDArray[Any]]
"""Arrays by the names of Process and field."""

Moment = tuple[int | None, dict[str, View]]
"""A time step, or ``None`` for the end of a batch, and what each backend has then."""


def _walk(
    sessions: dict[str, NetworkSession], images: NDArray[np.uint8], labels: NDArray[np.int64]
) -> Iterator[Moment]:
    """Show a batch to all backends, one time step after the other."""
    walks = [session.walk(images, labels) for session in sessions.values()]
    for step, _ in enumerate(zip(*walks, strict=True)):
        yield step, {name: _states(session) for name, session in sessions.items()}
    scores = {name: session.read_score() for name, session in sessions.items()}
    yield None, {name: _results(sessions[name], score) for name, score in scores.items()}


def _stream(
    sessions: dict[str, NetworkSession], images: NDArray[np.uint8], labels: NDArray[np.int64]
) -> Iterator[Moment]:
    """Show a batch to all backends, as fast as they can."""
    scores = {
        name: np.concatenate(list(session.stream(images, labels)))
        for name, session in sessions.items()
    }
    yield None, {name: _results(sessions[name], score) for name, score in scores.items()}


def _states(session: NetworkSession) -> View:
    """Return states and activations of all neurons."""
    view: View = {}
    for name, pair in zip(session.spec.layer_names, session.states(), strict=True):
        view[name, "state"], view[name, "activation"] = pair
    return view


def _results(session: NetworkSession, scores: NDArray[np.float32]) -> View:
    """Return what is learned and counted."""
    view: View = {("readout", "scores"): scores}
    names = session.spec.layer_names
    for name, layer in zip(names, session.parameters().layers, strict=True):
        for field, value in layer.arrays.items():
            view[_process(name, field), field] = value
    for name, counters in session.layer_counters().items():
        for counter, number in counters.items():
            view[_process(name, counter), counter] = number
    return view


def _process(layer: str, field: str) -> str:
    return layer if field in NEURON_FIELDS else f"{layer}_synapse"


def _bits(array: NDArray[Any]) -> NDArray[Any]:
    """View numbers as what they are stored as, so that 0.0 and -0.0 differ."""
    return np.ascontiguousarray(array).view(f"u{array.itemsize}")


class _Comparer:
    """Compares all backends with the first one, and remembers the largest difference."""

    def __init__(self, exact: bool, count_share: float) -> None:
        self.largest = 0.0
        self._exact = exact
        self._count_share = count_share

    def first_difference(
        self, views: dict[str, View], batch: int, step: int | None
    ) -> Difference | None:
        """Return the first difference that is too large."""
        (first, reference), *others = views.items()
        for (process, field), expected in reference.items():
            for name, view in others:
                found = view[process, field]
                wrong = self._wrong(found, expected)
                if wrong.any():
                    index = tuple(int(i) for i in np.argwhere(wrong)[0])
                    values = {first: expected[index], name: found[index]}
                    return Difference(process, field, batch, step, index, values)
        return None

    def _wrong(self, found: NDArray[Any], expected: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which elements differ too much."""
        different: NDArray[np.bool_] = _bits(found) != _bits(expected)
        if self._exact or not different.any():
            return different
        if expected.dtype == np.int8:
            return different if different.mean() > FLIP_SHARE else np.zeros_like(different)
        gap: NDArray[np.float64] = np.abs(found.astype(np.float64) - expected)
        scale = max(float(np.abs(expected).max()), 1.0)
        allowed = self._count_share if expected.dtype.kind == "i" else TOLERANCE
        if expected.dtype.kind == "f":
            self.largest = max(self.largest, float(gap.max()) / scale)
        too_large: NDArray[np.bool_] = gap > allowed * scale
        return too_large
