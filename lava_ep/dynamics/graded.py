"""Graded neurons: full-precision states, and messages that carry their changes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics._jit import kernel
from lava_ep.dynamics.activation import (
    CODES,
    HARD_SIGMOID,
    IDENTITY,
    Activation,
    Reals,
    activate_row,
    derivative_row,
)
from lava_ep.dynamics.constants import NeuronConstants, constant
from lava_ep.dynamics.readout import checked_target
from lava_ep.errors import InputError

Int8 = NDArray[np.int8]


@dataclass(frozen=True)
class Graded(NeuronConstants):
    r"""Constants of graded neurons, see `graded_step`.

    Parameters
    ----------
    activation
        :math:`\rho`, an `Activation` or its value.
    filter_rate
        :math:`\gamma` of the filter of the states, in (0, 1]; in discrete time only.
    time_step
        dt of the energy-based form, in (0, 1]; ``None`` for discrete time.
    nudge
        Whether the nudge is added to the "state" or, in discrete time only, to the "current".
    event_threshold
        Smallest change that is not sent; 0 sends every change.
    initial_state
        :math:`s` at the start of every sample.

    Raises
    ------
    InputError
        If a value is out of range, or values contradict each other.
    """

    SENDS_VALUES: ClassVar[bool] = True
    kind: ClassVar[str] = "graded"
    activation: Activation = constant(Activation.SHIFTED_SIGMOID, "rho")
    filter_rate: float = constant(
        1.0, "gamma of the filter of the states, in discrete time", gt=0, le=1
    )
    time_step: float | None = constant(
        None, "dt of the energy-based form; none: discrete time", gt=0, le=1
    )
    nudge: Literal["state", "current"] = constant(
        "state", "add the nudge to the state after rho, as published, or to the current"
    )
    event_threshold: float = constant(
        0.0, "smallest change that is not sent; 0 sends every change", ge=0
    )
    initial_state: float = constant(0.0, "s at the start of every sample")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation not in tuple(Activation):
            choices = ", ".join(choice.value for choice in Activation)
            raise InputError(f"activation={self.activation!r}: expected one of {choices}")
        object.__setattr__(self, "activation", Activation(self.activation))
        if self.nudge not in ("state", "current"):
            raise InputError(f"nudge={self.nudge!r}: expected state or current")
        if self.time_step is not None and self.nudge == "current":
            raise InputError("nudge=current is for discrete time; leave out nudge or time_step")
        if self.time_step is not None and self.filter_rate != 1:
            raise InputError("filter_rate is for discrete time; leave out filter_rate or time_step")

    @property
    def payload_bits(self) -> int:
        """A change of up to 2 (tanh) either way in units of the threshold, if there is one."""
        if self.event_threshold == 0:
            return super().payload_bits
        return math.ceil(math.log2(2 / min(self.event_threshold, 1.0))) + 1


CHUNK = 512
"""Neurons that take a step together, so that all they have fits the nearest cache."""


@kernel(
    "int64(f4[::1], f4[::1], f4, f4[::1])",
    "int64(f8[::1], f8[::1], f8, f8[::1])",
)
def send_row(activation: Reals, sent: Reals, threshold: float, events: Reals) -> int:
    """Send the changes of one sample that are large enough; see `graded_step`."""
    count = np.int32(0)
    for n in range(activation.size):
        change = activation[n] - sent[n]
        change = change if abs(change) > threshold else activation.dtype.type(0)
        events[n] = change
        sent[n] += change
        # 32 bits, as many as the numbers have: else the loop is vectorized badly.
        count = np.int32(count + np.int32(change != 0))
    return int(count)


def _signature(real: str) -> str:
    row, numbers = f"{real}[::1]", f"int64, {real}, {real}, boolean"
    rooms = f"{real}[:,::1]"
    return f"int64({row}, {row}, {row}, {row}, {numbers}, i1[::1], {real}, {real}, {row}, {rooms})"


@kernel(_signature("f4"), _signature("f8"))
def graded_row(
    state: Reals,
    sent: Reals,
    current: Reals,
    bias: Reals,
    code: int,
    filter_rate: float,
    time_step: float,
    nudge_current: bool,
    target: Int8,
    beta: float,
    threshold: float,
    events: Reals,
    room: Reals,
) -> int:
    """Do `graded_step` for one sample, with numbers in place of names.

    ``time_step`` 0 means discrete time; ``bias`` has one for each neuron; ``room`` is memory,
    (2, CHUNK).
    """
    zero = state.dtype.type(0)
    count = 0
    for first in range(0, state.size, CHUNK):
        last = min(first + CHUNK, state.size)
        size = last - first
        s, drive, response = state[first:last], room[0, :size], room[1, :size]
        received, local = current[first:last], bias[first:last]
        for n in range(size):
            drive[n] = received[n] + local[n]
        if beta != 0 and nudge_current:
            for n in range(size):
                drive[n] += beta * (state.dtype.type(target[first + n]) - s[n])
        if time_step == 0:
            # Never from an array to itself: such loops are not vectorized.
            activate_row(code, drive, response)
            if beta != 0 and not nudge_current:
                for n in range(size):
                    pull = beta * (state.dtype.type(target[first + n]) - s[n])
                    drive[n] = response[n] + pull
                clip = HARD_SIGMOID if code == HARD_SIGMOID else IDENTITY
                activate_row(clip, drive, response)
            if filter_rate == 1:
                for n in range(size):
                    s[n] = response[n]
            else:
                keep = s.dtype.type(1) - filter_rate
                for n in range(size):
                    s[n] = keep * s[n] + filter_rate * response[n]
                # What is sent is the state.
                for n in range(size):
                    response[n] = s[n]
        else:
            derivative_row(code, s, response)
            for n in range(size):
                force = response[n] * drive[n] - s[n]
                nudge = zero
                if beta != 0:
                    nudge = beta * (state.dtype.type(target[first + n]) - s[n])
                s[n] += time_step * (force + nudge)
            activate_row(code, s, response)
        count += send_row(response, sent[first:last], threshold, events[first:last])
    return count


def _batch_signature(real: str) -> str:
    rows = f"{real}[:,::1]"
    return (
        f"int64({rows}, {rows}, {rows}, {real}[::1], int64, {real}, {real}, boolean, i1[:,::1], "
        f"{real}, {real}, {rows})"
    )


@kernel(_batch_signature("f4"), _batch_signature("f8"), allocates=True)
def _graded_batch(
    state: Reals,
    sent: Reals,
    current: Reals,
    bias: Reals,
    code: int,
    filter_rate: float,
    time_step: float,
    nudge_current: bool,
    target: Int8,
    beta: float,
    threshold: float,
    events: Reals,
) -> int:
    """Do `graded_row` for all samples; ``target`` may be empty where beta is 0."""
    neurons = state.shape[1]
    biases = np.empty(neurons, state.dtype)
    for first in range(0, neurons, bias.size):
        biases[first : first + bias.size] = bias
    room = np.empty((2, CHUNK), state.dtype)
    count = 0
    for row in range(state.shape[0]):
        count += graded_row(
            state[row],
            sent[row],
            current[row],
            biases,
            code,
            filter_rate,
            time_step,
            nudge_current,
            target[row] if beta != 0 else target.reshape(target.size),
            beta,
            threshold,
            events[row],
            room,
        )
    return count


def graded_step(
    state: Reals,
    sent: Reals,
    current: Reals,
    bias: Reals,
    events: Reals,
    *,
    activation: Activation,
    filter_rate: float = 1.0,
    time_step: float | None = None,
    nudge_current: bool = False,
    target: Int8 | None = None,
    beta: float = 0.0,
    threshold: float = 0.0,
) -> int:
    r"""Advance a layer of graded neurons by one time step, in place.

    Without ``time_step``, in discrete time (the "prototypical" setting), with
    :math:`a = s`:

    .. math:: s \leftarrow (1 - \gamma)\,s + \gamma\,(\rho(I + \mathrm{bias}) + \beta\,(y - s))

    or, with ``nudge_current``, with :math:`\rho(I + \mathrm{bias} + \beta\,(y - s))` in the last
    bracket; with the hard sigmoid, states stay in [0, 1]. The filter :math:`\gamma` moves no fixed
    point, but keeps networks with large weights from swinging about it. With a ``time_step``
    :math:`dt`, energy-based, with :math:`a = \rho(s)`:

    .. math:: s \leftarrow s + dt\,(\rho'(s)\,(I + \mathrm{bias}) - s + \beta\,(y - s))

    Then, where :math:`|a - q| > \vartheta`, the event :math:`e = a - q` is sent and
    :math:`q \leftarrow q + e`; elsewhere :math:`e = 0`. :math:`I` is what the neurons' synapses
    make of the :math:`q` of the step before. (Ernoult et al. 2019, arXiv 1905.13633; the clipping
    as in Laydevant et al. 2021, section 3.)

    The published nudge, outside :math:`\rho`, makes updates follow the gradient of backpropagation
    through time only up to the factor :math:`\rho'` at the output; ``nudge_current`` makes them
    equal in the limit of :math:`\beta \to 0`.

    Parameters
    ----------
    state
        :math:`s`, (batch, n) float32 or float64; updated. All reals have this type.
    sent
        :math:`q`, what receivers know, (batch, n); updated.
    current
        Summed synaptic input :math:`I`, (batch, n).
    bias
        (channels,): neuron k has the bias k % channels. Dense layers have as many as neurons.
    events
        Receives the events :math:`e`, (batch, n).
    activation
        :math:`\rho`.
    filter_rate
        :math:`\gamma` in (0, 1]; in discrete time only.
    time_step
        :math:`dt` in (0, 1], or ``None``.
    nudge_current
        Whether the nudge is part of the current.
    target
        Target :math:`y`, (batch, n), 0 or 1; needed where ``beta`` is not 0.
    beta
        Nudging strength :math:`\beta` of either sign.
    threshold
        :math:`\vartheta \ge 0`; 0 sends every change.

    Returns
    -------
    int
        Number of events.

    Raises
    ------
    InputError
        If ``beta`` is not 0 and no target of the state's shape is given.
    """
    target = checked_target(target, beta, state.shape)
    return _graded_batch(
        state,
        sent,
        current,
        bias,
        CODES[Activation(activation)],
        state.dtype.type(filter_rate),
        state.dtype.type(time_step or 0.0),
        nudge_current,
        target,
        state.dtype.type(beta),
        state.dtype.type(threshold),
        events,
    )
