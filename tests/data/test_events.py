"""Recordings: transforms, count maps, their cache, and the events of time steps."""

import warnings
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_ep.data import (
    EVENT,
    EventDataset,
    Recordings,
    binned_events,
    count_map,
    count_maps,
    integrated_events,
    repeated_events,
    transformed,
)
from lava_ep.errors import InputError
from lava_ep.spec import EventsSpec

SIZE = (5, 4, 2)


def made(*fields):
    """Return events of (x, y, t, p)."""
    return np.array(list(fields), dtype=EVENT)


def dataset(train, test=None, *, size=SIZE, fingerprint=None):
    """Return recordings with the classes 0, 1, 2, 0, …"""

    def part(recordings):
        return Recordings(
            np.arange(len(recordings)) % 3,
            recordings.__getitem__,
            size,
            lambda index: f"recording {index}",
        )

    return EventDataset(
        "some", part(train), part(test or train), size, ("a", "b", "c"), fingerprint=fingerprint
    )


@st.composite
def recordings(draw, min_size=0):
    number = draw(st.integers(min_size, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    events = np.empty(number, EVENT)
    events["x"], events["y"], events["p"] = (rng.integers(0, side, number) for side in SIZE)
    events["t"] = np.sort(rng.integers(0, draw(st.integers(1, 1000)), number))
    return events


@given(recordings(), st.integers(1, 12))
def test_bins_add_up_to_the_count_map(events, steps):
    bins = binned_events(events, SIZE, steps=steps)
    assert bins.shape == (steps, 40)
    np.testing.assert_array_equal(bins.sum(0), count_map(events, SIZE, levels=255).ravel())


@given(recordings(), st.integers(1, 12), st.integers(1, 4), st.data())
def test_integrated_events_end_at_the_count_map(events, steps, levels, data):
    build = data.draw(st.integers(1, steps))
    sent = integrated_events(events, SIZE, steps=steps, build_steps=build, levels=levels)
    assert sent.shape == (steps, 40)
    assert sent.min() >= 0
    assert not sent[build:].any()
    np.testing.assert_array_equal(sent.sum(0), count_map(events, SIZE, levels=levels).ravel())


@given(recordings(), st.integers(1, 5), st.integers(1, 4), st.integers(0, 4))
def test_any_period_shows_the_whole_recording(events, period, loops, start):
    shown = repeated_events(events, SIZE, steps=period * loops + start, period=period)
    assert len(shown) == period * loops + start
    part = shown[start : start + period].sum(0)
    np.testing.assert_array_equal(part, count_map(events, SIZE, levels=255).ravel())


def test_events_are_shown_at_their_own_times():
    events = made((0, 0, 10, 0), (1, 0, 19, 1), (1, 0, 20, 1), (4, 3, 39, 0), (0, 0, 40, 0))
    bins = binned_events(events, SIZE, steps=3, window=(10, 40))
    expected = np.zeros((3, 4, 5, 2), int)
    expected[0, 0, 0, 0] = expected[0, 0, 1, 1] = expected[1, 0, 1, 1] = expected[2, 3, 4, 0] = 1
    np.testing.assert_array_equal(bins, expected.reshape(3, -1))
    looped = repeated_events(events, SIZE, steps=5, period=3, window=(10, 40))
    np.testing.assert_array_equal(looped, bins[[0, 1, 2, 0, 1]])


def test_full_pixels_take_no_more():
    events = made(*((2, 1, t, 1) for t in (0, 1, 2, 30, 31, 60)))
    sent = integrated_events(
        events, SIZE, steps=6, build_steps=3, levels=4, window=(0, 90)
    ).reshape(6, 4, 5, 2)
    assert sent[:, 1, 2, 1].tolist() == [3, 1, 0, 0, 0, 0]
    assert sent.sum() == 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: binned_events(e, SIZE, steps=0), "steps=0: expected an integer of at least 1"),
        (lambda e: binned_events(e, SIZE, steps=1.5), "steps=1.5"),
        (lambda e: binned_events(e, SIZE, steps=2, window=(5, 5)), "the end above the start"),
        (lambda e: repeated_events(e, SIZE, steps=2, period=0), "period=0"),
        (
            lambda e: integrated_events(e, SIZE, steps=2, build_steps=3, levels=4),
            r"build_steps=3: expected an integer in 1\.\.2",
        ),
        (
            lambda e: integrated_events(e, SIZE, steps=2, build_steps=2, levels=256),
            r"levels=256: expected an integer in 1\.\.255",
        ),
    ],
)
def test_senseless_steps(call, message):
    with pytest.raises(InputError, match=message):
        call(made((0, 0, 0, 0)))


def test_more_events_than_tonic_counts_in_a_frame():
    events = np.zeros(70_000, EVENT)
    events["p"] = 1
    image = count_map(events, SIZE, levels=255)
    assert (image[0, 0].tolist(), image.sum()) == ([0, 255], 255)


FUNCTIONS = {
    "count map": lambda events, size=SIZE: count_map(events, size, levels=3).ravel(),
    "bins": lambda events, size=SIZE: binned_events(events, size, steps=2).sum(0),
    "repeated": lambda events, size=SIZE: repeated_events(events, size, steps=2, period=2).sum(0),
    "integrated": lambda events, size=SIZE: integrated_events(
        events, size, steps=2, build_steps=2, levels=3
    ).sum(0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_events_of_other_programs_are_those_of_ours_or_refused(name):
    """Column 5 of 5 was the first of the next row; seconds were all time 0."""
    show = FUNCTIONS[name]
    ours = made((1, 2, 0, 0), (4, 3, 5, 1), (4, 3, 9, 1))
    theirs = ours.astype([("t", "m8[us]"), ("p", np.int8), ("y", np.float64), ("x", np.uint16)])
    theirs["x"], theirs["y"], theirs["t"] = ours["x"], ours["y"], ours["t"]
    theirs["p"] = 2 * ours["p"] - 1
    expected = np.zeros((4, 5, 2), int)
    expected[2, 1, 0], expected[3, 4, 1] = 1, 2
    for events, size in ((ours, SIZE), (theirs, SIZE), (theirs, [5, 4])):
        np.testing.assert_array_equal(show(events, size), expected.ravel())
    outside = ours.copy()
    outside["x"][1] = 5
    with pytest.raises(InputError, match=r"event 1 .* outside the sensor: expected x in 0\.\.4"):
        show(outside)
    seconds = ours.astype([("x", int), ("y", int), ("t", float), ("p", bool)])
    with pytest.raises(InputError, match="times of type float64"):
        show(seconds)


@pytest.mark.parametrize("levels", [0, 256, 2.5])
def test_levels_of_a_count_map(levels):
    with pytest.raises(InputError, match=r"levels=.*: expected an integer in 1\.\.255"):
        count_map(made((0, 0, 0, 0)), SIZE, levels=levels)


@pytest.mark.parametrize("window", [(0.5, 1.5), 3, (1, 2, 3), "ab"])
def test_windows_are_two_integers(window):
    with pytest.raises(InputError, match=r"window=.*: expected two integers"):
        binned_events(made((0, 0, 0, 0)), SIZE, steps=2, window=window)


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0.7, 1.2], "labels of type float64"), (["a", "b"], "labels of type <U1"), (3, "shape")],
)
def test_labels_are_integers(labels, message):
    with pytest.raises(InputError, match=message):
        Recordings(labels, lambda index: made((0, 0, 0, 0)), SIZE, str)


def test_recordings_take_lists_and_two_numbers_for_a_sensor():
    part = Recordings([1, 0], lambda index: made((index, 3, 0, 1)), [5, 4], str)
    assert (part.sensor_size, part.labels.tolist()) == (SIZE, [1, 0])
    assert part[1][0].tolist() == [(1, 3, 0, True)]
    with pytest.raises(InputError, match=r"recordings: sensor_size=\(5, 4, 3\)"):
        Recordings([1, 0], part.read, (5, 4, 3), str)
    whole = EventDataset("some", part, part, [5, 4], ("a", "b"))
    assert whole.sensor_size == SIZE
    assert count_maps(whole).image_shape == (4, 5, 2)


def test_recordings_refuse_seconds_naming_the_recording():
    seconds = np.array([(0, 0, 0.5, 1)], [("x", int), ("y", int), ("t", float), ("p", int)])
    part = Recordings([0], lambda index: seconds, SIZE, lambda index: f"file {index}")
    with pytest.raises(InputError, match=r"^file 0: times of type float64, such as 0\.5"):
        part[0]


def test_names_of_data_sets_may_be_anything(cache):
    named = replace(CountingReads().dataset(), name="../a b/c")
    count_maps(named, OPTIONS)
    assert len(cached_files(cache)) == 4
    assert {path.parents[2].name for path in cached_files(cache)} == {"event-maps"}


def test_transforms_in_their_order():
    events = made(
        (0, 0, 1000, 0), (4, 3, 1009, 1), (3, 3, 1010, 1), (2, 0, 1012, 0), (4, 3, 1500, 1)
    )
    whole = dataset([events])
    options = EventsSpec(window=(9, 400), denoise=5, downsample=2, merge_polarities=True)
    after = transformed(whole, options)
    assert after.sensor_size == (3, 2, 1)
    # The first lies before the window and the last after it; the two left alone are noise.
    assert after.train[0][0].tolist() == [(1, 1, 10, False)]
    assert events["t"][0] == 1000
    np.testing.assert_array_equal(whole.train[0][0], events)


@pytest.mark.parametrize("factor", range(1, 33))
def test_downsampling_is_whole_division(factor):
    events = np.zeros(1280, EVENT)
    events["x"] = np.arange(1280)
    after = transformed(dataset([events], size=(1280, 1, 1)), EventsSpec(downsample=factor))
    np.testing.assert_array_equal(after.train[0][0]["x"], np.arange(1280) // factor)
    assert after.sensor_size[0] == 1279 // factor + 1


def test_count_maps():
    first = made((0, 0, 0, 0), (4, 3, 1, 1), (4, 3, 2, 1), (4, 3, 3, 1))
    images = count_maps(dataset([first, first[:1]]), EventsSpec(levels=2))
    expected = np.zeros((2, 4, 5, 2), int)
    expected[:, 0, 0, 0], expected[0, 3, 4, 1] = 1, 2
    np.testing.assert_array_equal(images.x_train, expected.reshape(2, -1))
    assert (images.levels, images.image_shape, images.y_train.tolist()) == (2, (4, 5, 2), [0, 1])
    merged = count_maps(dataset([first]), EventsSpec(levels=2, merge_polarities=True))
    np.testing.assert_array_equal(merged.x_test, expected[:1].sum(-1).reshape(1, -1))
    assert merged.image_shape == (4, 5)


def test_a_recording_may_become_empty_but_not_all():
    short, long = made((0, 0, 0, 0)), made((0, 0, 0, 0), (1, 1, 500, 1))
    images = count_maps(dataset([short, long]), EventsSpec(window=(100, 600)))
    assert images.x_train.sum(1).tolist() == [0, 1]
    with pytest.raises(InputError, match="no event of the train part is left: expected some after"):
        count_maps(dataset([short, long]), EventsSpec(window=(600, 700)))


def test_an_empty_recording_is_named():
    with pytest.raises(InputError, match="recording 1: empty recording"):
        count_maps(dataset([made((0, 0, 0, 0)), made()]))


def test_flaws_of_a_recording_are_named():
    with pytest.raises(InputError, match=r"recording 0: event 0 .* outside the sensor: .* 0\.\.3"):
        count_maps(dataset([made((0, 4, 0, 0))]))


def test_recordings_are_items_of_tonic():
    from tonic import MemoryCachedDataset

    reads = []
    events = [made((index, 0, 0, 0)) for index in range(4)]
    part = dataset(events).train
    part = replace(part, read=lambda index: reads.append(index) or events[index])
    cached = MemoryCachedDataset(part)
    assert [label for _, label in (cached[i] for i in (0, 3, 3))] == [0, 0, 0]
    assert reads == [0, 3]
    assert [int(e["x"][0]) for e, _ in part] == [0, 1, 2, 3]  # iteration ends
    assert len(part.first(2)) == 2
    with pytest.raises(IndexError):
        part.first(2)[2]
    with pytest.raises(ValueError, match="read-only"):
        part.labels[0] = 1


def test_what_a_data_set_refuses():
    whole = dataset([made((0, 0, 0, 0))] * 3)
    with pytest.raises(InputError, match=r"recording 2: label 2: expected a class in 0\.\.1"):
        replace(whole, class_names=("a", "b"))
    with pytest.raises(InputError, match="some: no test recordings"):
        replace(whole, test=whole.test.first(0))


def test_what_there_is_and_what_it_is_a_part_of():
    whole = dataset([made((0, 0, 0, 0))] * 3)
    assert str(whole) == "some: 3 + 3 recordings, 5 x 4 pixels, 2 polarities"
    part = replace(whole, published=(10, 20), sensor_size=(5, 4, 1))
    assert str(part) == "some: 3 + 3 recordings (of 10 + 20), 5 x 4 pixels, 1 polarity"
    assert str(replace(whole, published=(3, 3))) == str(whole)


def test_options_left_out_are_those_of_the_set():
    whole = replace(dataset([made((0, 0, 0, 0))]), defaults=EventsSpec(levels=3, downsample=2))
    assert whole.options(EventsSpec(levels=7)) == EventsSpec(
        levels=7, downsample=2, merge_polarities=False
    )
    assert whole.options() == EventsSpec(levels=3, downsample=2, merge_polarities=False)


class CountingReads:
    """Recordings that count how often they are read."""

    def __init__(self):
        self.number = 0

    def dataset(self, fingerprint="one"):
        events = [made((0, 0, 0, 0), (1, 0, 3, 1)), made((2, 2, 0, 1), (2, 3, 1, 1))]
        whole = dataset(events, fingerprint=fingerprint)

        def read(index):
            self.number += 1
            return events[index]

        return replace(
            whole, train=replace(whole.train, read=read), test=replace(whole.test, read=read)
        )


OPTIONS = EventsSpec(denoise=100, levels=3)


def cached_files(cache: Path):
    return sorted(cache.rglob("*.hdf5"))


def test_cache_saves_the_work(cache):
    reads = CountingReads()
    first = count_maps(reads.dataset(), OPTIONS)
    assert reads.number == 4
    assert len(cached_files(cache)) == 4
    second = count_maps(reads.dataset(), OPTIONS)
    assert reads.number == 4
    for name in ("x_train", "y_train", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_array_equal(
        first.x_train, count_maps(reads.dataset(), OPTIONS, cache=False).x_train
    )


def test_cache_is_of_these_recordings_and_options(cache):
    reads = CountingReads()
    count_maps(reads.dataset(), OPTIONS)
    count_maps(reads.dataset("other"), OPTIONS)
    count_maps(reads.dataset(), EventsSpec(denoise=99, levels=3))
    assert reads.number == 12
    count_maps(reads.dataset(None), OPTIONS)
    assert (reads.number, len(cached_files(cache))) == (16, 12)


def test_small_sensors_are_cached_only_on_request(cache):
    reads = CountingReads()
    count_maps(reads.dataset())
    assert not cache.exists()
    count_maps(reads.dataset(), cache=True)
    assert len(cached_files(cache)) == 4


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def spoil(path, how, mark):
    """Put something else in the place of a file of the cache."""
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "pickle":
        import pickle

        path.write_bytes(pickle.dumps(Evil(mark)))
    else:
        with h5py.File(path, "w") as file:
            if how == "no map":
                file["other"] = 1
                return
            image = np.zeros((4, 5, 2), np.uint8)
            values = {
                "shape": image[:3],
                "kind": image.astype(float),
                "level": image + np.uint8(4),
                "label": image,
                "objects": np.array([b"x" * 9] * 40, dtype=object).reshape(4, 5, 2),
            }[how]
            file["data/0"], file["target/0"] = values, 2 if how == "label" else 0


@pytest.mark.parametrize(
    "how", ["truncated", "pickle", "no map", "shape", "kind", "level", "label", "objects"]
)
def test_foreign_files_in_the_cache_are_passed_over(cache, tmp_path, how):
    reads = CountingReads()
    first = count_maps(reads.dataset(), OPTIONS)
    mark = tmp_path / "executed"
    (path,) = (p for p in cached_files(cache) if p.parent.name == "train" and p.name == "0_0.hdf5")
    spoil(path, how, mark)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = count_maps(reads.dataset(), OPTIONS)
    np.testing.assert_array_equal(first.x_train, second.x_train)
    assert reads.number == 5
    assert not mark.exists()


def test_cache_that_cannot_be_written(cache):
    cache.write_text("a file in the place of the folder")
    reads = CountingReads()
    assert count_maps(reads.dataset(), OPTIONS).x_train.any()
    assert cache.read_text() == "a file in the place of the folder"


def test_the_random_state_is_left_alone(cache):
    np.random.seed(1)  # noqa: NPY002 - tonic's cache draws from the global state
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    count_maps(CountingReads().dataset(), OPTIONS)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
