"""Layers of neurons: their states, what they send, and their biases."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from lava_ep.dynamics import Activation, Phase, activate, binary_step, graded_step, update_bias
from lava_ep.models.parts.clock import Clock

Array = NDArray[Any]


class NeuronPart:
    """What binary and graded neurons have in common.

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
    dtype
        Type of states and biases.

    Attributes
    ----------
    state, bias
        :math:`s` (batch, n) and the biases.
    activation
        What receivers know, (batch, n).
    change
        What is sent in this step, (batch, n).
    events
        Number of events, (2,): free phases, nudged phases.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        biases: int,
        *,
        initial_state: float,
        bias_rate: float,
        messages: npt.DTypeLike,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.state = np.zeros(shape, dtype)
        self.activation = np.zeros(shape, messages)
        self.change = np.zeros(shape, messages)
        self.bias = np.zeros(biases, dtype)
        self.events = np.zeros(2, np.int64)
        self._initial_state = initial_state
        self._bias_rate = bias_rate

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
            self._move_bias(clock, before, learns)
        if clock.learning:
            self._remember(clock)
        return count

    def learn(self, clock: Clock) -> None:
        """Move the biases by the contrast of the two remembered activations."""
        if self._bias_rate and not clock.schedule.continual:
            self._move_bias(clock, self._first, clock.contrast_sign)

    def bias_contrast(self) -> tuple[Array, Array]:
        """Return the two activations that are contrasted at the end of a sample."""
        return self._first, self.activation

    def _move_bias(self, clock: Clock, first: Array, sign: int) -> None:
        update_bias(
            self.bias,
            first,
            self.activation,
            rate=self._bias_rate,
            sign=sign,
            span=clock.schedule.contrast_span,
        )

    def _remember(self, clock: Clock) -> None:
        """Keep the free state, and the activation that the final one is contrasted with."""
        if clock.schedule.symmetric and clock.position == clock.schedule.free_end:
            self._free = self.state.copy(), self.activation.copy()
        if clock.remembers:
            self._first = self.activation.copy()

    def _restore(self) -> None:
        state, activation = self._free
        np.subtract(activation, self.activation, out=self.change)
        # Not assigned: receivers add up what they get, and rounding shall be the same here.
        self.activation += self.change
        self.state[...] = state

    def _reset(self) -> None:
        self.state.fill(self._initial_state)
        self.activation[...] = self._initial_activation()
        self.change[...] = self.activation

    def _initial_activation(self) -> float:
        raise NotImplementedError(f"{type(self).__name__} must tell what it sends at first")

    def _settle(self, current: Array, target: Array | None, beta: float) -> int:
        raise NotImplementedError(f"{type(self).__name__} must settle")


class BinaryPart(NeuronPart):
    """Neurons with binary activation; see `lava_ep.dynamics.binary_step`."""

    def __init__(
        self,
        shape: tuple[int, int],
        biases: int,
        *,
        filter_rate: float,
        threshold: float,
        **common: Any,
    ) -> None:
        super().__init__(shape, biases, messages=np.int8, **common)
        self._filter_rate = np.float32(filter_rate)
        self._threshold = np.float32(threshold)

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


class GradedPart(NeuronPart):
    """Neurons that send changes of full-precision states; see `lava_ep.dynamics.graded_step`."""

    def __init__(
        self,
        shape: tuple[int, int],
        biases: int,
        *,
        activation: Activation,
        time_step: float | None = None,
        nudge_current: bool = False,
        event_threshold: float = 0.0,
        dtype: npt.DTypeLike = np.float32,
        **common: Any,
    ) -> None:
        super().__init__(shape, biases, messages=dtype, dtype=dtype, **common)
        self._function = Activation(activation)
        self._time_step = time_step
        self._nudge_current = nudge_current
        self._event_threshold = event_threshold

    def _initial_activation(self) -> float:
        if self._time_step is None:
            return self._initial_state
        return float(activate(self._function, self.state[:1, :1])[0, 0])

    def _settle(self, current: Array, target: Array | None, beta: float) -> int:
        return graded_step(
            self.state,
            self.activation,
            current,
            self.bias,
            self.change,
            activation=self._function,
            time_step=self._time_step,
            nudge_current=self._nudge_current,
            target=target,
            beta=beta,
            threshold=self._event_threshold,
        )
