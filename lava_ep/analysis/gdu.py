r"""Updates in the nudged phase beside the gradients of backpropagation through time.

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

All of this begins at a fixed point: what the last free step still moves, see
`GDUStudy.residual`, is divided by :math:`\beta`, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.analysis.bptt import FreeDynamics, Loss, StepGradient, backpropagate
from lava_ep.dynamics import Nudging, Updates, update_bias
from lava_ep.errors import InputError
from lava_ep.models.fused.parts_engine import PartsEngine
from lava_ep.parameters import NetworkParameters
from lava_ep.spec import GradedNeuronSpec, NetworkSpec, parse

Float64 = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]
Quantities = dict[tuple[str, str], Float64]
"""Arrays by the names of the layer and of what they are: one of `STATES` and `PARAMETERS`."""

STATES = "states"
PARAMETERS = ("weights", "feedback", "bias")
SHOWN = 4
"""Neurons and synapses of each layer that are traced."""
BETAS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Nudging strengths to compare, in units of the network's own."""
DEFAULT_ETA = 2e-5
"""Learning rate of the published comparisons (conv, C-EP)."""
SETTLED = 1e-3
"""Residual, in units of beta, below which a free phase counts as settled."""
ETAS = (2e-8, 2e-7, 2e-6, DEFAULT_ETA, 2e-4, 2e-3, 2e-2)
"""Learning rates to compare."""


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


@dataclass(frozen=True)
class Run:
    """A nudged phase beside the gradients of one loss."""

    setting: Setting
    loss: Loss
    agreements: tuple[Agreement, ...]

    @property
    def error(self) -> float:
        """Relative error of the total update of all parameters, taken together."""
        parts = [a for a in self.agreements if a.quantity in PARAMETERS]
        norms = np.array([part.gradient_norm for part in parts])
        errors = np.array([part.error[-1] or 0.0 for part in parts])
        return float(np.linalg.norm(errors * norms) / np.linalg.norm(norms))


@dataclass(frozen=True)
class Trace:
    """A neuron or synapse, step by step.

    Parameters
    ----------
    setting, layer, quantity, index
        Which one.
    update
        Its updates.
    descent
        Minus its gradients, by the name of the loss.
    """

    setting: Setting
    layer: str
    quantity: str
    index: tuple[int, ...]
    update: tuple[float, ...]
    descent: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class GDUStudy:
    r"""What `study_gdu` finds.

    Parameters
    ----------
    network
        Sizes of the layers.
    statement
        What should hold for it, see `statement`.
    loss
        The loss whose gradients the updates should follow exactly; ``None`` if there is none.
    samples, free_steps, nudged_steps, beta, eta
        The setting of the traces.
    residual
        Largest change of a state in the last free step. Times :math:`1/\beta` it is seen in the
        updates.
    beta_order
        Power of :math:`\beta` that the error grows with where parameters stand still; ``None`` if
        there are not two values of it.
    runs
        Every setting, beside every loss.
    traces
        Neurons and synapses with large gradients.
    """

    network: str
    statement: str
    loss: Loss | None
    samples: int
    free_steps: int
    nudged_steps: int
    beta: float
    eta: float
    residual: float
    beta_order: float | None
    runs: tuple[Run, ...]
    traces: tuple[Trace, ...] = field(repr=False)

    @property
    def losses(self) -> tuple[Loss, ...]:
        """The losses that were differentiated, the one to judge by last."""
        return tuple(dict.fromkeys(run.loss for run in self.runs))

    def select(
        self, *, rule: Rule | None = None, beta: float | None = None, eta: float | None = None
    ) -> tuple[Run, ...]:
        """Return the runs of some settings beside the loss to judge by."""
        wanted = {"rule": rule, "beta": beta, "eta": eta}
        return tuple(
            run
            for run in self.runs
            if run.loss is self.losses[-1]
            and all(value in (None, getattr(run.setting, key)) for key, value in wanted.items())
        )

    @property
    def settled(self) -> bool:
        """Whether the free phase was long enough not to be seen in the updates."""
        return self.residual < SETTLED * self.beta

    def summary(self) -> dict[str, Any]:
        """Return what matters most as plain data; errors are those in the setting of the traces."""
        base = [r for r in self.select(beta=self.beta) if r.setting.eta in (0.0, self.eta)]
        return {
            "network": self.network,
            "statement": self.statement,
            "loss": self.losses[-1].value,
            "beta": self.beta,
            "eta": self.eta,
            "residual": self.residual,
            "settled": self.settled,
            "beta_order": self.beta_order,
            "errors": {run.setting.rule.value: run.error for run in base},
        }

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data."""
        runs = [asdict(run) | {"error": run.error} for run in self.runs]
        return asdict(self) | {"settled": self.settled, "runs": runs}


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
        self._engine = PartsEngine(
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


def study_gdu(
    network: NetworkSpec,
    parameters: NetworkParameters,
    images: Integers,
    labels: Integers,
    *,
    betas: Sequence[float] | None = None,
    etas: Sequence[float] | None = None,
    on_setting: Callable[[Setting], None] | None = None,
) -> GDUStudy:
    r"""Compare updates in the nudged phase with backpropagation through the last free steps.

    EP is run with every :math:`\beta`, C-EP with every pair of :math:`\beta` and :math:`\eta`, and
    C-VF, whose feedback weights start at the forward ones, with every :math:`\eta`. Networks with a
    ``feedback_angle`` are run as they are, as VF and C-VF, those with binary weights as EP alone.
    Frozen layers learn here, too.

    Parameters
    ----------
    network
        The network. Its own ``beta``, and the learning rate of its output layer, are the setting of
        the traces, and are added to ``betas`` and ``etas``.
    parameters
        Weights and biases.
    images, labels
        The batch, (batch, pixels) and (batch,).
    betas, etas
        What to run; by default `BETAS` times the network's own, and `ETAS`.
    on_setting
        Called before every nudged phase.

    Returns
    -------
    GDUStudy
        The agreement of every array in every run.

    Raises
    ------
    InputError
        If a value is out of range, the free phase is shorter than the nudged one, or the dynamics
        have no derivative.
    """
    phases = network.phases
    if phases.nudged_steps > phases.free_steps:
        raise InputError(
            f"network.phases.nudged_steps={phases.nudged_steps}: expected at most the "
            f"{phases.free_steps} free steps that are gone back through; raise free_steps"
        )
    rate = network.layers[-1].rate or DEFAULT_ETA
    all_betas = _choices("beta", [b * phases.beta for b in BETAS] if betas is None else betas)
    all_etas = _choices("eta", ETAS if etas is None else etas)
    law, text = statement(network, parameters)
    losses = tuple(dict.fromkeys([Loss.SQUARED_ERROR, law or Loss.SQUARED_ERROR]))
    runs: list[Run] = []
    traces: list[Trace] = []
    residual = 0.0
    for variant, values, settings in _variants(network, parameters, rate, all_betas, all_etas):
        batch = _Batch(variant, values, images, labels, losses)
        residual = batch.residual
        for setting in settings:
            if on_setting is not None:
                on_setting(setting)
            runs += batch.compare(setting)
            if setting.beta == phases.beta and setting.eta in (0.0, rate):
                traces += batch.trace(setting)
    still = [r for r in runs if not r.setting.rule.continual and r.loss is losses[-1]]
    return GDUStudy(
        network=str(network),
        statement=text,
        loss=law,
        samples=len(images),
        free_steps=phases.free_steps,
        nudged_steps=phases.nudged_steps,
        beta=phases.beta,
        eta=rate,
        residual=residual,
        beta_order=log_slope([run.setting.beta for run in still], [run.error for run in still]),
        runs=tuple(runs),
        traces=tuple(traces),
    )


def log_slope(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Fit the power p of y ~ x**p; ``None`` for less than two points."""
    if len(x) < 2:
        return None
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


class _Batch:
    """A batch at the end of the free phase, from where time goes on nudged, or back."""

    def __init__(
        self,
        network: NetworkSpec,
        parameters: NetworkParameters,
        images: Integers,
        labels: Integers,
        losses: Sequence[Loss],
    ) -> None:
        self._start = network, parameters, images, labels
        self._losses = losses
        self._dynamics = FreeDynamics(network, parameters, images)
        free, nudged = network.phases.free_steps, network.phases.nudged_steps
        settled = self._dynamics.settle(self._dynamics.start(), free - nudged)
        self._trajectory = self._dynamics.unroll(settled, nudged)
        last = zip(*self._trajectory[-2:], strict=True)
        self.residual = max(float(np.abs(after - before).max()) for before, after in last)

    def steps(self, setting: Setting) -> Iterator[tuple[Quantities, list[Quantities]]]:
        """Yield the updates of each nudged step, and minus the gradients of each loss."""
        network, _, _, labels = self._start
        phase = NudgedPhase(*self._start, setting)
        back = [
            backpropagate(self._dynamics, self._trajectory, labels, loss=loss)
            for loss in self._losses
        ]
        for gradients in zip(*back, strict=True):
            yield phase.step(), [descent(gradient, network) for gradient in gradients]

    def compare(self, setting: Setting) -> list[Run]:
        """Nudge the network, and compare what it does with all losses."""
        tallies: list[dict[tuple[str, str], _Tally]] = [{} for _ in self._losses]
        for updates, descents in self.steps(setting):
            for tally, wanted in zip(tallies, descents, strict=True):
                for key, update in updates.items():
                    tally.setdefault(key, _Tally()).add(update, wanted[key])
        return [
            Run(setting, loss, tuple(found.agreement(*key) for key, found in tally.items()))
            for loss, tally in zip(self._losses, tallies, strict=True)
        ]

    def trace(self, setting: Setting) -> list[Trace]:
        """Nudge the network, and keep what single neurons and synapses do."""
        network, _, _, labels = self._start
        totals: Quantities = {}
        for step in backpropagate(self._dynamics, self._trajectory, labels):
            for key, value in descent(step, network).items():
                totals[key] = totals.get(key, 0.0) + value
        chosen = {key: _strong(total) for key, total in totals.items()}
        history: dict[tuple[str, str], list[Float64]] = {key: [] for key in chosen}
        for updates, descents in self.steps(setting):
            for key, where in chosen.items():
                history[key].append(np.array([d[key][where] for d in (updates, *descents)]))
        found = []
        for (layer, quantity), where in chosen.items():
            # (step, update and losses, entry)
            values = np.array(history[layer, quantity])
            for k, index in enumerate(zip(*where, strict=True)):
                update, *wanted = (tuple(curve.tolist()) for curve in values[:, :, k].T)
                names = [loss.value for loss in self._losses]
                found.append(
                    Trace(
                        setting,
                        layer,
                        quantity,
                        tuple(int(i) for i in index),
                        update,
                        dict(zip(names, wanted, strict=True)),
                    )
                )
        return found


class _Tally:
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


def _strong(total: Float64) -> tuple[NDArray[np.intp], ...]:
    """Return the places of some of the largest elements, from the first to the top 2 %."""
    order = np.argsort(-np.abs(total), axis=None)
    ranks = np.linspace(0, max(SHOWN - 1, 0.02 * total.size), SHOWN).astype(int)
    return np.unravel_index(order[np.unique(np.minimum(ranks, total.size - 1))], total.shape)


def _choices(name: str, values: Sequence[float]) -> list[float]:
    """Return values in order, all of them positive."""
    for value in values:
        if not 0 < value < np.inf:
            raise InputError(f"{name}={value:g}: expected a positive number")
    return sorted(set(values))


def _variants(
    network: NetworkSpec,
    parameters: NetworkParameters,
    rate: float,
    betas: Sequence[float],
    etas: Sequence[float],
) -> Iterator[tuple[NetworkSpec, NetworkParameters, list[Setting]]]:
    """Yield networks, their parameters, and how to nudge them."""
    betas = sorted({network.phases.beta, *betas})
    etas = sorted({rate, *etas})
    still, moving = (Rule.EP, Rule.C_EP) if network.feedback_angle is None else (Rule.VF, Rule.C_VF)
    settings = [Setting(still, beta) for beta in betas]
    real = not any(layer.binary for layer in network.layers)
    if real:
        settings += [Setting(moving, beta, eta) for beta in betas for eta in etas]
    yield network, parameters, settings
    if real and network.feedback_angle is None:
        apart = _override(network, {"feedback_angle": 0.0})
        first, *others = parameters.layers
        doubled = [replace(x, feedback=x.weights.astype(np.float32)) for x in others]
        values = replace(parameters, layers=(first, *doubled))
        yield apart, values, [Setting(Rule.C_VF, network.phases.beta, eta) for eta in etas]


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
    return _override(network, {"layers": layers, "phases": phases})


def _override(network: NetworkSpec, changes: dict[str, Any]) -> NetworkSpec:
    return parse(NetworkSpec, network.model_dump(mode="json") | changes, source="study")
