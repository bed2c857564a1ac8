"""Binary equilibrium propagation as the paper writes it, in plain NumPy.

An independent transcription of Laydevant, Ernoult, Querlioz and Grollier, "Training dynamical
binary neural networks with equilibrium propagation" (CVPR workshops 2021), section 4, and of BOP
(Helwegen et al. 2019): dense matrix products, dense momenta, no events, no shortcuts. It takes
nothing from lava_ep but the numbers that a network starts from.

Where floating-point arithmetic leaves a choice of order, it follows the equations from left to
right: a current is ``float32(alpha / levels)`` times an integer sum, the drive is the sum of the
currents, plus the bias, plus the nudge.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lava_ep.parameters import NetworkParameters
from lava_ep.spec import NetworkSpec

F32 = np.float32


@dataclass
class Trace:
    """What happens to one batch: a row per time step, the first one the start of the sample.

    ``states[l][t]`` and ``activations[l][t]`` are those of layer ``l`` after time step ``t``;
    ``nudged[t]`` tells whether the step belongs to the nudged part of the sample.
    """

    states: list[list[np.ndarray]]
    activations: list[list[np.ndarray]]
    nudged: list[bool] = field(default_factory=list)
    scores: np.ndarray | None = None

    def changes(self, layer: int) -> np.ndarray:
        """Events of a layer, (steps, batch, n): changes of its activation, first from silence."""
        activations = np.array(self.activations[layer])
        return np.diff(activations, axis=0, prepend=np.zeros_like(activations[:1]))

    def events(self, layer: int) -> np.ndarray:
        """Number of events of a layer in the free and in the nudged part, (2,)."""
        per_step = np.abs(self.changes(layer)).sum(axis=(1, 2))
        nudged = np.array(self.nudged)
        return np.array([per_step[~nudged].sum(), per_step[nudged].sum()])


class ReferenceNetwork:
    """The network with its learning rule; `show` processes one batch."""

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
        self.signs = [layer.weights.astype(np.float64) for layer in parameters.layers]
        self.alphas = [float(layer.alpha[0]) for layer in parameters.layers]
        self.biases = [layer.bias.copy() for layer in parameters.layers]
        self.momenta = [np.zeros(layer.weights.shape) for layer in parameters.layers]
        self.flips = [0] * len(parameters.layers)

    def beta_sign(self) -> int:
        """Sign of beta in the first nudged phase of the next batch."""
        if self.spec.phases.nudging.value != "random-sign":
            return 1
        stream = np.random.SeedSequence(self.seed, spawn_key=(1, self.batches))
        return (-1, 1)[np.random.default_rng(stream).integers(2)]

    def show(self, pixels: np.ndarray, labels: np.ndarray, *, learning: bool = True) -> Trace:
        """Process one batch: free phase, and with ``learning`` nudged phases and the update."""
        phases, beta = self.spec.phases, self.spec.phases.beta
        x = pixels.astype(np.float64)
        y = (labels[:, None] == np.arange(self.spec.classes)).astype(F32)
        y = y.repeat(self.spec.sizes[-1] // self.spec.classes, axis=1)
        start = F32(self.spec.neuron.initial_state)
        states = [np.full((len(x), n), start) for n in self.spec.sizes[1:]]
        trace = Trace([[] for _ in states], [[] for _ in states])

        self._note(trace, states, nudged=False)
        free = self._settle(trace, states, x, y, 0.0, phases.free_steps)
        groups = free[-1].reshape(len(x), self.spec.classes, -1)
        trace.scores = np.cumsum(groups, axis=2, dtype=F32)[..., -1] / F32(groups.shape[2])
        if not learning:
            return trace
        if phases.nudging.value in ("symmetric", "swing"):
            plus = self._settle(trace, free, x, y, beta, phases.nudged_steps)
            start = plus
            if phases.nudging.value == "symmetric":
                start = free
                self._note(trace, free, nudged=True)
            minus = self._settle(trace, start, x, y, -beta, phases.nudged_steps)
            self._learn(x, plus, minus, 2 * beta)
        else:
            signed = self.beta_sign() * beta
            nudged = self._settle(trace, free, x, y, signed, phases.nudged_steps)
            self._learn(x, nudged, free, signed)
        self.batches += 1
        return trace

    def binary(self, state: np.ndarray) -> np.ndarray:
        """Activation b = [s >= theta]."""
        return (state >= F32(self.spec.neuron.threshold)).astype(np.float64)

    def levels(self, layer: int) -> int:
        """Source value that means 1.0."""
        return self.spec.input_levels if layer == 0 else 1

    def _note(self, trace: Trace, states: list[np.ndarray], *, nudged: bool) -> None:
        for layer, state in enumerate(states):
            trace.states[layer].append(state)
            trace.activations[layer].append(self.binary(state).astype(np.int8))
        trace.nudged.append(nudged)

    def _settle(self, trace, states, x, y, beta, steps):
        for _ in range(steps):
            states = self._step(states, x, y, beta)
            self._note(trace, states, nudged=beta != 0)
        return states

    def _step(self, states, x, y, beta):
        """s <- clip((1 - g) s + g (W b_below + W_above^T b_above + bias + beta (y - s)), 0, 1)."""
        activations = [self.binary(state) for state in states]
        rate = F32(self.spec.neuron.filter_rate)
        last = len(states) - 1
        after = []
        for layer, state in enumerate(states):
            below = x if layer == 0 else activations[layer - 1]
            scale = F32(self.alphas[layer] / self.levels(layer))
            drive = scale * (below @ self.signs[layer].T).astype(F32)
            if layer < last:
                above = activations[layer + 1] @ self.signs[layer + 1]
                drive = drive + F32(self.alphas[layer + 1]) * above.astype(F32)
            drive = drive + self.biases[layer]
            if layer == last and beta:
                drive = drive + F32(beta) * (y - state)
            mixed = (F32(1) - rate) * state + rate * drive
            after.append(np.clip(mixed, F32(0), F32(1)))
        return after

    def _learn(self, x, high, low, beta):
        """Update from the states at the two ends of ``beta``, their distance in nudging."""
        epoch_factor = self.decay ** (self.batches // self.epoch_batches)
        high, low = [x, *map(self.binary, high)], [x, *map(self.binary, low)]
        size = len(x)
        for layer, spec in enumerate(self.spec.layers):
            pre_h, post_h, pre_l, post_l = high[layer], high[layer + 1], low[layer], low[layer + 1]
            levels, signs = self.levels(layer), self.signs[layer]
            bias_step = F32(spec.bias_rate / (beta * size))
            self.biases[layer] = self.biases[layer] + bias_step * (post_h - post_l).sum(0).astype(
                F32
            )
            if spec.frozen:
                continue
            # Learned alpha: the binary weights are alpha * signs.
            energy = np.sum(post_h * (pre_h @ signs.T)) - np.sum(post_l * (pre_l @ signs.T))
            alpha_step = 0.5 * self.alphas[layer] * energy / (levels * beta * size)
            self.alphas[layer] += spec.alpha_rate * alpha_step
            # BOP; without decay of the momentum it is written for M = m / gamma.
            estimate = epoch_factor * (post_h.T @ pre_h - post_l.T @ pre_l) / (levels * beta * size)
            gain = spec.gamma or 1.0
            momentum = (1 - spec.gamma) * self.momenta[layer] + gain * estimate
            flip = -signs * momentum > spec.theta * gain
            self.momenta[layer] = momentum
            self.signs[layer] = np.where(flip, -signs, signs)
            self.flips[layer] += int(flip.sum())
