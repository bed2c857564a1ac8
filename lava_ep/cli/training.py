"""``lava-ep train``."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from lava_ep.command_line import (
    DATA,
    DEFAULT_PRESET,
    AsJson,
    Assignments,
    DataDir,
    DataName,
    Epochs,
    Execution,
    Label,
    OpenPage,
    Preset,
    SpecFile,
    Threads,
    assigned,
    check_execution,
    complete_backends,
    console,
    finish,
    make_experiment,
    open_page,
)
from lava_ep.errors import InputError, LavaEPError
from lava_ep.locks import locked
from lava_ep.models import BACKENDS, choose_execution, default_backend

if TYPE_CHECKING:
    from lava_ep.data import Dataset
    from lava_ep.spec import ExperimentSpec
    from lava_ep.training import Ranks, RunFolder


def train(
    *,
    preset: Preset = None,
    spec: SpecFile = None,
    data: DataName = None,
    label: Label = None,
    data_dir: DataDir = None,
    epochs: Epochs = None,
    limit_train: Annotated[
        int | None, typer.Option(help="Use the first N training samples.")
    ] = None,
    limit_test: Annotated[int | None, typer.Option(help="Use the first N test samples.")] = None,
    batch: Annotated[int | None, typer.Option(help="Batch size.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            help=f"How to execute the network: {', '.join(BACKENDS)} "
            "(default: the first that can, or that of the run to resume).",
            autocompletion=complete_backends,
        ),
    ] = None,
    threads: Threads = None,
    execution: Execution = None,
    assignments: Assignments = None,
    out: Annotated[Path | None, typer.Option(help="Run folder (default: runs/NAME-TIME).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in --out.")] = False,
    frozen_baseline: Annotated[
        bool,
        typer.Option("--frozen-baseline", help="Also train with a frozen input layer."),
    ] = False,
    report_wanted: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report.html at the end.")
    ] = True,
    open_wanted: OpenPage = False,
    as_json: AsJson = False,
) -> None:
    """Train a network and keep everything about it in a run folder."""
    from lava_ep import training
    from lava_ep.data import is_own_data

    started = time.perf_counter()
    given = {
        DATA: data,
        "data.label": label,
        "data.limit_train": limit_train,
        "data.limit_test": limit_test,
        "training.batch_size": batch,
        "training.seed": seed,
    }
    if open_wanted and not report_wanted:
        raise InputError("--open: there is no report to open with --no-report")

    def prepare() -> tuple[list[tuple[RunFolder, ExperimentSpec, Dataset]], str, Path, list[str]]:
        """Read and check everything, and make the folder."""
        check_execution([backend] if backend else [], threads)
        if resume:
            # The checksum says whether data elsewhere are the same.
            changes = [key for key, value in given.items() if value is not None and key != DATA]
            changes += [f"--set {assignment}" for assignment in assignments or []]
            changes += ["--frozen-baseline"] if frozen_baseline else []
            if out is None:
                raise InputError("--resume: say which run to go on with, by --out DIR")
            if preset or spec or changes:
                raise InputError(
                    f"--resume: {', '.join(changes) or '--preset/--spec'} cannot change a run "
                    "that has begun; only --epochs can, and --data and --data-dir say where the "
                    "same data lie now"
                )
            folder = training.RunFolder.open(out)
            lock.enter_context(locked(folder.path))
            chosen = backend or str(folder.about()["backend"])
            check_execution([chosen], threads)
            runs = [
                training.open_run(present.path, name=data, data_dir=data_dir, epochs=epochs)
                for present in (folder, folder.baseline)
                if present.exists()
            ]
            for _, experiment, _ in runs:
                training.check_ranks(experiment, chosen, ranks)
            return runs, chosen, out, []

        experiment = make_experiment(
            preset, spec, {**given, "training.epochs": epochs}, assignments
        )
        default = default_backend(experiment.network) if ranks.size == 1 else "fused"
        chosen = backend or default
        training.family_of(experiment.network).check_execution(experiment, chosen)
        training.check_ranks(experiment, chosen, ranks)
        choose_execution(execution, chosen, experiment.network)
        experiment, dataset, lines = training.load_fitting(
            experiment,
            data_dir=data_dir,
            preset=None if spec else preset or DEFAULT_PRESET,
            kept=[*assigned(assignments), *(key for key, value in given.items() if value)],
        )
        folder_path = out
        if folder_path is None:
            name = preset or (spec.stem if spec else DEFAULT_PRESET)
            if is_own_data(experiment.data.name):
                name = Path(experiment.data.name).stem
            folder_path = Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
        about = training.describe_run(
            experiment,
            dataset,
            backend=chosen,
            command=shlex.join(["lava-ep", *sys.argv[1:]]),
            data_dir=data_dir,
            execution=execution,
        )
        baseline = experiment.with_frozen_input_layer() if frozen_baseline else None
        folder = training.RunFolder.create(
            folder_path,
            experiment,
            about,
            baseline=baseline,
            preprocessing=training.preprocessing_of(dataset),
        )
        lock.enter_context(locked(folder.path))
        runs = [(folder, experiment, dataset)]
        if baseline is not None:
            runs.append((folder.baseline, baseline, dataset))
        return runs, chosen, folder_path, lines

    with training.open_ranks() as ranks, ExitStack() as lock:
        runs, used, run_dir, lines = ranks.from_first(prepare)
        display = console(stderr=as_json, quiet=not ranks.first, soft_wrap=False)
        for line in lines:
            display.print(line, soft_wrap=True)
        results = [_train(*run, used, threads, execution, resume, display, ranks) for run in runs]
    if not ranks.first:
        return
    result = _result(results[0], runs[0][1], used, run_dir)
    result["seconds"] = round(time.perf_counter() - started, 3)
    page = None
    try:
        if report_wanted:
            from lava_ep.report import report_any_run

            other = data if resume else None
            page = report_any_run(run_dir, data=other, data_dir=data_dir).resolve()
            display.print(f"Report: {page}", soft_wrap=True)
    except InputError as error:
        raise LavaEPError(
            f"the run is complete, but its report cannot be written: {error}\n"
            f"lava-ep report {shlex.quote(str(run_dir))} --out DIR writes it to another folder"
        ) from None
    finally:
        # Whatever happens to the report, hours of training end with their result.
        finish(result, as_json, display)
    if open_wanted and page is not None:
        open_page(page, display)


def _train(
    folder: RunFolder,
    experiment: ExperimentSpec,
    dataset: Dataset,
    backend: str,
    threads: int | None,
    execution: str | None,
    resume: bool,
    display: Console,
    ranks: Ranks,
) -> list[dict[str, Any]]:
    """Train with a live progress bar."""
    from lava_ep.training import Trainer, family_of

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(
            "accuracy {task.fields[accuracy]:.3f}, {task.fields[speed]:,.0f} samples/s",
            markup=False,
        ),
        TimeRemainingColumn(),
    )
    frozen = ", input layer frozen" if experiment.network.layers[0].frozen else ""
    family = family_of(experiment.network)
    display.print(
        f"{experiment.network}{frozen} on {dataset.name}, {backend}, "
        f"seed {experiment.training.seed}" + (f", {ranks.size} ranks" if ranks.size > 1 else ""),
        soft_wrap=True,
    )
    with Progress(*columns, console=display, transient=True) as bar:
        task = bar.add_task("starting", total=None, accuracy=0.0, speed=0.0)
        epoch_start = time.perf_counter()

        def on_progress(now: Any) -> None:
            nonlocal epoch_start
            if now.batch == 1:
                epoch_start = time.perf_counter()
            bar.update(
                task,
                description=f"epoch {now.epoch}/{now.epochs}",
                total=now.epochs * now.batches,
                completed=(now.epoch - 1) * now.batches + now.batch,
                accuracy=now.accuracy,
                speed=now.samples / max(time.perf_counter() - epoch_start, 1e-9),
            )

        def on_epoch(entry: Mapping[str, Any]) -> None:
            display.print(
                f"epoch {entry['epoch']:>3}  train {entry['train_accuracy']:.4f}  "
                f"test {entry['test_accuracy']:.4f}  "
                f"{family.epoch_line(experiment.network, entry)}  "
                f"{entry['seconds']:.1f} s",
                soft_wrap=True,
            )

        trainer = Trainer(
            experiment,
            dataset,
            backend=backend,
            threads=threads,
            execution=execution,
            folder=folder,
            ranks=ranks,
            on_progress=on_progress,
            on_epoch=on_epoch,
        )
        if resume:
            done = trainer.resume()
            display.print(f"resuming after epoch {done}")
        return trainer.fit()


def _result(
    metrics: Sequence[Mapping[str, Any]], experiment: ExperimentSpec, backend: str, out: Path
) -> dict[str, Any]:
    """Return what ``train --json`` prints."""
    from lava_ep.training import best_epoch, family_of

    last, best = metrics[-1], best_epoch(metrics, experiment.training)
    used = last if best is None else next(e for e in metrics if e["epoch"] == best.epoch)
    return {
        "test_accuracy": used["test_accuracy"],
        "selected_epoch": used["epoch"],
        "selected": None if best is None else f"best by {best.measure}",
        "train_accuracy": last["train_accuracy"],
        "best_test_accuracy": max(
            # None of epochs before a saved estimator was resumed.
            entry["test_accuracy"]
            for entry in metrics
            if entry["test_accuracy"] is not None
        ),
        "epochs": last["epoch"],
        "seconds": 0.0,
        "train_seconds_per_epoch": sum(e["train_seconds"] for e in metrics) / len(metrics),
        "backend": backend,
        "seed": experiment.training.seed,
        "run_dir": str(out),
        **family_of(experiment.network).result(experiment.network, metrics),
    }
