"""Learning from batches that are spread over several ranks, in the same bits for any number."""

from lava_ep.models.data_parallel.engine import Exchange, ShareEngine, check_covered
from lava_ep.models.data_parallel.frames import Frames
from lava_ep.models.data_parallel.network import PortExchange, PyEPNetworkShareModelFused

__all__ = [
    "Exchange",
    "Frames",
    "PortExchange",
    "PyEPNetworkShareModelFused",
    "ShareEngine",
    "check_covered",
]
