"""A run is a folder: what was asked for, what happened, and where training stands."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save_file

from lava_ep.errors import InputError
from lava_ep.spec import AnyNetworkSpec, ExperimentSpec, load_spec
from lava_ep.training.families import family_of
from lava_ep.training.family import Parameters

KEPT_CHECKPOINTS = 2
BASELINE = "baseline-frozen"
"""Name of the folder, within a run folder, of the run with a frozen input layer."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file under another name, and replace it as a whole.

    After a crash it holds either the old content or the new.
    """
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}-", delete=False
    ) as file:
        temporary = Path(file.name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink()
        raise
    temporary.chmod(0o644)
    temporary.replace(path)


def append_line(path: Path, entry: Mapping[str, Any]) -> None:
    """Add a JSON object to a file of one in each line, and see it written to the disk."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
        file.flush()
        os.fsync(file.fileno())


def check_new(path: Path) -> None:
    """Check that a folder can be made.

    Raises
    ------
    InputError
        If there is something already but an empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(
            f"{path}: exists and is not empty; choose another --out, or go on with --resume"
        )


@contextmanager
def appearing(path: Path, task: str) -> Iterator[Path]:
    """Fill a folder under another name; it appears as a whole, or not at all.

    Parameters
    ----------
    path
        Where; the folder may exist if it is empty.
    task
        What an error says that cannot be done.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as name:
            whole = Path(name) / path.name
            whole.mkdir()
            yield whole
            whole.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot {task} ({error.strerror})") from None


class RunFolder:
    """Files of one training run.

    ``spec.json``, ``run.json``, ``metrics.jsonl`` and ``checkpoint-*.safetensors``.
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

        Raises
        ------
        InputError
            If the folder holds something already, or cannot be written.
        """
        check_new(path)
        with appearing(path, "create the run folder") as temporary:
            whole = cls(temporary)
            for folder, experiment in ((whole, spec), (whole.baseline, baseline)):
                if experiment is not None:
                    folder.path.mkdir(exist_ok=True)
                    folder.write_spec(experiment)
                    folder._write_json("run.json", about)
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

    def _write_json(self, name: str, data: Any) -> None:
        with replacing(self.path / name) as path:
            path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")

    def write_spec(self, spec: ExperimentSpec) -> None:
        """Write ``spec.json``."""
        self._write_json("spec.json", spec.model_dump(mode="json"))

    def spec(self) -> ExperimentSpec:
        """Read ``spec.json``."""
        return load_spec(self.path / "spec.json")

    def about(self) -> dict[str, Any]:
        """Read ``run.json``: command, versions, start, backend and data.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        path = self.path / "run.json"
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({error})") from None
        if not isinstance(data, dict):
            raise InputError(f"{path}: expected a JSON object")
        return data

    def metrics(self) -> list[dict[str, Any]]:
        """Read ``metrics.jsonl``, one entry an epoch; an unfinished last line is left out."""
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return []
        entries = []
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                entries.append(json.loads(line))
            except json.JSONDecodeError:
                if number == len(lines):
                    break
                raise InputError(f"{path}, line {number}: not JSON") from None
        return entries

    def append_metrics(self, entry: Mapping[str, Any]) -> None:
        """Add the line of one epoch to ``metrics.jsonl``."""
        append_line(self.path / "metrics.jsonl", entry)

    def keep_metrics(self, epochs: int) -> list[dict[str, Any]]:
        """Cut ``metrics.jsonl`` back to the epochs that a checkpoint covers, and return them."""
        entries = [entry for entry in self.metrics() if entry["epoch"] <= epochs]
        with replacing(self.path / "metrics.jsonl") as path:
            text = "".join(json.dumps(entry) + "\n" for entry in entries)
            path.write_text(text, encoding="utf-8")
        return entries

    def checkpoints(self) -> dict[int, Path]:
        """Checkpoints by the number of epochs they cover, in order."""
        found = {}
        for path in self.path.glob("checkpoint-*.safetensors"):
            match = re.fullmatch(r"checkpoint-(\d+)\.safetensors", path.name)
            if match:
                found[int(match[1])] = path
        return dict(sorted(found.items()))

    def write_checkpoint(self, epoch: int, parameters: Parameters) -> Path:
        """Write a checkpoint and remove all but the newest ones."""
        path = self.path / f"checkpoint-{epoch:05d}.safetensors"
        with replacing(path) as temporary:
            save_file(parameters.to_arrays(), temporary)
        for old in list(self.checkpoints().values())[:-KEPT_CHECKPOINTS]:
            old.unlink()
        return path

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

    def latest_or_fail(self, network: AnyNetworkSpec) -> tuple[int, Any]:
        """Read the newest checkpoint.

        Raises
        ------
        InputError
            If there is none yet, or it is damaged.
        """
        latest = self.latest(network)
        if latest is None:
            raise InputError(f"{self.path}: no checkpoint yet; train for at least one epoch")
        return latest


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
