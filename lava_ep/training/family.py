"""What a family of networks must offer to be trained, tested and reported on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lava_ep.data import Dataset
from lava_ep.spec import ExperimentSpec
from lava_ep.training.ranks import Ranks


class Parameters(Protocol):
    """What a network has learned."""

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all of it as named arrays, for a checkpoint."""

    def for_inference(self) -> Any:
        """Return the same without what only learning needs."""


class Activity(Protocol):
    """What a session has counted since it began; differences tell of a part of it."""

    def __sub__(self, earlier: Any) -> Any: ...

    def metrics(self, samples: int) -> dict[str, Any]:
        """Return what a line of ``metrics.jsonl`` tells of so many samples."""


class AnySession(Protocol):
    """A network that can be shown samples."""

    def stream(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64] | None = None
    ) -> Iterator[NDArray[Any]]:
        """Show samples batch by batch and yield the class scores of each, (batch, classes)."""

    def scores(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Class scores of all samples, (samples, classes)."""

    def parameters(self) -> Any:
        """Return what the network has learned."""

    def set_parameters(self, parameters: Any) -> None:
        """Give the network what it shall use from now on."""

    def counters(self) -> Any:
        """Return the `Activity` since the session began."""


Network = TypeVar("Network")
Learned = TypeVar("Learned", bound=Parameters)


class Family(ABC, Generic[Network, Learned]):
    """Networks of one ``network.kind``: all that differs from one kind to another.

    The trainer, run folders and the command line know of no kind; they ask
    `lava_ep.training.family_of` for one of these.
    """

    @abstractmethod
    def check_data(self, experiment: ExperimentSpec, dataset: Dataset) -> None:
        """Check what `check_fit` does not: all but pixels, levels, classes and samples.

        Raises
        ------
        InputError
            If a network cannot be trained on a data set.
        """

    @abstractmethod
    def check_execution(self, experiment: ExperimentSpec, backend: str) -> None:
        """Check that a backend can execute an experiment to its end.

        Raises
        ------
        InputError
            If it cannot.
        """

    @abstractmethod
    def initial_parameters(self, experiment: ExperimentSpec, dataset: Dataset) -> Learned:
        """Draw the parameters that training starts from."""

    @abstractmethod
    def read_parameters(
        self, arrays: Mapping[str, NDArray[np.generic]], network: Network, *, source: str
    ) -> Learned:
        """Rebuild parameters from named arrays.

        Raises
        ------
        InputError
            If the arrays do not belong to the network.
        """

    @abstractmethod
    def open_session(self, network: Network, **options: Any) -> AbstractContextManager[AnySession]:
        """Return a session with a network, to be entered by ``with``.

        Parameters
        ----------
        network
            Its spec.
        options
            ``batch``, ``parameters``, ``seed``, ``learning``, ``decay``, ``epoch_batches``,
            ``backend`` and ``threads``; see `lava_ep.training.NetworkSession`.

        Raises
        ------
        InputError
            If an option is unusable.
        """

    def open_learner(
        self, network: Network, *, ranks: Ranks, **options: Any
    ) -> AbstractContextManager[AnySession]:
        """Return a session that learns with those of other ranks, to be entered by ``with``.

        Parameters
        ----------
        network
            Its spec.
        ranks
            The processes that share each batch, see `check_ranks`; here there is but one.
        options
            See `open_session`, with the ``batch`` of all ranks together.
        """
        return self.open_session(network, **options)

    @abstractmethod
    def describe(self, experiment: ExperimentSpec) -> tuple[str, str]:
        """Tell in a few words what the neurons are, and how they learn."""

    @abstractmethod
    def parameter_bytes(self, network: Network) -> dict[str, int]:
        """Return the bytes of all parameters, by what they are for."""

    @abstractmethod
    def memory(self, experiment: ExperimentSpec) -> tuple[str, dict[str, int]]:
        """Return ``engine_bytes`` or ``parameter_bytes``, and the bytes by what they are for."""

    @abstractmethod
    def epoch_line(self, network: Network, entry: Mapping[str, Any]) -> str:
        """Tell what was counted in an epoch, from its line of ``metrics.jsonl``."""

    @abstractmethod
    def result(self, network: Network, metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return what ``lava-ep train --json`` tells of all epochs beside accuracies and times."""
