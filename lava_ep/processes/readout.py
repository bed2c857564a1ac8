"""The output side of a network: the target that nudges it and the readout of its classes."""

from __future__ import annotations

from typing import Any

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.variable import Var

from lava_ep.dynamics import PhaseSchedule
from lava_ep.errors import InputError
from lava_ep.processes.arguments import EPProcess, as_count, as_pair


def _check_groups(neurons: int, classes: int) -> None:
    """Check that every class gets an equal group of output neurons."""
    if classes < 1 or neurons % classes:
        raise InputError(f"{neurons} output neurons: expected a multiple of {classes} classes")


class Target(EPProcess):
    """Turn labels into the target that output neurons are nudged towards.

    Parameters
    ----------
    shape
        (batch, n) of the output neurons; n is a multiple of ``classes``.
    classes
        Number of classes.

    Attributes
    ----------
    label_in : InPort
        (batch,) integers, every step.
    target_out : OutPort
        One-hot target repeated for the neurons of each class, (batch, n) int8, every step.

    Raises
    ------
    InputError
        If an argument is unknown, or n is not a multiple of ``classes``.
    """

    def __init__(
        self, *, shape: tuple[int, int], classes: int, name: str | None = None, **kwargs: Any
    ) -> None:
        shape, classes = as_pair(shape), as_count(classes, "classes")
        super().__init__(shape=shape, classes=classes, name=name, **kwargs)
        _check_groups(shape[1], classes)
        self.label_in = InPort(shape=shape[:1])
        self.target_out = OutPort(shape=shape)


class Readout(EPProcess):
    """Read the class scores at the end of every free phase and stream them to the host.

    The score of a class is the mean pre-activation of its output neurons.

    Parameters
    ----------
    shape
        (batch, n) of the output neurons.
    classes
        Number of classes; n is a multiple of it.
    schedule, learning
        The readout's own copy of the phases, and whether samples have nudged phases.
    stream
        Whether ``score_out`` leads to the host instead of to another Process.
    buffer_size
        Number of messages that the host may leave unread before the network waits.

    Attributes
    ----------
    state_in : InPort
        Pre-activations of the output neurons, (batch, n) float, every step.
    score_out : OutPort
        (batch, classes) float32: one message a sample to the host, or every step to a Process.
    scores : Var
        The latest scores, (batch, classes).

    Raises
    ------
    InputError
        If an argument is unknown, or n is not a multiple of ``classes``.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, int],
        classes: int,
        schedule: PhaseSchedule,
        learning: bool = True,
        stream: bool = False,
        buffer_size: int = 64,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        shape, classes = as_pair(shape), as_count(classes, "classes")
        super().__init__(
            shape=shape,
            classes=classes,
            schedule=schedule,
            learning=learning,
            stream=stream,
            name=name,
            **kwargs,
        )
        _check_groups(shape[1], classes)
        self.state_in = InPort(shape=shape)
        self.score_out = OutPort(shape=(shape[0], classes))
        if stream:
            self.score_out.flag_external_pipe(buffer_size=buffer_size)
        self.scores = Var(shape=(shape[0], classes), init=0)
