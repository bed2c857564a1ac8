"""The folder of a sweep: a grid with early stopping."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lava_ep.data import Dataset, is_own_data, load_experiment
from lava_ep.errors import InputError
from lava_ep.files import appearing, append_line, check_new, read_lines, write_json
from lava_ep.spec import ExperimentSpec
from lava_ep.sweep.space import SweepSpec, make_sweep, plan
from lava_ep.training import RESUME, RunFolder, check_fit, describe_run, family_of
from lava_ep.training.grid import Grid, named
from lava_ep.training.workers import share_cores, train_trials

SWEEP = "sweep.json"
STOPPED = "stopped.jsonl"


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


class SweepFolder(Grid):
    """Files of a sweep.

    Those of a grid, with the plan in ``sweep.json``; ``stopped.jsonl`` with the trials that the
    scheduler has stopped, what Ray Tune writes in ``ray``, and, once trials have ended, figures and
    ``results.parquet``.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, SWEEP)

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
            If a point cannot be trained, naming it, or if the folder holds something already or
            cannot be written.
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
        """Read the plan."""
        data = super().about()
        if not isinstance(data.get("sweep"), dict):
            raise InputError(f"{self.plan}: sweep={data.get('sweep')!r:.40}: expected an object")
        return data

    def sweep(self) -> SweepSpec:
        """Return what is swept."""
        return make_sweep(self.about()["sweep"], source=str(self.plan))

    def outcome(self, number: int) -> str | None:
        """Return ``finished``, ``diverged`` or ``stopped``; ``None`` if a trial has not ended."""
        ended = super().outcome(number)
        return "stopped" if ended is None and number in self.stopped() else ended

    def line(self, number: int, how: str) -> str:
        """Describe in a line how a trial has ended."""
        points, metrics = self.points(), self.trial(number).covered_metrics()
        accuracy = f"test {metrics[-1]['test_accuracy']:.4f}" if metrics else "no test"
        return (
            f"trial {number + 1:>4}/{len(points)}  {how:<8}  epoch {len(metrics):>3}  {accuracy}  "
            f"{named(points[number])}"
        )

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


def train_here(
    folder: SweepFolder,
    *,
    workers: int | None = None,
    threads: int | None = None,
    on_progress: Callable[[float, int], None] = lambda done, trials: None,
    on_line: Callable[[str], None] = lambda line: None,
) -> dict[int, str]:
    """Train all trials that have not ended, on this machine, and return why which of them failed.

    Parameters
    ----------
    folder
        The sweep.
    workers, threads
        Trials at a time, each in its own process, and threads of each; by default as many as there
        are cores for, and the cores divided among them.
    on_progress
        Called with how many trials are done, with fractions of those being trained, and of how
        many.
    on_line
        Called with a line about each trial that has ended.
    """
    trials = len(folder.points())
    missing = [number for number in range(trials) if folder.outcome(number) is None]
    workers, threads = share_cores(len(missing), workers, threads)
    return train_trials(
        folder,
        missing,
        backend=str(folder.trial(0).about()["backend"]),
        begin=lambda number: None,
        workers=workers,
        threads=threads,
        on_progress=lambda done: on_progress(done + trials - len(missing), trials),
        on_end=lambda number, error: on_line(
            folder.line(number, "failed" if error else folder.outcome(number) or "failed")
            + (f": {error}" if error else "")
        ),
    )
