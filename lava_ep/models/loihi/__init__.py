"""Backends of Loihi: networks made of Lava's own Processes only, learning by a Loihi learning rule.

The Processes of such a network have models for the chip in Intel's lava-loihi extension and models
for the CPU in Lava, in integers (``fixed_pt``) and real numbers (``floating_pt``). We add no
ProcessModel but the one that wires them.
"""

import lava_ep.processes  # noqa: F401  (first, and with it whatever Lava must find)
from lava_ep.models.loihi.arithmetic import FIXED_POINT, FLOATING_POINT, Arithmetic, SynapseScale
from lava_ep.models.loihi.hardware import from_chip, hardware_config, require_extension, to_chip
from lava_ep.models.loihi.network import (
    FixedStockNetworkModel,
    FloatingStockNetworkModel,
    StockNetworkModel,
    feedback_scale,
    forward_scale,
)

__all__ = [
    "FIXED_POINT",
    "FLOATING_POINT",
    "Arithmetic",
    "FixedStockNetworkModel",
    "FloatingStockNetworkModel",
    "StockNetworkModel",
    "SynapseScale",
    "feedback_scale",
    "forward_scale",
    "from_chip",
    "hardware_config",
    "require_extension",
    "to_chip",
]
