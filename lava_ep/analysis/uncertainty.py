r"""How much noise of measurements a network can learn with (Peters & Talatchian 2025).

Every activation that learning sees is measured with noise :math:`\sigma\xi`, N times, and
averaged, see `lava_ep.dynamics.Noise`. Up to a critical :math:`\sigma_c` a network learns as well
as without noise; beyond, it does not. The test accuracy is fitted by a logistic function of
:math:`\ln \sigma`,

.. math:: a(\sigma) = c + \frac{a_0 - c}{1 + (\sigma/\sigma_c)^k},

so that :math:`\sigma_c` is where half of what noise can take is lost; what is left, c, lies at
chance or above, as random hidden nodes are features, too. Networks of all N share :math:`a_0`, c
and k. As noise averages out, :math:`\sigma_c \propto \sqrt N`.

An estimate of :math:`\sigma_c` is the deviation at which noise alone moves a weight of the first
layer as far as its initial size: each update of rate :math:`\eta` moves it by
:math:`\eta\,\sqrt 2\,\sigma A\, x_\mathrm{rms} / (\mathrm{span} \sqrt{N B})`, at random, and
T updates by :math:`\sqrt T` times that, which gives

.. math:: \sigma_c \approx \frac{\sqrt{N B}\;\mathrm{span}\;\bar w}{\sqrt 2\, A\,
    x_\mathrm{rms} \sqrt{\sum_t \eta_t^2}}

where the span is :math:`2\beta` with symmetric nudging, A the voltage of a white pixel (1 but in
resistive networks) and :math:`\bar w` the mean magnitude of the weights at first.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.stats import t as student

from lava_ep.data import Dataset, load_experiment
from lava_ep.errors import DivergedError, InputError
from lava_ep.files import (
    LOCK,
    append_line,
    locked,
    make_folder,
    read_json,
    read_lines,
    write_json,
)
from lava_ep.parameters import initial_parameters
from lava_ep.spec import ExperimentSpec, NoiseSpec, ResistiveNeuronSpec, override
from lava_ep.training import (
    Progress,
    Trainer,
    adapted,
    check_execution,
    check_fit,
    data_digest,
)

SPREAD = (0.05, 0.25, 0.6, 1.0, 1.6, 2.5, 5.0, 15.0)
"""Deviations to compare, in units of the estimate."""

CONFIDENCE = 0.95
"""Of all intervals."""

SMALLEST_LOSS = 0.1
"""Accuracy that has to be lost by noise before its threshold can be found."""

FEWEST_SIGMAS = 4
"""Different sigmas that a threshold is found from."""

TRAININGS = "trainings.jsonl"
PLAN = "plan.json"
DIGESTS = "data_sha256"


@dataclass(frozen=True)
class Training:
    r"""One network that was trained under noise.

    Parameters
    ----------
    data
        Name of the data set.
    sigma, samples
        :math:`\sigma` and N; 0 and 1 without noise.
    seed
        Of everything random.
    test_accuracy, train_accuracy
        After the last epoch, and during it; ``None`` if training broke down.
    error
        Why it broke down.
    """

    data: str
    sigma: float
    samples: int
    seed: int
    test_accuracy: float | None
    train_accuracy: float | None
    error: str | None = None

    @property
    def key(self) -> tuple[str, float, int, int]:
        """What tells it from all others."""
        return self.data, self.sigma, self.samples, self.seed

    @property
    def deviation(self) -> float:
        r"""Standard deviation of the mean, :math:`\sigma/\sqrt N`."""
        return self.sigma / math.sqrt(self.samples)


@dataclass(frozen=True)
class Threshold:
    r"""A fitted :math:`\sigma_c`.

    Parameters
    ----------
    sigma
        :math:`\sigma_c`.
    low, high
        Its confidence interval, see `CONFIDENCE`.
    clean, left
        Accuracies :math:`a_0` far below and :math:`c` far above.
    steepness
        k.
    """

    sigma: float
    low: float
    high: float
    clean: float
    left: float
    steepness: float

    def accuracy(self, sigma: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the fitted accuracy."""
        arguments = self.clean, self.left, math.log(self.sigma), math.log(self.steepness)
        return _logistic(np.asarray(sigma, np.float64), *arguments)


@dataclass(frozen=True)
class DataResult:
    r"""What was found for one data set.

    Parameters
    ----------
    data
        Its name.
    by_samples
        Thresholds of :math:`\sigma` by N; ``None`` where there was none to be found.
    collapsed
        The threshold of :math:`\sigma/\sqrt N`, from all N.
    exponent, exponent_error
        Power of N that the thresholds grow with, 1/2 by the law, and half of its confidence
        interval; ``None`` with less than three thresholds.
    estimate
        :math:`\sigma_c` for N = 1 by the estimate at the top of this module; ``None`` for binary
        weights.
    gain, gain_deviation
        How much better the best deviation does than no noise, on average over all trainings of
        it (a maximum of several, so a little above 0 by chance), and that deviation; ``None``
        without trainings of both.
    gain_error
        Standard error of the gain.
    """

    data: str
    by_samples: dict[int, Threshold | None]
    collapsed: Threshold | None
    exponent: float | None
    exponent_error: float | None
    estimate: float | None
    gain: float | None
    gain_error: float | None
    gain_deviation: float | None

    def lines(self) -> list[str]:
        """Tell it in a few lines."""
        found = [
            f"N = {number}: {_interval('σ_c', threshold)}"
            for number, threshold in self.by_samples.items()
        ]
        estimate = "none" if self.estimate is None else f"{self.estimate:.3g}"
        found.append(f"all N: {_interval('σ_c/√N', self.collapsed)}; estimate {estimate}")
        if self.exponent is not None and self.exponent_error is not None:
            found.append(f"σ_c grows as N^({self.exponent:.3f} ± {self.exponent_error:.3f})")
        if self.gain is not None:
            error = "" if self.gain_error is None else f" ± {100 * self.gain_error:.2f}"
            found.append(
                f"best noise {self.gain_deviation:.3g}: {100 * self.gain:+.2f}{error} points of "
                "test accuracy against none"
            )
        return found


@dataclass(frozen=True)
class UncertaintyStudy:
    """What `study_uncertainty` finds.

    Parameters
    ----------
    network
        Sizes of the hidden layers and the output, and kind of the neurons.
    epochs
        For how long each network was trained.
    results
        Of each data set.
    trainings
        All trained networks.
    """

    network: str
    epochs: int
    results: tuple[DataResult, ...]
    trainings: tuple[Training, ...]

    def summary(self) -> dict[str, Any]:
        """Return what matters most as plain data."""
        return {
            "network": self.network,
            "epochs": self.epochs,
            "trainings": len(self.trainings),
            "results": [asdict(result) for result in self.results],
        }

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return asdict(self)


def _interval(name: str, threshold: Threshold | None) -> str:
    if threshold is None:
        return f"no {name} found among the deviations tried"
    return f"{name} = {threshold.sigma:.3g} ({threshold.low:.3g} to {threshold.high:.3g})"


def load_sets(
    spec: ExperimentSpec, names: Sequence[str], data_dir: Path | None = None
) -> list[Dataset]:
    """Load data sets, of each at most as many samples as the experiment uses.

    Raises
    ------
    InputError
        If there is no such data set, or its files are missing.
    """
    train, test = spec.data.limit_train, spec.data.limit_test
    whole = override(spec, ["data.limit_train=null", "data.limit_test=null"])
    found = []
    for name in dict.fromkeys(names):
        chosen = override(whole, [f"data.name={json.dumps(name)}"])
        data = load_experiment(chosen, data_dir=data_dir)
        found.append(
            replace(
                data,
                # Of two files with the same name the paths differ.
                name=name,
                x_train=data.x_train[:train],
                y_train=data.y_train[:train],
                x_test=data.x_test[:test],
                y_test=data.y_test[:test],
            )
        )
    return found


def for_data(spec: ExperimentSpec, dataset: Dataset) -> ExperimentSpec:
    """Return an experiment with the pixels and classes of a data set."""
    return adapted(override(spec, [f"data.name={json.dumps(dataset.name)}"]), dataset)[0]


def estimated_threshold(spec: ExperimentSpec, dataset: Dataset) -> float | None:
    r"""Estimate :math:`\sigma_c` of N = 1, see the top of this module.

    ``None`` for binary weights, which noise does not move but flip, and for a frozen first layer.
    """
    network, training, layer = spec.ep_network, spec.training, spec.ep_network.layers[0]
    if layer.binary or layer.frozen or not layer.rate:
        return None
    parameters = initial_parameters(network, seed=training.seed)
    weight = float(np.abs(parameters.layers[0].weights).mean())
    voltage = 1.0
    if isinstance(network.neuron, ResistiveNeuronSpec):
        voltage = network.neuron.input_voltage
    pixels = dataset.x_train.astype(np.float32) / dataset.levels
    brightness = float(np.sqrt(np.mean(pixels**2, dtype=np.float64)))
    updates = len(dataset.x_train) // training.batch_size
    rates = [layer.rate * training.decay**epoch for epoch in range(training.epochs)]
    walked = math.sqrt(updates * sum(rate**2 for rate in rates))
    span = network.schedule(0).contrast_span
    scale = math.sqrt(2) * voltage * brightness * walked
    return math.sqrt(training.batch_size) * span * weight / scale


def plan_trainings(
    deviations: Mapping[str, Sequence[float]], samples: Sequence[int], seeds: Sequence[int]
) -> list[tuple[str, float, int, int]]:
    r"""Return data set, :math:`\sigma`, N and seed of every training, those without noise first.

    Parameters
    ----------
    deviations
        :math:`\sigma/\sqrt N` by the names of the data sets; :math:`\sigma` follows for every N.
    samples, seeds
        All N, and all seeds.

    Raises
    ------
    InputError
        If there is nothing to train, or a value is out of range.
    """
    if not deviations or not samples or not seeds or not all(deviations.values()):
        raise InputError("expected at least one data set, deviation, N and seed")
    for data, found in deviations.items():
        for value in found:
            if not 0 < value < math.inf:
                raise InputError(f"deviation {value} for {data}: expected a positive number")
    for name, values, least in (("samples", samples, 1), ("seed", seeds, 0)):
        for value in values:
            if value < least:
                raise InputError(f"{name} {value}: expected {least} or more")
    plan = []
    for data, found in deviations.items():
        plan += [(data, 0.0, 1, seed) for seed in dict.fromkeys(seeds)]
        plan += [
            (data, deviation * math.sqrt(number), number, seed)
            for seed in dict.fromkeys(seeds)
            for number in sorted(set(samples))
            for deviation in sorted(set(found))
        ]
    return plan


class StudyFolder:
    """Trainings that a study has finished, kept one line each, so that none is repeated.

    Parameters
    ----------
    path
        Folder of the study, see `open_study`.
    spec, backend
        What all trainings have in common.
    datasets
        From what networks are trained; there may be other sets in the folder.

    Raises
    ------
    InputError
        If the folder holds the study of another experiment, or that of other samples by the same
        name.
    """

    def __init__(
        self, path: Path, spec: ExperimentSpec, *, backend: str, datasets: Sequence[Dataset]
    ) -> None:
        self.path = path
        # Noise, seed and pixels are those of each training.
        network = {"inputs", "input_levels", "image_shape", "classes", "noise"}
        common = spec.model_dump(
            mode="json",
            exclude={"network": network, "training": {"seed"}, "data": {"name"}},
        )
        common["backend"] = backend
        digests = {dataset.name: data_digest(dataset) for dataset in datasets}
        plan = path / PLAN
        if plan.exists():
            digests = self._check_same(common, digests)
        write_json(plan, {**common, DIGESTS: digests})

    def _check_same(self, common: Mapping[str, Any], digests: dict[str, str]) -> dict[str, str]:
        """Compare with the plan that is there; return the digests of all data sets of both."""
        before = read_json(self.path / PLAN)
        known = before.pop(DIGESTS, None)
        if not isinstance(known, dict):
            raise InputError(
                f"{self.path / PLAN}: {DIGESTS}={known!r:.40}: expected an object; an earlier "
                "version of lava-ep has begun this study, so choose another --out"
            )
        # As JSON has it: tuples are lists.
        changed = sorted(_differences(before, json.loads(json.dumps(common))))
        changed += [
            f"data set {name}"
            for name, digest in digests.items()
            if known.get(name, digest) != digest
        ]
        if changed:
            raise InputError(
                f"{self.path}: the study there has another {changed[0]}; go on with the same "
                "experiment, or choose another --out"
            )
        return {**known, **digests}

    def trainings(self) -> list[Training]:
        """Return what is there; a line that a kill has cut off is left out.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        path = self.path / TRAININGS
        found = []
        for number, entry in enumerate(read_lines(path), start=1):
            try:
                found.append(_READER.validate_python(entry))
            except ValidationError:
                raise InputError(f"{path}, line {number}: not a training") from None
        return found

    def add(self, training: Training) -> None:
        """Keep a training."""
        append_line(self.path / TRAININGS, asdict(training))


_READER = TypeAdapter(Training)


@contextmanager
def open_study(path: Path, *args: Any, **options: Any) -> Iterator[StudyFolder]:
    """Return a `StudyFolder`, made if it is not there, that no other process changes meanwhile.

    Raises
    ------
    InputError
        If the folder holds something else, another process writes to it, or as `StudyFolder`.
    """
    names = {file.name for file in path.iterdir()} if path.is_dir() else set()
    if (path.exists() and not path.is_dir()) or (names - {LOCK} and PLAN not in names):
        raise InputError(f"{path}: exists and is no study of uncertainty; choose another --out")
    make_folder(path)
    with locked(path):
        yield StudyFolder(path, *args, **options)


def _differences(first: Any, second: Any, name: str = "") -> Iterable[str]:
    """Yield the names of fields that differ."""
    if isinstance(first, dict) and isinstance(second, dict):
        for key in {**first, **second}:
            inner = f"{name}.{key}" if name else key
            yield from _differences(first.get(key), second.get(key), inner)
    elif first != second:
        yield name


def study_uncertainty(
    spec: ExperimentSpec,
    datasets: Sequence[Dataset],
    folder: Path,
    *,
    deviations: Sequence[float] | None = None,
    samples: Sequence[int] = (1,),
    seeds: Sequence[int] = (0,),
    backend: str = "fused",
    threads: int | None = None,
    on_training: Callable[[Training, int, int], None] | None = None,
    on_progress: Callable[[Progress, int, int], None] | None = None,
) -> UncertaintyStudy:
    r"""Train a network anew for every data set, deviation, N and seed, and find the thresholds.

    Trainings that the folder holds already are not repeated, so that a study goes on after an
    interruption, and can be extended.

    Parameters
    ----------
    spec
        What is trained, and how; each data set brings its own pixels and classes.
    datasets
        From what.
    folder
        Folder of the study.
    deviations
        :math:`\sigma/\sqrt N`; by default `SPREAD` around the estimate for each data set.
    samples, seeds
        All N, and all seeds.
    backend, threads
        See `Trainer`.
    on_training
        Called with every training, and how many are done of how many.
    on_progress
        Called after every batch, with the same numbers.

    Raises
    ------
    InputError
        If spec and data do not fit, a value is out of range, or the folder holds something else.
    DivergedError
        If a network breaks down without noise.
    """
    if spec.ep_network.noise != NoiseSpec():
        raise InputError(
            f"network.noise={spec.ep_network.noise.model_dump(mode='json')}: expected none, as the "
            "study sets it; choose deviations and samples instead"
        )
    experiments = {dataset.name: for_data(spec, dataset) for dataset in datasets}
    sets = {dataset.name: dataset for dataset in datasets}
    chosen: dict[str, list[float]] = {}
    estimates: dict[str, float | None] = {}
    for name, experiment in experiments.items():
        check_fit(experiment, sets[name])
        check_execution(experiment, backend)
        estimates[name] = estimated_threshold(experiment, sets[name])
        around = _around(estimates[name], name) if deviations is None else deviations
        chosen[name] = [float(deviation) for deviation in around]
    plan = plan_trainings(chosen, samples, seeds)
    settings = {
        key: override(
            experiments[key[0]],
            [
                f"network.noise.sigma={key[1]!r}",
                f"network.noise.samples={key[2]}",
                f"training.seed={key[3]}",
            ],
        )
        for key in plan
    }
    with open_study(folder, spec, backend=backend, datasets=datasets) as kept:
        found = {training.key: training for training in kept.trainings()}
        missing = [key for key in plan if key not in found]
        done = len(plan) - len(missing)
        for number, key in enumerate(missing, start=done):

            def progress(now: Progress, done: int = number) -> None:
                if on_progress is not None:
                    on_progress(now, done, len(plan))

            training = _train(settings[key], sets[key[0]], backend, threads, progress)
            kept.add(training)
            found[key] = training
            if on_training is not None:
                on_training(training, number + 1, len(plan))
    trainings = tuple(found[key] for key in plan)
    hidden = "-".join(
        str(layer.neurons or f"{layer.channels}c") for layer in spec.ep_network.layers
    )
    return UncertaintyStudy(
        network=f"{hidden}, {spec.ep_network.neuron.kind}",
        epochs=spec.training.epochs,
        results=tuple(
            summarize(
                [training for training in trainings if training.data == name],
                estimates[name],
                experiments[name].network.classes,
            )
            for name in experiments
        ),
        trainings=trainings,
    )


def _around(estimate: float | None, data: str) -> list[float]:
    if estimate is None:
        raise InputError(
            f"no deviations for {data}: expected some, as there is no estimate of the critical one "
            "for networks whose first layer has binary weights or does not learn"
        )
    return [estimate * factor for factor in SPREAD]


def _train(
    spec: ExperimentSpec,
    dataset: Dataset,
    backend: str,
    threads: int | None,
    on_progress: Callable[[Progress], None],
) -> Training:
    noise, seed = spec.ep_network.noise, spec.training.seed
    key: dict[str, Any] = {"data": dataset.name, "sigma": noise.sigma, "samples": noise.samples}
    trainer = Trainer(spec, dataset, backend=backend, threads=threads, on_progress=on_progress)
    try:
        last = trainer.fit()[-1]
    except DivergedError as error:
        # Noise may move parameters to where the network has no state to settle to. Without, this
        # is no result but a mistake.
        if noise.sigma == 0:
            raise
        reason = str(error)[:300]
        return Training(**key, seed=seed, test_accuracy=None, train_accuracy=None, error=reason)
    accuracies = {name: last[name] for name in ("test_accuracy", "train_accuracy")}
    return Training(**key, seed=seed, **accuracies)


def summarize(trainings: Sequence[Training], estimate: float | None, classes: int) -> DataResult:
    """Fit the thresholds of the trainings from one data set.

    Parameters
    ----------
    trainings
        With and without noise. One that broke down counts as chance.
    estimate
        See `DataResult`.
    classes
        Number of classes, which tells chance.
    """
    clean = [training for training in trainings if training.sigma == 0]
    noisy = [training for training in trainings if training.sigma > 0]

    chance = 1 / classes

    def accuracies(some: Sequence[Training]) -> list[float]:
        return [
            chance if training.test_accuracy is None else training.test_accuracy
            for training in some
        ]

    groups = {}
    for number in sorted({training.samples for training in noisy}):
        some = [training for training in noisy if training.samples == number]
        groups[number] = [training.sigma for training in some], accuracies(some)
    by_samples = fit_thresholds(groups, accuracies(clean))
    deviations = [training.deviation for training in noisy]
    exponent, error = _power({n: t for n, t in by_samples.items() if t is not None})
    gain = _gain(deviations, accuracies(noisy), accuracies(clean))
    return DataResult(
        data=trainings[0].data,
        by_samples=by_samples,
        collapsed=fit_threshold(deviations, accuracies(noisy), accuracies(clean)),
        exponent=exponent,
        exponent_error=error,
        estimate=estimate,
        gain=gain[0],
        gain_error=gain[1],
        gain_deviation=gain[2],
    )


def _logistic(
    sigma: NDArray[np.float64],
    clean: float,
    left: float,
    middle: float | NDArray[np.float64],
    steepness: float,
) -> NDArray[np.float64]:
    """Return the function at the top of this module, of the logarithms of sigma_c and k."""
    with np.errstate(divide="ignore"):
        far = np.exp(steepness) * (np.log(sigma) - middle)
    found: NDArray[np.float64] = left + (clean - left) / (1 + np.exp(np.clip(far, -500, 500)))
    return found


def fit_threshold(
    sigmas: Sequence[float], accuracies: Sequence[float], clean: Sequence[float] = ()
) -> Threshold | None:
    r"""Fit one :math:`\sigma_c`; see `fit_thresholds`."""
    return fit_thresholds({1: (sigmas, accuracies)}, clean)[1]


def fit_thresholds(
    groups: Mapping[int, tuple[Sequence[float], Sequence[float]]], clean: Sequence[float] = ()
) -> dict[int, Threshold | None]:
    r"""Fit :math:`\sigma_c` of several groups, such as N, of which all else is the same.

    Parameters
    ----------
    groups
        Sigmas and accuracies of trainings with noise.
    clean
        Accuracies of trainings without.

    Returns
    -------
    dict
        ``None`` for all if there are too few trainings, or accuracy is never lost; for a group, if
        the middle lies outside of what was tried.
    """
    none: dict[int, Threshold | None] = dict.fromkeys(groups)
    x = np.array([*(s for sigmas, _ in groups.values() for s in sigmas), *(0.0 for _ in clean)])
    y = np.array([*(a for _, some in groups.values() for a in some), *clean])
    sizes = [*(len(sigmas) for sigmas, _ in groups.values()), len(clean)]
    which = np.repeat([*range(len(groups)), 0], sizes)
    free = len(y) - 3 - len(groups)
    if free < 1 or np.ptp(y) < SMALLEST_LOSS:
        return none
    if any(len(set(sigmas)) < FEWEST_SIGMAS for sigmas, _ in groups.values()):
        return none
    half = -(y.max() + y.min()) / 2
    middles = [float(np.interp(half, *_falling(*group))) for group in groups.values()]
    start = (float(y.max()), float(y.min()), math.log(3.0), *middles)
    unbound = [np.inf] * len(groups)
    low, high = [0, 0, math.log(0.3)], [1, 1, math.log(100.0)]
    bounds = ([*low, *(-bound for bound in unbound)], [*high, *unbound])

    def function(
        sigma: NDArray[np.float64], clean: float, left: float, steepness: float, *middles: float
    ) -> NDArray[np.float64]:
        return _logistic(sigma, clean, left, np.array(middles)[which], steepness)

    with warnings.catch_warnings():
        warnings.simplefilter("error", OptimizeWarning)
        try:
            best, covariance = curve_fit(function, x, y, p0=start, bounds=bounds, max_nfev=5000)
        except (OptimizeWarning, RuntimeError, ValueError):
            return none
    top, bottom, steepness = (float(value) for value in best[:3])
    if top - bottom < SMALLEST_LOSS:
        return none
    quantile = float(student.ppf((1 + CONFIDENCE) / 2, free))
    found = dict(none)
    for index, (name, (sigmas, _)) in enumerate(groups.items(), start=3):
        middle, reach = float(best[index]), quantile * math.sqrt(covariance[index, index])
        if math.log(min(sigmas)) < middle < math.log(max(sigmas)) and reach < 20:
            found[name] = Threshold(
                sigma=math.exp(middle),
                low=math.exp(middle - reach),
                high=math.exp(middle + reach),
                clean=top,
                left=bottom,
                steepness=math.exp(steepness),
            )
    return found


def _falling(
    sigmas: Sequence[float], accuracies: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return minus the mean accuracies, made to rise, and the logarithms of their sigmas."""
    values, place = np.unique(sigmas, return_inverse=True)
    means = np.bincount(place, accuracies) / np.bincount(place)
    return np.maximum.accumulate(-means), np.log(values)


def _power(thresholds: Mapping[int, Threshold]) -> tuple[float | None, float | None]:
    r"""Fit :math:`\sigma_c \propto N^p`; return p and half of its confidence interval."""
    if len(thresholds) < 3:
        return None, None
    x = np.log(list(thresholds))
    y = np.log([threshold.sigma for threshold in thresholds.values()])
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    half = student.ppf((1 + CONFIDENCE) / 2, len(x) - 2) * math.sqrt(covariance[0, 0])
    return float(slope), float(half)


def _gain(
    deviations: Sequence[float], accuracies: Sequence[float], clean: Sequence[float]
) -> tuple[float | None, float | None, float | None]:
    """Return how much better the best deviation is than none, its standard error, and which."""
    if not clean or not deviations:
        return None, None, None
    groups: dict[float, list[float]] = {}
    for deviation, accuracy in zip(deviations, accuracies, strict=True):
        groups.setdefault(float(f"{deviation:.9g}"), []).append(accuracy)
    best = max(groups, key=lambda deviation: float(np.mean(groups[deviation])))
    parts = [np.array(groups[best]), np.array(clean)]
    errors = [np.var(part, ddof=1) / len(part) if len(part) > 1 else math.nan for part in parts]
    error = math.sqrt(sum(errors)) if all(math.isfinite(e) for e in errors) else None
    return float(parts[0].mean() - parts[1].mean()), error, best
