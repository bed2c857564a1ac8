r"""The nudged phase of a network, step by step, and how far its updates are from the gradients.

In the t-th nudged step the states and the parameters change. Divided by :math:`\beta` (or, where
parameters really move in every step, by the learning rate :math:`\eta`) these updates are to be
minus the gradients that belong to the t-th last free step (gradient-descending updates, GDU),

.. math:: \Delta_s(t) = -\nabla_s(t), \qquad \Delta_\theta(t) = -\nabla_\theta(t),

in the limit of first :math:`\eta \to 0` and then :math:`\beta \to 0`: the nudge moves states by
:math:`O(\beta)`, but parameters that move by :math:`O(\eta)` move them, too. So the relative error
of continual updates is about :math:`a \beta + c\, \eta/\beta` (Ernoult et al. 2019, arXiv
1905.13633; 2020, arXiv 2005.04168).

What holds exactly depends on the network, see `statement`. In the energy-based form the theorem
holds as it stands; a step of size :math:`dt` changes states by :math:`dt\,\beta\,(y - s)`, so that
their updates are divided by :math:`\beta\, dt`. In discrete time a step
:math:`s \leftarrow \rho(I)` is not the derivative of a scalar: updates of the states are then minus
the gradients :math:`\rho' \nabla_s` of the *drives* in these steps, and those of the parameters
still minus those of the parameters, provided that the nudge is part of the drive (``nudge:
current``). The published nudge is added after :math:`\rho` (``nudge: state``), so that the factor
:math:`\rho'` is missing once, at the output. Such updates follow exactly the gradient of another
loss, `Loss.NUDGE`.

All of this begins at a fixed point: what the last free step still moves is divided by
:math:`\beta`, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.analysis.bptt import Loss, StepGradient
from lava_ep.dynamics import Nudging, Updates, update_bias
from lava_ep.models.fused.engines.populations import PopulationEngine
from lava_ep.parameters import NetworkParameters
from lava_ep.spec import GradedNeuronSpec, NetworkSpec, parse

Float64 = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]
Quantities = dict[tuple[str, str], Float64]
"""Arrays by the names of the layer and of what they are: one of `STATES` and `PARAMETERS`."""

STATES = "states"
PARAMETERS = ("weights", "feedback", "bias")


class Rule(str, Enum):
    """How the network is nudged."""

    EP = "EP"
    """Parameters stand still; a step's updates are what it adds to the contrast of the phases."""
    C_EP = "C-EP"
    """Parameters move in every step."""
    VF = "VF"
    """As EP, with feedback weights apart from the forward ones (vector field)."""
    C_VF = "C-VF"
    """As C-EP, with feedback weights apart from the forward ones."""

    @property
    def continual(self) -> bool:
        """Whether parameters move in every step."""
        return self in (Rule.C_EP, Rule.C_VF)


@dataclass(frozen=True)
class Setting:
    r"""One nudged phase.

    Parameters
    ----------
    rule
        How the network is nudged.
    beta
        :math:`\beta`.
    eta
        Learning rate :math:`\eta` of all weights and biases; 0 where they stand still.
    """

    rule: Rule
    beta: float
    eta: float = 0.0


def statement(network: NetworkSpec, parameters: NetworkParameters) -> tuple[Loss | None, str]:
    r"""Say what updates should follow, and which loss exactly, in the limit of :math:`\beta \to 0`.

    All this is meant for neurons that stay away from the kinks of :math:`\rho`, and windows that
    stay with their largest source.
    """
    neuron = network.neuron
    apart = any(
        layer.feedback is not None and not np.array_equal(layer.feedback, layer.weights)
        for layer in parameters.layers
    )
    if apart:
        return None, (
            "feedback weights differ from forward weights, so updates follow no gradient exactly"
        )
    if not isinstance(neuron, GradedNeuronSpec) or neuron.time_step is not None:
        return Loss.SQUARED_ERROR, (
            "energy-based: updates of states and parameters equal minus the gradients of the "
            "squared error exactly"
        )
    if neuron.nudge == "current":
        return Loss.SQUARED_ERROR, (
            "discrete time, nudge in the current: updates of parameters equal minus the gradients "
            "of the squared error exactly, and updates of states those of the drives, rho' times "
            "those of the states"
        )
    return Loss.NUDGE, (
        "discrete time, nudge of the state: updates miss a factor rho' at the output, so they "
        "equal minus the gradients of the squared error only up to that factor, but exactly those "
        "of the loss with the derivative -(y - s) / rho'; updates of states those of the drives"
    )


class NudgedPhase:
    r"""The nudged phase of one batch on the fused engine, in float64 and one step at a time.

    Parameters
    ----------
    network
        The network; its learning rates, updates and nudging are replaced by those of the setting.
    parameters
        Weights and biases to start from.
    images, labels
        The batch, (batch, pixels) and (batch,).
    setting
        How it is nudged.
    """

    def __init__(
        self,
        network: NetworkSpec,
        parameters: NetworkParameters,
        images: Integers,
        labels: Integers,
        setting: Setting,
    ) -> None:
        self._setting = setting
        self._names = network.layer_names
        self._neuron = network.neuron
        prepared = _prepare(network, setting)
        self._schedule = prepared.phases.schedule(0)
        self._engine = PopulationEngine(
            prepared,
            batch=len(images),
            schedule=self._schedule,
            learning=True,
            threads=1,
            dtype=np.float64,
        )
        for layer, values in enumerate(parameters.layers):
            for name, value in values.arrays.items():
                self._engine.set(layer, name, value)
        self._learned = [tuple(values.arrays) for values in parameters.layers]
        self._engine.set_labels(labels.astype(np.int32))
        self._position = self._schedule.free_end + 1
        self._engine.advance(0, self._position, images.astype(np.int32))
        self._before = self._sums()

    def step(self) -> Quantities:
        """Take a nudged step, and return the updates that it makes."""
        self._engine.advance(self._position, self._position + 1)
        self._position += 1
        before, self._before = self._before, self._sums()
        return {key: self._before[key] - before[key] for key in before}

    def _sums(self) -> Quantities:
        """Return what differs by the updates from one step to the next."""
        found: Quantities = {}
        scale = self._setting.beta * (getattr(self._neuron, "time_step", None) or 1.0)
        for layer, name in enumerate(self._names):
            found[name, STATES] = self._engine.get(layer, "state") / scale
            parameters = self._moved if self._setting.rule.continual else self._contrast
            for quantity, value in parameters(layer).items():
                found[name, quantity] = value
        return found

    def _moved(self, layer: int) -> dict[str, Float64]:
        """Return parameters that have moved, in units of the learning rate."""
        return {
            quantity: self._engine.get(layer, quantity) / self._setting.eta
            for quantity in self._learned[layer]
        }

    def _contrast(self, layer: int) -> dict[str, Float64]:
        """Return the updates that EP would make if the phase ended here."""
        shard, weights = self._engine.shards[0], self._engine.weights[layer]
        contrast = shard.synapses[layer].contrast()
        span = self._schedule.contrast_span
        bias = np.zeros_like(self._engine.get(layer, "bias"))
        update_bias(bias, *shard.neurons[layer].bias_contrast(), rate=1.0, sign=1, span=span)
        unit = span * self._engine.batch * weights.levels
        found = {"weights": contrast.forward / unit, "bias": bias}
        if contrast.feedback is not None:
            found["feedback"] = contrast.feedback / unit
        return found


def descent(step: StepGradient, network: NetworkSpec) -> Quantities:
    r"""Return minus the gradients of a step as updates would be.

    Those of the states are for single samples: of the states themselves in the energy-based form,
    of the drives in discrete time.
    """
    discrete = getattr(network.neuron, "time_step", None) is None
    found: Quantities = {}
    for layer, name in enumerate(network.layer_names):
        states = (step.drives if discrete else step.states)[layer]
        found[name, STATES] = -len(states) * states
        for quantity in PARAMETERS:
            gradient = getattr(step.layers[layer], quantity)
            if gradient is not None:
                found[name, quantity] = -gradient
    return found


@dataclass(frozen=True)
class Agreement:
    """How well the updates of one array agree with minus its gradients.

    Parameters
    ----------
    layer, quantity
        Which array.
    curve_error
        Norm of the difference over that of the gradients, of all steps one by one.
    gradient_norm
        Norm of the gradients' sum over all steps.
    error
        After each step: norm of the difference of the sums so far, over that of the gradients' sum.
        ``None`` here and below as long as there is no gradient, that is, before the nudge arrives.
    angle
        The same for the angle between the sums, in degrees.
    sign_agreement
        The same for the share of elements of the same sign.
    """

    layer: str
    quantity: str
    curve_error: float
    gradient_norm: float
    error: tuple[float | None, ...]
    angle: tuple[float | None, ...]
    sign_agreement: tuple[float | None, ...]


class Tally:
    """Sums of updates and of minus the gradients, and how far they are apart after each step."""

    def __init__(self) -> None:
        self._update: Float64 | float = 0.0
        self._descent: Float64 | float = 0.0
        self._squares = np.zeros(2)
        self._history: list[tuple[float | None, ...]] = []

    def add(self, update: Float64, descent: Float64) -> None:
        """Add those of a step."""
        self._squares += [np.sum((update - descent) ** 2), np.sum(descent**2)]
        self._update = self._update + update
        self._descent = self._descent + descent
        self._history.append(_agree(self._update, self._descent))

    def agreement(self, layer: str, quantity: str) -> Agreement:
        """Return what has been found."""
        difference, gradients = np.sqrt(self._squares)
        error, angle, signs = zip(*self._history, strict=True)
        norm = float(np.linalg.norm(self._descent))
        return Agreement(layer, quantity, float(difference / gradients), norm, error, angle, signs)


def _agree(update: Float64, descent: Float64) -> tuple[float | None, ...]:
    """Return relative error, angle in degrees, and share of equal signs; see `Agreement`."""
    lengths = np.linalg.norm(update), np.linalg.norm(descent)
    if lengths[1] == 0:
        return None, None, None
    error = np.linalg.norm(update - descent) / lengths[1]
    cosine = np.sum(update * descent) / max(lengths[0] * lengths[1], np.finfo(float).tiny)
    there = descent != 0
    signs = np.mean(np.sign(update[there]) == np.sign(descent[there]))
    return float(error), float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))), float(signs)


def _prepare(network: NetworkSpec, setting: Setting) -> NetworkSpec:
    """Return the network with the updates, the nudging and the learning rates of a setting."""
    layers = [layer.model_dump(mode="json") | {"frozen": False} for layer in network.layers]
    if setting.rule.continual:
        layers = [layer | {"rate": setting.eta, "bias_rate": setting.eta} for layer in layers]
    phases = network.phases.model_dump(mode="json") | {
        "beta": setting.beta,
        "nudging": Nudging.POSITIVE,
        "updates": Updates.CONTINUAL if setting.rule.continual else Updates.TWO_PHASE,
    }
    return changed(network, {"layers": layers, "phases": phases})


def changed(network: NetworkSpec, changes: dict[str, Any]) -> NetworkSpec:
    """Return a network with other values of some fields."""
    return parse(NetworkSpec, network.model_dump(mode="json") | changes, source="study")
