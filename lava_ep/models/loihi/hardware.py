"""What only a host with Intel's lava-loihi extension has; nothing here is needed on a CPU."""

from __future__ import annotations

from typing import Any

from lava.magma.core.run_configs import Loihi2HwCfg
from lava.utils import loihi

from lava_ep.errors import InputError

MISSING = (
    "Intel's extension lava-loihi is not installed here, and Loihi 2 can only be used with it. "
    "It is given to members of the Intel Neuromorphic Research Community (INRC), with access "
    "to a system with the chip: ask for both at inrc_interest@intel.com, and install its package "
    "into this environment. Without it use --backend loihi-fixed, the same network on Lava's "
    "fixed-point models."
)


def require_extension() -> None:
    """Check that there is the extension.

    Raises
    ------
    InputError
        If there is none; it says where it is to be had.
    """
    if not loihi.is_installed():
        raise InputError(f"backend loihi2: {MISSING}")


def hardware_config(models: dict[Any, Any]) -> Loihi2HwCfg:
    """Return Lava's RunConfig for the chip.

    Parameters
    ----------
    models
        Models of Processes that are not to be chosen by it.

    Raises
    ------
    InputError
        If the extension is missing.
    """
    require_extension()
    return Loihi2HwCfg(select_tag="fixed_pt", exception_proc_model_map=models)


def to_chip(source: Any, target: Any, *, message_bits: int = 0) -> Any:
    """Connect a port of a Process on the host to one of a Process on the chip.

    Parameters
    ----------
    source, target
        OutPort and InPort of the same shape.
    message_bits
        Width of the payload of graded spikes; 0: none.

    Returns
    -------
    Process
        The adapter between them, which is a Process of the extension.
    """
    from lava.proc.embedded_io.spike import PyToNxAdapter

    adapter = PyToNxAdapter(shape=source.shape, num_message_bits=message_bits)
    source.connect(adapter.inp)
    adapter.out.connect(target)
    return adapter


def from_chip(source: Any, target: Any) -> Any:
    """Connect a port of a Process on the chip to one of a Process on the host; see `to_chip`."""
    from lava.proc.embedded_io.spike import NxToPyAdapter

    adapter = NxToPyAdapter(shape=source.shape)
    source.connect(adapter.inp)
    adapter.out.connect(target)
    return adapter
