"""Gathering the content of a report, or of the raster of a sample, from a run folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lava_ep.analysis import Recording, record_sample
from lava_ep.data import Dataset
from lava_ep.errors import InputError
from lava_ep.files import check_writable
from lava_ep.parameters import NetworkParameters
from lava_ep.report.content import ReportContent, SampleContent
from lava_ep.report.writer import check_kind, check_place, write_report, write_sample
from lava_ep.spec import ExperimentSpec
from lava_ep.training import RunFolder, check_samples, evaluate, load_run_data

SHOWN_SAMPLE = 0
"""Test sample whose events are drawn."""


def report_run(
    run_dir: Path,
    *,
    data: str | None = None,
    data_dir: Path | None = None,
    out: Path | None = None,
) -> Path:
    """Test the newest checkpoint of a run, record one sample, and write the report.

    Parameters
    ----------
    run_dir
        Folder of the run.
    data
        Data set or path, if not the samples of the training.
    data_dir
        Where the data set lies, if not where it was for training.
    out
        Folder for the report, if not that of the run.

    Returns
    -------
    Path
        The page, ``report.html``.

    Raises
    ------
    InputError
        If the folder is not one of a run with a checkpoint, its data is missing or does not fit,
        or the report cannot be written there.
    """
    folder = RunFolder.open(run_dir)
    out = out or run_dir
    check_place(out)
    spec, about = folder.spec(), folder.about()
    _, parameters, _ = folder.selected(spec.ep_network)
    dataset = load_run_data(folder, name=data, data_dir=data_dir)
    check_samples(spec, dataset)
    backend = str(about["backend"])
    evaluation = evaluate(spec, parameters, dataset, backend=backend)
    metrics = folder.metrics()
    if metrics and metrics[-1]["test_accuracy"] is None:
        # That of a saved estimator, which had no test samples.
        metrics[-1] = {**metrics[-1], "test_accuracy": evaluation.accuracy}
    sample = _record(spec, parameters, dataset, SHOWN_SAMPLE, train=False, backend=backend)
    content = ReportContent(
        title=f"{spec.ep_network} on {dataset.name}",
        command=str(about["command"]),
        versions=about["versions"],
        started=str(about["started"]),
        backend=backend,
        seed=spec.training.seed,
        experiment=spec,
        metrics=metrics,
        baseline_metrics=folder.baseline.metrics() or None,
        confusion=evaluation.confusion(spec.ep_network.classes),
        class_names=dataset.class_names,
        events_per_inference=float(evaluation.counters.events[0] / evaluation.shown),
        operations_per_inference=float(
            evaluation.counters.synaptic_operations[0] / evaluation.shown
        ),
        recording=sample,
        input_weights=_input_weights(spec, parameters),
        image_shape=dataset.image_shape,
    )
    return write_report(content, out)


def _input_weights(
    spec: ExperimentSpec, parameters: NetworkParameters
) -> NDArray[np.int8] | NDArray[np.float32]:
    """Return what the first layer makes of each pixel."""
    weights = parameters.layers[0].weights
    if not spec.ep_network.resistive:
        return weights
    plus, minus = np.split(weights.astype(np.float32), 2, axis=1)
    return plus - minus


def raster_run(
    run_dir: Path,
    sample: int,
    *,
    train: bool = False,
    out: Path | None = None,
    backend: str | None = None,
    data: str | None = None,
    data_dir: Path | None = None,
) -> tuple[Path, SampleContent]:
    """Record one sample with the newest checkpoint of a run, and draw it.

    Parameters
    ----------
    run_dir
        Folder of the run.
    sample
        Its number in the test set, counted from 0.
    train
        Take it from the training set.
    out
        File to write: a page (``.html``) or one figure (``.png``, ``.svg``); by default
        ``raster-N.html`` or ``raster-train-N.html`` in the run folder.
    backend
        Backend, if not the one the run was trained on.
    data
        Data set or path, if not the samples of the training.
    data_dir
        Where the data set lies, if not where it was for training.

    Returns
    -------
    Path
        The file.
    SampleContent
        What it shows.

    Raises
    ------
    InputError
        If the folder is not one of a run with a checkpoint, its data is missing or does not fit,
        there is no such sample or kind of file, or the file cannot be written.
    """
    part = "train" if train else "test"
    out = out or run_dir / f"raster-{'train-' if train else ''}{sample}.html"
    check_kind(out)
    folder = RunFolder.open(run_dir)
    check_writable(out)
    spec = folder.spec()
    _, parameters, _ = folder.selected(spec.ep_network)
    dataset = load_run_data(folder, name=data, data_dir=data_dir)
    check_samples(spec, dataset)
    backend = backend or str(folder.about()["backend"])
    content = SampleContent(
        title=f"{spec.ep_network} on {dataset.name}, {part} sample {sample}",
        experiment=spec,
        class_names=dataset.class_names,
        recording=_record(spec, parameters, dataset, sample, train=train, backend=backend),
        image_shape=dataset.image_shape,
    )
    return write_sample(content, out), content


def _record(
    spec: ExperimentSpec,
    parameters: NetworkParameters,
    dataset: Dataset,
    sample: int,
    *,
    train: bool,
    backend: str,
) -> Recording:
    """Record a sample of the test set or of the training set."""
    images, labels = (
        (dataset.x_train, dataset.y_train) if train else (dataset.x_test, dataset.y_test)
    )
    if not 0 <= sample < len(images):
        raise InputError(
            f"sample {sample}: the {'training' if train else 'test'} set of {dataset.name} has "
            f"{len(images)} samples, expected 0 to {len(images) - 1}"
        )
    return record_sample(
        spec.ep_network,
        parameters,
        images[sample],
        int(labels[sample]),
        seed=spec.training.seed,
        backend=backend,
        picture=dataset.picture(images[sample]),
    )
