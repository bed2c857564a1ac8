"""Backends ``fixed_point`` and ``fixed_point-message-passing``: integers of Loihi 2's widths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_ep._lazy import lazily
from lava_ep.models import published  # noqa: F401

if TYPE_CHECKING:
    from lava_ep.models.fixed_point.conversion import check_covered, convert
    from lava_ep.models.fixed_point.format import (
        Direction,
        LayerFormat,
        NeuronFormat,
        SynapseFormat,
        TraceFormat,
    )
    from lava_ep.models.fixed_point.losses import Clipped, Conversion, Entry, InputRange
    from lava_ep.models.fixed_point.message_passing import (
        PyBinaryNeuronModelFixed,
        PyBinarySynapseModelFixed,
        PyConvSynapseModelFixed,
        PyLIFNeuronModelFixed,
        PyRealSynapseModelFixed,
        PySigmaDeltaNeuronModelFixed,
        SubEPNetworkModelFixed,
    )
    from lava_ep.models.fixed_point.network import (
        PyEPNetworkModelFixed,
        PyEPNetworkModelFixedStepwise,
    )
else:
    __getattr__ = lazily(
        __name__,
        {
            "conversion": ("check_covered", "convert"),
            "format": ("Direction", "LayerFormat", "NeuronFormat", "SynapseFormat", "TraceFormat"),
            "losses": ("Clipped", "Conversion", "Entry", "InputRange"),
            "message_passing": (
                "PyBinaryNeuronModelFixed",
                "PyBinarySynapseModelFixed",
                "PyConvSynapseModelFixed",
                "PyLIFNeuronModelFixed",
                "PyRealSynapseModelFixed",
                "PySigmaDeltaNeuronModelFixed",
                "SubEPNetworkModelFixed",
            ),
            "network": ("PyEPNetworkModelFixed", "PyEPNetworkModelFixedStepwise"),
        },
    )

__all__ = [
    "Clipped",
    "Conversion",
    "Direction",
    "Entry",
    "InputRange",
    "LayerFormat",
    "NeuronFormat",
    "PyBinaryNeuronModelFixed",
    "PyBinarySynapseModelFixed",
    "PyConvSynapseModelFixed",
    "PyEPNetworkModelFixed",
    "PyEPNetworkModelFixedStepwise",
    "PyLIFNeuronModelFixed",
    "PyRealSynapseModelFixed",
    "PySigmaDeltaNeuronModelFixed",
    "SubEPNetworkModelFixed",
    "SynapseFormat",
    "TraceFormat",
    "check_covered",
    "convert",
]
