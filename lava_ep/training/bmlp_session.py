"""A network of local binary errors, fed and read by the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.bmlp_parameters import BMLPLayerParameters, BMLPParameters
from lava_ep.errors import InputError
from lava_ep.models import check_backend, choose_execution
from lava_ep.processes.bmlp import LAYER_COUNTERS, LAYER_PARAMETERS, BMLPNetwork
from lava_ep.spec import BMLPSpec
from lava_ep.training.running import SEND_AHEAD, Ports, RunningNetwork

UNREAD = 64
"""Batches whose scores the host may leave unread before the network waits."""


@dataclass(frozen=True)
class BMLPCounters:
    """What the layers have counted since a network started, input side first, each (layers,).

    Parameters
    ----------
    flips
        Weight flips.
    updates
        How often a neuron learned from a sample; all its hidden weights take a step then.
    reinforced
        Hidden weights that took a step away from 0.
    errors
        Samples that were wrong at the layer, or right by less than its margin.
    """

    flips: NDArray[np.int64]
    updates: NDArray[np.int64]
    reinforced: NDArray[np.int64]
    errors: NDArray[np.int64]

    def __sub__(self, earlier: BMLPCounters) -> BMLPCounters:
        return BMLPCounters(
            *(getattr(self, name) - getattr(earlier, name) for name in LAYER_COUNTERS)
        )

    def metrics(self, samples: int) -> dict[str, Any]:
        """Return what a line of ``metrics.jsonl`` tells of so many samples."""
        return {
            "weight_flips": self.flips.tolist(),
            "updates_per_sample": (self.updates / samples).tolist(),
            "reinforced_per_sample": (self.reinforced / samples).tolist(),
            "wrong_at_layer": (self.errors / samples).tolist(),
        }


class BMLPSession(RunningNetwork):
    """A `BMLPNetwork` that runs until the ``with`` block ends.

    Parameters
    ----------
    spec, batch, parameters, seed, learning, epoch_batches, threads
        See `BMLPNetwork`.
    decay
        Expected to be 1: integers take steps of 2.
    backend
        Name of the backend, see `lava_ep.models.BACKENDS`.
    execution
        A key of `lava_ep.models.EXECUTIONS`; ``None`` for the faster one.

    Raises
    ------
    InputError
        If an argument is unusable; nothing has been started then.
    """

    def __init__(
        self,
        spec: BMLPSpec,
        *,
        batch: int,
        parameters: BMLPParameters,
        seed: int = 0,
        learning: bool = True,
        decay: float = 1.0,
        epoch_batches: int = 1,
        backend: str = "message-passing",
        threads: int | None = None,
        execution: str | None = None,
    ) -> None:
        if decay != 1:
            raise InputError(f"decay={decay}: expected 1, as hidden weights take steps of 2")
        config = check_backend(backend, spec).config()
        self.spec = spec
        self.network = BMLPNetwork(
            spec=spec,
            parameters=parameters,
            batch=batch,
            seed=seed,
            learning=learning,
            epoch_batches=epoch_batches,
            threads=threads,
            name="network",
        )
        labels = self.network.label_in if learning else None
        for port in (self.network.pixels_in, *([labels] if learning else [])):
            port.flag_external_pipe(buffer_size=SEND_AHEAD)
        self.network.score_out.flag_external_pipe(buffer_size=UNREAD)
        super().__init__(
            self.network,
            config,
            Ports(self.network.pixels_in, labels, self.network.score_out),
            batch=batch,
            classes=spec.classes,
            features=spec.inputs,
            levels=spec.input_levels,
            period=1,
            learning=learning,
            first_batch=parameters.batch,
            execution=choose_execution(execution, backend, spec),
        )

    def parameters(self) -> BMLPParameters:
        """Fetch the parameters that the network has now."""
        layers = tuple(
            BMLPLayerParameters(
                *(self._run.get(self.network.layer_var(name, var)) for var in LAYER_PARAMETERS)
            )
            for name in self.spec.layer_names
        )
        return BMLPParameters(self._run.get(self.network.thresholds), layers, self._batches_learned)

    def set_parameters(self, parameters: BMLPParameters) -> None:
        """Give the network what it shall use from now on."""
        self._run.set(self.network.thresholds, parameters.thresholds)
        for name, layer in zip(self.spec.layer_names, parameters.layers, strict=True):
            for var in LAYER_PARAMETERS:
                self._run.set(self.network.layer_var(name, var), getattr(layer, var))

    def counters(self) -> BMLPCounters:
        """Fetch the activity since the network started."""
        return BMLPCounters(
            *(
                np.concatenate(
                    [
                        self._run.get(self.network.layer_var(name, counter))
                        for name in self.spec.layer_names
                    ]
                )
                for counter in LAYER_COUNTERS
            )
        )
