"""A whole experiment: network, training and data."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Tag, model_validator

from lava_ep.errors import InputError
from lava_ep.spec.base import Spec
from lava_ep.spec.bmlp import BMLPSpec
from lava_ep.spec.data import DataSpec
from lava_ep.spec.network import NetworkSpec
from lava_ep.spec.training import TrainingSpec

NETWORK_TAGS = {kind: f"{kind} network" for kind in ("ep", "bmlp")}
"""Tags of the networks, which no field is called by."""


def _network_tag(value: Any) -> str:
    kind = value.get("kind", "ep") if isinstance(value, dict) else getattr(value, "kind", "")
    return NETWORK_TAGS.get(str(kind), str(kind))


AnyNetworkSpec = Annotated[
    Annotated[NetworkSpec, Tag(NETWORK_TAGS["ep"])]
    | Annotated[BMLPSpec, Tag(NETWORK_TAGS["bmlp"])],
    Discriminator(
        _network_tag,
        custom_error_type="kind",
        custom_error_message=f"expected kind {', '.join(NETWORK_TAGS)}",
    ),
]
"""A network of any family; one without a kind is of equilibrium propagation."""


class ExperimentSpec(Spec):
    """Everything that decides the result of a run, apart from the backend, which does not."""

    network: AnyNetworkSpec
    training: TrainingSpec = TrainingSpec()
    data: DataSpec = DataSpec()

    @model_validator(mode="after")
    def _one_sample_at_a_time(self) -> ExperimentSpec:
        sizes = {
            "batch_size": self.training.batch_size,
            "test_batch_size": self.training.test_batch_size,
        }
        for name, size in sizes.items():
            if self.network.executed_as == "stock-lif" and size != 1:
                raise ValueError(
                    f"training.{name}={size} with neurons of kind stock-lif: expected 1, as on a "
                    "chip there is one network"
                )
        return self

    @property
    def ep_network(self) -> NetworkSpec:
        """The network, for what only networks of equilibrium propagation have.

        Raises
        ------
        InputError
            If it is of another family.
        """
        if not isinstance(self.network, NetworkSpec):
            raise InputError(
                f"network.kind={self.network.kind}: expected ep, as this is for networks that "
                "learn by equilibrium propagation; others can be trained, evaluated and reported on"
            )
        return self.network

    def with_frozen_input_layer(self) -> ExperimentSpec:
        """Return the baseline in which the synapses into the first layer never learn."""
        data = self.model_dump(mode="json")
        data["network"]["layers"][0]["frozen"] = True
        return ExperimentSpec.model_validate(data)
