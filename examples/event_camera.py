"""Recordings of an event camera as spikes at their own times, with Processes wired by hand.

Run it with ``python examples/event_camera.py``; it takes about half a minute.
"""

import numpy as np

from lava_ep.data import integrated_events, load_events, transformed
from lava_ep.processes import EPNetwork, EventSource, Readout
from lava_ep.runtime import supervised
from lava_ep.spec import load_preset

BATCH, BATCHES, EPOCHS = 16, 80, 3


def main() -> None:
    spec = load_preset("if-event-digits").network
    steps, levels = spec.encoding.steps, spec.input_levels

    # The first saccade of each recording is played in the first steps of the free phase. Its events
    # add up to a picture, which then stays: EP compares the ends of two phases, and takes all
    # differences for the effect of the nudge.
    camera = transformed(load_events("event-digits", limit_train=BATCH * BATCHES))
    window, size = camera.options().window, camera.sensor_size
    recordings = np.stack(
        [
            integrated_events(
                events, size, steps=steps, build_steps=steps, levels=levels, window=window
            )
            for events, _ in (camera.train[k] for k in range(len(camera.train)))
        ]
    )
    sent = recordings.sum(axis=2).mean(axis=0)
    print("events of a recording in each time step:", *sent.round().astype(int))

    schedule = spec.phases.schedule(seed=0)
    source = EventSource(
        recordings=recordings,
        labels=camera.train.labels,
        batch=BATCH,
        schedule=schedule,
        levels=levels,
    )
    network = EPNetwork(spec=spec, batch=BATCH)
    readout = Readout(
        shape=(BATCH, spec.sizes[-1]),
        classes=spec.classes,
        schedule=schedule,
        stream=True,
        buffer_size=BATCHES,
    )
    source.s_out.connect(network.s_in)
    source.label_out.connect(network.label_in)
    network.state_out.connect(readout.state_in)

    # With run_cfg=lava_ep.models.run_config("fused", stepwise=True) the same graph runs in one
    # compiled engine.
    with supervised(network) as run:
        scores = run.outbox(readout.score_out)
        for epoch in range(1, EPOCHS + 1):
            run.start(BATCHES * schedule.period(learning=True))
            predicted = np.concatenate([scores.get().argmax(axis=1) for _ in range(BATCHES)])
            run.wait()
            correct = np.mean(predicted == camera.train.labels)
            free, nudged = run.get(network.hidden1_events) / (epoch * BATCH * BATCHES)
            print(
                f"epoch {epoch}: accuracy while learning {correct:.3f}, "
                f"{free:.0f} + {nudged:.0f} spikes a sample in the hidden layer so far"
            )


if __name__ == "__main__":
    main()
