"""A fitted classifier as a run folder, and one made of a run."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lava_ep._versions import package_versions
from lava_ep.data.own.preprocessing import Label
from lava_ep.errors import InputError
from lava_ep.estimator.configured import NEURON, PER_LAYER, PHASES, PREDICTION_BATCH, plain
from lava_ep.files import appearing, check_new
from lava_ep.models import choose_execution
from lava_ep.spec import DataSpec, ExperimentSpec, NetworkSpec, NeuronSpec, TrainingSpec
from lava_ep.training import (
    RunFolder,
    TrainedNetwork,
    load_run,
)
from lava_ep.training.run_folder import EPOCHS_BEFORE

if TYPE_CHECKING:
    from lava_ep.estimator.classifier import EPClassifier

NOT_KEPT = "(not kept: samples given to EPClassifier)"
"""Name of the data set in the run folder of a saved estimator."""

ESTIMATOR = "estimator"
"""Entry of the ``run.json`` of a saved estimator that holds its parameters and history."""


def save(estimator: EPClassifier, path: str | os.PathLike[str]) -> None:
    """Write a run folder, see `EPClassifier.save`."""
    place = Path(path).expanduser()
    try:
        check_new(place)
    except InputError:
        raise InputError(
            f"{place}: exists and is not an empty folder; choose another one"
        ) from None
    names = estimator.preprocessing_.feature_names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"feature {twice[0]!r} is there {names.count(twice[0])} times: expected different "
            "names, by which columns of a file are found; rename them and fit again"
        )
    preprocessing = replace(estimator.preprocessing_, classes=_labels_to_save(estimator.classes_))
    training = estimator._training_spec()
    experiment = ExperimentSpec(
        network=estimator.spec_,
        training=TrainingSpec(
            epochs=estimator.n_iter_,
            # Momenta count contrasts of a batch of this size.
            batch_size=estimator.batch_size_,
            seed=estimator.seed_,
            decay=training.decay,
            test_batch_size=PREDICTION_BATCH,
        ),
        data=DataSpec(name=NOT_KEPT),
    )
    parameters = {name: plain(value) for name, value in estimator.get_params(deep=False).items()}
    if isinstance(estimator.random_state, np.random.RandomState):
        parameters["random_state"] = estimator.seed_
    before = len(estimator.train_accuracy_) - len(estimator.metrics_)
    about = {
        "command": " ".join(repr(estimator).split()),
        "data_dir": None,
        "data_kept": False,
        "backend": estimator.backend,
        "execution": choose_execution(estimator.execution, estimator.backend, estimator.spec_),
        "seed": estimator.seed_,
        "started": estimator._started or datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": package_versions(),
        EPOCHS_BEFORE: estimator.n_iter_ - len(estimator.metrics_),
        ESTIMATOR: {
            "parameters": parameters,
            "label_type": estimator.classes_.dtype.str,
            "train_accuracy_before": estimator.train_accuracy_[:before],
            "decay_batches": estimator.decay_batches_,
        },
    }
    with appearing(place, "save the estimator") as temporary:
        folder = RunFolder.create(temporary, experiment, about, preprocessing=preprocessing)
        for line in estimator.metrics_:
            folder.append_metrics(line)
        folder.write_checkpoint(estimator.n_iter_, estimator.parameters_)


def load(kind: type[EPClassifier], path: str | os.PathLike[str]) -> EPClassifier:
    """Return a fitted estimator, see `EPClassifier.from_run`."""
    trained = load_run(path)
    preprocessing = trained.preprocessing
    folder = RunFolder(Path(path).expanduser())
    about, lines = folder.about(), folder.metrics()
    if preprocessing.recordings is not None:
        raise _no_estimator(path, "takes recordings of an event camera, not numbers")
    if list(preprocessing.classes) != sorted(preprocessing.classes):
        raise _no_estimator(path, "has classes that are not sorted, as scikit-learn needs them")
    estimator = kind(**_parameters_of(path, trained))
    training = trained.experiment.training
    estimator.seed_ = training.seed
    estimator.classes_ = trained.classes
    estimator.n_features_in_ = preprocessing.features
    if preprocessing.feature_names:
        estimator.feature_names_in_ = np.array(preprocessing.feature_names, object)
    estimator.preprocessing_ = preprocessing
    low, high = preprocessing.low, preprocessing.high
    levels = float(preprocessing.levels)
    estimator.data_min_ = np.zeros(preprocessing.features) if low is None else low
    estimator.data_max_ = np.full(preprocessing.features, levels) if high is None else high
    estimator.spec_ = estimator._network_spec()
    # An arrangement of the pixels makes no difference to dense layers.
    expected = trained.experiment.ep_network.model_copy(update={"image_shape": None})
    if estimator.spec_ != expected:
        found, wanted = (spec.model_dump(mode="json") for spec in (expected, estimator.spec_))
        raise _no_estimator(path, f"has network.{_difference(found, wanted)}")
    estimator.metrics_ = [line for line in lines if line["epoch"] <= trained.epoch]
    estimator.train_accuracy_ = [float(line["train_accuracy"]) for line in estimator.metrics_]
    estimator.temperature_ = trained.temperature
    estimator.n_iter_ = trained.epoch
    estimator.batch_size_ = training.batch_size
    estimator.decay_batches_ = max(trained.parameters.batch // trained.epoch, 1)
    estimator._started = about.get("started")
    if ESTIMATOR in about:
        _restore(estimator, about[ESTIMATOR], folder.path / "run.json")
    estimator.parameters_ = trained.parameters
    return estimator


def _restore(estimator: EPClassifier, kept: Any, source: Path) -> None:
    """Set what only the run folder of a saved estimator holds."""
    try:
        parameters = kept["parameters"].items()
        estimator.set_params(**{k: tuple(v) if isinstance(v, list) else v for k, v in parameters})
        kind = np.dtype(kept["label_type"])
        classes = estimator.classes_.astype(kind)
        if kind.kind not in "biufUO" or classes.tolist() != estimator.classes_.tolist():
            raise ValueError(f"label_type={kind}")
        estimator.classes_ = classes
        before = [float(accuracy) for accuracy in kept["train_accuracy_before"]]
        estimator.train_accuracy_ = before + estimator.train_accuracy_
        estimator.decay_batches_ = int(kept["decay_batches"])
        if estimator.decay_batches_ < 1:
            raise ValueError(f"decay_batches={estimator.decay_batches_}")
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{source}: {ESTIMATOR}: damaged, or of a later version ({error!s:.200}); restore "
            "the file, or use lava_ep.load_run"
        ) from None


def _no_estimator(path: str | os.PathLike[str], why: str) -> InputError:
    """Return the error that a run cannot be an `EPClassifier`."""
    return InputError(
        f"{os.fspath(path)}: {why}, for which EPClassifier has no parameter; "
        f"lava_ep.load_run({os.fspath(path)!r}) predicts with this network"
    )


def _parameters_of(path: str | os.PathLike[str], trained: TrainedNetwork) -> dict[str, Any]:
    """Return the parameters of an estimator that describe the network of a run.

    Raises
    ------
    InputError
        If the network is not one of binary neurons, binary weights and dense layers.
    """
    network, training = trained.experiment.network, trained.experiment.training
    preprocessing = trained.preprocessing
    if not isinstance(network, NetworkSpec):
        raise _no_estimator(path, f"has network.kind={network.kind!r}")
    if not isinstance(network.neuron, NeuronSpec):
        raise _no_estimator(path, f"has network.neuron.kind={network.neuron.kind!r}")
    sizes = [layer.neurons or 0 for layer in network.layers]
    if not all(sizes) or not all(layer.binary for layer in network.layers):
        raise _no_estimator(path, "has convolutions or weights that are not binary")
    input_range: Any = "feature" if preprocessing.picture_shape is None else "global"
    return {
        "hidden_layer_sizes": tuple(sizes[:-1]),
        "neurons_per_class": sizes[-1] // network.classes,
        **{
            parameter: _shortest([getattr(layer, field) for layer in network.layers])
            for field, parameter in PER_LAYER.items()
        },
        **network.neuron.model_dump(include=set(NEURON)),
        **network.phases.model_dump(include=set(PHASES), mode="json"),
        "decay": training.decay,
        "max_iter": training.epochs,
        "batch_size": training.batch_size,
        "levels": network.input_levels,
        "input_range": input_range if preprocessing.low is not None else (0, preprocessing.levels),
        "pixels_per_feature": preprocessing.pixels_per_feature,
        "random_state": training.seed,
        "backend": trained.backend,
    }


def _shortest(values: list[Any]) -> Any:
    """Return a number for all layers, a pair (hidden layers, output layer), or one per layer."""
    if len(set(values)) == 1:
        return values[0]
    return (values[0], values[-1]) if len(set(values[:-1])) == 1 else tuple(values)


def _difference(found: Any, expected: Any) -> str:
    """Return the first field in which two specs differ, with the value that it has."""
    keys = found if isinstance(found, dict) else range(len(found))
    key = next(key for key in keys if found[key] != expected[key])
    if isinstance(found[key], dict | list) and isinstance(expected[key], dict | list):
        return f"{key}.{_difference(found[key], expected[key])}"
    return f"{key}={found[key]!r}"


def _labels_to_save(classes: NDArray[Any]) -> tuple[Label, ...]:
    """Return labels as they are written to a file: whole numbers as such, whatever their type.

    Raises
    ------
    InputError
        If one is not text, a whole number or a truth value.
    """
    labels: list[Any] = classes.tolist()
    for label in labels:
        whole = isinstance(label, float) and label.is_integer()
        if not isinstance(label, str | int | bool) and not whole:
            raise InputError(
                f"label {label!r}: expected text, whole numbers or truth values; convert y and fit "
                "again"
            )
    return tuple(int(label) if isinstance(label, float) else label for label in labels)
