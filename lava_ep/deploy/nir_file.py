"""Runs as NIR files, and back."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lava_ep.deploy.nir_graph import TIME_STEP, from_graph, nir_package, to_graph
from lava_ep.errors import InputError, LavaEPError
from lava_ep.files import replacing
from lava_ep.parameters import NetworkParameters
from lava_ep.spec import ExperimentSpec, parse
from lava_ep.training.run_folder import EPOCHS_BEFORE, RunFolder

FORMAT = 1
"""Version of the metadata."""

KEY = "lava_ep"
"""Where a graph's metadata keeps it, as JSON."""

CHECKSUM = b"\nlava-ep sha256 %s\n"
"""Written behind the end of the HDF5 file, where its readers do not look.

A file that another program has written anew from the graph has none.
"""

CHECKSUM_AT_END = re.compile(rb"\nlava-ep sha256 ([0-9a-f]{64})\n\Z")

KEPT = ("backend", "seed", "started", "data_sha256", "versions")
"""What is kept of ``run.json``: not paths and commands of the machine it ran on."""


@dataclass(frozen=True)
class Trained:
    """An experiment and what came of it.

    Parameters
    ----------
    experiment, parameters
        Spec and learned state.
    epoch
        Epochs that it was trained for.
    about
        What is known of the run.
    """

    experiment: ExperimentSpec
    parameters: NetworkParameters
    epoch: int
    about: Mapping[str, Any]

    @classmethod
    def of_run(cls, path: Path) -> Trained:
        """Read the newest checkpoint of a run.

        Raises
        ------
        InputError
            If it is no run, or has no checkpoint.
        """
        folder = RunFolder.open(path)
        experiment = folder.spec()
        epoch, parameters, _ = folder.selected(experiment.ep_network)
        about = {key: value for key, value in folder.about().items() if key in KEPT}
        return cls(experiment, parameters, epoch, about)

    def make_run(self, path: Path, *, command: str) -> RunFolder:
        """Write a run folder that can be evaluated, drawn and gone on with.

        Raises
        ------
        InputError
            If the folder is not empty or cannot be written.
        """
        about = {**self.about, "command": command, "data_dir": None, EPOCHS_BEFORE: self.epoch}
        folder = RunFolder.create(path, self.experiment, about)
        folder.write_checkpoint(self.epoch, self.parameters)
        return folder


def write_nir(path: Path, trained: Trained) -> Any:
    """Write a NIR file (HDF5) and return its graph.

    The checksum of the file follows its end, and `read_nir` compares it.

    Raises
    ------
    InputError
        If the package ``nir`` is missing, the network has no graph, or the file cannot be written.
    """
    nir = nir_package()
    graph = to_graph(trained.experiment.ep_network, trained.parameters)
    graph.metadata = {
        KEY: json.dumps(
            {
                "format": FORMAT,
                "version": version("lava-ep"),
                "time_step": TIME_STEP,
                "experiment": trained.experiment.model_dump(mode="json"),
                "epoch": trained.epoch,
                "batch": trained.parameters.batch,
                "about": dict(trained.about),
            }
        )
    }
    with replacing(path) as temporary:
        nir.write(temporary, graph)
        digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
        with temporary.open("ab") as file:
            file.write(CHECKSUM % digest.encode())
    return graph


def read_nir(path: Path) -> Trained:
    """Read a file that `write_nir` has written; nothing in it is executed.

    Raises
    ------
    InputError
        If the package ``nir`` is missing, the file is no NIR file, is damaged, was not written from
        a network of this package, or does not agree with its spec, naming what differs.
    """
    nir = nir_package()
    _check_whole(path)
    try:
        return _read(nir, path)
    except LavaEPError:
        raise
    # h5py and nir raise whatever the damage makes them stumble over, RuntimeError among them.
    except Exception as error:
        found = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{path}: not a whole NIR file ({found:.300})") from None


def _check_whole(path: Path) -> None:
    """Raise InputError if a file cannot be read, or has another checksum than it says."""
    if not path.is_file():
        found = "not a file" if path.exists() else "no such file"
        raise InputError(f"{path}: cannot be read ({found})")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    said = CHECKSUM_AT_END.search(content, max(0, len(content) - 128))
    if said and hashlib.sha256(content[: said.start()]).hexdigest().encode() != said[1]:
        raise InputError(
            f"{path}: not a whole NIR file (its bytes are not those that were written, by the "
            "checksum at its end); copy or export it again. If it was changed on purpose, write "
            "the changed graph with nir.write, which leaves the checksum out"
        )


def _read(nir: Any, path: Path) -> Trained:
    """Read a file whose bytes are those that were written, as far as that is known."""
    # Compared with what its spec makes below, which tells more than a check of shapes.
    graph = nir.read(path, type_check=False)
    if not isinstance(graph, nir.NIRGraph):
        raise InputError(
            f"{path}: not a whole NIR file (a node of type {type(graph).__name__}, expected a "
            "graph)"
        )
    described = graph.metadata.get(KEY)
    if not isinstance(described, str):
        raise InputError(
            f"{path}: has no metadata {KEY!r}; only networks that `lava-ep export nir` has written "
            "can be read, as a graph alone does not tell how a network learns"
        )
    try:
        found = json.loads(described)
        form, data, about = found["format"], found["experiment"], dict(found["about"])
        epoch, batch = found["epoch"], found["batch"]
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: metadata {KEY!r} is damaged ({error!r})") from None
    if form != FORMAT:
        raise InputError(f"{path}: metadata of format {form}, expected {FORMAT}")
    for name, number in (("epoch", epoch), ("batch", batch)):
        if type(number) is not int or number < 0:
            raise InputError(
                f"{path}: metadata {KEY!r} is damaged ({name} {number!r}, expected a whole number "
                "of at least 0)"
            )
    experiment = parse(ExperimentSpec, data, source=f"{path}: experiment")
    parameters = from_graph(graph, experiment.ep_network, batch=batch, source=str(path))
    return Trained(experiment, parameters, epoch, about)
