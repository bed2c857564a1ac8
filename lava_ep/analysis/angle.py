r"""How well a network learns whose feedback weights point elsewhere than its forward weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lava_ep.data import Dataset
from lava_ep.errors import DivergedError, InputError
from lava_ep.spec import ExperimentSpec, override
from lava_ep.training import Trainer, check_fit


@dataclass(frozen=True)
class TrainedAngle:
    r"""A trained network.

    Parameters
    ----------
    angle
        Initial angle :math:`\psi` between feedback and forward weights, in degrees.
    seed
        Of everything random.
    test_error, train_error
        Shares of wrong answers after the last epoch, and during it; those of chance if training
        has diverged.
    diverged
        Why it has.
    """

    angle: float
    seed: int
    test_error: float
    train_error: float
    diverged: str | None = None


@dataclass(frozen=True)
class AngleStudy:
    """What `study_angles` finds.

    Parameters
    ----------
    network, data
        What learned, and from what.
    updates
        When parameters change, see `lava_ep.dynamics.Updates`.
    epochs
        For how long.
    points
        One network each.
    """

    network: str
    data: str
    updates: str
    epochs: int
    points: tuple[TrainedAngle, ...]

    def mean_test_errors(self) -> dict[float, float]:
        """Return the test error of each angle, averaged over the seeds."""
        errors: dict[float, list[float]] = {}
        for point in self.points:
            errors.setdefault(point.angle, []).append(point.test_error)
        return {angle: sum(found) / len(found) for angle, found in sorted(errors.items())}

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return asdict(self)


def _train(angle: float, trainer: Trainer) -> TrainedAngle:
    seed = trainer.spec.training.seed
    try:
        last = trainer.fit()[-1]
    except DivergedError as error:
        chance = 1 - 1 / trainer.spec.network.classes
        return TrainedAngle(angle, seed, chance, chance, str(error))
    return TrainedAngle(angle, seed, 1 - last["test_accuracy"], 1 - last["train_accuracy"])


def study_angles(
    spec: ExperimentSpec,
    dataset: Dataset,
    *,
    angles: Sequence[float],
    seeds: Sequence[int],
    backend: str = "fused",
    threads: int | None = None,
    on_point: Callable[[TrainedAngle], None] | None = None,
) -> AngleStudy:
    r"""Train a network anew for every angle :math:`\psi` and seed (Ernoult et al. 2020).

    The larger :math:`\psi`, the less do updates follow the gradient, see `study_gdu`.

    Parameters
    ----------
    spec
        What is trained, and how; real weights.
    dataset
        From what.
    angles
        In degrees, 0 to 180; the sign of so many feedback weights differs from that of the forward
        weights, see `initial_parameters`.
    seeds
        Seeds of the runs.
    backend, threads
        See `Trainer`.
    on_point
        Called with every trained network.

    Raises
    ------
    InputError
        If there is nothing to train, a value is out of range, or spec and data do not fit.
    """
    if not angles or not seeds:
        raise InputError(
            f"{len(angles)} angles and {len(seeds)} seeds: expected at least one of each"
        )
    plan = [(angle, seed) for angle in sorted(set(angles)) for seed in dict.fromkeys(seeds)]
    # All are checked before the first is trained.
    specs = [
        override(spec, [f"network.feedback_angle={angle}", f"training.seed={seed}"])
        for angle, seed in plan
    ]
    check_fit(spec, dataset)
    points = []
    for (angle, _), experiment in zip(plan, specs, strict=True):
        point = _train(angle, Trainer(experiment, dataset, backend=backend, threads=threads))
        points.append(point)
        if on_point is not None:
            on_point(point)
    return AngleStudy(
        network=str(spec.ep_network),
        data=dataset.name,
        updates=spec.ep_network.phases.updates.value,
        epochs=spec.training.epochs,
        points=tuple(points),
    )
