"""``lava-ep predict``."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from lava_ep.command_line import (
    AsJson,
    Epoch,
    Execution,
    RunBackend,
    RunDir,
    Threads,
    check_execution,
    console,
)


def predict(
    run_dir: RunDir,
    *,
    file: Annotated[
        Path,
        typer.Argument(
            help="Samples: a table, arrays, pictures, IDX images or event recordings, as for "
            "training but without labels."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write: .csv, .npz or .parquet (default: print a table)."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            help="Column of a table that holds labels and is left out, if it has no name that the "
            "training knows."
        ),
    ] = None,
    scores: Annotated[bool, typer.Option("--scores", help="Add the score of each class.")] = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Add the probability of each class.")
    ] = False,
    epoch: Epoch = None,
    backend: RunBackend = None,
    threads: Threads = None,
    execution: Execution = None,
    as_json: AsJson = False,
) -> None:
    """Predict the classes of new samples, scaled as those of the training were."""
    from lava_ep import training
    from lava_ep.training.predictions import Predictions, check_place

    if out is not None:
        check_place(out, file)
    check_execution([backend] if backend else [], threads)
    network = training.load_run(
        run_dir, epoch=epoch, backend=backend, threads=threads, execution=execution
    )
    names, found = training.predict_file(network, file, label=label)
    table = Predictions(
        names,
        network.labels(found),
        network.preprocessing.classes,
        scores=found if scores else None,
        probabilities=network.probabilities(found) if probabilities else None,
    )
    if probabilities and network.temperature is None:
        warnings.warn(
            f"{run_dir}: was trained by a version that fitted no temperature; probabilities are a "
            "plain softmax of the scores, not calibrated",
            stacklevel=1,
        )
    if out is not None:
        table.write(out)
    elif not as_json:
        table.print()
    result: dict[str, Any] = {
        "samples": len(names),
        "epochs": network.epoch,
        "selected": network.reason,
        "calibration": network.calibration,
        "backend": network.backend,
        "run_dir": str(run_dir),
        "out": None if out is None else str(out),
    }
    if as_json:
        if out is None:
            result["predictions"] = table.predictions.tolist()
        print(json.dumps(result), flush=True)
    elif out is not None:
        console().print(
            f"{len(names)} predictions after epoch {network.epoch} ({network.reason}): {out}"
        )
