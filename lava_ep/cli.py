"""The command line ``lava-ep``."""

from __future__ import annotations

import functools
import json
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table

from lava_ep.errors import InputError, LavaEPError
from lava_ep.files import check_new, locked, read_json, replacing
from lava_ep.models import BACKENDS, COMPARABLE, default_backend, find_backend
from lava_ep.spec import (
    ExperimentSpec,
    load_preset,
    load_spec,
    override,
    parse_value,
    preset_names,
)

if TYPE_CHECKING:
    from lava_ep.data import Dataset
    from lava_ep.training import Ranks, RunFolder

DEFAULT_PRESET = "binary-digits"

app = typer.Typer(
    name="lava-ep",
    help="Equilibrium propagation as event-driven computation on Lava.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

study = typer.Typer(
    help="Compare learning with theory: figures and study.json in a new folder.",
    no_args_is_help=True,
)
app.add_typer(study, name="study")

deploy_app = typer.Typer(help="See whether a network fits a chip.", no_args_is_help=True)
app.add_typer(deploy_app, name="deploy")
export_app = typer.Typer(help="Write networks for other simulators.", no_args_is_help=True)
app.add_typer(export_app, name="export")
import_app = typer.Typer(help="Read networks back.", no_args_is_help=True)
app.add_typer(import_app, name="import")

conformance_app = typer.Typer(
    help="Check a backend against recorded traces of every Process.", no_args_is_help=True
)
app.add_typer(conformance_app, name="conformance")

Threads = Annotated[
    int | None,
    typer.Option(help="Threads of the fused backend (default: one a core); results are the same."),
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder with the files of the data set.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object as the last line of standard output.")
]
RunDir = Annotated[Path, typer.Argument(help="Folder of a run.")]
SpecFile = Annotated[Path | None, typer.Option("--spec", help="Experiment as a JSON file.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change any field of the spec."),
]
StudyFolder = Annotated[Path, typer.Option("--out", help="Folder to make.")]


Command = TypeVar("Command", bound=Callable[..., None])


def command(function: Command, to: typer.Typer = app, name: str | None = None) -> Command:
    """Add a command whose errors are one line each, with the exit code they stand for."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            for option, value in kwargs.items():
                if value == "":
                    raise InputError(f"--{option.replace('_', '-')}: expected a value, not ''")
            function(*args, **kwargs)
        except LavaEPError as error:
            _complain(str(error))
            raise typer.Exit(2 if isinstance(error, InputError) else 1) from None
        except MemoryError as error:
            _complain(f"not enough memory here ({error}); use fewer neurons or a smaller batch")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            _complain("interrupted")
            raise typer.Exit(130) from None

    to.command(name)(guarded)
    return function


def _complain(message: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"lava-ep: {message}")


def main() -> None:
    """Run the command line: exit codes 0 done, 1 failure, 2 bad input, 130 interrupted."""
    app()


@command
def train(
    preset: Annotated[
        str | None,
        typer.Option(help=f"Experiment that comes with the package (default: {DEFAULT_PRESET})."),
    ] = None,
    spec: Annotated[Path | None, typer.Option(help="Experiment as a JSON file.")] = None,
    data: Annotated[str | None, typer.Option(help="Data set, if not the one in the spec.")] = None,
    data_dir: DataDir = None,
    epochs: Annotated[int | None, typer.Option(help="Number of epochs.")] = None,
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
            "(default: the first that can, or that of the run to resume)."
        ),
    ] = None,
    threads: Threads = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change any field of the spec."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder (default: runs/NAME-TIME).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    frozen_baseline: Annotated[
        bool,
        typer.Option("--frozen-baseline", help="Also train with a frozen input layer."),
    ] = False,
    report_wanted: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report.html at the end.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Train a network and keep everything about it in a run folder."""
    from lava_ep import training
    from lava_ep.data import load_experiment

    started = time.perf_counter()
    given = {
        "data.name": data,
        "data.limit_train": limit_train,
        "data.limit_test": limit_test,
        "training.batch_size": batch,
        "training.seed": seed,
    }

    def prepare() -> tuple[list[tuple[RunFolder, ExperimentSpec, Dataset]], str, Path]:
        """Read and check everything, and make the folder."""
        _check_execution([backend] if backend else [], threads)
        if resume:
            changes = [key for key, value in given.items() if value is not None]
            changes += [f"--set {assignment}" for assignment in assignments or []]
            changes += ["--frozen-baseline"] if frozen_baseline else []
            if out is None:
                raise InputError("--resume: say which run to go on with, by --out DIR")
            if preset or spec or changes:
                raise InputError(
                    f"--resume: {', '.join(changes) or '--preset/--spec'} cannot change a run "
                    "that has begun; only --epochs can"
                )
            folder = training.RunFolder.open(out)
            lock.enter_context(locked(folder.path))
            chosen = backend or str(folder.about()["backend"])
            _check_execution([chosen], threads)
            runs = [
                training.open_run(present.path, data_dir=data_dir, epochs=epochs)
                for present in (folder, folder.baseline)
                if present.exists()
            ]
            for _, experiment, _ in runs:
                training.check_ranks(experiment, chosen, ranks)
            return runs, chosen, out

        experiment = _experiment(preset, spec, {**given, "training.epochs": epochs}, assignments)
        default = default_backend(experiment.network) if ranks.size == 1 else "fused"
        chosen = backend or default
        training.family_of(experiment.network).check_execution(experiment, chosen)
        training.check_ranks(experiment, chosen, ranks)
        dataset = load_experiment(experiment, data_dir=data_dir)
        training.check_fit(experiment, dataset)
        folder_path = out
        if folder_path is None:
            name = preset or (spec.stem if spec else DEFAULT_PRESET)
            folder_path = Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
        about = training.describe_run(
            experiment,
            dataset,
            backend=chosen,
            command=shlex.join(["lava-ep", *sys.argv[1:]]),
            data_dir=data_dir,
        )
        baseline = experiment.with_frozen_input_layer() if frozen_baseline else None
        folder = training.RunFolder.create(folder_path, experiment, about, baseline=baseline)
        lock.enter_context(locked(folder.path))
        runs = [(folder, experiment, dataset)]
        if baseline is not None:
            runs.append((folder.baseline, baseline, dataset))
        return runs, chosen, folder_path

    with training.open_ranks() as ranks, ExitStack() as lock:
        runs, used, run_dir = ranks.from_first(prepare)
        display = Console(stderr=as_json, quiet=not ranks.first)
        results = [_train(*run, used, threads, resume, display, ranks) for run in runs]
    if not ranks.first:
        return
    result = _result(results[0], runs[0][1], used, run_dir)
    result["seconds"] = round(time.perf_counter() - started, 3)
    if report_wanted:
        display.print(f"Report: {_write_report(run_dir, data_dir)}", soft_wrap=True)
    _finish(result, as_json, display)


SweptValues = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=V1,V2", help="Swept field; may be given several times."),
]
SweptRange = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=LOW:HIGH", help="Field that is drawn; may be given several times."),
]


@command
def sweep(
    out: Annotated[Path, typer.Option(help="Sweep folder to make, or to go on with.")],
    preset: Annotated[
        str | None,
        typer.Option(help=f"Experiment that comes with the package (default: {DEFAULT_PRESET})."),
    ] = None,
    spec: SpecFile = None,
    data: Annotated[str | None, typer.Option(help="Data set, if not the one in the spec.")] = None,
    data_dir: DataDir = None,
    epochs: Annotated[int | None, typer.Option(help="Number of epochs.")] = None,
    assignments: Assignments = None,
    grid: SweptValues = None,
    choice: SweptValues = None,
    uniform: SweptRange = None,
    loguniform: SweptRange = None,
    samples: Annotated[
        int | None, typer.Option(help="Draws of what is random (default: 1).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the draws (default: 0).")] = None,
    sweep_file: Annotated[
        Path | None,
        typer.Option("--sweep", help="JSON file with grid, choice, uniform, loguniform, …"),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Early stopping by test accuracy: none, asha, median (default: none)."),
    ] = None,
    grace: Annotated[
        int | None, typer.Option(help="Epochs before a trial may be stopped (default: 1).")
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(help=f"How to execute the networks: {', '.join(BACKENDS)} (default: fused)."),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster (default: this machine alone).")
    ] = None,
    cpus: Annotated[
        int | None, typer.Option(help="Cores, and threads, of each trial (default: 1).")
    ] = None,
    concurrent: Annotated[
        int | None, typer.Option(help="Trials at a time (default: as many as have cores).")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the sweep in --out.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train one experiment with many values of some fields, by Ray Tune."""
    from lava_ep import sweep as sweeps

    started = time.perf_counter()
    find_backend(backend or "fused")
    for option, number in (("cpus", cpus), ("concurrent", concurrent)):
        if number is not None and number < 1:
            raise InputError(f"--{option} {number}: expected at least 1")
    asked = {
        "grid": _swept("--grid", grid, _values),
        "choice": _swept("--choice", choice, _values),
        "uniform": _swept("--uniform", uniform, _bounds),
        "loguniform": _swept("--loguniform", loguniform, _bounds),
        "samples": samples,
        "seed": seed,
        "scheduler": scheduler,
        "grace_epochs": grace,
    }
    asked = {name: value for name, value in asked.items() if value not in (None, {})}
    if resume:
        fixed = {
            "--preset": preset,
            "--spec": spec,
            "--data": data,
            "--data-dir": data_dir,
            "--epochs": epochs,
            "--set": assignments,
            "--sweep": sweep_file,
            "--backend": backend,
            "--grid, --choice, …": asked or None,
        }
        changes = ", ".join(option for option, value in fixed.items() if value is not None)
        if changes:
            raise InputError(
                f"--resume: {changes} cannot change a sweep that has begun; only --cpus, "
                "--concurrent and --address can"
            )
        sweeps.require_ray()
        folder = sweeps.SweepFolder.open(out)
    else:
        fields = (read_json(sweep_file) if sweep_file else {}) | asked
        wanted = sweeps.make_sweep(fields, source=str(sweep_file or "sweep"))
        given = {"data.name": data, "training.epochs": epochs}
        folder = sweeps.SweepFolder.create(
            out,
            _experiment(preset, spec, given, assignments),
            wanted,
            backend=backend or "fused",
            data_dir=data_dir,
            command=shlex.join(["lava-ep", *sys.argv[1:]]),
        )
    display = Console(stderr=as_json, highlight=False, soft_wrap=True)
    points = folder.points()
    display.print(f"{len(points)} trials of {', '.join(folder.sweep().keys)}: {out}")
    with locked(folder.path):
        errors = sweeps.run_trials(folder, address=address, cpus=cpus or 1, concurrent=concurrent)
        rows = sweeps.read_rows(folder, errors)
        sweeps.write_results(folder, rows)
    ranking = sweeps.best(rows)
    states = [row.status for row in rows]
    counts = {state: states.count(state) for state in ("finished", "stopped", "failed")}
    if as_json:
        winner = asdict(ranking[0]) | {"point": points[ranking[0].trial]} if ranking else None
        seconds = round(time.perf_counter() - started, 3)
        result = {"trials": len(rows), **counts, "best": winner, "seconds": seconds}
        print(json.dumps(result | {"out": str(out)}), flush=True)
    else:
        for row in ranking[:5]:
            display.print(
                f"trial {row.trial}: test accuracy {row.test_accuracy:.4f} after {row.epochs} "
                f"epochs, {sweeps.named(points[row.trial])}"
            )
        told = ", ".join(f"{count} {status}" for status, count in counts.items())
        display.print(f"{told}; table and figures: {out}")
    if counts["failed"]:
        failed = next(row for row in rows if row.status == "failed")
        raise LavaEPError(
            f"{counts['failed']} of {len(rows)} trials failed, the first of them trial "
            f"{failed.trial}: {failed.error}\nsweep --resume tries them again"
        )


@command
def evaluate(
    run_dir: RunDir,
    backend: Annotated[
        str | None, typer.Option(help="Backend, if not the one it was trained on.")
    ] = None,
    threads: Threads = None,
    data: Annotated[str | None, typer.Option(help="Data set, if not the trained one.")] = None,
    data_dir: DataDir = None,
    limit_test: Annotated[int | None, typer.Option(help="Use the first N test samples.")] = None,
    as_json: AsJson = False,
) -> None:
    """Test the newest checkpoint of a run."""
    from lava_ep import training

    started = time.perf_counter()
    folder = training.RunFolder.open(run_dir)
    experiment = folder.spec()
    backend = backend or str(folder.about()["backend"])
    _check_execution([backend], threads)
    epoch, parameters = folder.latest_or_fail(experiment.network)
    dataset = training.load_run_data(folder, name=data, data_dir=data_dir, limit_test=limit_test)
    training.check_fit(experiment, dataset)
    found = training.evaluate(experiment, parameters, dataset, backend=backend, threads=threads)
    trained = (line for line in folder.metrics() if line["epoch"] == epoch)
    costs = training.family_of(experiment.network).costs(experiment, found, next(trained, None))
    result = {
        "test_accuracy": found.accuracy,
        "epochs": epoch,
        "seconds": round(time.perf_counter() - started, 3),
        "backend": backend,
        "data": dataset.name,
        "test_samples": len(found.labels),
        "run_dir": str(run_dir),
        **costs.content,
    }
    display = Console(stderr=as_json, highlight=False, soft_wrap=True)
    _finish(result, as_json, display)
    if not as_json:
        for line in costs.lines:
            display.print(line)


@command
def compare(
    run_dir: RunDir,
    backends: Annotated[
        str, typer.Option(help="Backends to compare with the first of them, by commas.")
    ] = ",".join(COMPARABLE),
    samples: Annotated[int, typer.Option(help="Training samples to show.")] = 64,
    threads: Threads = None,
    data_dir: DataDir = None,
) -> None:
    """Compare backends, from the newest checkpoint of a run on: exit code 0 or 1."""
    from lava_ep import training
    from lava_ep.analysis import compare_backends

    _check_execution(backends.split(","), threads)
    folder = training.RunFolder.open(run_dir)
    experiment = folder.spec()
    epoch, parameters = folder.latest_or_fail(experiment.ep_network)
    dataset = training.load_run_data(folder, data_dir=data_dir)
    training.check_fit(experiment, dataset)
    found = compare_backends(
        experiment, parameters, dataset, backends.split(","), samples=samples, threads=threads
    )
    display = Console(highlight=False, soft_wrap=True, markup=False)
    if found.difference is not None:
        display.print(f"different: {found.difference}")
        raise typer.Exit(1)
    agreement = "identical" if found.exact else f"equal within {found.largest:.1e}"
    display.print(
        f"{agreement}: {found.samples} samples from epoch {epoch} on, every state and activation "
        f"of {found.steps} time steps, and after every batch all parameters, scores and counters"
    )


@command
def convert(
    run_dir: RunDir,
    predict: Annotated[
        bool,
        typer.Option("--predict/--no-predict", help="Also compare predictions of test samples."),
    ] = True,
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
    _, parameters = folder.latest_or_fail(experiment.ep_network)
    found = fixed_point.convert(experiment.ep_network, parameters)
    display = Console(stderr=as_json, highlight=False, soft_wrap=True, markup=False)
    display.print(str(found))
    result = found.to_json() | {"run_dir": str(run_dir)}
    if predict:
        dataset = training.load_run_data(folder, data_dir=data_dir, limit_test=limit_test)
        training.check_fit(experiment, dataset)
        compared = compare_predictions(experiment, parameters, dataset, ("fused", "fixed_point"))
        result["predictions"] = compared.to_json()
        display.print(str(compared))
    if as_json:
        print(json.dumps(result), flush=True)


@command
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
    backend: Annotated[
        str | None, typer.Option(help="Backend, if not the one it was trained on.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Draw one sample: input, events and states through both phases, scores."""
    from lava_ep.report import raster_run
    from lava_ep.report.phases import events_within

    if backend is not None:
        find_backend(backend)
    path, shown = raster_run(
        run_dir, sample, train=train, out=out, backend=backend, data_dir=data_dir
    )
    recording, names = shown.recording, shown.class_names
    free, nudged = (
        sum(events_within(recording, layer, phase) for layer in range(len(recording.events)))
        for phase in ("free", "nudged")
    )
    display = Console(highlight=False, soft_wrap=True, markup=False)
    display.print(
        f"{shown.title}: true class {names[recording.label]}, prediction "
        f"{names[recording.prediction]}, {free:,} {shown.event}s free and {nudged:,} nudged"
    )
    display.print(f"Raster: {path.resolve()}")


@command
def report(run_dir: RunDir, data_dir: DataDir = None) -> None:
    """Write report.html and the figures of a run."""
    Console().print(f"Report: {_write_report(run_dir, data_dir)}", soft_wrap=True)


@command
def presets(as_json: AsJson = False) -> None:
    """List the experiments that come with the package."""
    from lava_ep.training import family_of

    experiments = {name: load_preset(name) for name in preset_names()}
    if as_json:
        print(json.dumps({name: e.model_dump(mode="json") for name, e in experiments.items()}))
        return
    # Names stay whole where the terminal is narrow: they are what `train` is told.
    names = (Column(name, no_wrap=True) for name in ("preset", "data"))
    folded = (
        Column(name, overflow="fold", min_width=9)
        for name in ("network", "neurons, weights", "T + K, nudging or groups")
    )
    table = Table(*names, *folded, "batch", "epochs", box=None)
    for name, experiment in experiments.items():
        training = experiment.training
        table.add_row(
            name,
            experiment.data.name,
            str(experiment.network),
            *family_of(experiment.network).describe(experiment),
            str(training.batch_size),
            str(training.epochs),
        )
    Console().print(table)


@command
def info(as_json: AsJson = False) -> None:
    """Show versions, backends, data sets, the machine, and the memory that presets take."""
    import os
    import platform

    from lava_ep.data import DATASETS
    from lava_ep.training import family_of
    from lava_ep.training.trainer import package_versions

    memory: dict[str, dict[str, dict[str, int]]] = {"engine_bytes": {}, "parameter_bytes": {}}
    for name, experiment in ((name, load_preset(name)) for name in preset_names()):
        key, parts = family_of(experiment.network).memory(experiment)
        memory[key][name] = parts
    facts: dict[str, Any] = {
        "versions": package_versions(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "backends": {name: backend.description for name, backend in BACKENDS.items()},
        "datasets": dict(DATASETS),
        "presets": preset_names(),
        **memory,
        "data_dir": os.environ.get("LAVA_EP_DATA"),
    }
    if as_json:
        print(json.dumps(facts))
        return
    table = Table(show_header=False, box=None)
    for title, key in (
        ("memory of the fused engine", "engine_bytes"),
        ("memory of parameters", "parameter_bytes"),
    ):
        facts[title] = {
            name: f"{sum(parts.values()) / 2**20:,.1f} MiB: "
            + ", ".join(f"{part} {size / 2**20:,.1f}" for part, size in parts.items())
            for name, parts in facts.pop(key).items()
        }
    for key, value in facts.items():
        if isinstance(value, Mapping):
            value = "\n".join(f"{name}  {text}" for name, text in value.items())
        elif isinstance(value, list):
            value = ", ".join(value)
        table.add_row(key, str(value))
    Console().print(table)


@functools.partial(command, to=study)
def gdu(
    out: StudyFolder,
    preset: Annotated[
        str | None,
        typer.Option(help="Experiment that comes with the package (default: gdu-toy)."),
    ] = None,
    spec: SpecFile = None,
    run: Annotated[
        Path | None, typer.Option(help="Folder of a run, for its trained parameters.")
    ] = None,
    data_dir: DataDir = None,
    samples: Annotated[int, typer.Option(help="Training samples to average over.")] = 20,
    beta: Annotated[
        str | None, typer.Option(help="Nudging strengths, by commas (default: around the spec's).")
    ] = None,
    eta: Annotated[
        str | None, typer.Option(help="Learning rates, by commas (default: 2e-8 to 0.02).")
    ] = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Compare nudged updates, step by step, with backpropagation through time."""
    from lava_ep import training
    from lava_ep.analysis import gdu as analysis
    from lava_ep.analysis import study_figures as figures
    from lava_ep.data import load_experiment
    from lava_ep.parameters import initial_parameters

    started = time.perf_counter()
    check_new(out)
    sweeps = {"betas": _numbers("--beta", beta), "etas": _numbers("--eta", eta)}
    if run is not None:
        if preset or spec:
            raise InputError(f"--run {run}: has a spec of its own; leave out --preset and --spec")
        folder = training.RunFolder.open(run)
        experiment = override(folder.spec(), assignments or [])
        _, parameters = folder.latest_or_fail(experiment.ep_network)
        dataset = training.load_run_data(folder, data_dir=data_dir)
    else:
        preset = preset or (None if spec else "gdu-toy")
        experiment = _experiment(preset, spec, {}, assignments)
        parameters = initial_parameters(experiment.ep_network, seed=experiment.training.seed)
        dataset = load_experiment(experiment, data_dir=data_dir)
    training.check_fit(experiment, dataset)
    if not 1 <= samples <= len(dataset.x_train):
        raise InputError(f"--samples {samples}: expected 1 to {len(dataset.x_train)}")
    display = Console(stderr=as_json, highlight=False, soft_wrap=True)
    with display.status("settling") as status:
        found = analysis.study_gdu(
            experiment.ep_network,
            parameters,
            dataset.x_train[:samples],
            dataset.y_train[:samples],
            on_setting=lambda s: status.update(f"{s.rule.value}, β = {s.beta:g}, η = {s.eta:g}"),
            **sweeps,
        )
        status.update("drawing")
        figures.write_study(out, found.to_json(), figures.gdu_figures(found))
    if as_json:
        seconds = round(time.perf_counter() - started, 3)
        print(json.dumps(found.summary() | {"seconds": seconds, "out": str(out)}), flush=True)
        return
    display.print(f"{found.network}: {found.statement}.")
    if not found.settled:
        display.print(
            f"Not settled: the last free step moved a state by {found.residual:.1e}, which updates "
            "include; raise network.phases.free_steps or lower the layers' scale."
        )
    for rule, error in found.summary()["errors"].items():
        display.print(f"{rule}: relative error of the total update {error:.2e}")
    display.print(f"Figures and {figures.RESULT}: {out}")


@functools.partial(command, to=study)
def angle(
    out: StudyFolder,
    preset: Annotated[
        str | None,
        typer.Option(help="Experiment that comes with the package (default: cvf-digits)."),
    ] = None,
    spec: SpecFile = None,
    data_dir: DataDir = None,
    angles: Annotated[
        str, typer.Option(help="Angles in degrees, by commas.")
    ] = "0,22.5,45,67.5,90,112.5,135,157.5,180",
    seeds: Annotated[str, typer.Option(help="Seeds, by commas.")] = "0,1",
    epochs: Annotated[int | None, typer.Option(help="Number of epochs.")] = None,
    backend: Annotated[
        str, typer.Option(help=f"How to execute the network: {', '.join(BACKENDS)}.")
    ] = "fused",
    threads: Threads = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Train networks whose feedback weights start at an angle to the forward weights."""
    from lava_ep.analysis import study_figures as figures
    from lava_ep.analysis.angle import study_angles
    from lava_ep.data import load_experiment

    started = time.perf_counter()
    _check_execution([backend], threads)
    check_new(out)
    preset = preset or (None if spec else "cvf-digits")
    experiment = _experiment(preset, spec, {"training.epochs": epochs}, assignments)
    display = Console(stderr=as_json, highlight=False, soft_wrap=True)
    found = study_angles(
        experiment,
        load_experiment(experiment, data_dir=data_dir),
        angles=_numbers("--angles", angles) or [],
        seeds=[int(seed) for seed in _numbers("--seeds", seeds, int) or []],
        backend=backend,
        threads=threads,
        on_point=lambda p: display.print(
            f"ψ = {p.angle:g}°, seed {p.seed}: test error {100 * p.test_error:.2f} %"
        ),
    )
    drawn = {"error-by-angle": functools.partial(figures.error_by_angle, found)}
    figures.write_study(out, found.to_json(), drawn)
    if as_json:
        seconds = round(time.perf_counter() - started, 3)
        print(json.dumps(found.to_json() | {"seconds": seconds, "out": str(out)}), flush=True)
        return
    display.print(f"Figure and {figures.RESULT}: {out}")


@functools.partial(command, to=study)
def uncertainty(
    out: Annotated[
        Path, typer.Option("--out", help="Folder to make, or of a study to go on with.")
    ],
    preset: Annotated[
        str | None,
        typer.Option(help="Experiment that comes with the package (default: drn-digits)."),
    ] = None,
    spec: SpecFile = None,
    data: Annotated[
        str | None, typer.Option(help="Data sets, by commas (default: that of the spec).")
    ] = None,
    data_dir: DataDir = None,
    deviations: Annotated[
        str | None,
        typer.Option(
            help="Noise of the mean, σ/√N, by commas: every N is tried with σ = √N times as much "
            "(default: 0.05 to 15 times the estimate of the critical one)."
        ),
    ] = None,
    samples: Annotated[
        str, typer.Option(help="Numbers N of measurements that are averaged, by commas.")
    ] = "1,4,16,64",
    seeds: Annotated[str, typer.Option(help="Seeds, by commas.")] = "0,1",
    epochs: Annotated[int | None, typer.Option(help="Number of epochs.")] = None,
    limit_train: Annotated[
        int | None, typer.Option(help="Use at most the first N training samples of each set.")
    ] = None,
    limit_test: Annotated[
        int | None, typer.Option(help="Use at most the first N test samples of each set.")
    ] = None,
    backend: Annotated[
        str, typer.Option(help=f"How to execute the network: {', '.join(BACKENDS)}.")
    ] = "fused",
    threads: Threads = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Train networks under noise of measurements and find how much of it they bear.

    Run the same command again to go on after an interruption; finished trainings are kept.
    """
    from lava_ep.analysis import study_figures as figures
    from lava_ep.analysis.uncertainty import Training, load_sets, study_uncertainty
    from lava_ep.analysis.uncertainty_figures import uncertainty_figures

    started = time.perf_counter()
    _check_execution([backend], threads)
    given = {
        "training.epochs": epochs,
        "data.limit_train": limit_train,
        "data.limit_test": limit_test,
    }
    preset = preset or (None if spec else "drn-digits")
    experiment = _experiment(preset, spec, given, assignments)
    names = data.split(",") if data else [experiment.data.name]
    display = Console(stderr=as_json, highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
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
            deviations=_numbers("--deviations", deviations),
            samples=[int(number) for number in _numbers("--samples", samples, int) or []],
            seeds=[int(seed) for seed in _numbers("--seeds", seeds, int) or []],
            backend=backend,
            threads=threads,
            on_training=on_training,
            on_progress=on_progress,
        )
    figures.update_study(out, found.to_json(), uncertainty_figures(found))
    if as_json:
        seconds = round(time.perf_counter() - started, 3)
        print(json.dumps(found.summary() | {"seconds": seconds, "out": str(out)}), flush=True)
        return
    for result in found.results:
        display.print(f"{result.data}:")
        for line in result.lines():
            display.print(f"  {line}")
    display.print(f"Figures and {figures.RESULT}: {out}")


KitFolder = Annotated[
    Path | None, typer.Option("--kit", help="Folder of a kit (default: the one of the package).")
]


@functools.partial(command, to=conformance_app, name="check")
def conformance_check(
    backends: Annotated[
        list[str],
        typer.Argument(help="Backends of lava-ep, or MODULE:CLASS or FILE.py:CLASS of adapters."),
    ],
    kit: KitFolder = None,
    case: Annotated[
        list[str] | None, typer.Option(help="Only this case; may be given several times.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Give a verdict for every Process: exit code 1 if one diverges or fails."""
    from lava_ep import conformance

    adapters = [conformance.find_adapter(name) for name in backends]
    names = [adapter.name for adapter in adapters]
    if len(set(names)) < len(names):
        raise InputError(f"backends {', '.join(names)}: expected a different name of each")
    entries = conformance.choose(conformance.read_kit(kit), case or [])
    verdicts = {adapter.name: list(conformance.check(entries, adapter)) for adapter in adapters}
    if as_json:
        print(
            json.dumps(
                {name: [verdict.to_json() for verdict in found] for name, found in verdicts.items()}
            )
        )
    else:
        display = Console(highlight=False, soft_wrap=True, markup=False)
        for name, found in verdicts.items():
            columns = [Column(title, no_wrap=True) for title in ("case", "Process", "verdict")]
            table = Table(*columns, Column(overflow="fold"), box=None, title=name)
            for verdict in found:
                about = verdict.divergence or verdict.note
                table.add_row(
                    verdict.case.name, verdict.case.subject, verdict.outcome.value, str(about)
                )
            display.print(table)
            display.print(f"{name}: {conformance.summary(found)}")
    verdict_list = [verdict for found in verdicts.values() for verdict in found]
    for verdict in verdict_list:
        if verdict.traceback:
            print(f"{verdict.case.name}:\n{verdict.traceback}", file=sys.stderr)
    if not all(verdict.passed for verdict in verdict_list):
        raise typer.Exit(1)


@functools.partial(command, to=conformance_app, name="record")
def conformance_record(
    out: Annotated[Path, typer.Option("--out", help="Folder to make.")],
) -> None:
    """Record the kit anew from the reference backends."""
    from lava_ep import conformance

    check_new(out)
    entries = conformance.record_all()
    conformance.write_kit(out, entries)
    display = Console(highlight=False, soft_wrap=True, markup=False)
    display.print(f"{len(entries)} cases: {out.resolve()}")


@functools.partial(command, to=deploy_app, name="report")
def deploy_report(
    run_dir: Annotated[
        Path | None, typer.Argument(help="Folder of a run, or none for --preset or --spec.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Experiment that comes with the package.")
    ] = None,
    spec: SpecFile = None,
    inference: Annotated[
        bool, typer.Option("--inference", help="Weights stay as they are: nothing learns there.")
    ] = False,
    system: Annotated[
        str | None, typer.Option(help="Judge this system only (default: all of them).")
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A limit of a core, if not the public figure."),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the cores to this file (.png, .svg, .pdf).")
    ] = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Place a network on Loihi 2: exit code 0 if it fits, 1 if it does not."""
    from lava_ep import deploy, training
    from lava_ep.loihi2 import resources
    from lava_ep.report import theme

    if run_dir is not None:
        if preset or spec:
            raise InputError(f"{run_dir}: has a spec of its own; leave out --preset and --spec")
        experiment = override(training.RunFolder.open(run_dir).spec(), assignments or [])
    else:
        experiment = _experiment(preset, spec, {}, assignments)
    systems = (resources.find_system(system),) if system else resources.SYSTEMS
    limits = resources.Limits().override(limit or [])
    if figure is not None and figure.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(f"--figure {figure}: expected a name that ends in .png, .svg or .pdf")
    if figure is not None and not figure.parent.is_dir():
        raise InputError(f"--figure {figure}: there is no folder {figure.parent}")
    placed = deploy.place(experiment.ep_network, learning=not inference, limits=limits)
    found = deploy.report_on(placed, systems)
    if figure is not None:
        with theme.applied(theme.LIGHT), replacing(figure) as temporary:
            deploy.core_map(placed, found.shown).savefig(temporary, format=figure.suffix[1:])
    if as_json:
        print(json.dumps(found.to_json()), flush=True)
    else:
        found.print(Console(highlight=False, markup=False))
        if figure is not None:
            Console(soft_wrap=True, highlight=False).print(f"Figure: {figure.resolve()}")
    if found.home is None:
        raise typer.Exit(1)


@functools.partial(command, to=export_app, name="nir")
def export_nir(
    run_dir: RunDir,
    out: Annotated[
        Path | None, typer.Option(help="File to write (default: RUN_DIR/network.nir).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the newest checkpoint of a run as a graph of NIR."""
    from lava_ep import deploy

    out = out or run_dir / "network.nir"
    trained = deploy.Trained.of_run(run_dir)
    graph = deploy.write_nir(out, trained)
    counts = {"nodes": len(graph.nodes), "edges": len(graph.edges)}
    if as_json:
        print(json.dumps({"nir": str(out), "epochs": trained.epoch, **counts}), flush=True)
        return
    Console(soft_wrap=True, highlight=False).print(
        f"{trained.experiment.network} after {trained.epoch} epochs: {counts['nodes']} nodes, "
        f"{counts['edges']} edges in {out.resolve()}"
    )


@functools.partial(command, to=import_app, name="nir")
def import_nir(
    file: Annotated[Path, typer.Argument(help="File that `lava-ep export nir` has written.")],
    out: Annotated[
        Path | None, typer.Option(help="Run folder to make (default: runs/NAME-TIME).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a run folder of a NIR file, to evaluate, draw or go on with."""
    from lava_ep import deploy

    trained = deploy.read_nir(file)
    if out is None:
        out = Path("runs") / f"{file.stem}-{datetime.now():%Y%m%d-%H%M%S}"
    trained.make_run(out, command=shlex.join(["lava-ep", *sys.argv[1:]]))
    if as_json:
        print(json.dumps({"run_dir": str(out), "epochs": trained.epoch}), flush=True)
        return
    Console(soft_wrap=True, highlight=False).print(
        f"{trained.experiment.network} after {trained.epoch} epochs\nRun folder: {out}"
    )


def _swept(option: str, texts: Sequence[str] | None, read: Callable[[str], Any]) -> dict[str, Any]:
    """Read options of the form KEY=VALUES."""
    found = {}
    for text in texts or []:
        key, separator, values = text.partition("=")
        try:
            if not (key and separator and values):
                raise ValueError
            if key in found:
                raise InputError(f"{option} {text}: {key} is given twice")
            found[key] = read(values)
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            expected = "KEY=LOW:HIGH" if read is _bounds else "KEY=VALUE,VALUE"
            raise InputError(f"{option} {text}: expected {expected}") from None
    return found


def _values(text: str) -> list[Any]:
    """Read values that are separated by commas: JSON, or else strings."""
    try:
        values: list[Any] = json.loads(f"[{text}]")
    except json.JSONDecodeError:
        return [parse_value(part) for part in text.split(",")]
    return values


def _bounds(text: str) -> list[float]:
    """Read a lowest and a highest value."""
    low, high = text.split(":")
    return [float(low), float(high)]


def _numbers(
    option: str, text: str | None, kind: Callable[[str], float] = float
) -> list[float] | None:
    """Read numbers that are separated by commas."""
    if text is None:
        return None
    try:
        return [kind(number) for number in text.split(",")]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise InputError(f"{option} {text}: expected {what} separated by commas") from None


def _check_execution(backends: Sequence[str], threads: int | None) -> None:
    """Check how a network is to be executed, before anything is read or written."""
    for backend in backends:
        find_backend(backend)
    if threads is not None and threads < 1:
        raise InputError(f"--threads {threads}: expected at least 1")


def _experiment(
    preset: str | None,
    spec: Path | None,
    given: Mapping[str, Any],
    assignments: Sequence[str] | None,
) -> ExperimentSpec:
    """Combine preset or file, options and assignments, in this order."""
    if preset and spec:
        raise InputError(f"--preset {preset} and --spec {spec}: give only one of them")
    experiment = load_spec(spec) if spec else load_preset(preset or DEFAULT_PRESET)
    options = [f"{key}={json.dumps(value)}" for key, value in given.items() if value is not None]
    return override(experiment, [*options, *(assignments or [])])


def _train(
    folder: RunFolder,
    experiment: ExperimentSpec,
    dataset: Dataset,
    backend: str,
    threads: int | None,
    resume: bool,
    display: Console,
    ranks: Ranks,
) -> list[dict[str, Any]]:
    """Train with a live progress bar."""
    from lava_ep.training import Trainer, family_of

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("accuracy {task.fields[accuracy]:.3f}, {task.fields[speed]:,.0f} samples/s"),
        TimeRemainingColumn(),
    )
    frozen = ", input layer frozen" if experiment.network.layers[0].frozen else ""
    family = family_of(experiment.network)
    display.print(
        f"{experiment.network}{frozen} on {dataset.name}, {backend}, "
        f"seed {experiment.training.seed}" + (f", {ranks.size} ranks" if ranks.size > 1 else ""),
        highlight=False,
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
                highlight=False,
                soft_wrap=True,
            )

        trainer = Trainer(
            experiment,
            dataset,
            backend=backend,
            threads=threads,
            folder=folder,
            ranks=ranks,
            on_progress=on_progress,
            on_epoch=on_epoch,
        )
        if resume:
            done = trainer.resume()
            display.print(f"resuming after epoch {done}", highlight=False)
        return trainer.fit()


def _result(
    metrics: Sequence[Mapping[str, Any]], experiment: ExperimentSpec, backend: str, out: Path
) -> dict[str, Any]:
    """Return what ``train --json`` prints."""
    from lava_ep.training import family_of

    last = metrics[-1]
    return {
        "test_accuracy": last["test_accuracy"],
        "train_accuracy": last["train_accuracy"],
        "best_test_accuracy": max(entry["test_accuracy"] for entry in metrics),
        "epochs": last["epoch"],
        "seconds": 0.0,
        "train_seconds_per_epoch": sum(e["train_seconds"] for e in metrics) / len(metrics),
        "backend": backend,
        "seed": experiment.training.seed,
        "run_dir": str(out),
        **family_of(experiment.network).result(experiment.network, metrics),
    }


def _write_report(run_dir: Path, data_dir: Path | None) -> Path:
    from lava_ep.training import RunFolder, family_of

    family = family_of(RunFolder.open(run_dir).spec().network)
    return family.write_report(run_dir, data_dir=data_dir).resolve()


def _finish(result: Mapping[str, Any], as_json: bool, display: Console) -> None:
    """Print the result, as JSON in the last line or as text."""
    if as_json:
        print(json.dumps(result), flush=True)
        return
    display.print(f"Run folder: {result['run_dir']}", highlight=False, soft_wrap=True)
    display.print(
        f"Test accuracy {result['test_accuracy']:.4f} after {result['epochs']} epochs, "
        f"{result['seconds']:.1f} s",
        highlight=False,
    )
