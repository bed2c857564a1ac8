"""``lava-ep study``: learning beside theory."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from typer.core import TyperGroup

from lava_ep.command_line import (
    AsJson,
    Assignments,
    DataDir,
    Epochs,
    SpecFile,
    StudyFolder,
    Threads,
    check_execution,
    complete_backends,
    complete_presets,
    console,
    fitting,
    guarded,
    make_experiment,
    numbers,
    print_result,
    whole_path,
)
from lava_ep.files import check_new
from lava_ep.models import BACKENDS
from lava_ep.studies import find_study, study, study_names


class StudyGroup(TyperGroup):
    """The commands of all studies; a study is imported when its command is looked up."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the studies."""
        return study_names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a study, or None if there is none of this name."""
        if cmd_name not in study_names():
            return None
        single = typer.Typer(add_completion=False)
        single.command(cmd_name)(guarded(find_study(cmd_name)))
        return typer.main.get_command(single)


@study
def angle(
    out: StudyFolder,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Experiment that comes with the package (default: cvf-digits).",
            autocompletion=complete_presets,
        ),
    ] = None,
    spec: SpecFile = None,
    data_dir: DataDir = None,
    angles: Annotated[
        str, typer.Option(help="Angles in degrees, comma-separated.")
    ] = "0,22.5,45,67.5,90,112.5,135,157.5,180",
    seeds: Annotated[str, typer.Option(help="Seeds, comma-separated.")] = "0,1",
    epochs: Epochs = None,
    backend: Annotated[
        str,
        typer.Option(
            help=f"How to execute the network: {', '.join(BACKENDS)}.",
            autocompletion=complete_backends,
        ),
    ] = "fused",
    threads: Threads = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Train networks whose feedback weights start at an angle to the forward weights."""
    from lava_ep.analysis.angle import study_angles
    from lava_ep.studies import _folder
    from lava_ep.studies._angle_figure import error_by_angle

    started = time.perf_counter()
    check_execution([backend], threads)
    check_new(out)
    preset = preset or (None if spec else "cvf-digits")
    experiment = make_experiment(preset, spec, {"training.epochs": epochs}, assignments)
    display = console(stderr=as_json)
    found = study_angles(
        *fitting(experiment, preset, assignments, data_dir, display),
        angles=numbers("--angles", angles) or [],
        seeds=[int(seed) for seed in numbers("--seeds", seeds, int) or []],
        backend=backend,
        threads=threads,
        on_point=lambda p: display.print(
            f"ψ = {p.angle:g}°, seed {p.seed}: test error {100 * p.test_error:.2f} %"
            + (f", as it diverged ({p.diverged})" if p.diverged else "")
        ),
    )
    drawn = {"error-by-angle": functools.partial(error_by_angle, found)}
    _folder.write_study(out, found.to_json(), drawn)
    if as_json:
        print_result(found.to_json(), started, out)
        return
    display.print(f"Figure and {_folder.RESULT}: {out}")


@study
def uncertainty(
    out: Annotated[
        Path, typer.Option("--out", help="Folder to make, or of a study to go on with.")
    ],
    preset: Annotated[
        str | None,
        typer.Option(
            help="Experiment that comes with the package (default: drn-digits).",
            autocompletion=complete_presets,
        ),
    ] = None,
    spec: SpecFile = None,
    data: Annotated[
        str | None, typer.Option(help="Data sets, comma-separated (default: that of the spec).")
    ] = None,
    data_dir: DataDir = None,
    deviations: Annotated[
        str | None,
        typer.Option(
            help="Noise of the mean, σ/√N, comma-separated: every N is tried with σ = √N times as "
            "much (default: 0.05 to 15 times the estimate of the critical one)."
        ),
    ] = None,
    samples: Annotated[
        str, typer.Option(help="Numbers N of measurements that are averaged, comma-separated.")
    ] = "1,4,16,64",
    seeds: Annotated[str, typer.Option(help="Seeds, comma-separated.")] = "0,1",
    epochs: Epochs = None,
    limit_train: Annotated[
        int | None, typer.Option(help="Use at most the first N training samples of each set.")
    ] = None,
    limit_test: Annotated[
        int | None, typer.Option(help="Use at most the first N test samples of each set.")
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            help=f"How to execute the network: {', '.join(BACKENDS)}.",
            autocompletion=complete_backends,
        ),
    ] = "fused",
    threads: Threads = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Train networks under measurement noise and find how much of it they tolerate.

    Run the same command again to go on after an interruption; finished trainings are kept.
    """
    from lava_ep.analysis.uncertainty import Training, load_sets, study_uncertainty
    from lava_ep.analysis.uncertainty_figures import uncertainty_figures
    from lava_ep.studies import _folder

    started = time.perf_counter()
    check_execution([backend], threads)
    given = {
        "training.epochs": epochs,
        "data.limit_train": limit_train,
        "data.limit_test": limit_test,
    }
    preset = preset or (None if spec else "drn-digits")
    experiment = make_experiment(preset, spec, given, assignments)
    names = [whole_path(name) for name in data.split(",")] if data else [experiment.data.name]
    display = console(stderr=as_json)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=display, transient=True) as bar:
        task = bar.add_task("trainings", total=None)

        def on_progress(now: Any, done: int, total: int) -> None:
            epoch = now.epoch - 1 + now.batch / now.batches
            bar.update(task, total=total, completed=done + epoch / now.epochs)

        def on_training(found: Training, done: int, total: int) -> None:
            bar.update(task, total=total, completed=done)
            result = found.error
            if found.test_accuracy is not None:
                result = f"test accuracy {found.test_accuracy:.4f}"
            display.print(
                f"{done}/{total}  {found.data}, σ = {found.sigma:.3g}, N = {found.samples}, seed "
                f"{found.seed}: {result}"
            )

        found = study_uncertainty(
            experiment,
            load_sets(experiment, names, data_dir),
            out,
            deviations=numbers("--deviations", deviations),
            samples=[int(number) for number in numbers("--samples", samples, int) or []],
            seeds=[int(seed) for seed in numbers("--seeds", seeds, int) or []],
            backend=backend,
            threads=threads,
            on_training=on_training,
            on_progress=on_progress,
        )
    _folder.update_study(out, found.to_json(), uncertainty_figures(found))
    if as_json:
        print_result(found.summary(), started, out)
        return
    for result in found.results:
        display.print(f"{result.data}:")
        for line in result.lines():
            display.print(f"  {line}")
    display.print(f"Figures and {_folder.RESULT}: {out}")
