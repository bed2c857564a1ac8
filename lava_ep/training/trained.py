"""A trained network, ready to predict the classes of new samples."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lava_ep.data import (
    Preprocessing,
    find_unlabelled,
    is_recordings,
    read_for,
    recording_row,
)
from lava_ep.data.event_files import read_events
from lava_ep.errors import InputError
from lava_ep.models import find_backend
from lava_ep.spec import ExperimentSpec
from lava_ep.training.calibration import probabilities
from lava_ep.training.families import family_of
from lava_ep.training.run_folder import RunFolder
from lava_ep.training.samples import load_run_data, preprocessing_of

Recording: TypeAlias = NDArray[np.void] | str | os.PathLike[str]
"""Events of one recording, or its file."""


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network with what it has learned, made by `load_run`.

    Samples are given as they were for training, before any scaling: the same features in the same
    units. They become pixels as those of the training did, by the ranges, medians and classes that
    the run folder keeps.

    Attributes
    ----------
    experiment : ExperimentSpec
        What was trained.
    parameters
        What was learned.
    preprocessing : Preprocessing
        How samples become pixels, and classes labels.
    epoch : int
        Epochs that the network has learned for.
    reason : str
        Why this epoch, such as ``best by validation accuracy``.
    backend : str
        Name of the backend that executes it.
    threads : int or None
        Threads of the fused backend.
    execution : str or None
        A key of `lava_ep.models.EXECUTIONS`; None: the faster one.
    temperature : float or None
        Of `predict_proba`; None in run folders of versions that did not fit it.
    """

    experiment: ExperimentSpec
    parameters: Any
    preprocessing: Preprocessing
    epoch: int
    reason: str
    backend: str
    threads: int | None = None
    temperature: float | None = None
    execution: str | None = None

    @property
    def classes(self) -> NDArray[Any]:
        """Label of each class, in the order of the scores."""
        return np.array(self.preprocessing.classes)

    @property
    def calibration(self) -> str:
        """Return how `predict_proba` reads the scores: ``temperature`` or ``softmax``."""
        return "softmax" if self.temperature is None else "temperature"

    def scores(self, X: ArrayLike | Iterable[Recording]) -> NDArray[Any]:
        """Return class scores at the end of the free phase.

        Parameters
        ----------
        X : array-like, shape (samples, features), or sequence of recordings
            Samples in the units of the training; see `Preprocessing.pixels` for shapes. Networks of
            event cameras take recordings instead: structured arrays of events, or their files.

        Returns
        -------
        numpy.ndarray, shape (samples, classes)
            Larger means more likely; the unit is that of the network's output neurons.

        Raises
        ------
        InputError
            If shape, type or values are not those of the training.
        """
        return self._scores(self._pixels(X, "X"))

    def scores_of(self, X: ArrayLike, where: str) -> NDArray[Any]:
        """Return class scores as `scores` does, with errors that name where the samples are."""
        return self._scores(self._pixels(X, where))

    def predict(self, X: ArrayLike | Iterable[Recording]) -> NDArray[Any]:
        """Return the label of the class with the largest score, of the first among equals.

        Parameters
        ----------
        X : array-like or sequence of recordings
            See `scores`.

        Returns
        -------
        numpy.ndarray, shape (samples,)
            Labels as the training data had them: text, whole numbers or truth values.

        Raises
        ------
        InputError
            See `scores`.
        """
        return self.labels(self.scores(X))

    def predict_proba(self, X: ArrayLike | Iterable[Recording]) -> NDArray[np.float64]:
        r"""Return probabilities of the classes, :math:`\mathrm{softmax}(s/T)` of the scores.

        T was fitted to the validation part, or without one to the last samples of the epoch, as
        their labels were predicted before they were learned; ``temperature`` is None, and T is 1,
        in run folders that do not have it.

        Parameters
        ----------
        X : array-like or sequence of recordings
            See `scores`.

        Returns
        -------
        numpy.ndarray of float64, shape (samples, classes)
            Rows add up to 1.

        Raises
        ------
        InputError
            See `scores`.
        """
        return self.probabilities(self.scores(X))

    def labels(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Return the labels that scores mean."""
        return self.preprocessing.decode(scores.argmax(axis=1))

    def probabilities(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probabilities that scores mean."""
        return probabilities(scores, self.temperature or 1.0)

    def _pixels(self, X: Any, where: str) -> NDArray[np.uint8]:
        intake = self.preprocessing.recordings
        if intake is None or (isinstance(X, np.ndarray) and X.dtype.names is None and X.ndim > 1):
            return self.preprocessing.pixels(X, where)
        recordings: Sequence[Recording] = (
            [X] if isinstance(X, str | os.PathLike) or _are_events(X) else list(X)
        )
        if not recordings:
            raise InputError(f"{where}: no recordings: expected at least one")
        rows = []
        for number, recording in enumerate(recordings):
            name = f"{where}[{number}]"
            if isinstance(recording, str | os.PathLike):
                name = str(recording)
                events = read_events(recording, intake.sensor_size)
            else:
                events = recording
            rows.append(
                recording_row(
                    events,
                    intake.sensor_size,
                    intake.events,
                    self.experiment.network.encoding,
                    where=name,
                )
            )
        return np.stack(rows)

    def _scores(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        network, training = self.experiment.network, self.experiment.training
        portions = -(-len(pixels) // training.test_batch_size)
        with family_of(network).open_session(
            network,
            batch=-(-len(pixels) // portions),
            parameters=self.parameters.for_inference(),
            seed=training.seed,
            learning=False,
            backend=self.backend,
            threads=self.threads,
            execution=self.execution,
        ) as session:
            return session.scores(pixels)


def load_run(
    path: str | os.PathLike[str],
    *,
    epoch: int | None = None,
    backend: str | None = None,
    threads: int | None = None,
    execution: str | None = None,
) -> TrainedNetwork:
    """Load the trained network of a run folder.

    Parameters
    ----------
    path : path
        The folder, as ``lava-ep train`` or `EPClassifier.save` has made it.
    epoch : int or None
        Epoch whose checkpoint is used; None: the best one where the training selects it, else the
        newest.
    backend : str or None
        Name of the backend; None: that of the training.
    threads : int or None
        Threads of the fused backend; None: one per core.
    execution : str or None
        A key of `lava_ep.models.EXECUTIONS`; None: the faster one.

    Returns
    -------
    TrainedNetwork
        The network; nothing is running yet.

    Raises
    ------
    InputError
        If the folder is not that of a run, has no checkpoint, or is damaged.

    Examples
    --------
    >>> import lava_ep
    >>> lava_ep.load_run("runs/iris").predict([[5.1, 3.5, 1.4, 0.2]])  # doctest: +SKIP
    array(['setosa'], dtype='<U10')
    """
    folder = RunFolder.open(Path(path).expanduser())
    experiment = folder.spec()
    backend = backend or str(folder.about()["backend"])
    find_backend(backend)
    family_of(experiment.network).check_execution(experiment, backend)
    found = folder.selected(experiment.network, epoch)
    preprocessing = folder.preprocessing()
    if preprocessing is None:
        # Folders of earlier versions: scaling follows from the samples of the training.
        preprocessing = preprocessing_of(load_run_data(folder))
    trained = [entry for entry in folder.metrics() if entry["epoch"] == found.epoch]
    temperature = trained[0].get("temperature") if trained else None
    return TrainedNetwork(
        experiment,
        found.parameters,
        preprocessing,
        found.epoch,
        found.reason,
        backend,
        threads,
        None if temperature is None else float(temperature),
        execution,
    )


def predict_file(
    network: TrainedNetwork, path: Path, *, label: str | None = None
) -> tuple[list[str], NDArray[Any]]:
    """Return the scores of the samples in a file or folder.

    Parameters
    ----------
    network : TrainedNetwork
        The network.
    path : pathlib.Path
        A table, arrays, pictures, IDX images or event recordings, as for training; labels in it are
        ignored.
    label : str or None
        Column of a table that holds labels, by its name or its number, counted from 1.

    Returns
    -------
    list of str
        The file of each sample, or its number counted from 0.
    numpy.ndarray, shape (samples, classes)
        Their scores.

    Raises
    ------
    InputError
        If the samples are unusable, or not like those of the training.
    """
    recorded = network.preprocessing.recordings is not None
    if is_recordings(path) != recorded:
        expected = "event recordings" if recorded else "features or pictures"
        raise InputError(f"{path}: expected {expected}, as the network was trained with")
    if recorded:
        files = find_unlabelled(path)
        folder = path if path.is_dir() else path.parent
        return [str(file.relative_to(folder)) for file in files], network.scores(files)
    raw = read_for(path, network.preprocessing, label=label, labelled=False)
    part = raw.train or raw.test
    if part is None:
        raise InputError(f"{path}: no samples")
    names = list(part.names) or [str(number) for number in range(len(part))]
    return names, network.scores_of(part.x, str(path))


def _are_events(X: Any) -> bool:
    """Whether an array holds the events of one recording."""
    return isinstance(X, np.ndarray) and X.dtype.names is not None
