r"""How well a network learns whose feedback weights point elsewhere than its forward weights."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from lava_ep import training
from lava_ep.command_line import (
    AsJson,
    Assignments,
    DataDir,
    Epochs,
    ResumableFolder,
    Seeds,
    SpecFile,
    StudyBackend,
    Threads,
    Workers,
    check_execution,
    console,
    fitting,
    make_experiment,
    numbers,
    preset_option,
    print_result,
    trainings_bar,
)
from lava_ep.data import Dataset
from lava_ep.errors import InputError
from lava_ep.spec import ExperimentSpec
from lava_ep.studies import study

ANGLE, SEED = "network.feedback_angle", "training.seed"


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


def study_angles(
    spec: ExperimentSpec,
    dataset: Dataset,
    *,
    angles: Sequence[float],
    seeds: Sequence[int],
    folder: Path | None = None,
    backend: str = "fused",
    workers: int | None = None,
    threads: int | None = None,
    on_point: Callable[[TrainedAngle], None] | None = None,
    on_progress: Callable[[float, int], None] | None = None,
) -> AngleStudy:
    r"""Train a network anew for every angle :math:`\psi` and seed (Ernoult et al. 2020).

    The larger :math:`\psi`, the less do updates follow the gradient, see `study_gdu`.

    Parameters
    ----------
    spec
        What is trained, and how; real weights.
    dataset
        Training and test samples.
    angles
        In degrees, 0 to 180: the share of feedback weights whose sign differs from that of the
        forward weights, see `initial_parameters`.
    seeds
        Seeds of the runs.
    folder
        Folder of the study, in which finished trainings are not repeated; by default nothing is
        kept.
    backend, threads
        See `Trainer`.
    workers
        Trainings at a time, each in its own process, which imports the main module of the program
        again as `multiprocessing` does; 0: as many as there are cores for; ``None``: one after the
        other, in this process.
    on_point
        Called with every trained network.
    on_progress
        Called with how many are done, with fractions of those being trained, and of how many.

    Raises
    ------
    InputError
        If there is nothing to train, a value is out of range, spec and data do not fit, or the
        folder holds something else.
    LavaEPError
        If a training fails; the others are trained first.
    """
    from lava_ep.training.grid import Planned, assign
    from lava_ep.training.workers import train_study

    if not angles or not seeds:
        raise InputError(
            f"{len(angles)} angles and {len(seeds)} seeds: expected at least one of each"
        )
    plan = [(angle, seed) for angle in sorted(set(angles)) for seed in dict.fromkeys(seeds)]
    planned = [Planned({ANGLE: angle, SEED: seed}, spec, dataset) for angle, seed in plan]
    for one in planned:
        assign(spec, one.point)
    training.check_fit(spec, dataset)
    training.check_execution(spec, backend)
    chance = 1 - 1 / spec.network.classes
    found: dict[int, TrainedAngle] = {}

    def ended(place: int, last: Mapping[str, Any] | str) -> None:
        if isinstance(last, str):
            point = TrainedAngle(*plan[place], chance, chance, last)
        else:
            errors = 1 - last["test_accuracy"], 1 - last["train_accuracy"]
            point = TrainedAngle(*plan[place], *errors)
        found[place] = point
        if on_point is not None:
            on_point(point)

    with ExitStack() as stack:
        train_study(
            folder or Path(stack.enter_context(tempfile.TemporaryDirectory())),
            "angle",
            spec,
            planned,
            varied=(ANGLE, SEED),
            backend=backend,
            workers=workers,
            threads=threads,
            on_progress=lambda done: on_progress(done, len(plan)) if on_progress else None,
            on_end=ended,
        )
    return AngleStudy(
        network=str(spec.ep_network),
        data=dataset.name,
        updates=spec.ep_network.phases.updates.value,
        epochs=spec.training.epochs,
        points=tuple(found[place] for place in range(len(plan))),
    )


@study
def angle(
    out: ResumableFolder,
    preset: Annotated[str | None, preset_option("cvf-digits")] = None,
    spec: SpecFile = None,
    data_dir: DataDir = None,
    angles: Annotated[
        str, typer.Option(help="Angles in degrees, comma-separated.")
    ] = "0,22.5,45,67.5,90,112.5,135,157.5,180",
    seeds: Seeds = "0,1",
    epochs: Epochs = None,
    backend: StudyBackend = "fused",
    workers: Workers = None,
    threads: Threads = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Train networks whose feedback weights start at an angle to the forward weights.

    Run the same command again to resume after an interruption; finished trainings are kept.
    """
    from lava_ep.studies._angle_figure import error_by_angle
    from lava_ep.studies._folder import RESULT, update_study

    started = time.perf_counter()
    check_execution([backend], threads, workers)
    preset = preset or (None if spec else "cvf-digits")
    experiment = make_experiment(preset, spec, {"training.epochs": epochs}, assignments)
    display = console(stderr=as_json)
    samples = fitting(experiment, preset, assignments, data_dir, display)
    with trainings_bar(display) as update:
        found = study_angles(
            *samples,
            angles=numbers("--angles", angles) or [],
            seeds=[int(seed) for seed in numbers("--seeds", seeds, int) or []],
            folder=out,
            backend=backend,
            workers=workers or 0,
            threads=threads,
            on_point=lambda p: display.print(
                f"ψ = {p.angle:g}°, seed {p.seed}: test error {100 * p.test_error:.2f} %"
                + (f", as it diverged ({p.diverged})" if p.diverged else "")
            ),
            on_progress=update,
        )
    drawn = {"error-by-angle": functools.partial(error_by_angle, found)}
    update_study(out, found.to_json(), drawn)
    if as_json:
        print_result(found.to_json(), started, out)
        return
    display.print(f"Figure and {RESULT}: {out}")
