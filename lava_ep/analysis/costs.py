"""What samples cost a trained network, whatever kind of network it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lava_ep.analysis import efficiency, gates
from lava_ep.figures.text import count, energy, magnitude, ratio
from lava_ep.spec import BMLPSpec, ExperimentSpec
from lava_ep.training.counters import per_sample
from lava_ep.training.evaluation import Evaluation


@dataclass(frozen=True)
class Costs:
    """Costs of a sample.

    Parameters
    ----------
    content : dict
        For ``lava-ep evaluate --json``.
    lines : list of str
        The same in a few lines of text.
    """

    content: dict[str, Any]
    lines: list[str]


def sample_costs(
    experiment: ExperimentSpec, evaluation: Evaluation, entry: Mapping[str, Any] | None
) -> Costs:
    """Return the costs of a test sample, and of a training sample of an epoch.

    Parameters
    ----------
    experiment : ExperimentSpec
        The experiment.
    evaluation : Evaluation
        Of the trained network.
    entry : dict or None
        Line of ``metrics.jsonl`` of the epoch, if there is one.
    """
    if isinstance(experiment.network, BMLPSpec):
        return _gates(experiment.network, entry)
    counters, shown = evaluation.counters, evaluation.shown
    events = per_sample(counters.events, shown)
    operations = per_sample(counters.synaptic_operations, shown)
    network = experiment.ep_network
    inference = efficiency.inference_account(
        network, events=events["free"], operations=operations["free"]
    )
    learning = None if entry is None else efficiency.training_account(network, entry)
    accounts = {"inference": inference, "training sample": learning}
    return Costs(
        {
            "events_per_sample": events,
            "synaptic_operations_per_sample": operations,
            "efficiency": efficiency.efficiency_json(inference, learning),
        },
        [
            *(f"{name}: {_operations(account)}" for name, account in accounts.items() if account),
            "Energies are estimates from published picojoules per operation; --json has the "
            "sources",
        ],
    )


def _gates(network: BMLPSpec, entry: Mapping[str, Any] | None) -> Costs:
    """Count Boolean gates, see `lava_ep.analysis.gates`."""
    found = gates.account(network, entry)
    counts = {"inference": found.inference, "training sample": found.training}
    return Costs(
        {"boolean_gates": found.to_json()},
        [
            *(f"{name}: {_gate_line(count)}" for name, count in counts.items() if count),
            "Gates of full precision are an estimate; --json has its source",
        ],
    )


def _operations(account: efficiency.Account) -> str:
    """Describe in one line the cost of a sample in events."""
    found = account.energies()
    chips, dense = found["energy"], found["dense_energy"]
    arithmetic = found["arithmetic_energy"]
    return (
        f"{count(account.events)} events ({account.events_per_neuron:.3g} a neuron), "
        f"{magnitude(account.synaptic_operations)} synaptic operations, "
        f"{energy(chips.low, chips.high)} on neuromorphic chips; dense equivalent "
        f"{magnitude(account.dense_macs)} MACs, one forward pass "
        f"{magnitude(account.feedforward_macs)}; arithmetic alone at 45 nm "
        f"{energy(arithmetic.low, arithmetic.high)} against {energy(dense.low, dense.high)} dense"
    )


def _gate_line(found: gates.GateCount) -> str:
    """Describe in one line the cost of a sample in gates."""
    return (
        f"{magnitude(found.gates)} Boolean gates ({magnitude(found.xnor)} XNOR, "
        f"{magnitude(found.full_adders)} full adders, {magnitude(found.steps)} increments and "
        f"decrements); full precision of the same layers {magnitude(found.real_macs)} MACs, "
        f"{magnitude(found.real_gates)} gates, {ratio(found.ratio)} as many"
    )
