"""Lava's fixed-point ``LIFReset``, ``Dense`` and ``LearningDense`` as plain integer arithmetic.

A transcription of what Loihi's documents and Lava's models say, for the network that
`lava_ep.models.loihi` builds, without Lava and without any code of ours but the specification.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

ACCUMULATOR = 2**15 - 1


def rounded_at_random(values, random):
    """Round down, or up where the fraction is larger than one random number for all."""
    below = np.floor(values)
    return (below + (random < values - below)).astype(np.int64)


class Trace:
    """Trace of the spikes at one end of a synapse, 7 bits."""

    def __init__(self, n, tau, impulse, seed):
        self.value = np.zeros(n, np.int64)
        self.spiked_at = np.zeros(n, np.int64)  # step of the last spike of a learning epoch, from 1
        self.keep, self.impulse = np.exp(-1 / tau), impulse
        self.rng = np.random.default_rng(seed)
        self.random = self.rng.random()

    def see(self, spikes, step, payload=None):
        """Take spikes: all but the last one of an epoch count at once."""
        again = spikes & (self.spiked_at > 0)
        self.add(again)
        if payload is not None:
            self.value[spikes] = np.round(payload[spikes] / 2)
        self.spiked_at[spikes] = step

    def add(self, where):
        self.value[where] = np.minimum(self.value[where] + self.impulse, 127)

    def close_epoch(self, steps):
        """Decay step by step, and count the last spike when it was."""
        for step in range(1, steps + 1):
            self.value = rounded_at_random(self.keep * self.value, self.random)
            self.add(self.spiked_at == step)
        self.spiked_at[:] = 0


@dataclass
class Synapses:
    """``Dense``: what came in the last step goes out in this one."""

    weights: np.ndarray
    exponent: int
    graded: bool = False
    buffer: np.ndarray = field(init=False)

    def __post_init__(self):
        self.weights = self.weights.astype(np.int64)
        self.buffer = np.zeros(len(self.weights), np.int64)

    def receive(self, spikes):
        total = self.weights @ (spikes if self.graded else spikes != 0).astype(np.int64)
        self.buffer = total << self.exponent if self.exponent > 0 else total >> -self.exponent

    def learn(self, pre, post, step):
        """Static synapses do not."""


class PlasticSynapses(Synapses):
    """``LearningDense`` with dd = -2 u d + 64 u, dt = -u t + u x y / 8, and the rule for w."""

    def __init__(self, weights, exponent, *, rule, x, y, epoch, doubling, seed, graded=False):
        super().__init__(weights, exponent, graded)
        self.mantissa, self.rule_exponent = rule
        self.epoch, self.doubling = epoch, doubling
        self.x = Trace(self.weights.shape[1], *x, seed)
        self.y = Trace(self.weights.shape[0], *y, seed + 2)
        self.rng = np.random.default_rng(2)
        self.rng.random()
        self.tag = np.zeros_like(self.weights)
        self.delay = 0

    def learn(self, pre, post, step):
        within = (step - 1) % self.epoch + 1
        self.x.see(pre != 0, within, payload=pre if self.graded else None)
        self.y.see(post != 0, within)
        for trace in (self.x, self.y):  # Lava draws twice a step
            trace.rng.random()
            trace.random = trace.rng.random()
        if within == self.epoch:
            self.x.close_epoch(self.epoch)
            self.y.close_epoch(self.epoch)
            self.random = self.rng.random()
            if step // self.epoch % 2**self.doubling == 0:
                self.update()

    def update(self):
        product = np.outer(self.y.value, self.x.value)
        m, e = self.mantissa, self.rule_exponent + 7
        contrast = [(m * product * self.delay >> 12) << e]
        contrast += [(-m * self.tag * self.delay >> 7) << (e + 1)]
        kept = [-self.tag << 7, (product >> 3) << 4]
        self.weights = np.clip(self.accumulated(self.weights, contrast), -256, 255)
        self.tag = np.clip(self.accumulated(self.tag, kept), -257, 255)
        self.delay = 64 - self.delay

    def accumulated(self, values, terms):
        """Add up in 15 bits, of which the lowest 7 are rounded away."""
        total = values << 7
        for term in terms:
            term = np.clip(term, -ACCUMULATOR - 2, ACCUMULATOR)
            total = np.clip(total + term, -ACCUMULATOR - 2, ACCUMULATOR)
        return rounded_at_random(total / 128, self.random)


class Neurons:
    """``LIFReset``."""

    def __init__(self, n, du, dv, vth, bias, period):
        self.u, self.v = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.du, self.dv, self.vth, self.bias, self.period = du + 1, dv, vth << 6, bias << 6, period

    def step(self, currents, step):
        if step % self.period == 2 % self.period:
            self.u[:] = self.v[:] = 0
        self.u = self.decayed(self.u, self.du) + (currents << 6)
        self.v = np.clip(
            self.decayed(self.v, self.dv) + self.u + self.bias, -(2**23) + 1, 2**23 - 1
        )
        spikes = self.v > self.vth
        self.v[spikes] = 0
        return spikes.astype(np.int64)

    @staticmethod
    def decayed(values, decay):
        return np.sign(values) * (np.abs(values) * (4096 - decay) >> 12)


@dataclass
class StockNetwork:
    """The network, one sample after the other.

    ``forward`` has the synapses into each layer, ``feedback`` those from each layer to the one
    below; the first of these is ``None``, and so are all if there is no feedback.
    """

    neurons: list
    forward: list
    feedback: list
    nudge: Synapses | None
    half: int
    step: int = 0

    def show(self, payloads, label=None):
        """Return the spikes of a sample, one (steps, n) array a layer."""
        period = self.half * (1 if self.nudge is None else 2)
        recorded = [[] for _ in self.neurons]
        for within in range(1, period + 1):
            self.step += 1
            spikes = []
            for layer, neurons in enumerate(self.neurons):
                currents = self.forward[layer].buffer.copy()
                if layer + 1 < len(self.neurons) and self.feedback[layer + 1] is not None:
                    currents += self.feedback[layer + 1].buffer
                if layer + 1 == len(self.neurons) and self.nudge is not None:
                    currents += self.nudge.buffer
                spikes.append(neurons.step(currents, self.step))
                recorded[layer].append(spikes[-1])
            for layer, found in enumerate(spikes):
                below = spikes[layer - 1] if layer else payloads
                self.forward[layer].receive(below)
                self.forward[layer].learn(below, found, self.step)
                if self.feedback[layer] is not None:
                    self.feedback[layer].receive(found)
                    self.feedback[layer].learn(found, below, self.step)
            if self.nudge is not None:
                on = self.half <= within < period
                target = np.arange(self.nudge.weights.shape[1]) == label
                self.nudge.receive(target.astype(np.int64) * on)
        return [np.array(layer) for layer in recorded]


def payloads_of(spec, images):
    """Return the graded spikes of images."""
    brightest = spec.neuron.payload / spec.input_levels
    return np.rint(images.astype(np.int64) * brightest).astype(np.int64)


def transcribe(spec, parameters, *, seed, learning=True):
    """Build the network of a spec, whose learning rates have to be powers of 2."""
    neuron, half = spec.neuron, spec.phases.free_steps
    doubling = (half // neuron.learning_epoch).bit_length() - 1

    def plastic(values, unit, exponent, rate, x, y, position, graded=False):
        weights = (2 * np.rint(values / 2.0 ** (unit + 1))).clip(-254, 254)
        if not learning or rate is None:
            return Synapses(weights, exponent, graded)
        sequence = np.random.SeedSequence(seed, spawn_key=(parameters.batch, position))
        return PlasticSynapses(
            weights,
            exponent,
            rule=(1, int(np.log2(rate / 2.0 ** (unit + 8)))),
            x=x,
            y=y,
            epoch=neuron.learning_epoch,
            doubling=doubling,
            seed=int(sequence.generate_state(1)[0] >> 1),
            graded=graded,
        )

    neurons, forward, feedback = [], [], [None]
    below = (neuron.pixel_tau, 0)
    for index, layer in enumerate(neuron.layers):
        values, rate = parameters.layers[index], spec.layers[index].rate
        own = (neuron.trace_tau, layer.impulse)
        bias = np.rint(values.bias).astype(np.int64)
        period = half * (2 if learning else 1)
        neurons.append(Neurons(len(bias), layer.du, layer.dv, layer.vth, bias, period))
        exponent, unit = layer.weight_exp, layer.weight_exp + 7 * (index == 0)
        forward.append(
            plastic(values.weights, unit, exponent, rate, below, own, 2 * index, index == 0)
        )
        if index:
            back = layer.feedback_exp
            learns = rate if neuron.feedback == "learned" else None
            feedback.append(
                plastic(values.feedback.T, unit, back, learns, own, below, 2 * index + 1)
                if neuron.feedback != "none"
                else None
            )
        below = own
    nudge = Synapses(np.where(np.eye(spec.classes) > 0, 174, -126), 3) if learning else None
    return StockNetwork(neurons, forward, feedback, nudge, half)
