"""Layers of neurons: their states, what they send, and their biases."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from lava_ep.dynamics import (
    LIF,
    Binary,
    Graded,
    Noise,
    Phase,
    SigmaDelta,
    activate,
    binary_step,
    graded_step,
    lif_step,
    sigma_delta_step,
    update_bias,
)
from lava_ep.kinds import register
from lava_ep.populations.clock import Clock
from lava_ep.populations.measurement import measured
from lava_ep.populations.receiver import Steps

Array = NDArray[Any]


class NeuronPopulation:
    """What all neurons have in common.

    Parameters
    ----------
    shape
        (batch, n).
    biases
        Number of biases; neuron k has the bias k % biases.
    initial_state
        :math:`s` at the start of every sample.
    bias_rate
        Learning rate of the biases.
    messages
        Type of what is sent.
    activations
        Type of what receivers know.
    dtype
        Type of states and biases.
    levels
        Activation that means 1.0.
    noise
        Of the activations that the biases learn from, at the ends of two phases.

    Attributes
    ----------
    state, bias
        :math:`s` (batch, n) and the biases.
    activation
        What receivers know and synapses learn from, (batch, n).
    change
        What is sent in this step, (batch, n).
    events
        Number of events, (2,): free phases, nudged phases.
    """

    STATE_VARS: ClassVar[tuple[str, ...]] = ("state", "activation")
    """Arrays that determine what the neurons do next."""

    def __init__(
        self,
        shape: tuple[int, int],
        biases: int,
        *,
        bias_rate: float,
        messages: npt.DTypeLike,
        activations: npt.DTypeLike,
        initial_state: float = 0.0,
        dtype: npt.DTypeLike = np.float32,
        levels: int = 1,
        noise: Noise | None = None,
    ) -> None:
        self.state = np.zeros(shape, dtype)
        self.activation = np.zeros(shape, activations)
        self.change = np.zeros(shape, messages)
        self.bias = np.zeros(biases, dtype)
        self.events = np.zeros(2, np.int64)
        self._initial_state = initial_state
        self._bias_rate = bias_rate
        self._levels = levels
        self._noise = noise

    @property
    def readout(self) -> Array:
        """What predictions are read from, (batch, n)."""
        return self.state

    @property
    def state_vars(self) -> tuple[Array, ...]:
        """The arrays that determine what the neurons do next."""
        return tuple(getattr(self, name) for name in self.STATE_VARS)

    def steady(self, clock: Clock) -> bool:
        """Whether state variables that a step leaves unchanged stay so for the whole phase."""
        return True

    def get(self, name: str) -> Array:
        """Return one of the arrays."""
        found: Array = getattr(self, name)
        return found

    def set(self, name: str, value: Array) -> None:
        """Replace one of the arrays."""
        getattr(self, name)[...] = value

    def step(self, clock: Clock, current: Array, target: Array | None) -> int:
        """Take a time step, and return the number of events.

        Parameters
        ----------
        clock
            Tells the phase.
        current
            Summed synaptic input, (batch, n).
        target
            What the neurons are nudged towards, (batch, n), if they can be nudged.
        """
        learns = clock.continual_sign if self._bias_rate else 0
        before = self.activation.copy() if learns else self.activation
        if clock.phase is Phase.LOAD:
            self._reset()
            count = int(np.count_nonzero(self.change))
        elif clock.phase is Phase.RESTORE:
            self._restore()
            count = int(np.count_nonzero(self.change))
        else:
            count = self._settle(current, target, 0.0 if target is None else clock.beta)
        self.events[clock.counter] += count
        if learns:
            self._move_bias(clock, before, self.activation, learns)
        if clock.learning:
            self._remember(clock)
        return count

    def learn(self, clock: Clock) -> None:
        """Move the biases by the contrast of the two remembered activations."""
        if self._bias_rate and not clock.schedule.continual:
            self._move_bias(clock, *self.bias_contrast(), clock.contrast_sign)

    def bias_contrast(self) -> tuple[Array, Array]:
        """Return the two activations that are contrasted at the end of a sample."""
        return self._first, self.activation if self._noise is None else self._second

    def _move_bias(self, clock: Clock, first: Array, second: Array, sign: int) -> None:
        update_bias(
            self.bias,
            first,
            second,
            rate=self._bias_rate,
            sign=sign,
            span=clock.schedule.contrast_span * self._levels,
        )

    def _remember(self, clock: Clock) -> None:
        """Keep the free state, and the activation that the final one is contrasted with."""
        if clock.restorable:
            self._free = {name: getattr(self, name).copy() for name in self.STATE_VARS}
        if clock.remembers:
            self._first = self._measured(clock, 0)
        if clock.at_end and self._noise is not None:
            self._second = self._measured(clock, 1)

    def _measured(self, clock: Clock, phase: int) -> Array:
        """Return the activations as the biases see them, in one of the contrasted phases."""
        return measured(self._noise, self.activation, clock, phase, self._levels)

    def _restore(self) -> None:
        """Return to the free state, and send what receivers need to follow."""
        change = self._free["activation"] - self.activation
        self.change[...] = change
        # Not assigned: receivers add up what they get, and rounding shall be the same here.
        self.activation += change
        for name in self.STATE_VARS:
            if name != "activation":
                getattr(self, name)[...] = self._free[name]

    def _reset(self) -> None:
        self.state.fill(self._initial_state)
        self.activation[...] = self._initial_activation()
        self.change[...] = self.activation

    def _initial_activation(self) -> float:
        raise NotImplementedError(f"{type(self).__name__} must tell what it sends at first")

    def _settle(self, current: Array, target: Array | None, beta: float) -> int:
        raise NotImplementedError(f"{type(self).__name__} must settle")


@register(Binary.kind, "population")
class BinaryPopulation(NeuronPopulation):
    """Neurons with binary activation; see `lava_ep.dynamics.binary_step`."""

    def __init__(
        self,
        shape: tuple[int, int],
        biases: int,
        *,
        neuron: Binary,
        **common: Any,
    ) -> None:
        common |= {"initial_state": neuron.initial_state}
        super().__init__(shape, biases, messages=np.int8, activations=np.int8, **common)
        self._filter_rate = np.float32(neuron.filter_rate)
        self._threshold = np.float32(neuron.threshold)

    def _initial_activation(self) -> float:
        return float(np.float32(self._initial_state) >= self._threshold)

    def _settle(self, current: Array, target: Array | None, beta: float) -> int:
        return binary_step(
            self.state,
            self.activation,
            current,
            np.tile(self.bias, self.state.shape[1] // self.bias.size),
            self._filter_rate,
            self._threshold,
            self.change,
            target,
            beta,
        )


@register(Graded.kind, "population")
class GradedPopulation(NeuronPopulation):
    """Neurons that send changes of full-precision states; see `lava_ep.dynamics.graded_step`."""

    def __init__(
        self,
        shape: tuple[int, int],
        biases: int,
        *,
        neuron: Graded,
        dtype: npt.DTypeLike = np.float32,
        **common: Any,
    ) -> None:
        common |= {"initial_state": neuron.initial_state, "dtype": dtype}
        super().__init__(shape, biases, messages=dtype, activations=dtype, **common)
        self._neuron = neuron

    def _initial_activation(self) -> float:
        if self._neuron.time_step is None:
            return self._initial_state
        return float(activate(self._neuron.activation, self.state[:1, :1])[0, 0])

    def _settle(self, current: Array, target: Array | None, beta: float) -> int:
        return graded_step(
            self.state,
            self.activation,
            current,
            self.bias,
            self.change,
            activation=self._neuron.activation,
            filter_rate=self._neuron.filter_rate,
            time_step=self._neuron.time_step,
            nudge_current=self._neuron.nudge == "current",
            target=target,
            beta=beta,
            threshold=self._neuron.event_threshold,
        )


@register(SigmaDelta.kind, "population")
class SigmaDeltaPopulation(NeuronPopulation):
    """Neurons that send signed unit spikes; see `lava_ep.dynamics.sigma_delta_step`.

    Activations are counted in smallest steps.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        biases: int,
        *,
        neuron: SigmaDelta,
        activations: npt.DTypeLike = np.float32,
        **common: Any,
    ) -> None:
        common |= {"activations": activations, "levels": neuron.step_size.levels}
        super().__init__(shape, biases, messages=np.int8, **common)
        self._filter_rate = neuron.filter_rate
        self._step_size = neuron.step_size
        self._steps = Steps(shape, neuron.step_size)

    @property
    def state_vars(self) -> tuple[Array, ...]:
        """State, activation and the size of the next steps; see `NeuronPopulation.state_vars`."""
        return (*super().state_vars, self._steps.multiple)

    def steady(self, clock: Clock) -> bool:
        """Not as long as steps shrink by themselves; see `NeuronPopulation.steady`."""
        return self._step_size.final(clock.position)

    def step(self, clock: Clock, current: Array, target: Array | None) -> int:
        """Take a time step; see `NeuronPopulation.step`."""
        self._steps.begin(clock)
        count = super().step(clock, current, target)
        self._steps.end(clock, self.change)
        return count

    def _initial_activation(self) -> float:
        return 0.0

    def _settle(self, current: Array, target: Array | None, beta: float) -> int:
        return sigma_delta_step(
            self.state,
            self.activation,
            current,
            self.bias,
            self.change,
            filter_rate=self._filter_rate,
            levels=self._step_size.levels,
            multiple=self._steps.multiple,
            target=target,
            beta=beta,
        )


@register(LIF.kind, "population")
class LIFPopulation(NeuronPopulation):
    """Leaky integrate-and-fire neurons; see `lava_ep.dynamics.lif_step`.

    The state is the membrane potential, the activation the trace of the spikes.
    """

    STATE_VARS = ("state", "activation", "synaptic", "waiting", "change")

    def __init__(
        self,
        shape: tuple[int, int],
        biases: int,
        *,
        neuron: LIF,
        dtype: npt.DTypeLike = np.float32,
        **common: Any,
    ) -> None:
        super().__init__(shape, biases, messages=np.int8, activations=dtype, dtype=dtype, **common)
        self._neuron = neuron
        self._initial_membrane: Array = neuron.initial_membrane(shape[1])
        self.synaptic = np.zeros(shape, dtype)
        self.waiting = np.zeros(shape, np.int32)

    @property
    def readout(self) -> Array:
        """The rates."""
        return self.activation

    def _reset(self) -> None:
        for array in (self.activation, self.synaptic, self.waiting, self.change):
            array.fill(0)
        self.state[...] = self._initial_membrane

    def _restore(self) -> None:
        """Return to the free state, and send its last spikes again."""
        for name in self.STATE_VARS:
            getattr(self, name)[...] = self._free[name]

    def _settle(self, current: Array, target: Array | None, beta: float) -> int:
        return lif_step(
            self.state,
            self.synaptic,
            self.activation,
            self.waiting,
            current,
            self.bias,
            self.change,
            neuron=self._neuron,
            target=target,
            beta=beta,
        )
