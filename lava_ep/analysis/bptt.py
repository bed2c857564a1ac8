r"""Backpropagation through time of the free phase: what the updates of EP are meant to follow.

A free time step is a map :math:`s_{t+1} = F(s_t, \theta)`. The loss is read after the last of
:math:`T` steps, averaged over the batch as the updates of EP are,

.. math:: L = \frac{1}{2B} \sum_\mathrm{batch} \lVert y - s_{T,\mathrm{out}} \rVert^2,

and backpropagation through time goes back step by step. With :math:`t` counted backwards,

.. math::
    \nabla_s(0) = \frac{\partial L}{\partial s_T}, \qquad
    \nabla_s(t + 1) = \Big(\frac{\partial F}{\partial s}\Big)^{\!\top} \nabla_s(t), \qquad
    \nabla_\theta(t) = \Big(\frac{\partial F}{\partial \theta}\Big)^{\!\top} \nabla_s(t),

the derivatives of :math:`F` at :math:`s_{T-t-1}`: :math:`\nabla_s(t)` is the gradient with respect
to the state at :math:`T - t`, and :math:`\nabla_\theta(t)` what the step that leads to it
contributes to the gradient of the parameters (Ernoult et al. 2019, arXiv 1905.13633).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics import (
    Activation,
    Connection,
    Convolution,
    Currents,
    activate,
    derivative,
    expand_target,
    graded_step,
)
from lava_ep.errors import InputError
from lava_ep.parameters import LayerParameters, NetworkParameters
from lava_ep.spec import GradedNeuronSpec, NetworkSpec

Float64 = NDArray[np.float64]
States = tuple[Float64, ...]
"""What each layer of neurons has, (batch, n), lowest first."""


class Loss(str, Enum):
    """What is differentiated."""

    SQUARED_ERROR = "squared-error"
    """L, as above."""
    NUDGE = "nudge"
    r"""In discrete time, the loss :math:`\ell` with
    :math:`\partial\ell/\partial s = -(y - s)/\rho'`, so that :math:`y - s` is what the *drives* of
    the output neurons are told. A nudge outside :math:`\rho` follows it; with the shifted sigmoid
    it is the cross entropy, times 1/4."""


@dataclass(frozen=True)
class LayerGradient:
    r"""Gradients of the parameters of a layer.

    Parameters
    ----------
    weights
        Of the shape of the weights; of binary weights with respect to :math:`\alpha w`. Without
        feedback weights of their own they include what the way back contributes.
    feedback
        The same for feedback weights of their own.
    bias
        (channels,).
    """

    weights: Float64
    feedback: Float64 | None
    bias: Float64


@dataclass(frozen=True)
class StepGradient:
    r"""Gradients that belong to one time step, counted backwards.

    Parameters
    ----------
    states
        :math:`\nabla_s(t)`.
    drives
        The same with respect to the drive :math:`I + \mathrm{bias}` in the step that leads to these
        states: :math:`\rho' \nabla_s` in discrete time, :math:`dt\,\rho' \nabla_s` in the
        energy-based form.
    layers
        :math:`\nabla_\theta(t)`.
    """

    states: States
    drives: States
    layers: tuple[LayerGradient, ...]


def second_derivative(activation: Activation, x: Float64) -> Float64:
    r"""Return :math:`\rho''(x)`; 0 for functions made of straight lines."""
    a = activate(activation, x)
    found: Float64 = np.zeros_like(a)
    if activation is Activation.SHIFTED_SIGMOID:
        found = 16 * a * (1 - a) * (1 - 2 * a)
    elif activation is Activation.TANH:
        found = -2 * a * (1 - a**2)
    return found


class _Link:
    """Synapses between two layers, with their derivatives at the activations last visited.

    Places that targets are pooled from (switches) are kept as they are.
    """

    def __init__(
        self, connection: Connection, forward: Float64, feedback: Float64, batch: int, *, tied: bool
    ) -> None:
        self._connection = connection
        self._tied = tied
        self.currents: Currents = connection.currents(batch, np.float64)
        self.currents.use(*connection.layouts(forward, feedback))
        # What goes forward comes back by the forward weights, and the other way round.
        bare = replace(connection, pool=1) if isinstance(connection, Convolution) else connection
        self._adjoint: Currents = bare.currents(batch, np.float64)
        self._adjoint.use(*bare.layouts(feedback, forward))

    def visit(self, pre: Float64, post: Float64, *, backward: bool = True) -> None:
        """Compute the currents at some activations."""
        self.currents.refresh(pre, post, backward=backward)
        self._pre, self._post = pre, post

    def parameters(
        self, drive_pre: Float64 | None, drive_post: Float64
    ) -> tuple[Float64, Float64 | None]:
        """Turn gradients of the drives into those of the weights, forward and feedback."""
        gradient, located = self._connection.gradient, self.currents.located
        forward: Float64 = gradient(self._pre, located(drive_post))
        if drive_pre is None:
            return forward, None
        feedback: Float64 = gradient(drive_pre, located(self._post))
        return (forward + feedback, None) if self._tied else (forward, feedback)

    def activations(self, drive_pre: Float64, drive_post: Float64) -> tuple[Float64, Float64]:
        """Turn gradients of the drives into those of the activations, of sources and targets."""
        located = self.currents.located
        self._adjoint.refresh(
            drive_pre, located(drive_post).reshape(len(drive_post), -1), backward=True
        )
        shares: Float64 = located(np.ones_like(drive_post)).reshape(self._adjoint.post.shape)
        to_post: Float64 = shares * self._adjoint.post
        return self._adjoint.pre.copy(), _pooled(self._connection, to_post)


def _pooled(connection: Connection, values: Float64) -> Float64:
    """Sum what belongs to the same target."""
    if not isinstance(connection, Convolution):
        return values
    height, width, channels = connection.out_shape
    size = connection.pool
    used = values.reshape(-1, *connection.sum_shape)[:, : height * size, : width * size]
    windows = used.reshape(-1, height, size, width, size, channels)
    found: Float64 = windows.sum(axis=(2, 4)).reshape(len(values), -1)
    return found


class FreeDynamics:
    """The free phase of a graded network in float64, with its derivatives.

    Parameters
    ----------
    network
        The network; ``phases`` play no role.
    parameters
        Weights and biases.
    images
        What is shown, (batch, pixels) integers.

    Raises
    ------
    InputError
        If neurons are binary or keep small changes to themselves, which has no derivative.
    """

    def __init__(
        self,
        network: NetworkSpec,
        parameters: NetworkParameters,
        images: NDArray[np.integer[Any]],
    ) -> None:
        self.neuron = _differentiable(network)
        self.network = network
        self.batch = len(images)
        self._biases = [layer.bias.astype(np.float64) for layer in parameters.layers]
        tied = network.feedback_angle is None
        self._links = [
            _Link(connection, *_effective_weights(layer), self.batch, tied=tied)
            for connection, layer in zip(network.connections, parameters.layers, strict=True)
        ]
        outputs = np.zeros((self.batch, network.sizes[1]))
        self._links[0].visit(_sources(network, images), outputs, backward=False)

    def start(self) -> States:
        """Return the states that a sample starts from."""
        value = self.neuron.initial_state
        return tuple(np.full((self.batch, n), value) for n in self.network.sizes[1:])

    def unroll(self, states: States, steps: int) -> list[States]:
        """Return these states, and those after each of some free steps."""
        trajectory = [states]
        for _ in range(steps):
            trajectory.append(self.step(trajectory[-1]))
        return trajectory

    def settle(self, states: States, steps: int) -> States:
        """Return the states after some free steps."""
        for _ in range(steps):
            states = self.step(states)
        return states

    def step(self, states: States) -> States:
        """Take a free step; see `lava_ep.dynamics.graded_step`."""
        currents = self._visit(states)
        found = tuple(s.copy() for s in states)
        for s, current, bias in zip(found, currents, self._biases, strict=True):
            graded_step(
                s,
                np.zeros_like(s),
                current,
                bias,
                np.zeros_like(s),
                activation=self.neuron.activation,
                time_step=self.neuron.time_step,
            )
        return found

    def pull_back(
        self, before: States, gradient: States, *, told: Float64 | None = None
    ) -> tuple[StepGradient, States]:
        r"""Go back through a free step.

        Parameters
        ----------
        before
            States before the step.
        gradient
            Gradient with respect to the states after it.
        told
            What the drives of the outputs are told instead of :math:`\rho'` times their gradient.

        Returns
        -------
        StepGradient
            What belongs to this step.
        States
            Gradient with respect to the states before it.
        """
        rho, dt = self.neuron.activation, self.neuron.time_step
        drives = self._drives(before)
        responses = [derivative(rho, x) for x in (drives if dt is None else before)]
        scale = 1.0 if dt is None else dt
        of_drives = [scale * r * g for r, g in zip(responses, gradient, strict=True)]
        if told is not None:
            of_drives[-1] = told
        step = StepGradient(gradient, tuple(of_drives), self._of_parameters(of_drives))
        of_activations = self._of_activations(of_drives)
        if dt is None:
            return step, tuple(of_activations)
        bends = [second_derivative(rho, s) * x for s, x in zip(before, drives, strict=True)]
        return step, tuple(
            (1 - dt + dt * bend) * g + response * a
            for bend, g, response, a in zip(bends, gradient, responses, of_activations, strict=True)
        )

    def _of_parameters(self, drives: Sequence[Float64]) -> tuple[LayerGradient, ...]:
        """Turn gradients of the drives at the states last visited into those of the parameters."""
        found = []
        below: Float64 | None = None
        for link, drive, bias in zip(self._links, drives, self._biases, strict=True):
            weights, feedback = link.parameters(below, drive)
            of_bias = drive.reshape(-1, bias.size).sum(axis=0)
            found.append(LayerGradient(weights, feedback, of_bias))
            below = drive
        return tuple(found)

    def _of_activations(self, drives: Sequence[Float64]) -> list[Float64]:
        """Turn gradients of the drives at the states last visited into those of activations."""
        found = [np.zeros_like(drive) for drive in drives]
        for index, link in enumerate(self._links[1:]):
            to_pre, to_post = link.activations(drives[index], drives[index + 1])
            found[index] += to_pre
            found[index + 1] += to_post
        return found

    def _activations(self, states: States) -> States:
        if self.neuron.time_step is None:
            return states
        return tuple(activate(self.neuron.activation, s) for s in states)

    def _visit(self, states: States) -> list[Float64]:
        """Compute the summed currents at some states, (batch, n) for each layer."""
        activations = self._activations(states)
        for link, pre, post in zip(self._links[1:], activations, activations[1:], strict=False):
            link.visit(pre, post)
        from_below = [link.currents.post for link in self._links]
        from_above = [link.currents.pre for link in self._links[1:]]
        return [
            *(below + above for below, above in zip(from_below, from_above, strict=False)),
            from_below[-1],
        ]

    def _drives(self, states: States) -> list[Float64]:
        currents = self._visit(states)
        return [
            current + np.tile(bias, current.shape[1] // bias.size)
            for current, bias in zip(currents, self._biases, strict=True)
        ]


def backpropagate(
    dynamics: FreeDynamics,
    trajectory: Sequence[States],
    labels: NDArray[np.integer[Any]],
    *,
    loss: Loss = Loss.SQUARED_ERROR,
) -> Iterator[StepGradient]:
    """Go back through free steps, from the last one on.

    Parameters
    ----------
    dynamics
        The network with its parameters and images.
    trajectory
        States before the first of these steps and after each, see `FreeDynamics.unroll`.
    labels
        Classes of the images, (batch,).
    loss
        What is differentiated.

    Yields
    ------
    StepGradient
        For t = 0, 1, ..., one for each step.

    Raises
    ------
    InputError
        If the nudge's own loss is asked for although it is the squared error, with a time step.
    """
    if loss is Loss.NUDGE and dynamics.neuron.time_step is not None:
        raise InputError(
            f"loss={loss.value}: expected {Loss.SQUARED_ERROR.value} for neurons with a time_step, "
            "whose nudge follows it"
        )
    network = dynamics.network
    target = expand_target(labels.astype(np.int32), network.classes, network.sizes[-1])
    last = trajectory[-1]
    error = (last[-1] - target) / dynamics.batch
    gradient: States = (*(np.zeros_like(s) for s in last[:-1]), error)
    told: Float64 | None = error if loss is Loss.NUDGE else None
    for before in reversed(trajectory[:-1]):
        step, gradient = dynamics.pull_back(before, gradient, told=told)
        told = None
        yield step


def _differentiable(network: NetworkSpec) -> GradedNeuronSpec:
    """Return the neurons if their dynamics can be differentiated."""
    neuron = network.neuron
    if not isinstance(neuron, GradedNeuronSpec):
        raise InputError(
            f"network.neuron.kind={neuron.kind}: expected graded, as a threshold has no "
            "derivative; choose a preset with graded neurons"
        )
    if neuron.event_threshold:
        raise InputError(
            f"network.neuron.event_threshold={neuron.event_threshold:g}: expected 0, as a "
            "threshold has no derivative; use --set network.neuron.event_threshold=0"
        )
    if neuron.filter_rate != 1:
        raise InputError(
            f"network.neuron.filter_rate={neuron.filter_rate:g}: expected 1, as the study has no "
            "derivatives of filtered states; use --set network.neuron.filter_rate=1"
        )
    return neuron


def _effective_weights(layer: LayerParameters) -> tuple[Float64, Float64]:
    """Return forward and feedback weights, binary ones with their scaling factor."""
    scale = 1.0 if layer.alpha is None else float(layer.alpha[0])
    forward = scale * layer.weights.astype(np.float64)
    return forward, forward if layer.feedback is None else layer.feedback.astype(np.float64)


def _sources(network: NetworkSpec, images: NDArray[np.integer[Any]]) -> Float64:
    """Return what the pixels mean; see `NormalizationSpec`."""
    values: Float64 = images / network.input_levels
    if network.normalization is None:
        return values
    mean, std = network.normalization.arrays
    return ((values.reshape(len(images), -1, mean.size) - mean) / std).reshape(images.shape)
