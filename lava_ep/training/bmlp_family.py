"""Networks that learn from local binary errors, for trainer and command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.bmlp_parameters import BMLPParameters, initial_bmlp_parameters
from lava_ep.data import Dataset
from lava_ep.errors import InputError
from lava_ep.models import check_backend
from lava_ep.spec import BMLPSpec, ExperimentSpec
from lava_ep.training.family import AnySession, Family


def bmlp_of(experiment: ExperimentSpec) -> BMLPSpec:
    """Return the network of an experiment.

    Raises
    ------
    InputError
        If it is of another family.
    """
    if not isinstance(experiment.network, BMLPSpec):
        raise InputError(f"network.kind={experiment.network.kind}: expected bmlp")
    return experiment.network


class BMLPFamily(Family[BMLPSpec, BMLPParameters]):
    """Networks of kind ``bmlp``."""

    def check_data(self, experiment: ExperimentSpec, dataset: Dataset) -> None:
        """Check that samples are single images."""
        if dataset.steps != 1:
            raise InputError(
                f"data.name={dataset.name}: samples have {dataset.steps} time steps, expected "
                "single images for network.kind=bmlp"
            )

    def check_execution(self, experiment: ExperimentSpec, backend: str) -> None:
        """Check the backend, and that nothing is asked for that integer steps do not have."""
        check_backend(backend, bmlp_of(experiment))
        if experiment.training.decay != 1:
            raise InputError(
                f"training.decay={experiment.training.decay} with network.kind=bmlp: expected 1, "
                "as hidden weights take steps of 2"
            )

    def initial_parameters(self, experiment: ExperimentSpec, dataset: Dataset) -> BMLPParameters:
        """See `lava_ep.bmlp_parameters.initial_bmlp_parameters`."""
        return initial_bmlp_parameters(
            bmlp_of(experiment), seed=experiment.training.seed, images=dataset.x_train
        )

    def read_parameters(
        self, arrays: Mapping[str, NDArray[np.generic]], network: BMLPSpec, *, source: str
    ) -> BMLPParameters:
        """See `BMLPParameters.from_arrays`."""
        return BMLPParameters.from_arrays(arrays, network, source=source)

    def open_session(self, network: BMLPSpec, **options: Any) -> AbstractContextManager[AnySession]:
        """See `BMLPSession`."""
        from lava_ep.training.bmlp_session import BMLPSession  # needs Lava

        return BMLPSession(network, **options)

    def describe(self, experiment: ExperimentSpec) -> tuple[str, str]:
        """Tell the groups, robustness and reinforcement of the layers."""
        layers = bmlp_of(experiment).layers
        groups, robustness, reinforcement = (
            " ".join(dict.fromkeys(f"{getattr(layer, field):g}" for layer in layers))
            for field in ("group", "robustness", "reinforcement")
        )
        kind = "CP+R, binary" if all(layer.majority for layer in layers) else "bmlp, binary"
        return kind, f"γ={groups}, r={robustness}, p_r={reinforcement}"

    def memory(self, experiment: ExperimentSpec) -> tuple[str, dict[str, int]]:
        """Return the memory of parameters."""
        return "parameter_bytes", self.parameter_bytes(bmlp_of(experiment))

    def parameter_bytes(self, network: BMLPSpec) -> dict[str, int]:
        """Return the memory of hidden weights, bits of the weights, and classifiers."""
        synapses = [
            layer.neurons * inputs
            for layer, inputs in zip(network.layers, network.sizes[:-1], strict=True)
        ]
        classifiers = sum(4 * network.classes * layer.outputs for layer in network.layers)
        return {
            "weights": sum(synapses) // 8,
            "hidden weights": 4 * sum(synapses),
            "classifiers": classifiers,
        }

    def epoch_line(self, network: BMLPSpec, entry: Mapping[str, Any]) -> str:
        """Tell flips, updates, and the shares of samples that were wrong at the layers."""
        wrong = " ".join(f"{share:.3f}" for share in entry["wrong_at_layer"])
        return (
            f"flips {sum(entry['weight_flips']):>7}  "
            f"updates/sample {sum(entry['updates_per_sample']):.1f}  wrong {wrong}"
        )

    def result(self, network: BMLPSpec, metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return activity in the last epoch, and all flips."""
        last = metrics[-1]
        names = ("updates_per_sample", "reinforced_per_sample", "wrong_at_layer")
        flips = zip(*(entry["weight_flips"] for entry in metrics), strict=True)
        return {
            **{name: last[name] for name in names},
            "weight_flips": [sum(layer) for layer in flips],
        }
