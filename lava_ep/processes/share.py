"""One rank's share of a network that learns from batches spread over several ranks."""

from __future__ import annotations

from typing import Any

from lava.magma.core.process.ports.ports import InPort, OutPort

from lava_ep.errors import InputError
from lava_ep.processes.network import EPNetwork


class EPNetworkShare(EPNetwork):
    """An `EPNetwork` that sees some samples of each batch and learns from all of them.

    It has all parameters, settles its own samples, and sends what their contrasts are to whoever
    adds up those of all ranks. As they are whole numbers, all ranks then move their parameters
    alike, and as one network with the whole batch would.

    Parameters
    ----------
    whole_batch
        Samples in the batches of all ranks together; ``batch`` is the number of its own.
    message
        Length of a message of the ports below; arrays travel as `lava_ep.models.data_parallel`
        packs them.
    options
        See `EPNetwork`.

    Attributes
    ----------
    contrast_out : OutPort
        Contrasts of its own samples, (message,) int32, several messages a batch.
    total_in : InPort
        Those of all samples, likewise.

    Raises
    ------
    InputError
        If the share is larger than the batch, or there is nothing to learn.
    """

    def __init__(self, *, whole_batch: int, message: int, **options: Any) -> None:
        super().__init__(whole_batch=whole_batch, message=message, **options)
        if whole_batch < self.proc_params["batch"]:
            raise InputError(
                f"whole_batch={whole_batch}: expected at least batch={self.proc_params['batch']}"
            )
        if not self.proc_params["learning"]:
            raise InputError("learning=False: a share that does not learn is an EPNetwork")
        self.contrast_out = OutPort(shape=(message,))
        self.total_in = InPort(shape=(message,))
