"""The session that fits a network."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from lava_ep.spec import NetworkSpec
from lava_ep.training.session import NetworkSession
from lava_ep.training.stock_session import StockSession

Session = NetworkSession | StockSession


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
