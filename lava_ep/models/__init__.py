"""How the Processes are executed: ProcessModels, one folder for each backend."""

from lava.magma.core.run_configs import Loihi2SimCfg

from lava_ep.errors import InputError
from lava_ep.models import message_passing

BACKENDS = {"message-passing": "floating_pt"}
"""Names of the backends and the tags by which Lava selects their ProcessModels."""


def run_config(backend: str) -> Loihi2SimCfg:
    """Return the RunConfig that executes a network on a backend.

    Raises
    ------
    InputError
        If there is no backend of this name.
    """
    if backend not in BACKENDS:
        raise InputError(f"backend {backend!r}: expected one of {', '.join(BACKENDS)}")
    return Loihi2SimCfg(select_tag=BACKENDS[backend])


__all__ = ["BACKENDS", "message_passing", "run_config"]
