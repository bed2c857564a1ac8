"""A run is a folder: what was asked for, what happened, and where training stands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save_file

from lava_ep.data.own.preprocessing import Preprocessing
from lava_ep.errors import InputError
from lava_ep.files import (
    appearing,
    append_line,
    check_new,
    read_json,
    read_lines,
    replacing,
    write_json,
    write_lines,
)
from lava_ep.spec import AnyNetworkSpec, ExperimentSpec, TrainingSpec, load_spec
from lava_ep.training.families import family_of
from lava_ep.training.family import Parameters

KEPT_CHECKPOINTS = 2
RESUME = ", or go on with --resume"
"""What can be done about a folder that is there already."""

BASELINE = "baseline-frozen"
"""Name of the folder, within a run folder, of the run with a frozen input layer."""

DIVERGED = "diverged.json"
"""Name of the file that tells why a training cannot go on, see `RunFolder.diverged`."""

PREPROCESSING = "preprocessing.json"
"""Name of the file that says how samples become pixels, see `RunFolder.preprocessing`."""

EPOCHS_BEFORE = "epochs_before"
"""Entry of ``run.json``: epochs of a training elsewhere, of which there are no metrics."""

METRICS: Mapping[str, type | tuple[type, ...]] = {
    "epoch": int,
    "train_accuracy": (int, float),
    # None in the folder of a saved `EPClassifier`, which has no test samples.
    "test_accuracy": (int, float, type(None)),
    "seconds": (int, float),
    "train_seconds": (int, float),
}
"""What every line of ``metrics.jsonl`` has."""


@dataclass(frozen=True)
class BestEpoch:
    """The epoch that a training selects, and the entry of its metrics that it is best by."""

    epoch: int
    measure: str


class Selected(NamedTuple):
    """A checkpoint: the epochs that it covers, what was learned, and why it was selected."""

    epoch: int
    parameters: Any
    reason: str


def selection(training: TrainingSpec) -> str | None:
    """Return the accuracy that selects an epoch, such as ``test_accuracy``; None: none does."""
    if training.validation_fraction:
        return "validation_accuracy"
    return None if training.patience is None else "test_accuracy"


def best_epoch(metrics: Sequence[Mapping[str, Any]], training: TrainingSpec) -> BestEpoch | None:
    """Return the first epoch of the largest accuracy that selects, None if none does or yet."""
    measure = selection(training)
    scored = [entry for entry in metrics if measure is not None and measure in entry]
    if measure is None or not scored:
        return None
    best = max(scored, key=lambda entry: float(entry[measure]))
    return BestEpoch(int(best["epoch"]), measure.replace("_", " "))


class RunFolder:
    """Files of one training run.

    ``spec.json``, ``run.json``, ``preprocessing.json``, ``metrics.jsonl`` and
    ``checkpoint-*.safetensors``, and ``diverged.json`` where training cannot go on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(
        cls,
        path: Path,
        spec: ExperimentSpec,
        about: Mapping[str, Any],
        *,
        baseline: ExperimentSpec | None = None,
        preprocessing: Preprocessing | None = None,
    ) -> RunFolder:
        """Start a new run; the folder appears as a whole or not at all.

        Parameters
        ----------
        path
            Where; the folder may exist if it is empty.
        spec
            What is trained.
        about
            Content of ``run.json``.
        baseline
            A second experiment, kept in a run folder within this one.
        preprocessing
            How samples become pixels; None: a `Trainer` adds it.

        Raises
        ------
        InputError
            If the folder holds something already, or cannot be written.
        """
        check_new(path, otherwise=RESUME)
        with appearing(path, "create the run folder") as temporary:
            whole = cls(temporary)
            for folder, experiment in ((whole, spec), (whole.baseline, baseline)):
                if experiment is not None:
                    folder.path.mkdir(exist_ok=True)
                    folder.write_spec(experiment)
                    write_json(folder.path / "run.json", about)
                    if preprocessing is not None:
                        folder.write_preprocessing(preprocessing)
        return cls(path)

    @property
    def baseline(self) -> RunFolder:
        """The run with a frozen input layer that may lie within this one."""
        return RunFolder(self.path / BASELINE)

    def exists(self) -> bool:
        """Whether there is such a run."""
        return (self.path / "spec.json").is_file()

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open an existing run.

        Raises
        ------
        InputError
            If this is not the folder of a run.
        """
        folder = cls(path)
        if not folder.exists():
            raise InputError(f"{path}: not a run folder, it has no spec.json")
        return folder

    def write_spec(self, spec: ExperimentSpec) -> None:
        """Write ``spec.json``."""
        write_json(self.path / "spec.json", spec.model_dump(mode="json"))

    def spec(self) -> ExperimentSpec:
        """Read ``spec.json``."""
        return load_spec(self.path / "spec.json")

    def write_preprocessing(self, preprocessing: Preprocessing) -> None:
        """Write ``preprocessing.json``."""
        write_json(self.path / PREPROCESSING, preprocessing.to_json())

    def preprocessing(self) -> Preprocessing | None:
        """Read how samples became pixels; None in folders of earlier versions.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        path = self.path / PREPROCESSING
        if not path.exists():
            return None
        return Preprocessing.from_json(read_json(path), source=str(path))

    def about(self) -> dict[str, Any]:
        """Read ``run.json``: command, versions, start, backend and data.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        path = self.path / "run.json"
        data = read_json(path)
        kinds: dict[str, tuple[type, ...]] = {"backend": (str,), "data_dir": (str, type(None))}
        for key, kind in kinds.items():
            if not isinstance(data.get(key), kind):
                raise InputError(f"{path}: {key}={data.get(key)!r:.40}: expected a string")
        if not isinstance(data.get(EPOCHS_BEFORE, 0), int):
            raise InputError(
                f"{path}: {EPOCHS_BEFORE}={data[EPOCHS_BEFORE]!r:.40}: expected a number"
            )
        return data

    def metrics(self) -> list[dict[str, Any]]:
        """Read ``metrics.jsonl``, one entry an epoch; an unfinished last line is left out.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        path = self.path / "metrics.jsonl"
        entries = read_lines(path)
        for number, entry in enumerate(entries, start=1):
            for key, kind in METRICS.items():
                if not isinstance(entry.get(key), kind):
                    raise InputError(
                        f"{path}, line {number}: {key}={entry.get(key)!r:.40}: expected a number"
                    )
        return entries

    def append_metrics(self, entry: Mapping[str, Any]) -> None:
        """Add the line of one epoch to ``metrics.jsonl``."""
        append_line(self.path / "metrics.jsonl", entry)

    def covered_metrics(self) -> list[dict[str, Any]]:
        """Return the metrics of the epochs that the newest checkpoint covers.

        Raises
        ------
        InputError
            If ``metrics.jsonl`` does not have each of them once.
        """
        last = max(self.checkpoints(), default=0)
        entries = [entry for entry in self.metrics() if entry["epoch"] <= last]
        found = [entry["epoch"] for entry in entries]
        first = self.epochs_before + 1
        if found != list(range(first, last + 1)):
            raise InputError(
                f"{self.path / 'metrics.jsonl'}: has epochs {found!s:.60}; expected each one from "
                f"{first} to {last}, that of the newest checkpoint"
            )
        return entries

    def keep_covered_metrics(self) -> list[dict[str, Any]]:
        """Cut ``metrics.jsonl`` back to `covered_metrics`, and return these."""
        entries = self.covered_metrics()
        write_lines(self.path / "metrics.jsonl", entries)
        return entries

    @property
    def epochs_before(self) -> int:
        """Epochs of a training elsewhere, of which there are no metrics."""
        return int(self.about().get(EPOCHS_BEFORE, 0))

    def diverged(self) -> str | None:
        """Return why training cannot go on, ``None`` if it can."""
        path = self.path / DIVERGED
        return str(read_json(path).get("reason")) if path.exists() else None

    def set_diverged(self, reason: str | None) -> None:
        """Keep why training cannot go on; ``None`` if it shall be tried."""
        if reason is None:
            (self.path / DIVERGED).unlink(missing_ok=True)
        else:
            write_json(self.path / DIVERGED, {"reason": reason})

    def checkpoints(self) -> dict[int, Path]:
        """Checkpoints by the number of epochs they cover, in order."""
        found = {}
        for path in self.path.glob("checkpoint-*.safetensors"):
            match = re.fullmatch(r"checkpoint-(\d+)\.safetensors", path.name)
            if match:
                found[int(match[1])] = path
        return dict(sorted(found.items()))

    def write_checkpoint(
        self, epoch: int, parameters: Parameters, *, best: int | None = None
    ) -> Path:
        """Write a checkpoint and remove all but the newest ones, and that of the best epoch."""
        path = self.path / f"checkpoint-{epoch:05d}.safetensors"
        with replacing(path) as temporary:
            save_file(parameters.to_arrays(), temporary)
        for number, old in list(self.checkpoints().items())[:-KEPT_CHECKPOINTS]:
            if number != best:
                old.unlink()
        return path

    def selected(self, network: AnyNetworkSpec, epoch: int | None = None) -> Selected:
        """Read the checkpoint that predictions are made with.

        Parameters
        ----------
        network
            The network.
        epoch
            Epoch to use; None: the best one where the training selects it, else the newest.

        Raises
        ------
        InputError
            If there is no such checkpoint, or it is damaged.
        """
        checkpoints = self.checkpoints()
        newest = max(checkpoints, default=0)
        if not newest:
            raise InputError(f"{self.path}: no checkpoint yet; train for at least one epoch")
        reason = "the newest"
        if epoch is None:
            epoch = newest
            best = best_epoch(self.metrics(), self.spec().training)
            if best is not None and best.epoch in checkpoints:
                epoch, reason = best.epoch, f"best by {best.measure}"
        elif epoch in checkpoints:
            reason = "chosen"
        else:
            kept = ", ".join(str(number) for number in checkpoints)
            raise InputError(
                f"{self.path}: no checkpoint of epoch {epoch}: expected one of {kept}, which the "
                "folder keeps"
            )
        return Selected(epoch, read_checkpoint(checkpoints[epoch], network), reason)

    def latest(self, network: AnyNetworkSpec) -> tuple[int, Any] | None:
        """Read the newest checkpoint; ``None`` if there is none yet.

        Raises
        ------
        InputError
            If the file is damaged or belongs to another network.
        """
        checkpoints = self.checkpoints()
        if not checkpoints:
            return None
        epoch, path = list(checkpoints.items())[-1]
        return epoch, read_checkpoint(path, network)


def read_checkpoint(path: Path, network: AnyNetworkSpec) -> Any:
    """Read a checkpoint file; its content is never executed.

    Raises
    ------
    InputError
        If the file is missing, damaged or belongs to another network.
    """
    try:
        arrays = load_safetensors(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except SafetensorError as error:
        raise InputError(
            f"{path}: not a whole safetensors file ({error}); remove it to use an older checkpoint"
        ) from None
    return family_of(network).read_parameters(arrays, network, source=str(path))
