"""Compare updates in the nudged phase with backpropagation through time.

The theory and the nudged phase are in `lava_ep.analysis.nudged`, the gradients in
`lava_ep.analysis.bptt`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.text import Text

from lava_ep import training
from lava_ep.analysis.bptt import FreeDynamics, Loss, backpropagate
from lava_ep.analysis.nudged import (
    PARAMETERS,
    Agreement,
    Float64,
    Integers,
    NudgedPhase,
    Quantities,
    Rule,
    Setting,
    Tally,
    changed,
    descent,
    statement,
)
from lava_ep.command_line import (
    AsJson,
    Assignments,
    DataDir,
    SpecFile,
    StudyFolder,
    console,
    fitting,
    make_experiment,
    numbers,
    preset_option,
    print_result,
)
from lava_ep.errors import InputError
from lava_ep.files import check_new
from lava_ep.parameters import NetworkParameters, initial_parameters
from lava_ep.spec import NetworkSpec, override
from lava_ep.studies import study

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
        tallies: list[dict[tuple[str, str], Tally]] = [{} for _ in self._losses]
        for updates, descents in self.steps(setting):
            for tally, wanted in zip(tallies, descents, strict=True):
                for key, update in updates.items():
                    tally.setdefault(key, Tally()).add(update, wanted[key])
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
        apart = changed(network, {"feedback_angle": 0.0})
        first, *others = parameters.layers
        doubled = [replace(x, feedback=x.weights.astype(np.float32)) for x in others]
        values = replace(parameters, layers=(first, *doubled))
        yield apart, values, [Setting(Rule.C_VF, network.phases.beta, eta) for eta in etas]


@study
def gdu(
    out: StudyFolder,
    *,
    preset: Annotated[str | None, preset_option("gdu-toy")] = None,
    spec: SpecFile = None,
    run: Annotated[
        Path | None, typer.Option(help="Folder of a run, for its trained parameters.")
    ] = None,
    data_dir: DataDir = None,
    samples: Annotated[int, typer.Option(help="Training samples to average over.")] = 20,
    beta: Annotated[
        str | None,
        typer.Option(help="Nudging strengths, comma-separated (default: around the spec's)."),
    ] = None,
    eta: Annotated[
        str | None, typer.Option(help="Learning rates, comma-separated (default: 2e-8 to 0.02).")
    ] = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Compare nudged updates, step by step, with backpropagation through time."""
    from lava_ep.studies._folder import RESULT, write_study
    from lava_ep.studies._gdu_figures import gdu_figures

    started = time.perf_counter()
    check_new(out)
    display = console(stderr=as_json)
    sweeps = {"betas": numbers("--beta", beta), "etas": numbers("--eta", eta)}
    if run is not None:
        if preset or spec:
            raise InputError(f"--run {run}: has its own spec; leave out --preset and --spec")
        folder = training.RunFolder.open(run)
        experiment = override(folder.spec(), assignments or [])
        _, parameters, _ = folder.selected(experiment.ep_network)
        dataset = training.load_run_data(folder, data_dir=data_dir)
    else:
        preset = preset or (None if spec else "gdu-toy")
        experiment = make_experiment(preset, spec, {}, assignments)
        experiment, dataset = fitting(experiment, preset, assignments, data_dir, display)
        parameters = initial_parameters(experiment.ep_network, seed=experiment.training.seed)
    training.check_fit(experiment, dataset)
    if not 1 <= samples <= len(dataset.x_train):
        raise InputError(f"--samples {samples}: expected 1 to {len(dataset.x_train)}")
    with display.status(Text("settling")) as status:
        found = study_gdu(
            experiment.ep_network,
            parameters,
            dataset.x_train[:samples],
            dataset.y_train[:samples],
            on_setting=lambda s: status.update(
                Text(f"{s.rule.value}, β = {s.beta:g}, η = {s.eta:g}")
            ),
            **sweeps,
        )
        status.update(Text("drawing"))
        write_study(out, found.to_json(), gdu_figures(found))
    if as_json:
        print_result(found.summary(), started, out)
        return
    display.print(f"{found.network}: {found.statement}.")
    if not found.settled:
        display.print(
            f"Not settled: the last free step moved a state by {found.residual:.1e}, which updates "
            "include; raise network.phases.free_steps or lower the layers' scale."
        )
    for rule, error in found.summary()["errors"].items():
        display.print(f"{rule}: relative error of the total update {error:.2e}")
    display.print(f"Figures and {RESULT}: {out}")
