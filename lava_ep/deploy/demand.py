"""What a network asks of neuron cores: layers, the synapses that enter them, and their memory.

Synapses are stored where they end, one list for each source and core (Davies et al., IEEE Micro
2018). EP needs every connection both ways, so each layer keeps the synapses from below and, as a
copy that learns by itself, those from above. Pixels and targets are injected by the host and take
no core.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from lava_ep.dynamics import Code, Convolution
from lava_ep.loihi2 import resources
from lava_ep.spec import (
    LayerSpec,
    NetworkSpec,
)

IMAGE, TARGET = "image", "target"
"""The two populations that the host injects."""


class Tile(NamedTuple):
    """Neurons that lie on one core: a rectangle of positions with all their channels."""

    rows: int
    columns: int
    channels: int

    @property
    def neurons(self) -> int:
        """How many these are."""
        return self.rows * self.columns * self.channels


def list_bytes(synapses: int, bits: int) -> int:
    r"""Return the memory of the synapses of one source on one core.

    .. math:: 8 \sum_\mathrm{lists} \lceil (10 + n\,\mathrm{bits}) / 64 \rceil

    with lists of up to :math:`n = 64` synapses (`resources.LIST_SYNAPSES`).
    """
    most, word = resources.LIST_SYNAPSES.value, resources.MEMORY_WORD_BITS.value
    full, rest = divmod(synapses, most)
    words = sum(
        count * math.ceil((resources.LIST_HEADER_BITS.value + length * bits) / word)
        for count, length in ((full, most), (1, rest))
        if length
    )
    return words * word // 8


class Projection(Protocol):
    """Synapses from one population to a layer."""

    @property
    def source(self) -> str:
        """Where they come from."""

    @property
    def bits(self) -> int:
        """Bits of a weight."""

    @property
    def plastic(self) -> bool:
        """Whether they learn."""

    @property
    def fan_in(self) -> int:
        """Synapses that enter a neuron."""

    @property
    def fan_out(self) -> int:
        """Synapses that leave a source."""

    def axons(self, tile: Tile) -> int:
        """Return how many sources reach neurons of a tile."""

    def synapses(self, tile: Tile) -> int:
        """Return how many synapses a core stores for a tile."""

    def memory(self, tile: Tile, bits: int) -> int:
        """Return the bytes that these take if each has so many bits."""


@dataclass(frozen=True)
class AllToAll:
    """Every source to every neuron."""

    source: str
    bits: int
    plastic: bool
    sources: int
    targets: int

    @property
    def fan_in(self) -> int:
        """All sources."""
        return self.sources

    @property
    def fan_out(self) -> int:
        """All neurons."""
        return self.targets

    def axons(self, tile: Tile) -> int:
        """Return all sources."""
        return self.sources

    def synapses(self, tile: Tile) -> int:
        """Return sources times neurons."""
        return self.sources * tile.neurons

    def memory(self, tile: Tile, bits: int) -> int:
        """Return a list for each source."""
        return self.sources * list_bytes(tile.neurons, bits)


@dataclass(frozen=True)
class OneToOne:
    """Each neuron from a source of its own."""

    source: str
    bits: int
    plastic: bool = False
    fan_in: int = 1
    fan_out: int = 1

    def axons(self, tile: Tile) -> int:
        """Return one for each neuron."""
        return tile.neurons

    def synapses(self, tile: Tile) -> int:
        """Return one for each neuron."""
        return tile.neurons

    def memory(self, tile: Tile, bits: int) -> int:
        """Return a list for each neuron."""
        return tile.neurons * list_bytes(1, bits)


@dataclass(frozen=True)
class Convolved:
    """A convolution from its sources, or back from its targets.

    All positions on a core share one kernel (Intel's brief of Loihi 2: shared synapses for
    convolution). Average pooling is part of it: a kernel of k + pool - 1 that moves on by pool.
    """

    source: str
    bits: int
    plastic: bool
    connection: Convolution
    back: bool

    @property
    def _kernel(self) -> int:
        return self.connection.kernel + self.connection.pool - 1

    @property
    def _windows(self) -> int:
        """Most targets that a source is part of, along one side."""
        return math.ceil(self._kernel / self.connection.pool)

    @property
    def fan_in(self) -> int:
        """Of neurons away from the borders."""
        return self._outgoing if self.back else self._incoming

    @property
    def fan_out(self) -> int:
        """Of sources away from the borders."""
        return self._incoming if self.back else self._outgoing

    @property
    def _incoming(self) -> int:
        return self._kernel**2 * self.connection.in_shape[2]

    @property
    def _outgoing(self) -> int:
        return self._windows**2 * self.connection.channels

    def axons(self, tile: Tile) -> int:
        """Return the sources that a tile away from the borders sees."""
        connection = self.connection
        shape = connection.out_shape if self.back else connection.in_shape
        sides = zip(shape[:2], (tile.rows, tile.columns), strict=True)
        seen = [min(size, self._span(length)) for size, length in sides]
        return math.prod(seen) * shape[2]

    def _span(self, length: int) -> int:
        """Return how far so many neurons side by side see."""
        if self.back:
            return (length + self._kernel - 2) // self.connection.pool + 1
        return (length - 1) * self.connection.pool + self._kernel

    def synapses(self, tile: Tile) -> int:
        """Return the kernel, whatever the tile."""
        return self._kernel**2 * self.connection.in_shape[2] * self.connection.channels

    def memory(self, tile: Tile, bits: int) -> int:
        """Return a list for each channel of the sources."""
        below, above = self.connection.in_shape[2], self.connection.channels
        lists, others = (above, below) if self.back else (below, above)
        return lists * list_bytes(self._kernel**2 * others, bits)


@dataclass(frozen=True)
class LayerDemand:
    """A layer of neurons and what it needs.

    Parameters
    ----------
    name, shape
        (height, width, channels); dense layers are one row.
    projections
        The synapses that enter it.
    targets
        Layers that its neurons send to.
    to_host
        Whether the host reads its neurons.
    state_bytes, learning_state_bytes
        Of each neuron, always and in addition if the network learns.
    payload_bits
        Of its messages.
    """

    name: str
    shape: tuple[int, int, int]
    projections: tuple[Projection, ...]
    targets: tuple[str, ...]
    to_host: bool
    state_bytes: int
    learning_state_bytes: int
    payload_bits: int

    @property
    def neurons(self) -> int:
        """How many there are."""
        return math.prod(self.shape)

    @property
    def tile_sizes(self) -> list[int]:
        """Numbers of positions that tiles may have: parts of a row, or whole rows."""
        height, width, _ = self.shape
        return [*range(1, width + 1), *range(2 * width, height * width + 1, width)]

    def tiles(self, size: int) -> list[Tile]:
        """Split the layer into tiles of at most so many positions, as even as can be."""
        height, width, channels = self.shape
        if size < width:
            columns = _even(width, size)
            return [Tile(1, count, channels) for _ in range(height) for count in columns]
        return [Tile(rows, width, channels) for rows in _even(height, size // width)]

    def largest_tile(self, size: int) -> Tile:
        """Return the first and largest of `tiles`."""
        height, width, channels = self.shape
        if size < width:
            return Tile(1, _even(width, size)[0], channels)
        return Tile(_even(height, size // width)[0], width, channels)

    def tile_count(self, size: int) -> int:
        """Return the number of `tiles`."""
        height, width, _ = self.shape
        if size < width:
            return height * math.ceil(width / size)
        return math.ceil(height / (size // width))


def _even(total: int, most: int) -> list[int]:
    """Split a number into as few parts as possible, none above ``most``, the larger ones first."""
    parts = math.ceil(total / most)
    least, extra = divmod(total, parts)
    return [least + 1] * extra + [least] * (parts - extra)


def layer_demands(network: NetworkSpec, *, learning: bool) -> tuple[LayerDemand, ...]:
    """Return what the layers of a network need, from the first hidden one to the output."""
    names, connections = network.layer_names, network.connections
    words, learning_words = network.neuron.constants.state_words
    found = []
    for index, (name, connection) in enumerate(zip(names, connections, strict=True)):
        below = names[index - 1] if index else IMAGE
        projections = [_project(network, index, below, learning=learning, back=False)]
        targets = []
        if index:
            targets.append(below)
        if index + 1 < len(names):
            above = names[index + 1]
            targets.append(above)
            projections.append(_project(network, index + 1, above, learning=learning, back=True))
        elif learning:
            projections.append(OneToOne(TARGET, resources.WEIGHT_BITS.value))
        shape = connection.out_shape if isinstance(connection, Convolution) else None
        found.append(
            LayerDemand(
                name,
                shape or (1, connection.n_post, 1),
                tuple(projections),
                tuple(targets),
                to_host=index + 1 == len(names),
                state_bytes=words * resources.STATE_BYTES.value,
                learning_state_bytes=learning * learning_words * resources.STATE_BYTES.value,
                payload_bits=network.neuron.constants.payload_bits,
            )
        )
    return tuple(found)


def _project(
    network: NetworkSpec, index: int, source: str, *, learning: bool, back: bool
) -> Projection:
    """Return the synapses into a layer, or those that lead back from it."""
    layer: LayerSpec = network.layers[index]
    connection = network.connections[index]
    weight = resources.BINARY_WEIGHT_BITS if layer.binary else resources.WEIGHT_BITS
    plastic = learning and not layer.frozen
    if isinstance(connection, Convolution):
        return Convolved(source, weight.value, plastic, connection, back)
    ends = (connection.n_pre, connection.n_post)
    sources, targets = ends[::-1] if back else ends
    return AllToAll(source, weight.value, plastic, sources, targets)


def image_payload_bits(network: NetworkSpec) -> int:
    """Return the bits of what is sent of a pixel; 0 for spikes."""
    if network.normalization is not None:
        return resources.GRADED_BITS.value
    code = network.encoding.code
    return 0 if code in (Code.LATENCY, Code.RATE) else network.input_levels.bit_length()
