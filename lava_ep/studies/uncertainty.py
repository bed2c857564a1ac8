r"""How much noise of measurements a network can learn with (Peters & Talatchian 2025).

Every activation that learning sees is measured with noise :math:`\sigma\xi`, N times, and
averaged, see `lava_ep.dynamics.Noise`. Up to a critical :math:`\sigma_c` a network learns as well
as without noise; beyond, it does not. The test accuracy is fitted by a logistic function of
:math:`\ln \sigma`,

.. math:: a(\sigma) = c + \frac{a_0 - c}{1 + (\sigma/\sigma_c)^k},

so that :math:`\sigma_c` is where half of what noise can take is lost; what is left, c, lies at
chance or above, as random hidden nodes are features, too. Networks of all N share :math:`a_0`, c
and k. As noise averages out, :math:`\sigma_c \propto \sqrt N`.

An estimate of :math:`\sigma_c` is the deviation at which noise alone moves a weight of the first
layer as far as its initial size: each update of rate :math:`\eta` moves it by
:math:`\eta\,\sqrt 2\,\sigma A\, x_\mathrm{rms} / (\mathrm{span} \sqrt{N B})`, at random, and
T updates by :math:`\sqrt T` times that, which gives

.. math:: \sigma_c \approx \frac{\sqrt{N B}\;\mathrm{span}\;\bar w}{\sqrt 2\, A\,
    x_\mathrm{rms} \sqrt{\sum_t \eta_t^2}}

where the span is :math:`2\beta` with symmetric nudging, A the voltage of a white pixel (1 but in
resistive networks) and :math:`\bar w` the mean magnitude of the weights at first.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from pydantic import TypeAdapter, ValidationError

from lava_ep.command_line import (
    AsJson,
    Assignments,
    DataDir,
    Epochs,
    ResumableFolder,
    Seeds,
    SpecFile,
    StudyBackend,
    Threads,
    Workers,
    check_execution,
    console,
    make_experiment,
    numbers,
    preset_option,
    print_result,
    trainings_bar,
    whole_path,
)
from lava_ep.data import Dataset, load_experiment
from lava_ep.errors import DivergedError, InputError
from lava_ep.files import read_lines
from lava_ep.parameters import initial_parameters
from lava_ep.spec import ExperimentSpec, NoiseSpec, ResistiveNeuronSpec, override
from lava_ep.studies import study
from lava_ep.studies._thresholds import (
    DataResult,
    Threshold,
    Training,
    fit_threshold,
    fit_thresholds,
    summarize,
)

__all__ = [
    "DataResult",
    "Threshold",
    "Training",
    "UncertaintyStudy",
    "estimated_threshold",
    "fit_threshold",
    "fit_thresholds",
    "study_uncertainty",
    "summarize",
]

SPREAD = (0.05, 0.25, 0.6, 1.0, 1.6, 2.5, 5.0, 15.0)
"""Deviations to compare, in units of the estimate."""

TRAININGS = "trainings.jsonl"
"""Name of the file in which earlier versions kept finished trainings, one line each."""


@dataclass(frozen=True)
class UncertaintyStudy:
    """What `study_uncertainty` finds.

    Parameters
    ----------
    network
        Sizes of the hidden layers and the output, and kind of the neurons.
    epochs
        For how long each network was trained.
    results
        Of each data set.
    trainings
        All trained networks.
    """

    network: str
    epochs: int
    results: tuple[DataResult, ...]
    trainings: tuple[Training, ...]

    def summary(self) -> dict[str, Any]:
        """Return what matters most as plain data."""
        return {
            "network": self.network,
            "epochs": self.epochs,
            "trainings": len(self.trainings),
            "results": [asdict(result) for result in self.results],
        }

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return asdict(self)


def load_sets(
    spec: ExperimentSpec, names: Sequence[str], data_dir: Path | None = None
) -> list[Dataset]:
    """Load data sets, of each at most as many samples as the experiment uses.

    Raises
    ------
    InputError
        If there is no such data set, or its files are missing.
    """
    train, test = spec.data.limit_train, spec.data.limit_test
    whole = override(spec, ["data.limit_train=null", "data.limit_test=null"])
    found = []
    for name in dict.fromkeys(names):
        chosen = override(whole, [f"data.name={json.dumps(name)}"])
        data = load_experiment(chosen, data_dir=data_dir)
        found.append(
            replace(
                data,
                # Of two files with the same name the paths differ.
                name=name,
                x_train=data.x_train[:train],
                y_train=data.y_train[:train],
                x_test=data.x_test[:test],
                y_test=data.y_test[:test],
            )
        )
    return found


def for_data(spec: ExperimentSpec, dataset: Dataset) -> ExperimentSpec:
    """Return an experiment with the pixels and classes of a data set."""
    from lava_ep.training import adapted

    return adapted(override(spec, [f"data.name={json.dumps(dataset.name)}"]), dataset)[0]


def estimated_threshold(spec: ExperimentSpec, dataset: Dataset) -> float | None:
    r"""Estimate :math:`\sigma_c` of N = 1, see the top of this module.

    ``None`` for binary weights, which noise does not move but flip, and for a frozen first layer.
    """
    network, training, layer = spec.ep_network, spec.training, spec.ep_network.layers[0]
    if layer.binary or layer.frozen or not layer.rate:
        return None
    parameters = initial_parameters(network, seed=training.seed)
    weight = float(np.abs(parameters.layers[0].weights).mean())
    voltage = 1.0
    if isinstance(network.neuron, ResistiveNeuronSpec):
        voltage = network.neuron.input_voltage
    pixels = dataset.x_train.astype(np.float32) / dataset.levels
    brightness = float(np.sqrt(np.mean(pixels**2, dtype=np.float64)))
    updates = len(dataset.x_train) // training.batch_size
    rates = [layer.rate * training.decay**epoch for epoch in range(training.epochs)]
    walked = math.sqrt(updates * sum(rate**2 for rate in rates))
    span = network.schedule(0).contrast_span
    scale = math.sqrt(2) * voltage * brightness * walked
    return math.sqrt(training.batch_size) * span * weight / scale


def plan_trainings(
    deviations: Mapping[str, Sequence[float]], samples: Sequence[int], seeds: Sequence[int]
) -> list[tuple[str, float, int, int]]:
    r"""Return data set, :math:`\sigma`, N and seed of every training, those without noise first.

    Parameters
    ----------
    deviations
        :math:`\sigma/\sqrt N` by the names of the data sets; :math:`\sigma` follows for every N.
    samples, seeds
        All N, and all seeds.

    Raises
    ------
    InputError
        If there is nothing to train, or a value is out of range.
    """
    if not deviations or not samples or not seeds or not all(deviations.values()):
        raise InputError("expected at least one data set, deviation, N and seed")
    for data, found in deviations.items():
        for value in found:
            if not 0 < value < math.inf:
                raise InputError(f"deviation {value} for {data}: expected a positive number")
    for name, values, least in (("samples", samples, 1), ("seed", seeds, 0)):
        for value in values:
            if value < least:
                raise InputError(f"{name} {value}: expected {least} or more")
    plan = []
    for data, found in deviations.items():
        plan += [(data, 0.0, 1, seed) for seed in dict.fromkeys(seeds)]
        plan += [
            (data, deviation * math.sqrt(number), number, seed)
            for seed in dict.fromkeys(seeds)
            for number in sorted(set(samples))
            for deviation in sorted(set(found))
        ]
    return plan


VARIED = (
    *(f"network.{field}" for field in ("inputs", "input_levels", "image_shape", "classes")),
    *("network.noise", "training.seed", "data.name"),
)
"""Fields that differ between trainings: pixels and classes are those of the data set."""


def _earlier(folder: Path) -> dict[tuple[str, float, int, int], Training]:
    """Read the trainings that an earlier version has kept; a line cut off by a kill is left out.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    path, reader = folder / TRAININGS, TypeAdapter(Training)
    found = {}
    for number, entry in enumerate(read_lines(path), start=1):
        try:
            training = reader.validate_python(entry)
        except ValidationError:
            raise InputError(f"{path}, line {number}: not a training") from None
        found[training.key] = training
    return found


def study_uncertainty(
    spec: ExperimentSpec,
    datasets: Sequence[Dataset],
    folder: Path,
    *,
    deviations: Sequence[float] | None = None,
    samples: Sequence[int] = (1,),
    seeds: Sequence[int] = (0,),
    backend: str = "fused",
    workers: int | None = None,
    threads: int | None = None,
    on_training: Callable[[Training, int, int], None] | None = None,
    on_progress: Callable[[float, int], None] | None = None,
) -> UncertaintyStudy:
    r"""Train a network anew for every data set, deviation, N and seed, and find the thresholds.

    Trainings that the folder has already are not repeated, so that a study resumes after an
    interruption, and can be extended.

    Parameters
    ----------
    spec
        What is trained, and how; each data set brings its own pixels and classes.
    datasets
        From what.
    folder
        Folder of the study.
    deviations
        :math:`\sigma/\sqrt N`; by default `SPREAD` around the estimate for each data set.
    samples, seeds
        All N, and all seeds.
    workers
        Trainings at a time, each in its own process, which imports the main module of the program
        again as `multiprocessing` does; 0: as many as there are cores for; ``None``: one after the
        other, in this process.
    backend, threads
        See `Trainer`.
    on_training
        Called with every training, and how many are done of how many.
    on_progress
        Called with how many are done, with fractions of those being trained, and of how many.

    Raises
    ------
    InputError
        If spec and data do not fit, a value is out of range, or the folder holds something else.
    DivergedError
        If a network breaks down without noise.
    LavaEPError
        If a training fails for any other reason; the others are trained first.
    """
    from lava_ep.training import check_execution as check_backend
    from lava_ep.training import check_fit
    from lava_ep.training.grid import Planned
    from lava_ep.training.workers import train_study

    if spec.ep_network.noise != NoiseSpec():
        raise InputError(
            f"network.noise={spec.ep_network.noise.model_dump(mode='json')}: expected none, as the "
            "study sets it; choose deviations and samples instead"
        )
    experiments = {dataset.name: for_data(spec, dataset) for dataset in datasets}
    sets = {dataset.name: dataset for dataset in datasets}
    chosen: dict[str, list[float]] = {}
    estimates: dict[str, float | None] = {}
    for name, experiment in experiments.items():
        check_fit(experiment, sets[name])
        check_backend(experiment, backend)
        estimates[name] = estimated_threshold(experiment, sets[name])
        around = _around(estimates[name], name) if deviations is None else deviations
        chosen[name] = [float(deviation) for deviation in around]
    earlier = _earlier(folder)
    plan = plan_trainings(chosen, samples, seeds)
    planned = {}
    for name, sigma, number, seed in plan:
        point = {
            "data.name": name,
            "network.noise.sigma": sigma,
            "network.noise.samples": number,
            "training.seed": seed,
        }
        planned[name, sigma, number, seed] = Planned(point, experiments[name], sets[name])
    missing = [key for key in plan if key not in earlier]
    found = {key: training for key, training in earlier.items() if key in planned}

    def ended(index: int, last: Mapping[str, Any] | str) -> None:
        key = missing[index]
        if isinstance(last, str):
            # Noise may move parameters to where the network has no state to settle to.
            training = Training(*key, None, None, last[:300])
        else:
            training = Training(*key, last["test_accuracy"], last["train_accuracy"])
        found[key] = training
        if on_training is not None:
            on_training(training, len(found), len(plan))

    def progress(done: float) -> None:
        if on_progress is not None:
            on_progress(done + len(plan) - len(missing), len(plan))

    train_study(
        folder,
        "uncertainty",
        spec,
        [planned[key] for key in missing],
        varied=VARIED,
        backend=backend,
        workers=workers,
        threads=threads,
        on_progress=progress,
        on_end=ended,
    )
    trainings = tuple(found[key] for key in plan)
    for training in trainings:
        if training.error is not None and training.sigma == 0:
            # Without noise this is no result but a mistake.
            raise DivergedError(training.error)
    hidden = "-".join(
        str(layer.neurons or f"{layer.channels}c") for layer in spec.ep_network.layers
    )
    return UncertaintyStudy(
        network=f"{hidden}, {spec.ep_network.neuron.kind}",
        epochs=spec.training.epochs,
        results=tuple(
            summarize(
                [training for training in trainings if training.data == name],
                estimates[name],
                experiments[name].network.classes,
            )
            for name in experiments
        ),
        trainings=trainings,
    )


def _around(estimate: float | None, data: str) -> list[float]:
    if estimate is None:
        raise InputError(
            f"no deviations for {data}: expected some, as there is no estimate of the critical one "
            "for networks whose first layer has binary weights or does not learn"
        )
    return [estimate * factor for factor in SPREAD]


@study
def uncertainty(
    out: ResumableFolder,
    preset: Annotated[str | None, preset_option("drn-digits")] = None,
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
    seeds: Seeds = "0,1",
    epochs: Epochs = None,
    limit_train: Annotated[
        int | None, typer.Option(help="Use at most the first N training samples of each set.")
    ] = None,
    limit_test: Annotated[
        int | None, typer.Option(help="Use at most the first N test samples of each set.")
    ] = None,
    backend: StudyBackend = "fused",
    workers: Workers = None,
    threads: Threads = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Train networks under measurement noise and find how much of it they tolerate.

    Run the same command again to resume after an interruption; finished trainings are kept.
    """
    from lava_ep.studies._folder import RESULT, update_study
    from lava_ep.studies._uncertainty_figures import uncertainty_figures

    started = time.perf_counter()
    check_execution([backend], threads, workers)
    given = {
        "training.epochs": epochs,
        "data.limit_train": limit_train,
        "data.limit_test": limit_test,
    }
    preset = preset or (None if spec else "drn-digits")
    experiment = make_experiment(preset, spec, given, assignments)
    names = [whole_path(name) for name in data.split(",")] if data else [experiment.data.name]
    display = console(stderr=as_json)
    with trainings_bar(display) as update:

        def on_training(found: Training, done: int, total: int) -> None:
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
            workers=workers or 0,
            threads=threads,
            on_training=on_training,
            on_progress=update,
        )
    update_study(out, found.to_json(), uncertainty_figures(found))
    if as_json:
        print_result(found.summary(), started, out)
        return
    for result in found.results:
        display.print(f"{result.data}:")
        for line in result.lines():
            display.print(f"  {line}")
    display.print(f"Figures and {RESULT}: {out}")
