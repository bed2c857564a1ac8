"""Ray Tune trains the trials of a sweep."""

from __future__ import annotations

import functools
import logging
import shutil
import sys
from collections.abc import Collection
from typing import Any

from lava_ep.errors import LavaEPError
from lava_ep.locks import wait_until_free
from lava_ep.sweep import trial
from lava_ep.sweep.folder import SweepFolder
from lava_ep.sweep.space import SweepSpec
from lava_ep.training.grid import trial_name

NAME = "tune"

PATIENCE = 300.0
"""Seconds to wait for the end of trainings that a driver left behind when it was killed."""

OBJECT_STORE_BYTES = 100 * 2**20
"""Little more than the least that Ray takes: trials exchange nothing but a few numbers."""


def _scheduler(sweep: SweepSpec, epochs: int) -> Any:
    """Return what stops trials early."""
    from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule

    if sweep.scheduler == "asha":
        return ASHAScheduler(time_attr="epoch", max_t=epochs, grace_period=sweep.grace_epochs)
    if sweep.scheduler == "median":
        return MedianStoppingRule(time_attr="epoch", grace_period=sweep.grace_epochs)
    return FIFOScheduler()


def _teller(folder: SweepFolder, known: Collection[int]) -> Any:
    """Return a callback that tells of each trial that has ended, and keeps which were stopped.

    Parameters
    ----------
    folder
        The sweep.
    known
        Trials that had ended before.
    """
    from ray.tune import Callback

    class Teller(Callback):  # type: ignore[misc]
        def _tell(self, number: int, how: str) -> None:
            print(folder.line(number, how), file=sys.stderr, flush=True)

        def on_trial_complete(
            self, iteration: int, trials: list[Any], trial: Any, **info: Any
        ) -> None:
            number = trial.config["trial"]
            if number in known:
                return
            how = folder.outcome(number)
            if how is None:
                folder.stop(number)
            self._tell(number, how or "stopped")

        def on_trial_error(
            self, iteration: int, trials: list[Any], trial: Any, **info: Any
        ) -> None:
            self._tell(trial.config["trial"], "failed")

    return Teller()


def _dirname(trial: Any) -> str:
    """Name of the folder that Ray Tune keeps its own files of a trial in."""
    return trial_name(trial.config["trial"])


def run_trials(
    folder: SweepFolder, *, address: str | None = None, cpus: int = 1, concurrent: int | None = None
) -> dict[int, str]:
    """Train all trials that have not ended, and return what went wrong in which.

    What has ended is known by run folders and `SweepFolder.stopped`, not by the state of Ray Tune.
    A scheduler that compares trials is shown those that have ended once more.

    Parameters
    ----------
    folder
        The sweep; on a cluster it must lie where all machines see it.
    address
        Of a Ray cluster; by default one is started on this machine and ended again.
    cpus
        Cores of each trial, which is also its number of threads.
    concurrent
        Trials at the same time, at most; by default as many as have cores.

    Raises
    ------
    LavaEPError
        If the cluster cannot be used.
    """
    import ray
    from ray import cloudpickle, tune

    cloudpickle.register_pickle_by_value(trial)
    sweep = folder.sweep()
    runs = [folder.trial(number) for number in range(len(folder.points()))]
    epochs = max(run.spec().training.epochs for run in runs)
    ended = [number for number in range(len(runs)) if folder.outcome(number) is not None]
    missing = [n for n in range(len(runs)) if n not in ended]
    if not missing:
        return {}
    shown = missing if sweep.scheduler == "none" else [*ended, *missing]
    for number in missing:
        # What trained before a kill takes a moment to end.
        wait_until_free(runs[number].path, PATIENCE)
    shutil.rmtree(folder.ray, ignore_errors=True)
    trainable = tune.with_resources(
        functools.partial(
            trial.train_trial,
            runs=[str(run.path.resolve()) for run in runs],
            ended=ended,
            threads=cpus,
        ),
        {"cpu": cpus},
    )
    local: dict[str, Any] = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    try:
        ray.init(
            address=address or "local",
            logging_level=logging.ERROR,
            log_to_driver=False,
            **({} if address else local),
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise LavaEPError(
            f"sweep: no Ray cluster at {address or 'this machine'}: {error}"
        ) from None
    try:
        tuner = tune.Tuner(
            trainable,
            param_space={"trial": tune.grid_search(shown)},
            tune_config=tune.TuneConfig(
                metric="test_accuracy",
                mode="max",
                scheduler=_scheduler(sweep, epochs),
                max_concurrent_trials=concurrent,
                # A worker takes seconds to start, and may train one trial after the other; but
                # Ray may wait for ever to use one again whose trial it has stopped early.
                reuse_actors=sweep.scheduler == "none",
                trial_dirname_creator=_dirname,
            ),
            run_config=tune.RunConfig(
                name=NAME,
                storage_path=str(folder.ray.resolve()),
                verbose=0,
                callbacks=[_teller(folder, ended)],
            ),
        )
        results = tuner.fit()
        return {
            result.config["trial"]: str(result.error)
            for result in results
            if result.error is not None
        }
    finally:
        ray.shutdown()
