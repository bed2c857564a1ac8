"""Commands that take the folder of a run: evaluate, compare, convert, raster, report."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from lava_ep.command_line import (
    AsJson,
    DataDir,
    Epoch,
    Execution,
    Label,
    OpenPage,
    OtherData,
    RunBackend,
    RunDir,
    Threads,
    check_execution,
    console,
    elsewhere,
    open_page,
)
from lava_ep.models import COMPARABLE, find_backend


def evaluate(
    run_dir: RunDir,
    *,
    backend: RunBackend = None,
    threads: Threads = None,
    execution: Execution = None,
    data: OtherData = None,
    label: Label = None,
    data_dir: DataDir = None,
    limit_test: Annotated[int | None, typer.Option(help="Use the first N test samples.")] = None,
    epoch: Epoch = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Also write labels, predictions, scores and probabilities: .csv, .npz, .parquet."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Test the best epoch of a run, where the training selects it, or its newest checkpoint."""
    from lava_ep import training
    from lava_ep.analysis.costs import sample_costs
    from lava_ep.training.predictions import Predictions, check_place

    started = time.perf_counter()
    folder = training.RunFolder.open(run_dir)
    experiment = folder.spec()
    backend = backend or str(folder.about()["backend"])
    check_execution([backend], threads)
    if predictions is not None:
        check_place(predictions, data, experiment.data.name)
    used, parameters, reason = folder.selected(experiment.network, epoch)
    dataset = training.load_run_data(
        folder, name=data, label=label, data_dir=data_dir, limit_test=limit_test
    )
    training.check_samples(experiment, dataset)
    found = training.evaluate(
        experiment,
        parameters,
        dataset,
        backend=backend,
        threads=threads,
        execution=execution,
    )
    trained = next((line for line in folder.metrics() if line["epoch"] == used), None)
    costs = sample_costs(experiment, found, trained)
    if predictions is not None:
        classes = training.preprocessing_of(dataset)
        temperature = (trained or {}).get("temperature") or 1.0
        Predictions(
            [str(number) for number in range(len(found.labels))],
            classes.decode(found.predictions),
            classes.classes,
            labels=classes.decode(found.labels),
            scores=found.scores,
            probabilities=training.probabilities(found.scores, temperature),
        ).write(predictions)
    result = {
        "test_accuracy": found.accuracy,
        "epochs": used,
        "selected": reason,
        "seconds": round(time.perf_counter() - started, 3),
        "backend": backend,
        "data": dataset.name,
        "test_samples": len(found.labels),
        "run_dir": str(run_dir),
        **costs.content,
    }
    display = console(stderr=as_json)
    if as_json:
        print(json.dumps(result), flush=True)
    else:
        display.print(f"Run folder: {run_dir}")
        display.print(
            f"Test accuracy {found.accuracy:.4f} on {len(found.labels)} samples of {dataset.name}, "
            f"after epoch {used} ({reason}), {result['seconds']:.1f} s"
        )
        for line in costs.lines:
            display.print(line)


def compare(
    run_dir: RunDir,
    backends: Annotated[
        str, typer.Option(help="Backends to compare with the first of them, comma-separated.")
    ] = ",".join(COMPARABLE),
    samples: Annotated[int, typer.Option(help="Training samples to show.")] = 64,
    threads: Threads = None,
    data: OtherData = None,
    data_dir: DataDir = None,
) -> None:
    """Compare backends, from the newest checkpoint of a run on: exit code 0 or 1."""
    from lava_ep import training
    from lava_ep.analysis import compare_backends

    check_execution(backends.split(","), threads)
    folder = training.RunFolder.open(run_dir)
    experiment = folder.spec()
    epoch, parameters, _ = folder.selected(experiment.ep_network)
    dataset = training.load_run_data(folder, name=data, data_dir=data_dir)
    training.check_fit(experiment, dataset)
    found = compare_backends(
        experiment, parameters, dataset, backends.split(","), samples=samples, threads=threads
    )
    display = console()
    if found.difference is not None:
        display.print(f"different: {found.difference}")
        raise typer.Exit(1)
    agreement = "identical" if found.exact else f"equal within {found.largest:.1e}"
    display.print(
        f"{agreement}: {found.samples} samples from epoch {epoch} on, every state and activation "
        f"of {found.steps} time steps, and after every batch all parameters, scores and counters"
    )


def convert(
    run_dir: RunDir,
    predict: Annotated[
        bool,
        typer.Option("--predict/--no-predict", help="Also compare predictions of test samples."),
    ] = True,
    data: OtherData = None,
    data_dir: DataDir = None,
    limit_test: Annotated[int | None, typer.Option(help="Use the first N test samples.")] = None,
    as_json: AsJson = False,
) -> None:
    """Convert the newest checkpoint of a run to fixed point and report what is lost."""
    from lava_ep import training
    from lava_ep.analysis import compare_predictions
    from lava_ep.models import fixed_point

    folder = training.RunFolder.open(run_dir)
    experiment = folder.spec()
    _, parameters, _ = folder.selected(experiment.ep_network)
    found = fixed_point.convert(experiment.ep_network, parameters)
    display = console(stderr=as_json)
    display.print(str(found))
    result = found.to_json() | {"run_dir": str(run_dir)}
    if predict:
        dataset = training.load_run_data(
            folder, name=data, data_dir=data_dir, limit_test=limit_test
        )
        training.check_samples(experiment, dataset)
        compared = compare_predictions(experiment, parameters, dataset, ("fused", "fixed_point"))
        result["predictions"] = compared.to_json()
        display.print(str(compared))
    if as_json:
        print(json.dumps(result), flush=True)


def raster(
    run_dir: RunDir,
    sample: Annotated[int, typer.Option(help="Number of the sample, counted from 0.")] = 0,
    train: Annotated[
        bool, typer.Option("--train", help="Take it from the training set, not the test set.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Page (.html) or figure (.png, .svg) to write (default: RUN_DIR/raster-N.html)."
        ),
    ] = None,
    backend: RunBackend = None,
    data: OtherData = None,
    data_dir: DataDir = None,
) -> None:
    """Draw one sample: input, events and states through both phases, scores."""
    from lava_ep.report import raster_run

    if backend is not None:
        find_backend(backend)
    with elsewhere(out, "--out FILE"):
        path, shown = raster_run(
            run_dir,
            sample,
            train=train,
            out=out,
            backend=backend,
            data=data,
            data_dir=data_dir,
        )
    recording, names = shown.recording, shown.class_names
    free, nudged = (
        sum(recording.events_within(layer, phase) for layer in range(len(recording.events)))
        for phase in ("free", "nudged")
    )
    display = console()
    display.print(
        f"{shown.title}: true class {names[recording.label]}, prediction "
        f"{names[recording.prediction]}, {free:,} {shown.event}s free and {nudged:,} nudged"
    )
    display.print(f"Raster: {path.resolve()}")


def report(
    run_dir: RunDir,
    data: OtherData = None,
    data_dir: DataDir = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for report.html and figures/ (default: RUN_DIR)."),
    ] = None,
    open_wanted: OpenPage = False,
) -> None:
    """Write report.html and the figures of a run."""
    from lava_ep.report import report_any_run

    with elsewhere(out, "--out DIR"):
        page = report_any_run(run_dir, data=data, data_dir=data_dir, out=out).resolve()
    display = console()
    display.print(f"Report: {page}")
    if open_wanted:
        open_page(page, display)
