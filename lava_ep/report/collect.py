"""Gathering the content of a report from a run folder."""

from __future__ import annotations

from pathlib import Path

from lava_ep.analysis import Recording, record_sample
from lava_ep.data import Dataset
from lava_ep.report.content import PhaseRecording, ReportContent
from lava_ep.report.writer import write_report
from lava_ep.training import RunFolder, evaluate, load_run_data

SHOWN_SAMPLE = 0
"""Test sample whose events are drawn."""


def report_run(run_dir: Path, *, data_dir: Path | None = None) -> Path:
    """Test the newest checkpoint of a run, record one sample, and write the report.

    Parameters
    ----------
    run_dir
        Folder of the run.
    data_dir
        Where the data set lies, if not where it was for training.

    Returns
    -------
    Path
        The page, ``report.html`` in the run folder.

    Raises
    ------
    InputError
        If the folder is not one of a run with a checkpoint, or its data is missing.
    """
    folder = RunFolder.open(run_dir)
    spec, about = folder.spec(), folder.about()
    _, parameters = folder.latest_or_fail(spec.network)
    dataset = load_run_data(folder, data_dir=data_dir)
    backend = str(about["backend"])
    evaluation = evaluate(spec, parameters, dataset, backend=backend)
    image, label = dataset.x_test[SHOWN_SAMPLE], int(dataset.y_test[SHOWN_SAMPLE])
    recording = record_sample(
        spec.network, parameters, image, label, seed=spec.training.seed, backend=backend
    )
    content = ReportContent(
        title=f"{spec.network} on {dataset.name}",
        command=str(about["command"]),
        versions=about["versions"],
        started=str(about["started"]),
        backend=backend,
        seed=spec.training.seed,
        experiment=spec,
        metrics=folder.metrics(),
        baseline_metrics=folder.baseline.metrics() or None,
        confusion=evaluation.confusion(spec.network.classes),
        class_names=dataset.class_names,
        recording=_phase_recording(recording, dataset),
        input_weights=parameters.layers[0].weights,
        image_shape=dataset.image_shape,
    )
    return write_report(content, run_dir)


def _phase_recording(recording: Recording, dataset: Dataset) -> PhaseRecording:
    image = dataset.x_test[SHOWN_SAMPLE].reshape(dataset.image_shape) / dataset.levels
    return PhaseRecording(
        layer_names=recording.layer_names,
        events=recording.events,
        states=recording.states,
        free_steps=recording.schedule.free_steps,
        nudged_steps=recording.schedule.nudged_steps,
        phase_bounds=recording.phase_bounds(),
        image=image,
        label=int(dataset.y_test[SHOWN_SAMPLE]),
        prediction=int(recording.scores.argmax()),
    )
