"""Whether a network fits a data set, and how a preset is adapted to one."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from lava_ep.data import Dataset, load_experiment
from lava_ep.errors import InputError
from lava_ep.spec import AnyNetworkSpec, ExperimentSpec, NetworkSpec, override
from lava_ep.training.families import family_of
from lava_ep.training.run_folder import selection


def check_fit(spec: ExperimentSpec, dataset: Dataset) -> None:
    """Check that a network can be trained on a data set.

    Parameters
    ----------
    spec : ExperimentSpec
        The experiment.
    dataset : Dataset
        The samples.

    Raises
    ------
    InputError
        If pixels, their arrangement, levels, channels, classes or the number of samples do not fit,
        naming all that differs, or the parameters do not fit into the memory of this machine.
    """
    check_samples(spec, dataset)
    if dataset.steps > 1 and spec.training.augmentation != "none":
        raise InputError(
            f"training.augmentation={spec.training.augmentation}: expected none for recordings"
        )
    if spec.training.batch_size > len(dataset.x_train):
        raise InputError(
            f"training.batch_size={spec.training.batch_size}: only {len(dataset.x_train)} "
            f"training samples are there; set training.batch_size={len(dataset.x_train)} or less"
        )


def check_samples(spec: ExperimentSpec, dataset: Dataset) -> None:
    """Check that a network can be shown the samples of a data set, whatever their number.

    Parameters
    ----------
    spec : ExperimentSpec
        The experiment.
    dataset : Dataset
        The samples.

    Raises
    ------
    InputError
        See `check_fit`.
    """
    network = spec.network
    check_memory(network)
    found = _differences(spec, dataset)
    if found:
        faults = "; ".join(f"{key}={_plain(old)}: {why}" for key, old, _, why in found)
        line = " ".join(
            f"--set {key}={json.dumps(new, separators=(',', ':'))}" for key, _, new, _ in found
        )
        raise InputError(f"{faults}\nTo fit the network to {dataset.name}: {line}")
    family_of(network).check_data(spec, dataset)


def adapted(
    spec: ExperimentSpec, dataset: Dataset, *, kept: Collection[str] = ()
) -> tuple[ExperimentSpec, str | None]:
    """Fit a preset to data that it was not made for.

    Widths, levels, classes and the output layer, which keeps its neurons per class, follow from the
    data; a batch has at most as many samples as there are; random crops are for pictures only.

    Parameters
    ----------
    spec : ExperimentSpec
        The preset.
    dataset : Dataset
        The samples.
    kept : collection of str
        Fields that the user has set, which stay as they are.

    Returns
    -------
    ExperimentSpec
        The preset, changed where it has to be.
    str or None
        One line that says what was changed; None if nothing was.

    Raises
    ------
    InputError
        If the network cannot be made to fit, such as a convolution with a kernel larger than the
        images.
    """
    changes = {key: (old, new) for key, old, new, _ in _differences(spec, dataset)}
    samples, training = len(dataset.x_train), spec.training
    if training.batch_size > samples:
        changes["training.batch_size"] = (training.batch_size, samples)
    pictures = dataset.preprocessing is None or dataset.preprocessing.picture_shape is not None
    if training.augmentation != "none" and not pictures:
        changes["training.augmentation"] = (training.augmentation, "none")
    changes = {key: change for key, change in changes.items() if key not in kept}
    if not changes:
        return spec, None
    assignments = [f"{key}={json.dumps(new)}" for key, (_, new) in changes.items()]
    found = override(spec, assignments)
    told = ", ".join(f"{key} {_plain(old)} → {_plain(new)}" for key, (old, new) in changes.items())
    return found, f"adapted to {dataset.name}: {told}"


def load_fitting(
    spec: ExperimentSpec,
    *,
    data_dir: Path | None = None,
    preset: str | None = None,
    kept: Collection[str] = (),
) -> tuple[ExperimentSpec, Dataset, list[str]]:
    """Load the data set of an experiment, to which a preset is adapted.

    Parameters
    ----------
    spec : ExperimentSpec
        The experiment.
    data_dir : pathlib.Path or None
        Where the files of the data set lie.
    preset : str or None
        Preset that the experiment is, with other data perhaps; None: it is to fit as it is.
    kept : collection of str
        Fields that the user has set.

    Returns
    -------
    ExperimentSpec
        The experiment, adapted if need be.
    Dataset
        The samples.
    list of str
        Lines that say what was decided for the user.

    Raises
    ------
    InputError
        If the samples are unusable, or do not fit.
    """
    dataset = load_experiment(spec, data_dir=data_dir)
    lines = list(dataset.notes)
    if preset is not None:
        try:
            spec, line = adapted(spec, dataset, kept=kept)
        except InputError as error:
            raise InputError(f"preset {preset} does not fit {dataset.name}: {error}") from None
        lines += [] if line is None else [line]
    check_fit(spec, dataset)
    if spec.training.patience is not None and selection(spec.training) == "test_accuracy":
        lines.append(
            "the best epoch is selected by the test accuracy, which makes it optimistic; "
            "--set training.validation_fraction=0.1 selects by training samples instead"
        )
    return spec, dataset, lines


def check_memory(network: AnyNetworkSpec) -> None:
    """Check that the machine has the memory that the parameters of a network take.

    Parameters
    ----------
    network : NetworkSpec or BMLPSpec
        The network.

    Raises
    ------
    InputError
        If it has less.
    """
    needed = sum(family_of(network).parameter_bytes(network).values())
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise InputError(
            f"{network}: parameters take {needed / 2**30:,.0f} GiB of memory, and this machine has "
            f"{there / 2**30:,.1f}; use fewer neurons"
        )


def _differences(spec: ExperimentSpec, dataset: Dataset) -> list[tuple[str, Any, Any, str]]:
    """Return the fields that do not fit: name, value, value that does, and why."""
    network, name = spec.network, dataset.name
    pixels, classes = dataset.x_train.shape[1] // dataset.steps, len(dataset.class_names)
    height, width, channels = (*dataset.image_shape, 1)[:3]
    found: list[tuple[str, Any, Any, str]] = []
    if network.inputs != pixels:
        why = f"{name} has {pixels} pixels; set network.inputs={pixels}"
        found.append(("network.inputs", network.inputs, pixels, why))
    if network.input_levels != dataset.levels:
        why = f"pixels of {name} go up to {dataset.levels}; set network.input_levels="
        why += f"{dataset.levels}"
        found.append(("network.input_levels", network.input_levels, dataset.levels, why))
    if isinstance(network, NetworkSpec):
        shape = network.image_shape
        if shape is not None and (*shape, 1)[:3] != (height, width, channels):
            new = [height, width, channels]
            why = (
                f"images of {name} are {height} x {width} x {channels}; set network.image_shape="
                f"[{height},{width},{channels}]"
            )
            found.append(("network.image_shape", list(shape), new, why))
        normalization = network.normalization
        if normalization is not None and len(normalization.mean) != channels:
            why = f"expected as many numbers as images of {name} have channels, {channels}"
            found.append(("network.normalization", list(normalization.mean), None, why))
    if network.classes != classes:
        found.append(("network.classes", network.classes, classes, f"{name} has {classes}"))
        if isinstance(network, NetworkSpec):
            last, outputs = len(network.layers) - 1, network.layers[-1].neurons or 0
            group = max(outputs // network.classes, 1)
            key = f"network.layers.{last}.neurons"
            if outputs != group * classes:
                why = f"{group} for each of {classes} classes"
                found.append((key, outputs, group * classes, why))
    return found


def _plain(value: Any) -> str:
    return json.dumps(value)
