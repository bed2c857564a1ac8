"""Bidirectional synapses of equilibrium-propagation networks as Lava Processes."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike, NDArray

from lava_ep.dynamics import (
    BOP,
    SGD,
    Connection,
    Convolution,
    Dense,
    Noise,
    PhaseSchedule,
    Reading,
    SpikeTrace,
)
from lava_ep.errors import InputError
from lava_ep.processes.arguments import EPProcess, as_count, as_numbers, check_noises

Normalization = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Means and standard deviations of pixels, one for each channel."""


class BinarySynapse(EPProcess):
    r"""Dense binary synapses :math:`W = \alpha\,\mathrm{sign}(W)`, used in both directions.

    Forward :math:`I_\mathrm{post} = W a_\mathrm{pre}`, backward
    :math:`I_\mathrm{pre} = W^\top b_\mathrm{post}`, both from the events received up to the step
    before, which gives the one step of delay of Lava's ``Dense``. At the end of a nudged phase, or
    in each of its steps, the synapses contrast what they received themselves and flip by BOP.

    Parameters
    ----------
    weights
        Signs, (n_post, n_pre), each -1 or +1.
    batch
        Size of the batch axis.
    schedule
        The synapses' own copy of the phases.
    learning_rule
        `BOP`, or ``None`` for synapses that never change.
    learning
        Whether samples have nudged phases at all.
    alpha
        Scaling factor.
    alpha_rate
        Learning rate of alpha; 0 keeps it fixed.
    levels
        Source value that means 1.0: 1 for neurons, e.g. 255 for pixels.
    graded
        Whether one of the ends sends graded events. (Between binary ones bits are counted.)
    normalization
        For graded pixels: what they are normalized by.
    readings
        How the messages of sources and targets are read: as the `StepSize` of `SigmaDeltaNeuron`
        or the `SpikeTrace` of `LIFNeuron` tell, or the ``reading`` of the `Encoding` of pixels;
        ``None`` for changes that add up.
    momentum
        Initial BOP momenta, (n_post, n_pre), or 0.
    first_batch
        Number of batches learned from before this run.
    noises
        Measurement noise of the activations of sources and targets that the synapses learn from,
        each ``None`` for none. With models of tag ``floating_pt`` only.
    fixed_point
        Widths of the integers, a `lava_ep.models.fixed_point.SynapseFormat`; needed by models of
        tag ``fixed_pt`` and ignored by others.

    Attributes
    ----------
    s_in_pre, s_in_post : InPort
        Events of the two ends, (batch, n_pre) and (batch, n_post), every step.
    a_out_post, a_out_pre : OutPort
        Currents to the two ends, (batch, n_post) and (batch, n_pre) float32, every step. Nothing is
        computed backward where ``a_out_pre`` is not connected, as with pixels.
    weights, momentum, alpha : Var
        Signs (n_post, n_pre), momenta (n_post, n_pre) and scaling factor (1,).
    synaptic_operations : Var
        Events times the synapses they reach since the start, (2,): free phases, nudged phases.
    flips : Var
        Number of weight flips since the start, (1,).

    Raises
    ------
    InputError
        If an argument is unknown, ``weights`` is not a matrix of signs, ``momentum`` does not fit
        it, ``batch`` or ``levels`` is below 1, or ``alpha_rate`` is not 0 with continual updates.
    """

    def __init__(
        self,
        *,
        weights: ArrayLike,
        batch: int,
        schedule: PhaseSchedule,
        learning_rule: BOP | None = None,
        learning: bool = True,
        alpha: float = 1.0,
        alpha_rate: float = 0.0,
        levels: int = 1,
        graded: bool = False,
        normalization: Normalization | None = None,
        readings: tuple[Reading, Reading] = (None, None),
        momentum: ArrayLike = 0.0,
        first_batch: int = 0,
        noises: tuple[Noise | None, Noise | None] = (None, None),
        fixed_point: object | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        weights, batch = as_numbers(weights, "weights"), as_count(batch, "batch")
        momentum = as_numbers(momentum, "momentum")
        readings, normalization = _as_pair(readings), _as_normalization(normalization)
        super().__init__(
            connection=Dense(*weights.shape[::-1]) if weights.ndim == 2 else None,
            batch=batch,
            schedule=schedule,
            learning_rule=learning_rule,
            learning=learning,
            alpha_rate=alpha_rate,
            levels=levels,
            graded=graded,
            normalization=normalization,
            readings=readings,
            first_batch=first_batch,
            binary=True,
            noises=check_noises(noises),
            fixed_point=fixed_point,
            name=name,
            **kwargs,
        )
        if weights.ndim != 2:
            raise InputError(
                f"weights of shape {weights.shape}: expected a (n_post, n_pre) matrix of -1 and +1"
            )
        _check_signs(weights, momentum)
        _check_common(batch, levels, alpha_rate, schedule, readings)
        _add_ports(self, self.proc_params["connection"], batch)
        self.weights = Var(shape=weights.shape, init=weights)
        self.momentum = Var(shape=weights.shape, init=momentum)
        self.alpha = Var(shape=(1,), init=alpha)
        self.flips = Var(shape=(1,), init=0)


class RealSynapse(EPProcess):
    r"""Dense synapses with real weights, used in both directions.

    Forward :math:`I_\mathrm{post} = W a_\mathrm{pre}`, backward
    :math:`I_\mathrm{pre} = W^\top a_\mathrm{post}`, with one step of delay as in `BinarySynapse`.
    With feedback weights :math:`B` of their own, :math:`I_\mathrm{pre} = B^\top a_\mathrm{post}`,
    and each direction learns by itself (vector field; Ernoult et al. 2020, arXiv 2005.04169).

    Parameters
    ----------
    weights
        (n_post, n_pre).
    batch
        Size of the batch axis.
    schedule
        The synapses' own copy of the phases.
    learning_rule
        `SGD`, or ``None`` for synapses that never change.
    learning
        Whether samples have nudged phases at all.
    feedback
        Feedback weights :math:`B`, (n_post, n_pre), or ``None`` if they are the forward ones.
    levels
        Source value that means 1.0: 1 for neurons, e.g. 255 for pixels.
    normalization
        For pixels: what they are normalized by. Black ones, too, become something else, and count
        as synaptic operations.
    readings
        How the messages of sources and targets are read: as the `StepSize` of `SigmaDeltaNeuron`
        or the `SpikeTrace` of `LIFNeuron` tell, or the ``reading`` of the `Encoding` of pixels;
        ``None`` for changes that add up.
    first_batch
        Number of batches learned from before this run.
    noises
        Measurement noise of the activations of sources and targets that the synapses learn from,
        each ``None`` for none. With models of tag ``floating_pt`` only.
    fixed_point
        Widths of the integers, a `lava_ep.models.fixed_point.SynapseFormat`; needed by models of
        tag ``fixed_pt`` and ignored by others.

    Attributes
    ----------
    s_in_pre, s_in_post : InPort
        Events of the two ends, (batch, n_pre) and (batch, n_post), every step.
    a_out_post, a_out_pre : OutPort
        Currents to the two ends, (batch, n_post) and (batch, n_pre) float32, every step. Nothing is
        computed backward where ``a_out_pre`` is not connected, as with pixels.
    weights, feedback : Var
        (n_post, n_pre); the second only if it was given.
    synaptic_operations : Var
        Events times the synapses they reach since the start, (2,): free phases, nudged phases.

    Raises
    ------
    InputError
        If an argument is unknown, ``weights`` is not a matrix of finite numbers, ``feedback`` does
        not fit it, or ``batch`` or ``levels`` is below 1.
    """

    def __init__(
        self,
        *,
        weights: ArrayLike,
        batch: int,
        schedule: PhaseSchedule,
        learning_rule: SGD | None = None,
        learning: bool = True,
        feedback: ArrayLike | None = None,
        levels: int = 1,
        normalization: Normalization | None = None,
        readings: tuple[Reading, Reading] = (None, None),
        first_batch: int = 0,
        noises: tuple[Noise | None, Noise | None] = (None, None),
        fixed_point: object | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        weights, batch = as_numbers(weights, "weights"), as_count(batch, "batch")
        feedback = None if feedback is None else as_numbers(feedback, "feedback")
        readings, normalization = _as_pair(readings), _as_normalization(normalization)
        super().__init__(
            connection=Dense(*weights.shape[::-1]) if weights.ndim == 2 else None,
            batch=batch,
            schedule=schedule,
            learning_rule=learning_rule,
            learning=learning,
            levels=levels,
            normalization=normalization,
            readings=readings,
            untied=feedback is not None,
            first_batch=first_batch,
            binary=False,
            noises=check_noises(noises),
            fixed_point=fixed_point,
            name=name,
            **kwargs,
        )
        if weights.ndim != 2:
            raise InputError(f"weights of shape {weights.shape}: expected a (n_post, n_pre) matrix")
        _check_real(weights, feedback)
        _check_common(batch, levels, 0.0, schedule, readings)
        _add_ports(self, self.proc_params["connection"], batch)
        self.weights = Var(shape=weights.shape, init=weights)
        if feedback is not None:
            self.feedback = Var(shape=weights.shape, init=feedback)


class ConvSynapse(EPProcess):
    r"""Convolutional synapses with pooling, used in both directions; real or binary.

    Forward a convolution and pooling, backward from each target through the place it was pooled
    from (the switch of max pooling; all places of average pooling) and the transposed convolution;
    see `lava_ep.dynamics.Convolution` for the equation. One step of delay and learning as in
    `BinarySynapse` and `RealSynapse`.

    Parameters
    ----------
    connection
        Shapes, kernel, padding and pooling.
    weights
        (channels, channels below, kernel, kernel): real, or signs if ``alpha`` is given.
    batch
        Size of the batch axis.
    schedule
        The synapses' own copy of the phases.
    learning_rule
        `SGD` for real weights, `BOP` for binary ones, or ``None`` for synapses that never change.
    learning
        Whether samples have nudged phases at all.
    alpha
        Scaling factor of binary weights; ``None`` makes the weights real.
    alpha_rate
        Learning rate of alpha; 0 keeps it fixed.
    feedback
        Feedback weights apart from real forward ones, or ``None``.
    levels
        Source value that means 1.0: 1 for neurons, e.g. 255 for pixels.
    normalization
        For pixels: what they are normalized by. Black ones, too, become something else, and count
        as synaptic operations.
    readings
        How the messages of sources and targets are read: as the `StepSize` of `SigmaDeltaNeuron`
        or the `SpikeTrace` of `LIFNeuron` tell, or the ``reading`` of the `Encoding` of pixels;
        ``None`` for changes that add up.
    momentum
        Initial BOP momenta of binary weights, of their shape, or 0.
    first_batch
        Number of batches learned from before this run.
    noises
        Measurement noise of the activations of sources and targets that the synapses learn from,
        each ``None`` for none. With models of tag ``floating_pt`` only.
    fixed_point
        Widths of the integers, a `lava_ep.models.fixed_point.SynapseFormat`; needed by models of
        tag ``fixed_pt`` and ignored by others.

    Attributes
    ----------
    s_in_pre, s_in_post : InPort
        Events of the two ends, (batch, n_pre) and (batch, n_post), every step; neurons in the order
        height, width, channel.
    a_out_post, a_out_pre : OutPort
        Currents to the two ends, (batch, n_post) and (batch, n_pre) float32, every step. Nothing is
        computed backward where ``a_out_pre`` is not connected, as with pixels.
    weights : Var
        See above.
    momentum, alpha, flips : Var
        As of `BinarySynapse`; of binary weights only.
    feedback : Var
        Only if it was given.
    synaptic_operations : Var
        Events times the synapses they reach since the start, (2,): free phases, nudged phases.

    Raises
    ------
    InputError
        If an argument is unknown, weights, feedback or momenta do not fit the connection or are not
        what they should be, or ``batch`` or ``levels`` is below 1.
    """

    def __init__(
        self,
        *,
        connection: Convolution,
        weights: ArrayLike,
        batch: int,
        schedule: PhaseSchedule,
        learning_rule: BOP | SGD | None = None,
        learning: bool = True,
        alpha: float | None = None,
        alpha_rate: float = 0.0,
        feedback: ArrayLike | None = None,
        levels: int = 1,
        normalization: Normalization | None = None,
        readings: tuple[Reading, Reading] = (None, None),
        momentum: ArrayLike = 0.0,
        first_batch: int = 0,
        noises: tuple[Noise | None, Noise | None] = (None, None),
        fixed_point: object | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        binary = alpha is not None
        weights, batch = as_numbers(weights, "weights"), as_count(batch, "batch")
        momentum = as_numbers(momentum, "momentum")
        feedback = None if feedback is None else as_numbers(feedback, "feedback")
        readings, normalization = _as_pair(readings), _as_normalization(normalization)
        super().__init__(
            connection=connection,
            batch=batch,
            schedule=schedule,
            learning_rule=learning_rule,
            learning=learning,
            alpha_rate=alpha_rate,
            levels=levels,
            normalization=normalization,
            readings=readings,
            untied=feedback is not None,
            first_batch=first_batch,
            binary=binary,
            noises=check_noises(noises),
            fixed_point=fixed_point,
            name=name,
            **kwargs,
        )
        if weights.shape != connection.weight_shape:
            raise InputError(
                f"weights have shape {weights.shape}: expected {connection.weight_shape}"
            )
        if learning_rule is not None and isinstance(learning_rule, BOP) != binary:
            raise InputError(
                f"learning_rule={learning_rule}: expected BOP with alpha (binary weights), or SGD "
                "without (real weights)"
            )
        _check_common(batch, levels, alpha_rate, schedule, readings)
        if binary:
            _check_signs(weights, momentum)
            if feedback is not None:
                raise InputError("feedback is for real weights: leave out alpha or feedback")
        else:
            _check_real(weights, feedback)
        _add_ports(self, connection, batch)
        self.weights = Var(shape=weights.shape, init=weights)
        if binary:
            self.momentum = Var(shape=weights.shape, init=momentum)
            self.alpha = Var(shape=(1,), init=alpha)
            self.flips = Var(shape=(1,), init=0)
        if feedback is not None:
            self.feedback = Var(shape=weights.shape, init=feedback)


def _as_pair(readings: Any) -> tuple[Reading, Reading]:
    pair = tuple(readings) if isinstance(readings, tuple | list) else ()
    if len(pair) != 2:
        raise InputError(f"readings={readings!r}: expected a pair (of sources, of targets)")
    return pair[0], pair[1]


def _as_normalization(normalization: Any) -> Normalization | None:
    if normalization is None:
        return None
    pair = tuple(normalization) if isinstance(normalization, tuple | list) else ()
    if len(pair) != 2:
        raise InputError(
            f"normalization={normalization!r}: expected a pair (means, standard deviations)"
        )
    means, deviations = (as_numbers(part, "normalization").astype(np.float64) for part in pair)
    return means, deviations


def _add_ports(process: AbstractProcess, connection: Connection, batch: int) -> None:
    """Add the ports and the counter that all synapses have."""
    process.s_in_pre = InPort(shape=(batch, connection.n_pre))
    process.s_in_post = InPort(shape=(batch, connection.n_post))
    process.a_out_post = OutPort(shape=(batch, connection.n_post))
    process.a_out_pre = OutPort(shape=(batch, connection.n_pre))
    process.synaptic_operations = Var(shape=(2,), init=0)


def _check_common(
    batch: int,
    levels: int,
    alpha_rate: float,
    schedule: PhaseSchedule,
    readings: tuple[Reading, Reading],
) -> None:
    for value, what in ((batch, "batch"), (levels, "levels")):
        if value < 1:
            raise InputError(f"{what}={value}: expected at least 1")
    if alpha_rate and schedule.continual:
        raise InputError(f"alpha_rate={alpha_rate}: expected 0 with continual updates")
    traced = any(isinstance(end, SpikeTrace) for end in readings)
    if alpha_rate and traced:
        raise InputError(f"alpha_rate={alpha_rate}: expected 0 between neurons with spike traces")


def _check_signs(weights: NDArray[Any], momentum: NDArray[Any]) -> None:
    if not np.isin(weights, (-1, 1)).all():
        raise InputError(f"weights of shape {weights.shape}: expected only -1 and +1")
    if np.ndim(momentum) and np.shape(momentum) != weights.shape:
        raise InputError(
            f"momentum has shape {np.shape(momentum)}: expected {weights.shape} or a number"
        )


def _check_real(weights: NDArray[Any], feedback: NDArray[Any] | None) -> None:
    if not np.isfinite(weights).all():
        raise InputError(f"weights of shape {weights.shape}: expected finite numbers")
    if feedback is not None and np.shape(feedback) != weights.shape:
        raise InputError(f"feedback has shape {np.shape(feedback)}: expected {weights.shape}")
