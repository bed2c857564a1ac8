"""The session that fits a network."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from lava_ep.models import LoihiBackend, check_backend
from lava_ep.spec import ExperimentSpec, NetworkSpec
from lava_ep.training.ranks import Ranks
from lava_ep.training.session import NetworkSession
from lava_ep.training.share_session import ShareSession
from lava_ep.training.stock_session import StockSession

Session = NetworkSession | StockSession


def check_execution(spec: ExperimentSpec, backend: str) -> None:
    """Check that a backend can execute an experiment to its end.

    Raises
    ------
    InputError
        If it cannot: the network is for other backends, something is missing here, or a learning
        rate has no place in a learning rule of Loihi, be it in the last epoch.
    """
    network = spec.ep_network
    found = check_backend(backend, network)
    if isinstance(found, LoihiBackend):
        training = spec.training
        for epoch in (0, training.epochs - 1):
            found.model.check_rates(network, training.decay**epoch)


def open_session(spec: NetworkSpec, **options: Any) -> AbstractContextManager[Session]:
    """Return a session with a network, to be entered by ``with``.

    Parameters
    ----------
    spec
        The network; one of Lava's own Processes gets a `StockSession`.
    options
        See `NetworkSession`, which has the same ones.

    Raises
    ------
    InputError
        If an option is unusable.
    """
    return StockSession(spec, **options) if spec.stock else NetworkSession(spec, **options)


def open_learner(
    spec: NetworkSpec, *, ranks: Ranks, batch: int, **options: Any
) -> AbstractContextManager[Session]:
    """Return a session that learns with those of the other ranks, to be entered by ``with``.

    Parameters
    ----------
    spec
        The network.
    ranks
        The processes that share each batch.
    batch
        Samples in the batches of all ranks together.
    options
        See `open_session`.

    Raises
    ------
    InputError
        If an option is unusable.
    """
    if ranks.size == 1:
        return open_session(spec, batch=batch, **options)
    share = ranks.share(batch)
    # The ranks of a machine share its cores; each has processes of its own, as for one rank.
    options["execution"] = options.get("execution") or "processes"
    return ShareSession(
        spec, ranks=ranks, whole_batch=batch, batch=share.stop - share.start, **options
    )
