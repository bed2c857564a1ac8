"""Where the Processes of a network run: in this operating-system process or each in its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

from lava_ep.errors import InputError
from lava_ep.models import LoihiBackend, check_backend

if TYPE_CHECKING:
    from lava_ep.spec import AnyNetworkSpec

EXECUTIONS: Mapping[str, str] = MappingProxyType(
    {
        "inline": "all Processes take turns in this operating-system process",
        "processes": "each Process is an operating-system process",
    }
)
"""Names of the executions and what they are, in one line."""

LARGE = 2**20
"""Synapses above which message passing gains more from several cores than processes cost."""


def choose_execution(wanted: str | None, backend: str, network: AnyNetworkSpec) -> str:
    """Return how the Processes of a network are executed.

    Parameters
    ----------
    wanted : str or None
        A key of `EXECUTIONS`; None: the faster one. Results are the same.
    backend : str
        Name of the backend. On a chip, nothing runs in this process.
    network : NetworkSpec or BMLPSpec
        The network.

    Returns
    -------
    str
        A key of `EXECUTIONS`.

    Raises
    ------
    InputError
        If there is no execution of this name, or the backend has none but its own.
    """
    found = check_backend(backend, network)
    if wanted is not None and wanted not in EXECUTIONS:
        raise InputError(f"execution {wanted!r}: expected one of {', '.join(EXECUTIONS)}")
    if isinstance(found, LoihiBackend) and found.on_chip:
        if wanted == "inline":
            raise InputError(f"execution 'inline' with backend {backend!r}: expected processes")
        return "processes"
    if wanted is not None:
        return wanted
    if isinstance(found, LoihiBackend):
        # Lava's learning Processes compute for long, and several cores share that.
        return "processes"
    return "inline" if found.whole_batches or _synapses(network) <= LARGE else "processes"


def _synapses(network: AnyNetworkSpec) -> int:
    """Return the number of weights that are computed with."""
    from lava_ep.spec import NetworkSpec

    if isinstance(network, NetworkSpec):
        return sum(
            connection.n_post * math.prod(connection.weight_shape[1:])
            for connection in network.connections
        )
    sizes = network.sizes
    return sum(one * other for one, other in pairwise(sizes))
