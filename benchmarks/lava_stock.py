"""Time steps a second of Lava's own LIF and Dense Processes, and of our network at the same size.

The stock Processes have no batch axis, so all show one sample at a time, and nobody learns. They
come as near to our network as they can: the same weights in both directions, the same thresholds,
and neurons that forget at once (``du = dv = 1``), so that one is active where its present input is
above the threshold. They send their activations in every step, where ours send changes. Pixels are
binary, as the stock Dense takes spikes. The stock network runs under our supervision, whose
messages are faster than those of Lava's plain runtime.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
from contenders import FUSED, MESSAGES, STOCK, Batches, Ours
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIF
from numpy.typing import NDArray
from report import Report
from turns import Contender, Patience, Rounds, take_turns

from lava_ep.parameters import NetworkParameters, initial_parameters
from lava_ep.runtime import supervised
from lava_ep.spec import NetworkSpec
from lava_ep.training.session import NetworkSession


def build_stock(
    spec: NetworkSpec, parameters: NetworkParameters, images: NDArray[np.uint8]
) -> RingBuffer:
    """Connect stock Processes to a network with one hidden layer; return its source.

    Each of the images, (samples, pixels), is shown for as many steps as a sample takes ours.
    """
    period = spec.phases.schedule(0).period(learning=False)
    spikes = (images > spec.input_levels // 2).astype(float)
    source = RingBuffer(data=np.repeat(spikes, period, axis=0).T)
    below, above = (float(p.alpha[0]) * p.weights.astype(float) for p in parameters.layers)
    hidden, output = (
        LIF(shape=p.bias.shape, du=1, dv=1, vth=spec.neuron.threshold, bias_mant=p.bias)
        for p in parameters.layers
    )
    connections = (
        (source, below, hidden),
        (hidden, above, output),
        (output, np.ascontiguousarray(above.T), hidden),
    )
    for sender, weights, receiver in connections:
        dense = Dense(weights=weights)
        sender.s_out.connect(dense.s_in)
        dense.a_out.connect(receiver.a_in)
    return source


def measure_steps(
    spec: NetworkSpec,
    seed: int,
    batches: Batches,
    rounds: Rounds,
    report: Report,
    patience: Patience,
) -> None:
    """Measure the seconds of a time step, ours and stock."""
    single = replace(batches, size=1)
    parameters = initial_parameters(spec, seed=seed)
    period = spec.phases.schedule(seed).period(learning=False)
    source = build_stock(spec, parameters, single.images[: rounds.batches])
    pids = [os.getpid()]
    contenders: dict[str, Contender] = {}

    def in_steps(run: Contender) -> Contender:
        return lambda number: run(number) / period

    with ExitStack() as stack:
        for name in (FUSED, MESSAGES):
            session = NetworkSession(
                spec, batch=1, parameters=parameters, learning=False, backend=name
            )
            ours = Ours(stack.enter_context(session), single)
            pids += ours.pids
            contenders[name] = in_steps(rounds.contender(ours.run))
        stock = stack.enter_context(
            supervised(source, run_cfg=Loihi2SimCfg(select_tag="floating_pt"))
        )
        pids += stock.pids.values()

        def run_stock(first: int, last: int) -> float:
            begin = time.perf_counter()
            stock.run((last - first) * period)
            return (time.perf_counter() - begin) / (last - first)

        contenders[STOCK] = in_steps(rounds.contender(run_stock))
        turns = take_turns(
            contenders, rounds.repeats, pids=pids, patience=patience, label=f"steps {spec}"
        )
    report.add_steps(str(spec), turns)
