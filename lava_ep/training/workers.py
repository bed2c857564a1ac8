"""Train the trials of a grid on this machine, several at a time, each in its own process."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, cast

from lava_ep.data import Dataset
from lava_ep.dynamics._jit import prepare
from lava_ep.errors import DivergedError, LavaEPError
from lava_ep.locks import locked, wait_until_free
from lava_ep.models import run_config
from lava_ep.spec import ExperimentSpec
from lava_ep.training.grid import (
    Grid,
    Planned,
    assign,
    named,
    open_study,
    read_rows,
    write_table,
)
from lava_ep.training.run_folder import RunFolder
from lava_ep.training.samples import open_run
from lava_ep.training.trainer import Progress, Trainer

PATIENCE = 60.0
"""Seconds to wait for the end of trainings that a killed grid has left behind."""

REPORTS = 0.2
"""Seconds between two reports of a training."""

GRACE = 10.0
"""Seconds that an interrupted training may take to end by itself."""


def share_cores(trials: int, workers: int | None, threads: int | None) -> tuple[int, int]:
    """Return how many trials to train at a time and with how many threads."""
    from lava_ep.models.fused.threads import available_cores

    cores = available_cores()
    workers = workers or max(1, min(cores // (threads or 1), trials))
    return workers, threads or max(1, cores // workers)


def train_trials(
    grid: Grid,
    numbers: Sequence[int],
    *,
    backend: str,
    begin: Callable[[int], Dataset | None],
    workers: int | None = None,
    threads: int | None = None,
    on_progress: Callable[[float], None] = lambda done: None,
    on_end: Callable[[int, str | None], None] = lambda number, error: None,
) -> dict[int, str]:
    """Train trials to their last epochs, from where they stand; return why which of them failed.

    A trial that fails, or whose process dies, does not stop the others. One that diverges has not
    failed; its run folder says so.

    Parameters
    ----------
    grid
        The grid.
    numbers
        Trials to train.
    backend
        Their backend, whose kernels are compiled before any process starts.
    begin
        Called with the number of a trial before it is trained: makes its run folder if there is
        none, and returns its samples; ``None`` if the run folder says where they are.
    workers
        Trials at a time, each in its own process; ``None``: one after the other, in this process.
    threads
        Threads of each trial, see `EPNetwork`.
    on_progress
        Called with how many trials are done, with fractions of those being trained.
    on_end
        Called with the number of each trial that has ended, and why if it has failed.
    """
    errors: dict[int, str] = {}
    fractions: dict[int, float] = {}

    def progress(number: int, now: Progress) -> None:
        fractions[number] = (now.epoch - 1 + now.batch / now.batches) / now.epochs
        on_progress(sum(fractions.values()))

    def ended(number: int, error: str | None) -> None:
        if error is not None:
            errors[number] = error
        fractions[number] = 1.0
        on_progress(sum(fractions.values()))
        on_end(number, error)

    on_progress(0.0)
    for number in numbers:
        if grid.trial(number).exists():
            # What trained before a kill takes a moment to end.
            wait_until_free(grid.trial(number).path, PATIENCE)
    if workers is None:
        for number in numbers:
            dataset = begin(number)
            path = grid.trial(number).path
            ended(number, train_run(path, dataset, threads, _for_trial(progress, number)))
    elif numbers:
        _load(backend)
        _in_processes(grid, numbers, begin, workers, threads, progress, ended)
    return errors


def train_study(
    path: Path,
    study: str,
    spec: ExperimentSpec,
    planned: Sequence[Planned],
    *,
    varied: Collection[str],
    backend: str,
    workers: int | None = None,
    threads: int | None = None,
    on_progress: Callable[[float], None] = lambda done: None,
    on_end: Callable[[int, Mapping[str, Any] | str], None],
) -> None:
    """Train what a study compares; trainings that its folder has already are not repeated.

    Parameters
    ----------
    path, study, spec, varied, backend
        See `open_study`.
    planned
        All trainings.
    workers
        See `train_trials`; 0: as many as there are cores for.
    threads
        See `EPNetwork`.
    on_progress
        Called with how many are done, with fractions of those being trained.
    on_end
        Called once for each training, with its place in the plan and the metrics of its last epoch,
        or why it has diverged; first for those that have been trained before.

    Raises
    ------
    InputError
        If an experiment is impossible, or the folder holds something else.
    LavaEPError
        If a training failed, after all others have ended; the folder can be resumed.
    """
    specs = [assign(one.base, one.point) for one in planned]
    sets = {one.dataset.name: one.dataset for one in planned}
    points = [one.point for one in planned]
    with open_study(
        path,
        study,
        spec,
        varied=varied,
        backend=backend,
        datasets=list(sets.values()),
        points=points,
    ) as grid:
        kept = grid.points()
        places = {kept.index(point): place for place, point in enumerate(points)}
        missing = [number for number in places if grid.outcome(number) is None]
        if workers is not None:
            workers, threads = share_cores(len(missing), workers or None, threads)

        def begin(number: int) -> Dataset:
            place = places[number]
            grid.begin(number, specs[place], planned[place].dataset, backend)
            return planned[place].dataset

        def ended(number: int, error: str | None = None) -> None:
            run = grid.trial(number)
            if error is None:
                reason = None if grid.finished(number) else run.diverged()
                on_end(places[number], reason or run.covered_metrics()[-1])

        for number in places:
            if number not in missing:
                ended(number)
        errors = train_trials(
            grid,
            missing,
            backend=backend,
            begin=begin,
            workers=workers,
            threads=threads,
            on_progress=lambda done: on_progress(done + len(places) - len(missing)),
            on_end=ended,
        )
        write_table(grid, read_rows(grid, errors))
    if errors:
        number, error = next(iter(errors.items()))
        raise LavaEPError(
            f"{len(errors)} of {len(places)} trainings failed, the first of them with "
            f"{named(kept[number])}: {error}\nThe same command tries them again"
        )


def _for_trial(
    progress: Callable[[int, Progress], None], number: int
) -> Callable[[Progress], None]:
    return lambda now: progress(number, now)


def train_run(
    path: Path,
    dataset: Dataset | None,
    threads: int | None,
    on_progress: Callable[[Progress], None],
) -> str | None:
    """Train the run in a folder to its last epoch, and return why that failed if it has."""
    try:
        folder = RunFolder.open(path)
        with locked(path):
            if dataset is None:
                _, spec, dataset = open_run(path)
            else:
                spec = folder.spec()
            trainer = Trainer(
                spec,
                dataset,
                backend=str(folder.about()["backend"]),
                threads=threads,
                folder=folder,
                on_progress=on_progress,
            )
            trainer.resume()
            trainer.fit()
    except DivergedError:
        pass
    except LavaEPError as error:
        return str(error)
    except Exception:
        return traceback.format_exc()[-2000:]
    return None


def _load(backend: str) -> None:
    """Load all that trainings need here, and have the process that all others come from do so."""
    run_config(backend)
    for name in ("lava_ep.models.published", "lava_ep.training.session"):
        importlib.import_module(name)
    prepare()
    loaded = [n for n in sys.modules if n.startswith("lava_ep.") and not n.endswith("__main__")]
    multiprocessing.get_context("forkserver").set_forkserver_preload(loaded)


def _in_processes(
    grid: Grid,
    numbers: Sequence[int],
    begin: Callable[[int], Dataset | None],
    workers: int,
    threads: int | None,
    progress: Callable[[int, Progress], None],
    ended: Callable[[int, str | None], None],
) -> None:
    """Train each trial in a fork of a process that has loaded everything and has no threads."""
    context = multiprocessing.get_context("forkserver")
    waiting = deque(numbers)
    running: dict[Connection[Any, Any], tuple[int, ForkServerProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                number = waiting.popleft()
                dataset = begin(number)
                ours, theirs = context.Pipe(duplex=False)
                path = grid.trial(number).path.resolve()
                arguments = theirs, path, dataset, threads
                process = context.Process(target=_work, args=arguments)
                process.start()
                theirs.close()
                running[ours] = number, process
            for reports in cast("list[Connection[Any, Any]]", wait(list(running))):
                number, process = running[reports]
                try:
                    report = reports.recv()
                except EOFError:
                    process.join()
                    report = f"its process ended unexpectedly ({_how(process.exitcode)})"
                if isinstance(report, Progress):
                    progress(number, report)
                    continue
                del running[reports]
                process.join()
                ended(number, report)
    finally:
        for _, process in running.values():
            process.terminate()
        for _, process in running.values():
            process.join(GRACE)
            process.kill()


def _how(code: int | None) -> str:
    """Describe an exit code."""
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def _work(
    reports: Connection[Any, Any], path: Path, dataset: Dataset | None, threads: int | None
) -> None:
    """Train a trial in this process: reports are `Progress` and, at the end, why it failed."""
    # Ctrl-C reaches all processes of a terminal; the one that trains the grid ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log = path.parent / f"{path.name}.log"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    due = 0.0

    def report(now: Progress) -> None:
        nonlocal due
        if time.monotonic() >= due:
            reports.send(now)
            due = time.monotonic() + REPORTS

    error = train_run(path, dataset, threads, report)
    if error is None:
        log.unlink()
    reports.send(error)


def _end_with_parent() -> None:
    """End this process as soon as the one that trains the grid has ended, however it did."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)
