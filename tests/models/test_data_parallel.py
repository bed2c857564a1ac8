"""Shares of a batch learn what one engine with the whole batch learns, bit for bit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from harness import binary_networks, make_samples, make_spec
from hypothesis import given, settings
from hypothesis import strategies as st
from test_engine import LEARNED_OR_COUNTED, make_engine, show

from lava_ep.errors import InputError
from lava_ep.models.data_parallel import Frames, RankEngine
from lava_ep.models.data_parallel.engine import smallest_type
from lava_ep.parameters import initial_parameters
from lava_ep.processes import EPNetworkShare
from lava_ep.spec import load_preset


class Meeting:
    """Adds up what threads bring, as MPI adds up what ranks bring."""

    def __init__(self, ranks):
        self.brought = [None] * ranks
        self.barrier = threading.Barrier(ranks, timeout=60)
        self.sizes = []

    def exchange(self, rank):
        meeting = self

        class Exchange:
            def sum(self, values):
                meeting.brought[rank] = values
                meeting.barrier.wait()
                total = np.sum(meeting.brought, axis=0, dtype=values.dtype)
                assert np.array_equal(total, np.sum(meeting.brought, axis=0, dtype=np.int64))
                if rank == 0:
                    meeting.sizes.append(values.nbytes)
                meeting.barrier.wait()
                return total

            def finish(self):
                pass

        return Exchange()


def learn_in_shares(spec, batch, seed, options, batches, ranks, show=show):
    """Return the engines of the ranks, and what they sent, after the same batches."""
    meeting = Meeting(ranks)
    bounds = [batch * rank // ranks for rank in range(ranks + 1)]
    period = spec.phases.schedule(seed).period(learning=True)

    def one(rank):
        rows = slice(bounds[rank], bounds[rank + 1])
        engine = RankEngine(
            spec,
            batch=rows.stop - rows.start,
            exchange=meeting.exchange(rank),
            whole_batch=batch,
            schedule=spec.phases.schedule(seed),
            learning=True,
            threads=1 + rank % 2,
            **options,
        )
        for index, layer in enumerate(initial_parameters(spec, seed=seed).layers):
            for field, value in layer.arrays.items():
                engine.set(index, field, value.copy())
        for images, labels in batches:
            list(show(engine, images[rows], labels[rows], [0, period]))
        return engine

    with ThreadPoolExecutor(ranks) as pool:
        return list(pool.map(one, range(ranks))), meeting.sizes


@settings(max_examples=40, deadline=None)
@given(binary_networks(), st.sampled_from([2, 3]))
def test_shares_learn_what_the_whole_batch_teaches(drawn, ranks):
    spec, batch, seed, options, (images, labels) = drawn
    batch = max(batch, ranks)
    images, labels = make_samples(spec, 2 * batch, seed=seed)
    batches = list(zip(np.split(images, 2), np.split(labels, 2), strict=True))
    whole = make_engine(spec, batch, seed, threads=2, **options)
    for shown in batches:
        list(show(whole, *shown, [0, whole.schedule.period(learning=True)]))
    shares, _ = learn_in_shares(spec, batch, seed, options, batches, ranks)
    for layer in range(len(spec.layers)):
        for field in LEARNED_OR_COUNTED:
            found = [np.array(share.get(layer, field)) for share in shares]
            if field in ("events", "synaptic_operations"):
                found = [np.sum(found, axis=0)]
            for own in found:
                assert own.tobytes() == np.array(whole.get(layer, field)).tobytes(), (layer, field)


def test_images_that_change_between_the_phases_are_learned_from_alike():
    spec = make_spec((20, 30, 6), theta=0.0053, gamma=0.0, bias_rate=0.1)
    images, labels = make_samples(spec, 5)
    free = spec.phases.free_steps + 1

    def show_more(engine, images, labels, cuts):
        engine.set_labels(labels.astype(np.int32))
        engine.advance(0, free, images.astype(np.int32))
        yield engine.advance(
            free, cuts[-1], (images[:, ::-1] // 2 * (images == 0)).astype(np.int32)
        )
        engine.learn()

    whole = make_engine(spec, 5, 1)
    list(show_more(whole, images, labels, [whole.schedule.period(learning=True)]))
    shares, _ = learn_in_shares(spec, 5, 1, {}, [(images, labels)], 2, show_more)
    assert whole.get(0, "flips") > 0
    for share in shares:
        for layer in (0, 1):
            for field in ("weights", "momentum", "bias", "flips"):
                np.testing.assert_array_equal(share.get(layer, field), whole.get(layer, field))


def test_only_what_a_batch_touches_is_sent():
    spec = make_spec((40, 300, 12), theta=5.0, levels=255)
    silent = np.zeros((4, 40), np.int64), np.zeros(4, np.int64)
    shown = make_samples(spec, 4)
    (share, _), sizes = learn_in_shares(spec, 4, 1, {}, [silent, shown], 2)
    whole = make_engine(spec, 4, 1)
    rows = []
    for images, labels in (silent, shown):
        list(show(whole, images, labels, [0, whole.schedule.period(learning=True)]))
        first, second = whole.samples.first_activation, whole.samples.activation
        changed, active = (first != second).any(axis=0), first.any(axis=0)
        hidden, output = whole.neurons(0), whole.neurons(1)
        rows.append(
            (
                changed[hidden].sum() * 40 * 2,  # 4 samples of 255 levels take 16 bits
                changed[output].sum() * 300
                + (active & ~changed)[output].sum() * changed[hidden].sum(),
            )
        )
    touched = 40 + 3 * 312
    assert sizes == [size for sent in rows for size in (touched, *sent) if size]
    assert 0 < rows[1][0] < 40 * 300 * 2
    assert share.batches_learned == 2


@pytest.mark.parametrize(
    ("bound", "bits"), [(1, 8), (127, 8), (128, 16), (32767, 16), (32768, 32), (2**31, 64)]
)
def test_types_hold_their_bound(bound, bits):
    found = smallest_type(bound)
    assert found.itemsize * 8 == bits
    assert np.array([-bound, bound]).astype(found).tolist() == [-bound, bound]


@given(st.integers(0, 50), st.sampled_from([np.int8, np.int16, np.int32, np.int64]))
def test_frames_bring_what_was_packed(size, kind):
    values = np.random.default_rng(size).integers(-100, 100, size).astype(kind)
    frames = Frames(7)
    messages = iter(list(frames.pack(values)))
    found = frames.unpack(lambda: next(messages))
    assert found.dtype == kind
    assert found.tolist() == values.tolist()
    assert next(messages, None) is None


def test_networks_whose_sums_are_rounded_are_refused():
    for preset in ("ep-1h", "if-digits", "laydevant-conv"):
        network = load_preset(preset).network
        with pytest.raises(InputError, match="whole numbers, whose sum is the same in every order"):
            RankEngine(
                network,
                exchange=None,
                whole_batch=4,
                batch=2,
                schedule=network.phases.schedule(0),
                learning=True,
            )


def test_impossible_shares_are_refused():
    spec = make_spec()
    with pytest.raises(InputError, match="whole_batch=2: expected at least batch=3"):
        EPNetworkShare(spec=spec, batch=3, whole_batch=2, message=10)
    with pytest.raises(InputError, match="learning=False"):
        EPNetworkShare(spec=spec, batch=1, whole_batch=2, message=10, learning=False)
