"""Sources show any number of images: the last batch of a pass is filled up from the start."""

from __future__ import annotations

import numpy as np
import pytest

from lava_ep.dynamics import Code, Encoding, PhaseSchedule
from lava_ep.models import run_config
from lava_ep.processes import EPNetwork, EventSource, ImageSource, Readout
from lava_ep.runtime import ProcessTester, supervised
from lava_ep.spec import EncodingSpec, NetworkSpec

SPEC = NetworkSpec(
    inputs=6,
    input_levels=16,
    classes=2,
    layers=[{"neurons": n, "theta": 0.01, "gamma": 0.05, "scale": 0.7} for n in (8, 4)],
    phases={"free_steps": 4, "nudged_steps": 3, "beta": 1.0},
)
OF_EVENTS = SPEC.model_copy(
    update={"input_levels": 4, "encoding": EncodingSpec(code=Code.EVENTS, steps=2)}
)
SCHEDULE = SPEC.phases.schedule(0)
RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.integers(0, 17, (5, 6)), np.arange(5) % 2
RECORDINGS = RNG.integers(0, 3, (5, 2, 6))


def shown(source, n_batches):
    """Return the labels and the frames of the load step of batches."""
    period = SCHEDULE.period(learning=True)
    sent = ProcessTester(source).run([{}] * (period * n_batches))
    return sent["label_out"][::period], sent["s_out"][::period]


@pytest.mark.parametrize(
    ("n", "batch", "passes", "filled_up"),
    [
        (5, 2, [[0, 1], [2, 3], [4, 0], [0, 1], [2, 3]], 1),
        (5, 3, [[0, 1, 2], [3, 4, 0], [0, 1, 2]], 1),
        (4, 2, [[0, 1], [2, 3], [0, 1], [2, 3]], 0),
        (1, 3, [[0, 0, 0], [0, 0, 0]], 2),
        (2, 5, [[0, 1, 0, 1, 0], [0, 1, 0, 1, 0]], 3),
        (5, 5, [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]], 0),
    ],
)
def test_which_images_are_shown(n, batch, passes, filled_up):
    common = {"labels": np.arange(n), "batch": batch, "schedule": SCHEDULE}
    images = ImageSource(images=IMAGES[:n], **common)
    labels, frames = shown(images, len(passes))
    np.testing.assert_array_equal(labels, passes)
    np.testing.assert_array_equal(frames, IMAGES[np.array(passes)])
    events = EventSource(recordings=RECORDINGS[:n], **common)
    labels, frames = shown(events, len(passes))
    np.testing.assert_array_equal(labels, passes)
    np.testing.assert_array_equal(frames, RECORDINGS[np.array(passes), 0])
    for source in (images, events):
        assert (source.filled_up, source.batches_per_pass) == (filled_up, -(-n // batch))


def trained(backend, source, n_batches):
    """Train a network on what a source shows; return all that it has learned and its scores."""
    network = EPNetwork(spec=OF_EVENTS if isinstance(source, EventSource) else SPEC, batch=2)
    readout = Readout(shape=(2, 4), classes=2, schedule=SCHEDULE)
    source.s_out.connect(network.s_in)
    source.label_out.connect(network.label_in)
    network.state_out.connect(readout.state_in)
    stepwise = backend == "message-passing"
    steps = n_batches * (SCHEDULE.period(learning=True) if stepwise else 1)
    with supervised(network, run_config(backend)) as run:
        run.run(steps)
        found = {var.name: run.get(var) for var in network.vars}
        found["scores"] = run.get(readout.scores)
        found["pixel events"] = run.get(source.events)
    return found


def image_source(images, labels, **options):
    return ImageSource(images=images, labels=labels, batch=2, schedule=SCHEDULE, **options)


def event_source(recordings, labels):
    return EventSource(
        recordings=recordings, labels=labels, batch=2, schedule=SCHEDULE, levels=4, repeated=False
    )


@pytest.mark.parametrize(("build", "samples"), [(image_source, IMAGES), (event_source, RECORDINGS)])
def test_backends_agree_bit_for_bit(build, samples):
    filled = [0, 1, 2, 3, 4, 0]
    results = [
        trained(backend, build(samples, LABELS), 4) for backend in ("message-passing", "fused")
    ]
    results.append(trained("fused", build(samples[filled], LABELS[filled]), 4))
    assert results[0]["hidden1_flips"] > 0
    for other in results[1:]:
        for name, values in results[0].items():
            np.testing.assert_array_equal(values, other[name], err_msg=name)


def test_random_spikes_of_a_filled_batch():
    """Random encodings depend on the number of the batch, as with full batches."""
    encoding = Encoding(Code.RATE, 16)
    filled = [0, 1, 2, 3, 4, 0]
    steps = [{}] * (3 * SCHEDULE.period(learning=True))
    one = ProcessTester(image_source(IMAGES, LABELS, encoding=encoding)).run(steps)
    other = ProcessTester(image_source(IMAGES[filled], LABELS[filled], encoding=encoding))
    np.testing.assert_array_equal(one["s_out"], other.run(steps)["s_out"])


def test_scores_of_a_pass_are_those_of_all_images():
    """Without learning, every image has the score that it has in any other batch."""
    schedule = PhaseSchedule(4, 3, 1.0)

    def scores(images, batch):
        source = ImageSource(
            images=images, labels=LABELS, batch=batch, schedule=schedule, learning=False
        )
        network = EPNetwork(spec=SPEC, batch=batch, learning=False)
        readout = Readout(
            shape=(batch, 4), classes=2, schedule=schedule, learning=False, stream=True
        )
        source.s_out.connect(network.s_in)
        network.state_out.connect(readout.state_in)
        with supervised(network, run_config("fused")) as run:
            run.run(source.batches_per_pass)
            found = [run.outbox(readout.score_out).get() for _ in range(source.batches_per_pass)]
        return np.concatenate(found)

    found = scores(IMAGES, 2)
    np.testing.assert_array_equal(found[:5], scores(IMAGES, 5))
    np.testing.assert_array_equal(found[5], found[0])
