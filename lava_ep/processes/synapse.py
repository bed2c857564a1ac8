"""Bidirectional synapses of equilibrium-propagation networks as Lava Processes."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
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


class Synapse(EPProcess):
    r"""Base of all synapse populations: their ports, Vars and options.

    Currents are those of the events received up to the step before, which gives the one step of
    delay of Lava's ``Dense``. At the end of a nudged phase, or in each of its steps, the synapses
    contrast what they received themselves, and learn by their rule.

    Parameters
    ----------
    weights
        (n_post, n_pre), or of the shape of a ``connection``.
    batch
        Size of the batch axis.
    schedule
        The synapses' own copy of the phases.
    learning_rule
        `BOP` for binary weights, `SGD` for others, or ``None`` for synapses that never change.
    learning
        Whether samples have nudged phases at all.
    levels
        Source value that means 1.0: 1 for neurons, e.g. 255 for pixels.
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
        Events of the two ends, (batch, n_pre) and (batch, n_post), every step; neurons of
        convolutional layers in the order height, width, channel.
    a_out_post, a_out_pre : OutPort
        Currents to the two ends, (batch, n_post) and (batch, n_pre) float32, every step. Nothing is
        computed backward where ``a_out_pre`` is not connected, as with pixels.
    weights : Var
        Of the shape of the argument.
    synaptic_operations : Var
        Events times the synapses they reach since the start, (2,): free phases, nudged phases.

    Raises
    ------
    InputError
        If an argument is unknown or missing, does not fit the others or is out of its range.
    """

    def __init__(
        self,
        *,
        weights: ArrayLike,
        batch: int,
        schedule: PhaseSchedule,
        learning_rule: BOP | SGD | None = None,
        learning: bool = True,
        levels: int = 1,
        first_batch: int = 0,
        noises: tuple[Noise | None, Noise | None] = (None, None),
        fixed_point: object | None = None,
        name: str | None = None,
        **further: Any,
    ) -> None:
        weights = as_numbers(weights, "weights")
        connection: Connection | None = further.pop("connection", None)
        if connection is None:
            if weights.ndim != 2:
                raise InputError(
                    f"weights of shape {weights.shape}: expected a (n_post, n_pre) matrix"
                )
            connection = Dense(*weights.shape[::-1])
        if weights.shape != connection.weight_shape:
            raise InputError(
                f"weights have shape {weights.shape}: expected {connection.weight_shape}"
            )
        batch = as_count(batch, "batch")
        super().__init__(
            connection=connection,
            batch=batch,
            schedule=schedule,
            learning_rule=learning_rule,
            learning=learning,
            levels=as_count(levels, "levels"),
            first_batch=first_batch,
            noises=check_noises(noises),
            fixed_point=fixed_point,
            name=name,
            **further,
        )
        self.s_in_pre = InPort(shape=(batch, self._inputs(connection.n_pre)))
        self.s_in_post = InPort(shape=(batch, connection.n_post))
        self.a_out_post = OutPort(shape=(batch, connection.n_post))
        self.a_out_pre = OutPort(shape=(batch, connection.n_pre))
        self.weights = Var(shape=weights.shape, init=weights)
        self.synaptic_operations = Var(shape=(2,), init=0)

    def _inputs(self, n_pre: int) -> int:
        """Return how many sources send events."""
        return n_pre


class WeightedSynapse(Synapse):
    """Base of the synapses with weights of either sign, between neurons of any kind.

    Parameters
    ----------
    normalization
        For pixels: what they are normalized by. Black ones, too, become something else, and count
        as synaptic operations.
    readings
        How the messages of sources and targets are read: the `StepSize` of `SigmaDeltaNeuron`, the
        `SpikeTrace` of `LIFNeuron`, or the ``reading`` of the `Encoding` of pixels; ``None`` for
        changes that add up.
    options
        See `Synapse`.
    """

    def __init__(
        self,
        *,
        normalization: Normalization | None = None,
        readings: tuple[Reading, Reading] = (None, None),
        **options: Any,
    ) -> None:
        readings, normalization = _as_pair(readings), _as_normalization(normalization)
        options = {"alpha_rate": 0.0, "untied": False, **options}
        super().__init__(normalization=normalization, readings=readings, **options)
        alpha_rate = options["alpha_rate"]
        if alpha_rate and self.proc_params["schedule"].continual:
            raise InputError(f"alpha_rate={alpha_rate}: expected 0 with continual updates")
        if alpha_rate and any(isinstance(end, SpikeTrace) for end in readings):
            raise InputError(
                f"alpha_rate={alpha_rate}: expected 0 between neurons with spike traces"
            )

    def _add_signs(self, alpha: float, momentum: ArrayLike) -> None:
        """Add the Vars of binary weights."""
        weights, momentum = self.weights.init, as_numbers(momentum, "momentum")
        if not np.isin(weights, (-1, 1)).all():
            raise InputError(f"weights of shape {weights.shape}: expected only -1 and +1")
        if momentum.ndim and momentum.shape != weights.shape:
            raise InputError(
                f"momentum has shape {momentum.shape}: expected {weights.shape} or a number"
            )
        self.momentum = Var(shape=weights.shape, init=momentum)
        self.alpha = Var(shape=(1,), init=alpha)
        self.flips = Var(shape=(1,), init=0)

    def _add_feedback(self, feedback: ArrayLike | None) -> None:
        """Check real weights, and add the Var of feedback weights if they are apart."""
        weights = self.weights.init
        if not np.isfinite(weights).all():
            raise InputError(f"weights of shape {weights.shape}: expected finite numbers")
        if feedback is None:
            return
        feedback = as_numbers(feedback, "feedback")
        if feedback.shape != weights.shape:
            raise InputError(f"feedback has shape {feedback.shape}: expected {weights.shape}")
        self.feedback = Var(shape=weights.shape, init=feedback)


class BinarySynapse(WeightedSynapse):
    r"""Dense binary synapses :math:`W = \alpha\,\mathrm{sign}(W)`, used in both directions.

    Forward :math:`I_\mathrm{post} = W a_\mathrm{pre}`, backward
    :math:`I_\mathrm{pre} = W^\top b_\mathrm{post}`; they flip by BOP.

    Parameters
    ----------
    alpha
        Scaling factor.
    alpha_rate
        Learning rate of alpha; 0 keeps it fixed.
    graded
        Whether one of the ends sends graded events. (Between binary ones bits are counted.)
    momentum
        Initial BOP momenta, (n_post, n_pre), or 0.
    options
        See `WeightedSynapse` and `Synapse`; ``weights`` are signs, each -1 or +1.

    Attributes
    ----------
    momentum, alpha : Var
        Momenta (n_post, n_pre) and scaling factor (1,).
    flips : Var
        Number of weight flips since the start, (1,).
    """

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        alpha_rate: float = 0.0,
        graded: bool = False,
        momentum: ArrayLike = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(alpha_rate=alpha_rate, graded=graded, binary=True, **options)
        self._add_signs(alpha, momentum)


class RealSynapse(WeightedSynapse):
    r"""Dense synapses with real weights, used in both directions.

    Forward :math:`I_\mathrm{post} = W a_\mathrm{pre}`, backward
    :math:`I_\mathrm{pre} = W^\top a_\mathrm{post}`. With separate feedback weights :math:`B`,
    :math:`I_\mathrm{pre} = B^\top a_\mathrm{post}`, and each direction learns by itself (vector
    field; Ernoult et al. 2020, arXiv 2005.04169).

    Parameters
    ----------
    feedback
        Feedback weights :math:`B`, (n_post, n_pre), or ``None`` if they are the forward ones.
    options
        See `WeightedSynapse` and `Synapse`.

    Attributes
    ----------
    feedback : Var
        (n_post, n_pre); only if it was given.
    """

    def __init__(self, *, feedback: ArrayLike | None = None, **options: Any) -> None:
        super().__init__(untied=feedback is not None, binary=False, **options)
        self._add_feedback(feedback)


class ConvSynapse(WeightedSynapse):
    r"""Convolutional synapses with pooling, used in both directions; real or binary.

    Forward a convolution and pooling, backward from each target through the place it was pooled
    from (the switch of max pooling; all places of average pooling) and the transposed convolution;
    see `lava_ep.dynamics.Convolution` for the equation. They learn as `BinarySynapse` or
    `RealSynapse` do.

    Parameters
    ----------
    connection
        Shapes, kernel, padding and pooling.
    alpha
        Scaling factor of binary weights; ``None`` makes the weights real.
    alpha_rate
        Learning rate of alpha; 0 keeps it fixed.
    feedback
        Separate feedback weights of real forward ones, or ``None``.
    momentum
        Initial BOP momenta of binary weights, of their shape, or 0.
    options
        See `WeightedSynapse` and `Synapse`; ``weights`` are (channels, channels below, kernel,
        kernel): real, or signs if ``alpha`` is given.

    Attributes
    ----------
    momentum, alpha, flips : Var
        See `BinarySynapse`; of binary weights only.
    feedback : Var
        Only if it was given.
    """

    def __init__(
        self,
        *,
        connection: Convolution,
        alpha: float | None = None,
        alpha_rate: float = 0.0,
        feedback: ArrayLike | None = None,
        momentum: ArrayLike = 0.0,
        **options: Any,
    ) -> None:
        binary = alpha is not None
        super().__init__(
            connection=connection,
            alpha_rate=alpha_rate,
            untied=feedback is not None,
            binary=binary,
            **options,
        )
        rule = self.proc_params["learning_rule"]
        if rule is not None and isinstance(rule, BOP) != binary:
            raise InputError(
                f"learning_rule={rule}: expected BOP with alpha (binary weights), or SGD "
                "without (real weights)"
            )
        if alpha is None:
            self._add_feedback(feedback)
        elif feedback is None:
            self._add_signs(alpha, momentum)
        else:
            raise InputError("feedback is for real weights: leave out alpha or feedback")


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
