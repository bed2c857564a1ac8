"""Your own kind of neurons, from your own package: constants, spec, population, Process, model.

Neurons whose activation has a few levels, ``round(L s) / L``, learn the digits by message passing.
Nothing in `lava_ep` names them. A package that registers such a kind names its module in the entry
point group ``lava_ep.plugins``, and every command line knows the kind; a script just imports it.
Run it with ``python examples/own_neuron.py``; it takes a few seconds.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType

from lava_ep.data import load_dataset
from lava_ep.dynamics import NeuronConstants, constant
from lava_ep.kinds import register
from lava_ep.models.discovery import cpu_model
from lava_ep.models.message_passing import NeuronModel
from lava_ep.parameters import initial_parameters
from lava_ep.populations import NeuronPopulation
from lava_ep.processes import Neuron
from lava_ep.spec import NetworkSpec, NeuronSpecBase, load_preset, of
from lava_ep.training import NetworkSession

BATCH, BATCHES = 16, 80


@dataclass(frozen=True)
class Stepped(NeuronConstants):
    """Constants: s <- clip((1 - gamma) s + gamma (I + bias + beta (y - s)), 0, 1)."""

    kind: ClassVar[str] = "stepped"
    filter_rate: float = constant(0.5, "gamma of the filter of the state", gt=0, le=1)
    levels: int = constant(4, "L: activations are 0, 1 / L, ..., 1", ge=1, le=255)


class SteppedSpec(NeuronSpecBase):
    """The same in ``spec.json``: ``"neuron": {"kind": "stepped", "levels": 4}``."""

    CONSTANTS = Stepped
    kind: Literal["stepped"] = "stepped"
    filter_rate: float = of(Stepped, "filter_rate")
    levels: int = of(Stepped, "levels")


@register("stepped", "population")
class SteppedPopulation(NeuronPopulation):
    """What a layer does in one time step."""

    def __init__(self, shape: Any, biases: int, *, neuron: Stepped, **common: Any) -> None:
        super().__init__(shape, biases, messages=np.float32, activations=np.float32, **common)
        self._neuron = neuron

    def _initial_activation(self) -> float:
        return 0.0

    def _settle(self, current: Any, target: Any, beta: float) -> int:
        rate, levels = np.float32(self._neuron.filter_rate), np.float32(self._neuron.levels)
        drive = current + np.tile(self.bias, self.state.shape[1] // self.bias.size)
        if beta:
            drive += np.float32(beta) * (target - self.state)
        self.state[...] = np.clip((1 - rate) * self.state + rate * drive, 0, 1)
        np.subtract(np.rint(levels * self.state) / levels, self.activation, out=self.change)
        self.activation += self.change
        return int(np.count_nonzero(self.change))


class SteppedNeuron(Neuron):
    """The Process: all ports, Vars and options are those of `Neuron`."""

    CONSTANTS = Stepped


@cpu_model(SteppedNeuron, "floating_pt")
class PySteppedNeuronModel(NeuronModel):
    """Its model for message passing: what it sends, and the types of its Vars."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    VARS: ClassVar[dict[str, Any]] = {"activation": np.float32}


def network(**constants: Any) -> NetworkSpec:
    """Return the network of the preset binary-digits with other neurons."""
    plain = load_preset("binary-digits").ep_network.model_dump(mode="json")
    return NetworkSpec.model_validate({**plain, "neuron": {"kind": "stepped", **constants}})


def accuracy(backend: str = "message-passing", batches: int = BATCHES) -> float:
    """Learn for some batches, and return the accuracy in the last 20 of them."""
    digits = load_dataset("digits", limit_train=BATCH * batches)
    hits = []
    spec = network(levels=4)
    start = initial_parameters(spec, seed=0)
    with NetworkSession(spec, batch=BATCH, parameters=start, seed=0, backend=backend) as session:
        for first in range(0, BATCH * batches, BATCH):
            rows = slice(first, first + BATCH)
            (scores,) = session.stream(digits.x_train[rows], digits.y_train[rows])
            hits.append(np.mean(scores.argmax(axis=1) == digits.y_train[rows]))
    return float(np.mean(hits[-20:]))


if __name__ == "__main__":
    print(f"accuracy in the last 20 batches: {accuracy():.3f}")
