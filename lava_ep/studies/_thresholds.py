r"""Critical noise found from the accuracies of trainings, see `lava_ep.studies.uncertainty`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
"""Of all intervals."""

SMALLEST_LOSS = 0.1
"""Accuracy that has to be lost by noise before its threshold can be found."""

FEWEST_SIGMAS = 4
"""Different sigmas that a threshold is found from."""


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
        :math:`\sigma_c` for N = 1 by the estimate of the study; ``None`` for binary
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


def _interval(name: str, threshold: Threshold | None) -> str:
    if threshold is None:
        return f"no {name} found among the deviations tried"
    return f"{name} = {threshold.sigma:.3g} ({threshold.low:.3g} to {threshold.high:.3g})"


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
    """Return the logistic function of the study, of the logarithms of sigma_c and k."""
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
    from scipy.optimize import OptimizeWarning, curve_fit

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
    quantile = _student((1 + CONFIDENCE) / 2, free)
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


def _student(share: float, free: int) -> float:
    """Return a quantile of Student's distribution."""
    from scipy.stats import t

    return float(t.ppf(share, free))


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
    half = _student((1 + CONFIDENCE) / 2, len(x) - 2) * math.sqrt(covariance[0, 0])
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
