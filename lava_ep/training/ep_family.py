"""Networks that learn by equilibrium propagation, of our own Processes or of Lava's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.data import Dataset
from lava_ep.errors import InputError
from lava_ep.parameters import NetworkParameters, initial_parameters
from lava_ep.spec import ExperimentSpec, NetworkSpec
from lava_ep.training.family import AnySession, Family
from lava_ep.training.ranks import Ranks


class EPFamily(Family[NetworkSpec, NetworkParameters]):
    """Networks of kind ``ep``."""

    def check_data(self, experiment: ExperimentSpec, dataset: Dataset) -> None:
        """Check the number of time steps."""
        network = experiment.ep_network
        if dataset.steps != network.input_encoding.frames_a_sample:
            raise InputError(
                f"network.encoding={network.encoding.model_dump(mode='json')}: the samples of "
                f"{dataset.name} have {dataset.steps} time steps; load them with this encoding"
            )

    def check_execution(self, experiment: ExperimentSpec, backend: str) -> None:
        """See `lava_ep.training.sessions.check_execution`."""
        from lava_ep.training import sessions  # needs Lava

        sessions.check_execution(experiment, backend)

    def initial_parameters(self, experiment: ExperimentSpec, dataset: Dataset) -> NetworkParameters:
        """See `lava_ep.parameters.initial_parameters`; the data set does not matter."""
        return initial_parameters(experiment.ep_network, seed=experiment.training.seed)

    def read_parameters(
        self, arrays: Mapping[str, NDArray[np.generic]], network: NetworkSpec, *, source: str
    ) -> NetworkParameters:
        """See `NetworkParameters.from_arrays`."""
        return NetworkParameters.from_arrays(arrays, network, source=source)

    def open_session(
        self, network: NetworkSpec, **options: Any
    ) -> AbstractContextManager[AnySession]:
        """See `lava_ep.training.open_session`."""
        from lava_ep.training import sessions

        return sessions.open_session(network, **options)

    def open_learner(
        self, network: NetworkSpec, *, ranks: Ranks, **options: Any
    ) -> AbstractContextManager[AnySession]:
        """See `lava_ep.training.sessions.open_learner`."""
        from lava_ep.training import sessions

        return sessions.open_learner(network, ranks=ranks, **options)

    def describe(self, experiment: ExperimentSpec) -> tuple[str, str]:
        """Tell the kinds of neurons, weights and, if they are not two-phase, updates."""
        network, phases = experiment.ep_network, experiment.ep_network.phases
        weights = " and ".join(sorted({layer.weights for layer in network.layers}))
        found = [network.neuron.kind, weights]
        if network.feedback_angle is not None:
            found.append("untied")
        if phases.schedule(0).continual:
            found.append("continual")
        steps = f"{phases.free_steps} + {phases.nudged_steps}"
        return ", ".join(found), f"{steps}, {phases.nudging.value}, β={phases.beta:g}"

    def memory(self, experiment: ExperimentSpec) -> tuple[str, dict[str, int]]:
        """Return the memory to train in, by what it is for.

        Of networks that count bits it is what the fused engine takes. Of others it is what weights
        and momenta take, without the states of a batch.
        """
        if experiment.ep_network.bits_suffice:
            return "engine_bytes", _engine_bytes(experiment)
        return "parameter_bytes", self.parameter_bytes(experiment.ep_network)

    def parameter_bytes(self, network: NetworkSpec) -> dict[str, int]:
        """Return the memory of all numbers of which there is one for each synapse."""
        found = {"weights": 0, "feedback": 0, "momenta": 0}
        for index, (layer, connection) in enumerate(
            zip(network.layers, network.connections, strict=True)
        ):
            size = 4 * math.prod(connection.weight_shape)
            found["weights"] += size // 4 if layer.binary else size
            found["feedback"] += size if network.feedback_angle is not None and index > 0 else 0
            found["momenta"] += size if layer.binary else 0
        return {part: size for part, size in found.items() if size}

    def epoch_line(self, network: NetworkSpec, entry: Mapping[str, Any]) -> str:
        """Tell flips of binary weights, and events."""
        events = entry["events_per_sample"]
        flips = f"flips {sum(entry['weight_flips']):>7}  " if _flips(network) else ""
        return f"{flips}events/sample {events['free']:.1f} + {events['nudged']:.1f}"

    def result(self, network: NetworkSpec, metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return activity in the last epoch, and all flips of binary weights."""
        last = metrics[-1]
        names = ("events_per_sample", "synaptic_operations_per_sample")
        result: dict[str, Any] = {name: last[name] for name in names}
        if _flips(network):
            flips = zip(*(entry["weight_flips"] for entry in metrics), strict=True)
            result["weight_flips"] = [sum(layer) for layer in flips]
        return result


def _flips(network: NetworkSpec) -> bool:
    """Whether weights can flip."""
    return any(layer.binary for layer in network.layers)


def _engine_bytes(experiment: ExperimentSpec) -> dict[str, int]:
    """Memory that the engine that counts bits takes, by what it is for."""
    from lava_ep.models.fused.engines.bits import BitEngine

    network, training = experiment.ep_network, experiment.training
    schedule = network.phases.schedule(training.seed)
    engine = BitEngine(network, batch=training.batch_size, schedule=schedule, learning=True)
    return engine.footprint()
