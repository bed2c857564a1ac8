"""The samples of a run: identified by a checksum, loaded again, or others in their place."""

from __future__ import annotations

import dataclasses
import json
import warnings
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lava_ep._versions import package_versions
from lava_ep.data import (
    Dataset,
    PreprocessingWarning,
    is_own_data,
    load_experiment,
)
from lava_ep.data.own.preprocessing import Preprocessing
from lava_ep.errors import InputError
from lava_ep.models import choose_execution
from lava_ep.spec import ExperimentSpec, override
from lava_ep.training.run_folder import RunFolder


def claim(folder: RunFolder, dataset: Dataset) -> None:
    """Check that a folder belongs to a training on these samples, and complete it."""
    check_same_samples(folder, dataset)
    if folder.preprocessing() is None:
        folder.write_preprocessing(preprocessing_of(dataset))


def preprocessing_of(dataset: Dataset) -> Preprocessing:
    """Return how samples become the pixels of a data set."""
    return dataset.preprocessing or Preprocessing.of_pixels(
        dataset.class_names, dataset.levels, dataset.image_shape
    )


def check_same_samples(folder: RunFolder, dataset: Dataset) -> None:
    """Check that a data set holds the samples that a run was trained on.

    Parameters
    ----------
    folder : RunFolder
        The run; one that has no checksum of its samples cannot be checked.
    dataset : Dataset
        The samples.

    Raises
    ------
    InputError
        If it holds others.
    """
    if not _is_trained(folder, dataset):
        raise InputError(
            f"{folder.path}: was trained on other samples than {dataset.name} now has (checksum). "
            "Restore the files, give the same --data-dir, or give the path of the trained file by "
            "--data; evaluate and predict also take other data"
        )


def _is_trained(folder: RunFolder, dataset: Dataset) -> bool:
    """Return whether a run was trained on these samples, in these units and with these labels."""
    about, known = folder.about(), folder.preprocessing()
    digest = about.get("data_sha256")
    if digest is not None and digest != data_digest(dataset):
        return False
    # Pixels and classes are the same where a file has other units or names of its own.
    return known is None or known.to_json() == preprocessing_of(dataset).to_json()


class OtherSamplesWarning(UserWarning):
    """A run works on other samples than it was trained on, as the user wants."""


def describe_run(
    spec: ExperimentSpec,
    dataset: Dataset,
    *,
    backend: str,
    command: str,
    data_dir: Path | None = None,
    execution: str | None = None,
) -> dict[str, Any]:
    """Return the content of ``run.json``."""
    return {
        "command": command,
        "data_dir": None if data_dir is None else str(data_dir.resolve()),
        "backend": backend,
        "execution": choose_execution(execution, backend, spec.network),
        "seed": spec.training.seed,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "data_sha256": data_digest(dataset),
        "versions": package_versions(),
    }


def data_digest(dataset: Dataset) -> str:
    """Return a checksum of the samples, so that a run is only resumed on the same ones."""
    return dataset.sha256


def load_run_data(
    folder: RunFolder,
    *,
    name: str | None = None,
    label: str | None = None,
    data_dir: Path | None = None,
    limit_test: int | None = None,
) -> Dataset:
    """Load the samples of a run, or others in the form that its network takes.

    Parameters
    ----------
    folder : RunFolder
        The run.
    name : str or None
        Data set or path. None: the samples that the run was trained on, which their checksum
        identifies. Other samples are scaled as those of the training were.
    label : str or None
        Column of the labels in a table of other samples; None: that of the training.
    data_dir : pathlib.Path or None
        Where the files of the data set lie; None: where they were for training.
    limit_test : int or None
        Number of test samples to keep.

    Raises
    ------
    InputError
        If the trained samples are no longer there or have changed, or others are unusable.

    Warns
    -----
    OtherSamplesWarning
        If the samples are others than those of the training.
    """
    about = folder.about()
    if name is None and about.get("data_kept") is False:
        raise InputError(
            f"{folder.path}: a saved EPClassifier, with which the samples are not kept; give "
            "labelled samples by --data FILE"
        )
    stored = about.get("data_dir")
    if data_dir is None and stored is not None:
        data_dir = Path(stored)
    spec = folder.spec()
    if label is not None and name is None:
        raise InputError(f"--label {label}: expected --data with it, a table of other samples")
    if name is None:
        try:
            dataset = load_experiment(spec, data_dir=data_dir)
        except InputError as error:
            option = "--data PATH" if is_own_data(spec.data.name) else "--data-dir DIR"
            raise InputError(
                f"{folder.path}: the samples of the training cannot be read: {error}\n"
                f"If they lie elsewhere now, say where by {option}."
            ) from None
        check_same_samples(folder, dataset)
    else:
        moved = None
        if name == spec.data.name and not is_own_data(name):
            dataset = load_experiment(spec, data_dir=data_dir)
        else:
            moved = _moved(folder, spec, name)
            dataset = moved or _other(folder, spec, name, label, data_dir)
        if moved is None and not _is_trained(folder, dataset):
            warnings.warn(
                f"{name}: other samples than {folder.path} was trained on",
                OtherSamplesWarning,
                stacklevel=2,
            )
    return _limited(dataset, limit_test)


def _moved(folder: RunFolder, spec: ExperimentSpec, name: str) -> Dataset | None:
    """Return the trained samples if a path leads to them, wherever they lie now."""
    if not (is_own_data(name) and is_own_data(spec.data.name)):
        return None
    try:
        with warnings.catch_warnings():
            # Of samples that may turn out to be others, scaled in another way.
            warnings.simplefilter("ignore", PreprocessingWarning)
            dataset = load_experiment(spec, name=name)
    except InputError:
        return None
    known = "data_sha256" in folder.about()
    return dataset if known and _is_trained(folder, dataset) else None


def _other(
    folder: RunFolder, spec: ExperimentSpec, name: str, label: str | None, data_dir: Path | None
) -> Dataset:
    """Load other samples than a run was trained on, scaled as those were."""
    changes = ["data.limit_train=null", "data.limit_test=null"]
    changes += [] if label is None else [f"data.label={json.dumps(label)}"]
    unlimited = override(spec, changes)
    if not is_own_data(name):
        dataset = load_experiment(unlimited, name=name, data_dir=data_dir)
        known = folder.preprocessing()
        if known is None or known.low is None:
            return dataset
        parts: dict[str, Any] = {
            f"x_{part}": known.pixels(getattr(dataset, f"x_{part}"), f"{name}, {part} part")
            for part in ("train", "test")
        }
        return dataclasses.replace(
            dataset, levels=known.levels, image_shape=known.image_shape, **parts
        )
    known = folder.preprocessing()
    if known is None:
        known = preprocessing_of(load_experiment(spec, data_dir=data_dir))
    return load_experiment(unlimited, name=name, preprocessing=known)


def _limited(dataset: Dataset, limit: int | None) -> Dataset:
    """Keep the first test samples only."""
    if limit is None:
        return dataset
    if not 1 <= limit <= len(dataset.x_test):
        raise InputError(
            f"--limit-test {limit}: expected 1 to {len(dataset.x_test)}, the number of test "
            f"samples in {dataset.name}"
        )
    return dataclasses.replace(
        dataset, x_test=dataset.x_test[:limit], y_test=dataset.y_test[:limit]
    )


def open_run(
    path: Path,
    *,
    name: str | None = None,
    data_dir: Path | None = None,
    epochs: int | None = None,
) -> tuple[RunFolder, ExperimentSpec, Dataset]:
    """Open a run folder in order to resume it, possibly to a larger number of epochs.

    Parameters
    ----------
    path : pathlib.Path
        The folder.
    name : str or None
        Where the user's own data lie now, if not where they were.
    data_dir : pathlib.Path or None
        Where the files of the data set lie, if not where they were.
    epochs : int or None
        Number of epochs, if not that of the run.

    Raises
    ------
    InputError
        If it is not a run folder, was made with other data, has more epochs already, or was
        imported and has nothing left to train.
    """
    folder = RunFolder.open(path)
    spec = folder.spec()
    dataset = None if name is None else _moved(folder, spec, name)
    if dataset is None:
        if name not in (None, spec.data.name):
            raise InputError(
                f"{name}: other samples than {path} was trained on; resume with the same ones"
            )
        dataset = load_run_data(folder, data_dir=data_dir)
    done = max(folder.checkpoints(), default=0)
    if epochs is not None and epochs < done:
        raise InputError(f"epochs={epochs}: {path} has been trained for {done} epochs already")
    wanted = spec if epochs is None else override(spec, [f"training.epochs={epochs}"])
    if done >= wanted.training.epochs and done == folder.epochs_before:
        raise InputError(
            f"training.epochs={wanted.training.epochs}: {path} has been trained for {done} epochs "
            "elsewhere; give more of them by --epochs"
        )
    if wanted != spec:
        folder.write_spec(wanted)
    return folder, wanted, dataset
