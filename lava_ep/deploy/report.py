"""What a placement comes to, as plain data and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from lava_ep.deploy.demand import IMAGE, image_payload_bits
from lava_ep.deploy.placement import Breach, Core, Placement, largest_that_fits
from lava_ep.dynamics import Activation
from lava_ep.figures.text import percent, plural
from lava_ep.loihi2.resources import FIGURES, SYSTEMS, Limits, System
from lava_ep.spec import GradedNeuronSpec, NetworkSpec

_CURVES = (Activation.SHIFTED_SIGMOID, Activation.TANH)


@dataclass(frozen=True)
class SystemVerdict:
    """How a placement fares on one system.

    Parameters
    ----------
    system
        Which.
    chips
        Chips that the cores fill.
    broken
        The limits that are broken; none if it fits.
    would_fit
        If it does not: the same network with narrower layers that does, if there is one.
    """

    system: System
    chips: int
    broken: tuple[Breach, ...]
    would_fit: NetworkSpec | None

    @property
    def fits(self) -> bool:
        """Whether no limit is broken."""
        return not self.broken


@dataclass(frozen=True)
class DeployReport:
    """A placement and the verdicts on it; see `report_on`."""

    placement: Placement
    verdicts: tuple[SystemVerdict, ...]

    @property
    def home(self) -> System | None:
        """The smallest system that it fits."""
        return next((verdict.system for verdict in self.verdicts if verdict.fits), None)

    @property
    def shown(self) -> System:
        """The system whose map of cores says most: that it fits, or else the smallest with room."""
        cores = len(self.placement.cores)
        systems = [verdict.system for verdict in self.verdicts]
        return self.home or next((s for s in systems if s.cores >= cores), systems[-1])

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data."""
        placement = self.placement
        cores = placement.cores
        return {
            "network": str(placement.network),
            "learning": placement.learning,
            "fits": self.home.name if self.home else None,
            "layers": [_layer_json(placement, i) for i in range(len(placement.demands))],
            "total": {
                "neurons": sum(core.neurons for core in cores),
                "cores": len(cores),
                "synapses": placement.synapses,
                "weight_bytes": sum(core.weight_bytes for core in cores),
                "learning_bytes": sum(core.learning_bytes for core in cores),
                "state_bytes": sum(core.state_bytes for core in cores),
            },
            "injected": _injected(placement),
            "systems": [
                {
                    "name": verdict.system.name,
                    "chips": verdict.chips,
                    "chips_available": verdict.system.chips,
                    "cores_available": verdict.system.cores,
                    "fits": verdict.fits,
                    "broken": [
                        {**asdict(breach), "assumption": breach.assumption}
                        for breach in verdict.broken
                    ],
                    "would_fit": str(verdict.would_fit) if verdict.would_fit else None,
                    "source": verdict.system.source,
                }
                for verdict in self.verdicts
            ],
            "notes": _notes(placement),
            "figures": _figures(placement.limits),
        }

    def print(self, console: Console) -> None:
        """Write everything as text."""
        placement = self.placement
        console.print(
            f"{placement.network} on Loihi 2, "
            + ("learning on the chip" if placement.learning else "weights stay as they are"),
            soft_wrap=True,
        )
        for table in (_memory_table(placement), _wiring_table(placement)):
            console.print()
            console.print(table)
        injected = _injected(placement)
        console.print(
            f"\n{IMAGE}: {injected['sources']:,} pixels, injected as events of "
            f"{_bits(injected['payload_bits'])}, each to {plural(injected['cores'], 'core')}",
            soft_wrap=True,
        )
        if placement.breaches:
            console.print("\nBreaks on every system:")
            _print_breaches(console, placement.breaches)
        console.print()
        for verdict in self.verdicts:
            _print_verdict(console, verdict, placement)
        console.print()
        for note in _notes(placement):
            console.print(f"Note: {note}.", soft_wrap=True)
        console.print("\nAssumed, as no figure is published for Loihi 2 (sources: --json):")
        for name, figure in _figures(placement.limits).items():
            if figure["assumption"]:
                text = f"{name}, {figure['value']:,} {figure['unit']}: {figure['assumption']}"
                console.print(f"  {text}", soft_wrap=True)


def report_on(placement: Placement, systems: Sequence[System] = SYSTEMS) -> DeployReport:
    """Judge a placement on systems, the smallest first."""
    verdicts = []
    for system in systems:
        broken = tuple(placement.breaches_on(system))
        fitting = None
        if broken:
            fitting = largest_that_fits(
                placement.network, system, learning=placement.learning, limits=placement.limits
            )
        verdicts.append(SystemVerdict(system, placement.chips_on(system), broken, fitting))
    return DeployReport(placement, tuple(verdicts))


def _layer_json(placement: Placement, index: int) -> dict[str, Any]:
    """Return what a layer needs, and the cores it lies on, equal ones together."""
    demand, cores = placement.demands[index], placement.of_layer(index)
    return {
        "name": demand.name,
        "neurons": demand.neurons,
        "cores": len(cores),
        "synapses": sum(core.synapses for core in cores),
        "fan_in": {p.source: p.fan_in for p in demand.projections},
        "fan_out": _fan_out(placement, index),
        "payload_bits": demand.payload_bits,
        "weight_bytes": sum(core.weight_bytes for core in cores),
        "learning_bytes": sum(core.learning_bytes for core in cores),
        "state_bytes": sum(core.state_bytes for core in cores),
        "cores_by_content": [
            {"count": count, **{k: v for k, v in asdict(core).items() if k != "layer"}}
            for core, count in Counter(cores).items()
        ],
    }


def _fan_out(placement: Placement, index: int) -> dict[str, int]:
    """Return the synapses that leave a neuron, by the layer they enter."""
    name = placement.demands[index].name
    return {
        demand.name: projection.fan_out
        for demand in placement.demands
        for projection in demand.projections
        if projection.source == name
    }


def _injected(placement: Placement) -> dict[str, int]:
    """Return how pixels enter."""
    return {
        "sources": placement.network.inputs,
        "cores": len(placement.of_layer(0)),
        "payload_bits": image_payload_bits(placement.network),
    }


def _figures(limits: Limits) -> dict[str, dict[str, Any]]:
    """Return all figures with their sources; limits as they were set."""
    found = {}
    for name, figure in FIGURES.items():
        found[name] = asdict(figure)
        value = getattr(limits, name, figure.value)
        if value != figure.value:
            found[name] |= {"value": value, "source": "as given", "assumption": ""}
    return found


def _notes(placement: Placement) -> list[str]:
    """Return what a reader should know beside the numbers."""
    notes = [
        "weights, states and messages become integers of the bits given; what that costs in "
        "accuracy is another question"
    ]
    neuron = placement.network.neuron
    if isinstance(neuron, GradedNeuronSpec) and neuron.activation in _CURVES:
        notes.append(
            f"{neuron.activation.value} has to be approximated, as no exponential function is "
            "known of the chip's neurons"
        )
    if placement.learning:
        notes.append(
            "a chip sees one sample at a time: the contrasts of a batch add up in the synapses"
        )
    return notes


def _bits(bits: int) -> str:
    return f"{bits} bits" if bits else "no payload"


def _kib(size: int) -> str:
    return f"{size / 1024:,.1f}"


def _fullest(placement: Placement, index: int) -> Core:
    """Return the core of a layer that has most in its memory."""
    return max(placement.of_layer(index), key=lambda core: core.memory)


def _columns(*names: str) -> Table:
    """Return an empty table of numbers."""
    numbers = (Column(name, justify="right") for name in names)
    return Table(
        Column("layer", no_wrap=True), *numbers, box=None, title_justify="left", title_style=""
    )


_PARTS = ("weight_bytes", "learning_bytes", "state_bytes")


def _memory_table(placement: Placement) -> Table:
    """Return what each layer lies on; of cores, the fullest one."""
    table = _columns("neurons", "cores", "a core", "weights", "learning", "state", "of memory")
    table.title = "neurons, and KiB of the fullest core"
    for index, demand in enumerate(placement.demands):
        core = _fullest(placement, index)
        table.add_row(
            demand.name,
            f"{demand.neurons:,}",
            f"{len(placement.of_layer(index)):,}",
            f"{core.neurons:,}",
            *(_kib(getattr(core, part)) for part in _PARTS),
            percent(core.memory / placement.limits.core_memory, 0),
        )
    cores = placement.cores
    table.add_row(
        "all cores",
        f"{sum(core.neurons for core in cores):,}",
        f"{len(cores):,}",
        "",
        *(_kib(sum(getattr(core, part) for core in cores)) for part in _PARTS),
        "",
    )
    return table


def _wiring_table(placement: Placement) -> Table:
    """Return how each layer is connected; of cores, the fullest one."""
    table = _columns("synapses", "fan-in", "fan-out", "in", "out", "message")
    table.title = "synapses of a neuron, and axons in and out of the fullest core"
    for index, demand in enumerate(placement.demands):
        core = _fullest(placement, index)
        table.add_row(
            demand.name,
            f"{sum(core.synapses for core in placement.of_layer(index)):,}",
            " + ".join(f"{p.fan_in:,}" for p in demand.projections),
            " + ".join(f"{n:,}" for n in _fan_out(placement, index).values()) or "host",
            f"{core.input_axons:,}",
            f"{core.output_axons:,}",
            _bits(demand.payload_bits),
        )
    table.add_row("all cores", f"{placement.synapses:,}", *[""] * 5)
    return table


def _print_breaches(console: Console, breaches: Iterable[Breach]) -> None:
    """Write a line for each."""
    for breach in breaches:
        assumed = " (an assumed limit, see below)" if breach.assumption else ""
        console.print(f"  {breach}{assumed}", soft_wrap=True)


def _print_verdict(console: Console, verdict: SystemVerdict, placement: Placement) -> None:
    """Write whether it fits a system, and if not, why and what would."""
    system = verdict.system
    text = f"{len(placement.cores):,} of {system.cores:,} cores"
    if system.chips > 1:
        text += f", {verdict.chips:,} of {system.chips:,} chips"
    verb = "fits" if verdict.fits else "does not fit"
    console.print(f"{system.title}: {verb}, {text}", soft_wrap=True)
    _print_breaches(console, (b for b in verdict.broken if b not in placement.breaches))
    if verdict.would_fit is not None:
        console.print(f"  {verdict.would_fit} would fit", soft_wrap=True)
