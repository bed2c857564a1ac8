"""Equilibrium propagation of graded neurons as the papers write it, in plain float64 NumPy.

An independent transcription of Ernoult et al. 2019 (arXiv 1905.13633: discrete time and
energy-based, dense and convolutional), Ernoult et al. 2020 (arXiv 2005.04169: continual updates and
vector fields) and Laydevant et al. 2021 (binary weights, learned scaling factors): whole
activations, full products, no events but where a threshold asks for them, no shortcuts. It takes
nothing from lava_ep but the numbers that a network starts from.

Every layer holds its state s and what others know of it, q. The scalar whose derivatives everything
is reads Phi = sum over layers of q . (W q_below), for convolutions with pooled sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lava_ep.parameters import NetworkParameters
from lava_ep.spec import LayerSpec, NetworkSpec

TIE = 1e-9
"""Positions of a pooling window that differ by less are equal; the first of them counts."""

FUNCTIONS = {
    "hard-sigmoid": (lambda x: np.clip(x, 0, 1), lambda x: ((x >= 0) & (x <= 1)) * 1.0),
    "shifted-sigmoid": (
        lambda x: (1 + np.tanh(2 * x - 1)) / 2,
        lambda x: 1 - np.tanh(2 * x - 1) ** 2,
    ),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x >= 0) * 1.0),
}
"""Activation functions with their derivatives."""


class Synapses:
    """Weights between two layers, and the derivatives of Phi."""

    def __init__(self, layer: LayerSpec, below: tuple[int, ...]) -> None:
        self.layer = layer
        self.below = below
        self.above: tuple[int, ...] = (layer.neurons or 0,)
        if layer.channels is not None:
            k, p = layer.kernel, layer.padding
            self.sums = (below[0] - k + 1 + 2 * p, below[1] - k + 1 + 2 * p, layer.channels)
            self.above = (self.sums[0] // layer.pool, self.sums[1] // layer.pool, layer.channels)

    def _patches(self, a: np.ndarray) -> np.ndarray:
        """What each position before pooling sees: (batch, rows, columns, c, k, k)."""
        k, p = self.layer.kernel, self.layer.padding
        a = np.pad(a.reshape(-1, *self.below), ((0, 0), (p, p), (p, p), (0, 0)))
        return np.lib.stride_tricks.sliding_window_view(a, (k, k), axis=(1, 2))

    def _sums(self, weights: np.ndarray, a: np.ndarray) -> np.ndarray:
        """Convolve, cut into windows: (batch, rows, columns, channels, pool * pool)."""
        sums = np.einsum("byxcij,ocij->byxo", self._patches(a), weights, optimize=True)
        rows, columns, channels = self.above
        n = self.layer.pool
        sums = sums[:, : n * rows, : n * columns]
        cut = sums.reshape(-1, rows, n, columns, n, channels).transpose(0, 1, 3, 5, 2, 4)
        return cut.reshape(*cut.shape[:4], n * n)

    def shares(self, weights: np.ndarray, a: np.ndarray) -> np.ndarray:
        """How much each position counts in its window."""
        cut = self._sums(weights, a)
        if self.layer.pooling.value == "average":
            return np.full(cut.shape, 1 / cut.shape[-1])
        # argmax of booleans is the first that is true.
        first = (cut >= cut.max(axis=-1, keepdims=True) - TIE).argmax(axis=-1)
        return np.eye(cut.shape[-1])[first]

    def forward(self, weights: np.ndarray, a: np.ndarray) -> np.ndarray:
        """Derivative of Phi by the activations above."""
        if self.layer.channels is None:
            return a @ weights.T
        pooled = (self._sums(weights, a) * self.shares(weights, a)).sum(axis=-1)
        return pooled.reshape(len(a), -1)

    def located(self, weights: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Activations above at the positions before pooling that they come from."""
        if self.layer.channels is None:
            return b
        n = self.layer.pool
        rows, columns, channels = self.above
        spread = b.reshape(-1, *self.above)[..., None] * self.shares(weights, a)
        spread = spread.reshape(-1, rows, columns, channels, n, n).transpose(0, 1, 4, 2, 5, 3)
        found = np.zeros((len(b), *self.sums))
        found[:, : n * rows, : n * columns] = spread.reshape(-1, n * rows, n * columns, channels)
        return found

    def backward(self, weights: np.ndarray, located: np.ndarray) -> np.ndarray:
        """Derivative of Phi by the activations below."""
        if self.layer.channels is None:
            return located @ weights
        k, p = self.layer.kernel, self.layer.padding
        # The transposed convolution is one with turned kernels over sums that are widely padded.
        wide = np.pad(located, ((0, 0), (k - 1, k - 1), (k - 1, k - 1), (0, 0)))
        seen = np.lib.stride_tricks.sliding_window_view(wide, (k, k), axis=(1, 2))
        whole = np.einsum("byxoij,ocij->byxc", seen, weights[:, :, ::-1, ::-1], optimize=True)
        height, width, _ = self.below
        return whole[:, p : p + height, p : p + width].reshape(len(located), -1)

    def gradient(self, a: np.ndarray, located: np.ndarray) -> np.ndarray:
        """Derivative of Phi by the weights, summed over the batch."""
        if self.layer.channels is None:
            return located.T @ a
        return np.einsum("byxcij,byxo->ocij", self._patches(a), located, optimize=True)


@dataclass
class Moment:
    """The image, states, and what others know of them, after a time step."""

    x: np.ndarray
    s: list[np.ndarray]
    q: list[np.ndarray]


class FamilyReference:
    """The network with its learning rules; `show` processes one batch."""

    def __init__(
        self,
        spec: NetworkSpec,
        parameters: NetworkParameters,
        *,
        seed: int,
        decay: float = 1.0,
        epoch_batches: int = 1,
    ) -> None:
        self.spec = spec
        self.seed = seed
        self.decay = decay
        self.epoch_batches = epoch_batches
        self.batches = parameters.batch
        shape = spec.image_shape or (spec.inputs,)
        shape = (*shape, 1) if len(shape) == 2 else shape
        self.synapses = []
        for layer in spec.layers:
            below = shape if layer.channels is not None else (int(np.prod(shape)),)
            self.synapses.append(Synapses(layer, below))
            shape = self.synapses[-1].above
        arrays = [
            {name: array.astype(float) for name, array in layer.arrays.items()}
            for layer in parameters.layers
        ]
        self.events = [np.zeros(2, int) for _ in arrays]
        self.weights = [layer["weights"] for layer in arrays]
        self.feedbacks = [layer.get("feedback") for layer in arrays]
        self.biases = [layer["bias"] for layer in arrays]
        self.alphas = [float(layer["alpha"][0]) if "alpha" in layer else 1.0 for layer in arrays]
        self.momenta = [np.zeros_like(weights) for weights in self.weights]
        self.flips = [0] * len(arrays)
        self.rho, self.slope = FUNCTIONS[spec.neuron.activation.value]

    def sign(self) -> int:
        """Sign of beta in the first nudged phase of the next batch."""
        if self.spec.phases.nudging.value != "random-sign":
            return 1
        stream = np.random.SeedSequence(self.seed, spawn_key=(1, self.batches))
        return (-1, 1)[np.random.default_rng(stream).integers(2)]

    def image(self, pixels: np.ndarray) -> np.ndarray:
        """What the first weights see."""
        x = pixels / self.spec.input_levels
        if self.spec.normalization is None:
            return x
        mean, std = (
            np.array(v) for v in (self.spec.normalization.mean, self.spec.normalization.std)
        )
        return ((x.reshape(len(x), -1, mean.size) - mean) / std).reshape(x.shape)

    def show(
        self,
        pixels: np.ndarray,
        labels: np.ndarray,
        *,
        learning: bool = True,
        later: dict[int, np.ndarray] | None = None,
    ) -> list[Moment]:
        """Process one batch, and return what there is after each time step.

        Parameters
        ----------
        pixels, labels
            The batch.
        learning
            Whether there are nudged phases.
        later
            Images that are shown from some time steps on.
        """
        spec, phases = self.spec, self.spec.phases
        x = self.image(pixels)
        y = (labels[:, None] == np.arange(spec.classes)).astype(float)
        y = y.repeat(spec.sizes[-1] // spec.classes, axis=1)
        start = [np.full((len(x), n), spec.neuron.initial_state) for n in spec.sizes[1:]]
        known = start if spec.neuron.time_step is None else [self.rho(s) for s in start]
        trace = [Moment(x, start, known)]
        self._count(Moment(x, start, [0 * q for q in known]), trace[0], 0)

        def go(moment, nudged):
            self._count(trace[-1], moment, nudged)
            if later is not None and len(trace) in later:
                moment.x = self.image(later[len(trace)])
            trace.append(moment)

        def settle(beta, steps, learned_sign=0):
            for _ in range(steps):
                before = trace[-1]
                go(self._step(before, y, beta), int(beta != 0))
                if learned_sign and phases.updates.value == "continual":
                    self._learn(before, trace[-1], learned_sign)

        settle(0.0, phases.free_steps)
        free = trace[-1]
        if not learning:
            return trace
        beta, steps, nudging = phases.beta, phases.nudged_steps, phases.nudging.value
        if nudging in ("symmetric", "swing"):
            settle(beta, steps, 1 if nudging == "symmetric" else 0)
            first = trace[-1]
            if nudging == "symmetric":
                go(Moment(trace[-1].x, free.s, free.q), 1)
            settle(-beta, steps, -1)
            ends, sign = (first, trace[-1]), -1
        else:
            sign = self.sign()
            settle(sign * beta, steps, sign)
            ends = free, trace[-1]
        if phases.updates.value == "two-phase":
            self._learn(*ends, sign)
        self.batches += 1
        return trace

    def _count(self, before: Moment, after: Moment, nudged: int) -> None:
        """Count the events: changes of what others know."""
        for layer, (one, other) in enumerate(zip(before.q, after.q, strict=True)):
            self.events[layer][nudged] += np.count_nonzero(one != other)

    def _effective(self, layer: int) -> np.ndarray:
        return self.alphas[layer] * self.weights[layer]

    def _step(self, now: Moment, y: np.ndarray, beta: float) -> Moment:
        neuron, last = self.spec.neuron, len(now.s) - 1
        dt = neuron.time_step
        after = Moment(now.x, [], [])
        for layer, (s, q) in enumerate(zip(now.s, now.q, strict=True)):
            below = now.q[layer - 1] if layer else now.x
            synapses = self.synapses[layer]
            drive = synapses.forward(self._effective(layer), below)
            if layer < last:
                weights, above = self._effective(layer + 1), self.synapses[layer + 1]
                back = weights if self.feedbacks[layer + 1] is None else self.feedbacks[layer + 1]
                drive = drive + above.backward(back, above.located(weights, q, now.q[layer + 1]))
            bias = self.biases[layer]
            drive = drive + np.tile(bias, drive.shape[1] // bias.size)
            nudge = beta * (y - s) if layer == last else np.zeros_like(s)
            if dt is not None:
                new = s + dt * (self.slope(s) * drive - s + nudge)
                activation = self.rho(new)
            else:
                if neuron.nudge == "current":
                    new = self.rho(drive + nudge)
                else:
                    new = self.rho(drive) + nudge
                    if neuron.activation.value == "hard-sigmoid":
                        new = np.clip(new, 0, 1)
                new = activation = s + neuron.filter_rate * (new - s)
            sent = np.abs(activation - q) > neuron.event_threshold
            after.s.append(new)
            after.q.append(np.where(sent, activation, q))
        return after

    def _learn(self, first: Moment, second: Moment, sign: int) -> None:
        """Learn from the change between two moments; beta grows by ``sign`` between them."""
        phases = self.spec.phases
        span = phases.beta * (2 if phases.nudging.value in ("symmetric", "swing") else 1)
        factor = sign / (span * len(first.x))
        epoch = self.decay ** (self.batches // self.epoch_batches)
        for index, (layer, synapses) in enumerate(
            zip(self.spec.layers, self.synapses, strict=True)
        ):
            a = [moment.q[index - 1] if index else moment.x for moment in (first, second)]
            b = [moment.q[index] for moment in (first, second)]
            moved = (b[1] - b[0]).reshape(-1, self.biases[index].size).sum(axis=0)
            if layer.bias_rate:
                self.biases[index] = self.biases[index] + layer.bias_rate * factor * moved
            if layer.frozen:
                continue
            weights, effective = self.weights[index], self._effective(index)
            located = [synapses.located(effective, *pair) for pair in zip(a, b, strict=True)]
            if self.feedbacks[index] is not None:
                forward = synapses.gradient(a[0], located[1] - located[0])
                backward = synapses.gradient(a[1] - a[0], located[0])
                step = layer.rate * epoch * factor
                self.weights[index] = weights + step * forward
                self.feedbacks[index] = self.feedbacks[index] + step * backward
                continue
            contrast = synapses.gradient(a[1], located[1]) - synapses.gradient(a[0], located[0])
            if layer.weights == "real":
                self.weights[index] = weights + layer.rate * epoch * factor * contrast
                continue
            energies = [
                np.sum(post * synapses.forward(weights, pre))
                for pre, post in zip(a, b, strict=True)
            ]
            gradient = 0.5 * self.alphas[index] * (energies[1] - energies[0])
            # The momentum decays once a batch, before its first contrast.
            new_batch = phases.updates.value == "two-phase" or self._first_of_batch(index)
            momentum = self.momenta[index] * ((1 - layer.gamma) if new_batch else 1.0)
            momentum = momentum + epoch * factor * contrast
            flip = (np.abs(contrast) > 1e-12) & (-weights * momentum > layer.theta)
            self.momenta[index] = momentum
            self.weights[index] = np.where(flip, -weights, weights)
            self.flips[index] += int(flip.sum())
            self.alphas[index] += layer.alpha_rate * factor * gradient

    def _first_of_batch(self, index: int) -> bool:
        """Whether this is the first update of a layer in the present batch."""
        seen = self.__dict__.setdefault("_updated", {})
        first = seen.get(index) != self.batches
        seen[index] = self.batches
        return first
