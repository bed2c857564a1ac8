"""A sweep is a folder: what was asked for, a run folder for each trial, and the results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lava_ep.data import Dataset, is_own_data, load_experiment
from lava_ep.errors import InputError
from lava_ep.files import appearing, append_line, check_new, read_json, read_lines, write_json
from lava_ep.spec import ExperimentSpec
from lava_ep.sweep.requirement import require_ray
from lava_ep.sweep.space import Point, SweepSpec, make_sweep, named, plan
from lava_ep.training import RESUME, RunFolder, check_fit, describe_run, exhausted, family_of

SWEEP = "sweep.json"
STOPPED = "stopped.jsonl"
TRIALS = "trials"


def trial_name(number: int) -> str:
    """Name of the run folder of a trial."""
    return f"{number:05d}"


class _Loader:
    """Loads data sets, and that of the experiment before only once."""

    def __init__(self, data_dir: Path | None) -> None:
        self._data_dir = data_dir
        self._key: object = None

    def __call__(self, experiment: ExperimentSpec) -> Dataset:
        # The split of a user's own file is drawn from the seed.
        own = experiment.training.seed if is_own_data(experiment.data.name) else None
        key = experiment.data, experiment.network.encoding, own
        if key != self._key:
            self._key, self._dataset = key, load_experiment(experiment, data_dir=self._data_dir)
        return self._dataset


class SweepFolder:
    """Files of a sweep.

    ``sweep.json``, a run folder ``trials/NNNNN`` for each point, ``stopped.jsonl`` with those that
    the scheduler has stopped, what Ray Tune writes in ``ray``, and, once trials have ended,
    ``results.parquet`` and figures.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(
        cls,
        path: Path,
        base: ExperimentSpec,
        sweep: SweepSpec,
        *,
        backend: str,
        command: str,
        data_dir: Path | None = None,
    ) -> SweepFolder:
        """Check every point, and make the folder with all runs; it appears as a whole or not.

        Parameters
        ----------
        path
            Where; the folder may exist if it is empty.
        base
            The experiment whose fields are swept.
        sweep
            What is swept.
        backend
            Name of the backend.
        command
            The command line, to be kept.
        data_dir
            Folder with the files of the data set.

        Raises
        ------
        InputError
            If a point cannot be trained, naming it; if Ray Tune is missing; or if the folder holds
            something already or cannot be written.
        """
        check_new(path, otherwise=RESUME)
        trials = plan(base, sweep)
        epochs = max(experiment.training.epochs for _, experiment in trials)
        if sweep.grace_epochs > epochs:
            raise InputError(
                f"grace_epochs={sweep.grace_epochs}: expected at most the epochs of a trial, "
                f"{epochs}"
            )
        load = _Loader(data_dir)
        for number, (point, experiment) in enumerate(trials):
            try:
                family_of(experiment.network).check_execution(experiment, backend)
                check_fit(experiment, load(experiment))
            except InputError as error:
                raise InputError(f"sweep point {number} ({named(point)}): {error}") from None
        require_ray()
        content = {
            "command": command,
            "sweep": sweep.model_dump(mode="json"),
            "points": [point for point, _ in trials],
        }
        options: dict[str, Any] = {"backend": backend, "command": command, "data_dir": data_dir}
        with appearing(path, "create the sweep") as temporary:
            write_json(temporary / SWEEP, content)
            for number, (_, experiment) in enumerate(trials):
                about = describe_run(experiment, load(experiment), **options)
                RunFolder.create(cls(temporary).trial(number).path, experiment, about)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> SweepFolder:
        """Open an existing sweep.

        Raises
        ------
        InputError
            If this is not the folder of a sweep.
        """
        if not (path / SWEEP).is_file():
            raise InputError(f"{path}: not a sweep folder, it has no {SWEEP}")
        return cls(path)

    def about(self) -> dict[str, Any]:
        """Read ``sweep.json``.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        path = self.path / SWEEP
        data = read_json(path)
        for key, kind in {"sweep": dict, "points": list}.items():
            if not isinstance(data.get(key), kind):
                raise InputError(f"{path}: {key}={data.get(key)!r:.40}: expected a {kind.__name__}")
        if not data["points"] or not all(isinstance(point, dict) for point in data["points"]):
            raise InputError(f"{path}: points={data['points']!r:.40}: expected objects")
        return data

    def sweep(self) -> SweepSpec:
        """Return what is swept."""
        return make_sweep(self.about()["sweep"], source=str(self.path / SWEEP))

    def points(self) -> list[Point]:
        """Return the points, in the order of the trials."""
        points: list[Point] = self.about()["points"]
        return points

    def trial(self, number: int) -> RunFolder:
        """Return the run folder of a trial."""
        return RunFolder(self.path / TRIALS / trial_name(number))

    def finished(self, number: int) -> bool:
        """Whether a trial has been trained to its last epoch, or lost patience."""
        run = self.trial(number)
        done, training = run.covered_metrics(), run.spec().training
        return len(done) >= training.epochs or exhausted(done, training)

    def outcome(self, number: int) -> str | None:
        """Return ``finished``, ``diverged`` or ``stopped``; ``None`` if a trial has not ended."""
        if self.finished(number):
            return "finished"
        if self.trial(number).diverged() is not None:
            return "diverged"
        return "stopped" if number in self.stopped() else None

    def stopped(self) -> set[int]:
        """Return the trials that the scheduler has stopped early."""
        path, found = self.path / STOPPED, set()
        for number, entry in enumerate(read_lines(path), start=1):
            trial = entry.get("trial")
            if not isinstance(trial, int):
                raise InputError(f"{path}, line {number}: trial={trial!r:.40}: expected a number")
            found.add(trial)
        return found

    def stop(self, number: int) -> None:
        """Keep that the scheduler has stopped a trial."""
        append_line(self.path / STOPPED, {"trial": number})

    @property
    def ray(self) -> Path:
        """Folder that Ray Tune writes to; nothing is read from there, as it holds pickles."""
        return self.path / "ray"
