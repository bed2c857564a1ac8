"""Which neurons lie on which core, and which limits that breaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lava_ep.deploy.demand import (
    LayerDemand,
    Tile,
    image_payload_bits,
    layer_demands,
)
from lava_ep.dynamics import Convolution, Pooling
from lava_ep.errors import InputError
from lava_ep.loihi2 import resources
from lava_ep.loihi2.resources import FIGURES, SYSTEMS, Limits, System
from lava_ep.spec import NetworkSpec


@dataclass(frozen=True)
class Breach:
    """A limit that is broken.

    Parameters
    ----------
    limit
        Its name.
    where
        The layer, or what else breaks it.
    needed, available
        What it would take, and what there is; ``None`` where it is no matter of numbers.
    remedy
        What would fit.
    """

    limit: str
    where: str
    needed: int | None
    available: int | None
    remedy: str

    @property
    def assumption(self) -> str:
        """Why the limit itself may be wrong; empty if it was published for Loihi 2."""
        return FIGURES[self.limit].assumption if self.limit in FIGURES else ""

    def __str__(self) -> str:
        numbers = f": {self.needed:,} of {self.available:,}" if self.needed is not None else ""
        return f"{self.limit} ({self.where}){numbers}; {self.remedy}"


@dataclass(frozen=True)
class Core:
    """What lies on one core.

    Parameters
    ----------
    layer
        Index of the layer of its neurons; every core has neurons of one layer.
    neurons
        How many.
    input_axons, output_axons
        Entries of the two tables: sources that reach the core, and cores that each neuron reaches.
    synapses
        Synapses that are stored.
    weight_bytes, learning_bytes, state_bytes
        Memory of the synapses, what learning adds to everything, and the neurons' variables.
    """

    layer: int
    neurons: int
    input_axons: int
    output_axons: int
    synapses: int
    weight_bytes: int
    learning_bytes: int
    state_bytes: int

    @property
    def memory(self) -> int:
        """All bytes."""
        return self.weight_bytes + self.learning_bytes + self.state_bytes


@dataclass(frozen=True)
class Placement:
    """A network on neuron cores.

    Parameters
    ----------
    network, learning, limits
        What was placed.
    demands
        The layers.
    cores
        Those in use, layer by layer.
    breaches
        Limits that are broken on every system.
    """

    network: NetworkSpec
    learning: bool
    limits: Limits
    demands: tuple[LayerDemand, ...]
    cores: tuple[Core, ...]
    breaches: tuple[Breach, ...]

    def of_layer(self, index: int) -> list[Core]:
        """Return the cores of one layer."""
        return [core for core in self.cores if core.layer == index]

    @property
    def synapses(self) -> int:
        """Synapses that all cores store."""
        return sum(core.synapses for core in self.cores)

    def breaches_on(self, system: System) -> list[Breach]:
        """Return the limits that are broken on a system."""
        found = list(self.breaches)
        for limit, needed in (("cores", len(self.cores)), ("synapses", self.synapses)):
            available: int = getattr(system, limit)
            if needed > available:
                larger = [s.title for s in SYSTEMS if getattr(s, limit) >= needed]
                remedy = f"so many are on {larger[0]}" if larger else "no known system has so many"
                found.append(Breach(limit, "whole network", needed, available, remedy))
        return found

    def chips_on(self, system: System) -> int:
        """Return how many chips of a system the cores fill."""
        return math.ceil(len(self.cores) / system.cores_per_chip)


def place(
    network: NetworkSpec, *, learning: bool = True, limits: Limits | None = None
) -> Placement:
    """Place a network on the fewest cores that a greedy split of its layers finds.

    A core holds neurons of one layer, as many as neurons, memory and axon tables allow; then the
    layer is split evenly. Splitting a layer gives the neurons that send to it more cores to reach,
    so output axons are met last, by splitting on until all fit.

    Parameters
    ----------
    network
        What is placed.
    learning
        Whether its synapses learn on the chip; else only free phases run there.
    limits
        Room of a core, if not as published.

    Raises
    ------
    InputError
        If the network is an analog circuit.
    """
    if network.resistive:
        raise InputError(
            "neurons of kind resistive: a circuit of conductances and diodes is not placed on "
            "Loihi's digital cores; expected another kind of neurons"
        )
    limits = limits or Limits()
    demands = layer_demands(network, learning=learning)
    breaches = _features(network, learning=learning) + _payloads(network, limits)
    sizes: dict[str, int] = {}
    for demand in demands:
        sizes[demand.name], broken = _largest(demand, limits)
        breaches += broken
    sizes = _split_for_output_axons(demands, sizes, limits)
    reached = _reached(demands, sizes)
    cores = []
    for index, demand in enumerate(demands):
        tiles = demand.tiles(sizes[demand.name])
        kinds = {tile: _core(index, demand, tile, reached[demand.name]) for tile in set(tiles)}
        cores += [kinds[tile] for tile in tiles]
        needed = kinds[tiles[0]].output_axons
        if needed > limits.output_axons:
            remedy = (
                f"each neuron reaches {reached[demand.name]:,} cores: send to layers that lie on "
                "fewer"
            )
            breaches.append(
                Breach("output_axons", demand.name, needed, limits.output_axons, remedy)
            )
    return Placement(network, learning, limits, demands, tuple(cores), tuple(breaches))


def check_fit(
    network: NetworkSpec, system: System, *, learning: bool = True, limits: Limits | None = None
) -> Placement:
    """Place a network that is about to run on a system.

    Raises
    ------
    InputError
        If it does not fit, naming every limit that is broken and what would fit.
    """
    placement = place(network, learning=learning, limits=limits)
    broken = placement.breaches_on(system)
    if broken:
        faults = "; ".join(map(str, broken))
        raise InputError(f"{network} does not fit {system.title}: {faults}")
    return placement


def largest_that_fits(
    network: NetworkSpec, system: System, *, learning: bool = True, limits: Limits | None = None
) -> NetworkSpec | None:
    """Return the network with all layers narrowed by one factor, as wide as fits; or ``None``.

    The factor is a multiple of 1/1000. The output keeps a whole number of neurons for each class.
    """

    def narrowed(permille: int) -> NetworkSpec:
        layers = []
        for index, layer in enumerate(network.layers):
            unit = network.classes if index + 1 == len(network.layers) else 1
            field = "neurons" if layer.neurons is not None else "channels"
            size: int = getattr(layer, field)
            fewer = max(size // unit * permille // 1000, 1) * unit
            layers.append(layer.model_copy(update={field: fewer}))
        return network.model_copy(update={"layers": tuple(layers)})

    def fits(permille: int) -> bool:
        placement = place(narrowed(permille), learning=learning, limits=limits)
        return not placement.breaches_on(system)

    found = _last_that(fits, 1000)
    return narrowed(found) if found else None


def _last_that(holds: Callable[[int], bool], most: int) -> int:
    """Return the largest number up to ``most`` for which something holds that ends somewhere."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _largest(demand: LayerDemand, limits: Limits) -> tuple[int, list[Breach]]:
    """Return the largest tile of a layer, and the limits that even the smallest one breaks.

    What cannot be mended by splitting does not split.
    """
    sizes = demand.tile_sizes
    smallest = _broken(demand, sizes[0], limits)
    hopeless = {breach.limit for breach in smallest}

    def fits(count: int) -> bool:
        return {b.limit for b in _broken(demand, sizes[count - 1], limits)} <= hopeless

    return sizes[_last_that(fits, len(sizes)) - 1], smallest


def _broken(demand: LayerDemand, size: int, limits: Limits) -> list[Breach]:
    """Return the limits that the largest tile of a size breaks."""
    tile = demand.largest_tile(size)
    core = _core(0, demand, tile, 0)
    synapses = sum(projection.fan_in for projection in demand.projections)
    sources = " + ".join(f"{p.source} {p.axons(tile):,}" for p in demand.projections)
    found = (
        ("neurons_per_core", core.neurons, "channels of a position lie together: use fewer"),
        (
            "core_memory",
            core.memory,
            f"a neuron has {synapses:,} synapses: send to it from fewer neurons, or place it "
            "without learning",
        ),
        ("input_axons", core.input_axons, f"send to it from fewer neurons than {sources}"),
    )
    return [
        Breach(name, demand.name, needed, getattr(limits, name), remedy)
        for name, needed, remedy in found
        if needed > getattr(limits, name)
    ]


def _core(index: int, demand: LayerDemand, tile: Tile, reached: int) -> Core:
    """Return what a core with a tile of a layer needs."""
    weights = learning = axons = 0
    plastic = False
    for projection in demand.projections:
        static = projection.memory(tile, projection.bits)
        weights += static
        axons += projection.axons(tile)
        if projection.plastic:
            plastic = True
            learning += projection.memory(tile, resources.LEARNING_SYNAPSE_BITS.value) - static
            learning += projection.axons(tile) * resources.PRE_TRACE_BYTES.value
    traces = resources.POST_TRACE_BYTES.value if plastic else 0
    return Core(
        layer=index,
        neurons=tile.neurons,
        input_axons=axons,
        output_axons=tile.neurons * reached,
        synapses=sum(projection.synapses(tile) for projection in demand.projections),
        weight_bytes=weights,
        learning_bytes=learning + tile.neurons * (traces + demand.learning_state_bytes),
        state_bytes=tile.neurons * demand.state_bytes,
    )


def _reached(demands: Iterable[LayerDemand], sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the cores that a neuron of each layer sends to, the host being one."""
    cores = {demand.name: demand.tile_count(sizes[demand.name]) for demand in demands}
    return {
        demand.name: sum(cores[name] for name in demand.targets) + demand.to_host
        for demand in demands
    }


def _split_for_output_axons(
    demands: tuple[LayerDemand, ...], sizes: Mapping[str, int], limits: Limits
) -> dict[str, int]:
    """Return smaller tiles for which output axons fit, or the same tiles if there are none."""
    smaller = dict(sizes)
    while True:
        reached = _reached(demands, smaller)
        narrowed = {d.name: _narrowed(d, smaller[d.name], reached[d.name], limits) for d in demands}
        if None in narrowed.values():
            return dict(sizes)
        if narrowed == smaller:
            return smaller
        smaller = {name: size for name, size in narrowed.items() if size is not None}


def _narrowed(demand: LayerDemand, size: int, reached: int, limits: Limits) -> int | None:
    """Return the largest tile, not above a size, whose output axons fit; ``None`` if none do."""

    def fits(size: int) -> bool:
        return demand.largest_tile(size).neurons * reached <= limits.output_axons

    if fits(size):
        return size
    sizes = demand.tile_sizes
    count = _last_that(lambda count: fits(sizes[count - 1]), len(sizes))
    return sizes[count - 1] if count else None


def _features(network: NetworkSpec, *, learning: bool) -> list[Breach]:
    """Return what of a network cannot run on neuron cores, whatever its size."""
    found = []
    for name, layer, connection in zip(
        network.layer_names, network.layers, network.connections, strict=True
    ):
        if not isinstance(connection, Convolution):
            if learning and layer.alpha_rate:
                found.append(_no_shared_scale(name))
            continue
        if connection.pool > 1 and connection.pooling is Pooling.MAX:
            remedy = (
                "a core adds up what arrives and cannot tell which of several sums was the "
                "largest, nor send back to it; use pooling=average"
            )
            found.append(Breach("max_pooling", name, None, None, remedy))
        if learning and not layer.frozen:
            remedy = (
                "copies of a kernel on different cores would drift apart; place it without "
                "learning (--inference), or freeze the layer"
            )
            found.append(Breach("learning_of_shared_weights", name, None, None, remedy))
        if learning and layer.alpha_rate:
            found.append(_no_shared_scale(name))
    return found


def _no_shared_scale(name: str) -> Breach:
    remedy = "one number of a whole layer, which no core can know; use alpha_rate=0"
    return Breach("learning_of_alpha", name, None, None, remedy)


def _payloads(network: NetworkSpec, limits: Limits) -> list[Breach]:
    """Return the messages that do not fit a graded spike."""
    messages = {
        "neurons": network.neuron.constants.payload_bits,
        "image": image_payload_bits(network),
    }
    remedies = {
        "neurons": "raise neuron.event_threshold, the smallest change that is sent",
        "image": "lower input_levels, or leave out normalization",
    }
    return [
        Breach("payload_bits", name, bits, limits.payload_bits, remedies[name])
        for name, bits in messages.items()
        if bits > limits.payload_bits
    ]
