"""Deep resistive networks as Lava Processes: nodes and conductances."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort

from lava_ep.dynamics import PhaseSchedule
from lava_ep.dynamics.resistive import Resistive
from lava_ep.errors import InputError
from lava_ep.processes.neuron import Neuron
from lava_ep.processes.synapse import Synapse


class ResistiveNeuron(Neuron):
    r"""A layer of nodes of a circuit, each at the voltage where the energy is lowest.

    .. math:: v_k \leftarrow \mathrm{clamp}\!\left(
        \frac{I_k + \mathrm{bias}_k + \beta y_k}{G_k + \beta}\right), \qquad
        I_k = \sum_j g_{jk} v_j, \quad G_k = \sum_j g_{jk}

    Odd layers move in the first, third, … time step of each phase and even layers in the others,
    so that two steps are a sweep of exact block coordinate descent: every layer knows the newest
    voltages of its neighbors, and itself when its turn is, from its own copy of the schedule.
    Ideal diodes keep the first half of the nodes at 0 or above and the second half at 0 or below.
    A node sends the changes of its voltage. (Scellier 2024, "A fast algorithm to simulate nonlinear
    resistive networks".)

    Arguments, ports and Vars are those of `Neuron`, but for biases of channels, with these:

    Parameters
    ----------
    layer
        Number of the layer, 1 for the one that is connected to the pixels.
    diodes
        Whether there are diodes; there are none at the output.

    Attributes
    ----------
    g_in : InPort
        Conductance :math:`G`, (n,) float, every step; several connections are added.
    state, activation : Var
        Both are :math:`v`, (batch, n).

    Raises
    ------
    InputError
        If an argument is unknown or missing, ``shape`` and ``bias`` do not fit, ``layer`` is below
        1, a phase has an odd number of time steps, updates are continual, or half of the nodes is
        no whole number.
    """

    CONSTANTS = Resistive
    SHARES_BIASES = False

    def __init__(self, *, layer: int = 1, diodes: bool = True, **options: Any) -> None:
        super().__init__(layer=layer, diodes=diodes, **options)
        neurons = self.state.shape[1]
        if layer < 1:
            raise InputError(f"layer={layer}: expected 1 or more")
        if diodes and neurons % 2:
            raise InputError(
                f"{neurons} nodes with diodes: expected an even number, half of them each way"
            )
        check_sweeps(self.proc_params["schedule"])
        self.g_in = InPort(shape=(neurons,))


class ConductanceSynapse(Synapse):
    r"""Conductances :math:`g_{jk} \ge 0` between two layers of nodes.

    Currents :math:`I_k = \sum_j g_{jk} v_j` to the targets and :math:`I_j = \sum_k g_{jk} v_k` to
    the sources, from the changes received up to the step before. At the end of a sample each
    conductance contrasts the power that it takes at the ends of two phases,

    .. math:: g \leftarrow \max\!\left(g - \frac{\eta}{2\beta} \left\langle
        \tfrac12 (v_j - v_k)^2|_{+\beta} - \tfrac12 (v_j - v_k)^2|_{-\beta}
        \right\rangle, 0\right),

    see `lava_ep.dynamics.resistive.conductance_contrast`.

    Parameters
    ----------
    input_voltage
        A, if the sources are pixels x: each is two sources, +A x and, after all of these, -A x, so
        that there are n_pre / 2 of them. ``None`` if the sources are nodes.
    options
        See `Synapse`; ``weights`` are conductances of 0 or more.

    Attributes
    ----------
    s_in_pre : InPort
        Changes of the voltages of the sources, (batch, n_pre), or of pixels, (batch, n_pre / 2)
        integers, every step.
    g_out_post, g_out_pre : OutPort
        Sums of the conductances at each node, (n_post,) and (n_pre,) float32, every step.

    Raises
    ------
    InputError
        Also if ``input_voltage`` is not positive or does not go with an odd number of sources, or
        updates are continual.
    """

    def __init__(self, *, input_voltage: float | None = None, **options: Any) -> None:
        super().__init__(input_voltage=input_voltage, **options)
        weights = self.weights.init
        if not (np.isfinite(weights) & (weights >= 0)).all():
            raise InputError(f"weights of shape {weights.shape}: expected numbers of 0 or more")
        n_post, n_pre = weights.shape
        if input_voltage is not None and (not input_voltage > 0 or n_pre % 2):
            raise InputError(
                f"input_voltage={input_voltage} with {n_pre} sources: expected a positive voltage "
                "and two sources for each pixel"
            )
        check_sweeps(self.proc_params["schedule"])
        self.g_out_post = OutPort(shape=(n_post,))
        self.g_out_pre = OutPort(shape=(n_pre,))

    def _inputs(self, n_pre: int) -> int:
        return n_pre // 2 if self.proc_params["input_voltage"] else n_pre


def check_sweeps(schedule: PhaseSchedule) -> None:
    """Check that phases consist of sweeps, and that two of them are contrasted.

    Raises
    ------
    InputError
        If they are not.
    """
    if schedule.free_steps % 2 or schedule.nudged_steps % 2:
        raise InputError(
            f"phases of {schedule.free_steps} and {schedule.nudged_steps} time steps: expected "
            "even numbers, as every sweep over a resistive network takes two"
        )
    if schedule.continual:
        raise InputError("continual updates of a resistive network: expected two-phase updates")
