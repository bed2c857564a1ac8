"""A backend of your own, checked against the conformance kit: binary neurons and synapses in NumPy.

Replace the arithmetic by calls to your chip or simulator and keep the class at the end, which is
all that the kit asks for. Run it with ``python examples/port_a_backend.py``, or
``lava-ep conformance check examples/port_a_backend.py:ToyBackend``; it takes a few seconds.
"""

import numpy as np

from lava_ep.conformance import (
    FLOATING,
    Case,
    NotCovered,
    Trace,
    check,
    from_plain,
    network_of,
    read_kit,
)
from lava_ep.dynamics import Phase


class Neurons:
    """Binary neurons: a filtered state between 0 and 1, and an event when it crosses 1/2."""

    def __init__(self, schedule, bias, *, filter_rate=0.5, initial_state=1.0, bias_rate=0.0):
        self.schedule, self.bias, self.rate = schedule, bias.copy(), bias_rate
        self.filter, self.initial = np.float32(filter_rate), np.float32(initial_state)

    def step(self, k, sign, current, target=None):
        """Take time step k of a sample and return the events."""
        phase, before = self.schedule.phase(k), None if k == 0 else self.active
        if phase is Phase.LOAD:
            self.state, before = np.full_like(current, self.initial), np.zeros(current.shape, int)
        elif phase is Phase.RESTORE:
            self.state = self.free
        else:
            drive = current + self.bias
            if target is not None:
                drive = drive + np.float32(self.schedule.beta_at(k, sign)) * (target - self.state)
            self.state = np.clip((1 - self.filter) * self.state + self.filter * drive, 0, 1)
        self.active = (self.state >= 0.5).astype(int)
        if k == self.schedule.free_end:
            self.free = self.state
        if k == self.schedule.remembered_end:
            self.first = self.active
        return self.active - before

    def learn(self, sign):
        """Move the biases by the contrast of the two phases."""
        estimate = sign / self.schedule.contrast_span * (self.active - self.first).mean(axis=0)
        self.bias += (self.rate * estimate).astype(np.float32)


class Synapses:
    """Binary synapses: both ends send events, both get the current of what was sent so far."""

    def __init__(self, schedule, weights, alpha, rule, levels=1):
        self.schedule, self.weights, self.alpha, self.rule = schedule, weights.copy(), alpha, rule
        self.levels, self.momentum = levels, np.zeros(weights.shape)

    def currents(self, k, batch):
        """Return the currents to both ends from what they sent up to the step before."""
        if k == 0:
            self.pre, self.post = (np.zeros((batch, n), int) for n in self.weights.shape[::-1])
        scale = np.float32(self.alpha)
        forward = self.pre @ self.weights.T * (scale / np.float32(self.levels))
        return forward.astype(np.float32), (self.post @ self.weights * scale).astype(np.float32)

    def receive(self, k, pre, post):
        """Take in the events of both ends."""
        self.pre, self.post = self.pre + pre, self.post + post
        if k == self.schedule.remembered_end:
            self.first = self.post.T @ self.pre

    def learn(self, sign, update):
        """Flip the weights whose momentum insists (BOP)."""
        unit = self.schedule.contrast_span * len(self.pre) * self.levels
        estimate = sign * (self.post.T @ self.pre - self.first) / unit
        rate = self.rule.decay ** (update // self.rule.epoch_updates)
        self.momentum = (1 - self.rule.gamma) * self.momentum + rate * estimate
        self.weights[-self.weights * self.momentum > self.rule.theta] *= -1


def messages(case, *ports):
    """Return what is sent to some ports in every time step."""
    return zip(*(case.inputs[port] for port in ports), strict=True)


class ToyBackend:
    """The adapter: what `lava_ep.conformance.Adapter` asks for."""

    name, arithmetic = "toy", FLOATING

    def run(self, case: Case) -> Trace:
        """Run a case, or say why not."""
        if case.subject == "BinaryNeuron":
            return self.neurons(case)
        if case.name == "binary-synapse":
            return self.synapses(case)
        if case.name == "network-binary":
            return self.network(case)
        raise NotCovered("the toy has dense binary networks only")

    def neurons(self, case):
        """Run neurons alone, for two samples."""
        names = ("schedule", "filter_rate", "initial_state", "bias_rate")
        options = {name: from_plain(case.arguments[name]) for name in names}
        neurons, schedule = Neurons(**options, **case.initial), options["schedule"]
        events, period = [], schedule.period(learning=True)
        for step, fed in enumerate(messages(case, "a_in", "target_in")):
            sample, k = divmod(step, period)
            events.append((neurons.step(k, schedule.sign(sample), *fed), neurons.state))
            if k == period - 1:
                neurons.learn(schedule.contrast_sign(schedule.sign(sample)))
        sent, states = map(np.array, zip(*events, strict=True))
        return Trace({"s_out": sent, "state_out": states}, {"bias": neurons.bias})

    def synapses(self, case):
        """Run synapses alone, for two samples."""
        names = ("schedule", "alpha", "learning_rule")
        schedule, alpha, rule = (from_plain(case.arguments[name]) for name in names)
        synapses = Synapses(schedule, case.initial["weights"], alpha, rule)
        sent, period = [], schedule.period(learning=True)
        for step, fed in enumerate(messages(case, "s_in_pre", "s_in_post")):
            sample, k = divmod(step, period)
            sent.append(synapses.currents(k, len(fed[0])))
            synapses.receive(k, *fed)
            if k == period - 1:
                synapses.learn(schedule.contrast_sign(schedule.sign(sample)), sample)
        post, pre = map(np.array, zip(*sent, strict=True))
        return Trace({"a_out_post": post, "a_out_pre": pre}, {"weights": synapses.weights})

    def network(self, case):
        """Show a network two batches, and let it learn from each."""
        spec, parameters = network_of(case)
        schedule = spec.phases.schedule(case.arguments["seed"])
        layers = []
        for index, (layer, start) in enumerate(zip(spec.layers, parameters.layers, strict=True)):
            rule, levels = layer.rule(), 1 if index else spec.input_levels
            options = {key: getattr(spec.neuron, key) for key in ("filter_rate", "initial_state")}
            neurons = Neurons(schedule, start.bias, bias_rate=layer.bias_rate, **options)
            synapses = Synapses(schedule, start.weights, start.alpha[0], rule, levels)
            layers.append((synapses, neurons))
        history, scores, period = [], [], schedule.period(learning=True)
        shown = zip(case.inputs["images"], case.inputs["labels"], strict=True)
        for batch, (images, labels) in enumerate(shown):
            target = np.repeat(np.eye(spec.classes)[labels], spec.sizes[-1] // spec.classes, axis=1)
            sign = schedule.sign(batch)
            for k in range(period):
                pixels = images if k == 0 else np.zeros_like(images)
                self.step(layers, k, sign, pixels.astype(int), target.astype(np.float32))
                history += [(neurons.state, neurons.active) for _, neurons in layers]
                if k == schedule.free_end:
                    output = layers[-1][1].state
                    scores.append(output.reshape(len(labels), spec.classes, -1).mean(axis=2))
            for synapses, neurons in layers:
                synapses.learn(schedule.contrast_sign(sign), batch)
                neurons.learn(schedule.contrast_sign(sign))
        outputs, after = {}, {"scores": np.array(scores)}
        for index, name in enumerate(spec.layer_names):
            found = map(np.array, zip(*history[index :: len(layers)], strict=True))
            outputs[f"{name}.state"], outputs[f"{name}.activation"] = found
            after[f"{name}.weights"] = layers[index][0].weights
            after[f"{name}.bias"] = layers[index][1].bias
        return Trace(outputs, after)

    def step(self, layers, k, sign, pixels, target):
        """Let every layer take a time step: all see what was sent up to the step before."""
        currents = [synapses.currents(k, len(pixels)) for synapses, _ in layers]
        sent = [pixels]
        for index, (_, neurons) in enumerate(layers):
            last = index == len(layers) - 1
            current = currents[index][0] if last else currents[index][0] + currents[index + 1][1]
            sent.append(neurons.step(k, sign, current, target if last else None))
        for index, (synapses, _) in enumerate(layers):
            synapses.receive(k, sent[index], sent[index + 1])


if __name__ == "__main__":
    for verdict in check(read_kit(), ToyBackend()):
        reason = verdict.divergence or verdict.note
        print(f"{verdict.case.name:32}{verdict.outcome.value:18}{reason}")
