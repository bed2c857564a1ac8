"""The same network as plain Lava: Processes, a RunConfig, a Monitor, nothing else.

Run it with ``python examples/lava_processes.py``; it takes a few seconds.
"""

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.monitor.process import Monitor

from lava_ep.data import load_dataset
from lava_ep.processes import EPNetwork, ImageSource, Readout
from lava_ep.spec import load_preset

BATCH, BATCHES = 16, 40


def main() -> None:
    digits = load_dataset("digits", limit_train=BATCH * BATCHES)
    spec = load_preset("binary-digits").network
    schedule = spec.phases.schedule(seed=0)
    period = schedule.period(learning=True)

    source = ImageSource(
        images=digits.x_train, labels=digits.y_train, batch=BATCH, schedule=schedule
    )
    network = EPNetwork(spec=spec, batch=BATCH)
    readout = Readout(shape=(BATCH, spec.sizes[-1]), classes=spec.classes, schedule=schedule)
    source.s_out.connect(network.s_in)
    source.label_out.connect(network.label_in)
    network.state_out.connect(readout.state_in)

    steps = period * BATCHES
    monitor = Monitor()
    monitor.probe(readout.scores, steps)
    try:
        network.run(RunSteps(steps), Loihi2SimCfg(select_tag="floating_pt"))
        free, nudged = network.hidden1_events.get() / (BATCH * BATCHES)
        flips = network.hidden1_flips.get()[0]
        scores = monitor.get_data()[readout.name]["scores"]
    finally:
        network.stop()

    # The scores are read at the end of each free phase.
    scores = scores[schedule.free_end :: period]
    correct = scores.argmax(axis=2) == digits.y_train.reshape(BATCHES, BATCH)
    print(f"hidden layer: {free:.1f} + {nudged:.1f} events a sample, {flips:.0f} weight flips")
    for part, hits in zip(("first", "last"), (correct[:10], correct[-10:]), strict=True):
        print(f"accuracy during the {part} 10 batches: {np.mean(hits):.3f}")


if __name__ == "__main__":
    main()
