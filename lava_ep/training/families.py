"""The families of networks that there are."""

from __future__ import annotations

from typing import Any

from lava_ep.spec import AnyNetworkSpec
from lava_ep.training.bmlp_family import BMLPFamily
from lava_ep.training.ep_family import EPFamily
from lava_ep.training.family import Family

FAMILIES: dict[str, Family[Any, Any]] = {"ep": EPFamily(), "bmlp": BMLPFamily()}
"""By ``network.kind``."""


def family_of(network: AnyNetworkSpec) -> Family[Any, Any]:
    """Return what is offered for a network."""
    return FAMILIES[network.kind]
