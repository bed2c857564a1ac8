"""A user's own folder of class folders of event recordings."""

import os
import shutil
import unicodedata
from dataclasses import replace

import numpy as np
import pytest

from lava_ep.data import EVENT, camera_events, count_maps, movies, read_events
from lava_ep.data.own.recordings import (
    find_recordings,
    find_unlabelled,
    load_recordings,
    recording_row,
)
from lava_ep.dynamics import Code
from lava_ep.errors import InputError
from lava_ep.spec import EncodingSpec, EventsSpec

CONSTANT = EncodingSpec()


def bar(direction, start, size=(12, 10)):
    """Return what the simulated camera sees of a bar that moves right (1) or left (-1)."""
    width, height = size
    columns = (start + direction * np.arange(6)) % width
    light = np.zeros((6, height, width), int)
    light[np.arange(6), :, columns] = 1000
    return camera_events(light, 10_000 * np.arange(6), threshold=250)


@pytest.fixture(scope="module")
def bars(tmp_path_factory, nmnist_bytes):
    """A folder of two classes with three recordings each, one of them in a sub-folder."""
    root = tmp_path_factory.mktemp("data") / "bars"
    for name, direction in (("right", 1), ("left", -1)):
        folder = root / name
        (folder / "more").mkdir(parents=True)
        for start, file in enumerate(("1.bin", "2.BIN", "more/1.bin")):
            (folder / file).write_bytes(nmnist_bytes(bar(direction, 3 * start)))
    return root


@pytest.fixture
def folder(tmp_path):
    """Return what makes a folder of files, by default recordings of one event."""
    root = tmp_path / "folder"

    def make(*names, content=bytes([1, 2, 128, 0, 9])):
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return root

    return make


def names(paths, root):
    return [path.relative_to(root).as_posix() for path in paths]


def error_line(call, *arguments, **options):
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_class_folders(bars):
    found = find_recordings(bars)
    assert found.source == str(bars)
    files = ("1.bin", "2.BIN", "more/1.bin")
    assert names(found.train, bars) == [f"{n}/{f}" for n in ("left", "right") for f in files]
    assert found.train_labels == ("left",) * 3 + ("right",) * 3
    assert (found.test, found.test_labels) == ((), ())
    assert found.class_names == ("left", "right")


@pytest.mark.parametrize("parts", [("train", "test"), ("Train", "Test"), ("TRAINING", "testing")])
def test_parts(folder, parts):
    train, test = parts
    root = folder(
        f"{train}/b/1.bin", f"{train}/a/2.bin", f"{train}/a/x/1.dat", f"{test}/b/1.aedat4"
    )
    found = find_recordings(root)
    assert names(found.train, root / train) == ["a/2.bin", "a/x/1.dat", "b/1.bin"]
    assert found.train_labels == ("a", "a", "b")
    assert (names(found.test, root / test), found.test_labels) == (["b/1.aedat4"], ("b",))


def test_a_training_part_may_come_alone(folder):
    root = folder("train/a/1.bin", "train/b/1.bin")
    found = find_recordings(root)
    assert (found.train_labels, found.test) == (("a", "b"), ())


def test_what_operating_systems_leave_behind_is_passed_over(folder):
    root = folder("a/1.bin", "b/1.bin")
    before = find_recordings(root)
    folder(".DS_Store", "a/.DS_Store", "a/._1.bin", "b/Thumbs.db", "__MACOSX/a/._1.bin")
    folder(".git/config", "b/desktop.ini", ".hidden/1.bin")
    assert find_recordings(root) == before
    assert names(find_unlabelled(root), root) == ["a/1.bin", "b/1.bin"]


def test_a_class_may_be_called_train(folder):
    root = folder("train/1.bin", "bus/1.bin")
    assert find_recordings(root).train_labels == ("bus", "train")


def test_names_of_classes_do_not_depend_on_the_file_system(folder):
    decomposed = unicodedata.normalize("NFD", "fünf")
    root = folder("train/fünf/1.bin", f"test/{decomposed}/1.bin", "train/a/1.bin")
    found = find_recordings(root)
    assert found.test_labels == ("fünf",)
    assert found.class_names == ("a", "fünf")


def test_links_are_followed_unless_they_have_no_end(folder, tmp_path):
    root = folder("a/1.bin", "b/1.bin")
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    shutil.copy(root / "a" / "1.bin", tmp_path / "elsewhere" / "deep")
    (root / "c").symlink_to(tmp_path / "elsewhere")
    assert find_recordings(root).train_labels == ("a", "b", "c")
    loop = root / "a" / "again"
    loop.symlink_to(root)
    assert f"{loop}: a link to a folder that it lies in" in error_line(find_recordings, root)
    assert f"{loop}: a link to a folder that it lies in" in error_line(find_unlabelled, root)
    loop.unlink()
    (root / "self").symlink_to(root / "self")
    assert f"{root / 'self'}: no recordings" in error_line(find_recordings, root)


@pytest.mark.parametrize(
    ("files", "named", "flaw"),
    [
        (["1.bin", "2.bin"], "1.bin", "a recording without class folders (2 of this kind)"),
        (["a/1.bin", "b/1.bin", "1.bin"], "1.bin", "a recording beside class folders"),
        (["train/1.bin", "test/2.bin"], "test/2.bin|train/1.bin", "without class folders"),
        (["train/a/1.bin", "train/2.bin"], "train/2.bin", "beside class folders"),
        (["a/1.bin", "a/notes.txt", "b/2.png"], "a/notes.txt", "and 1 other files: no recordings"),
        (["a/1.bin", "README"], "README", "no recordings: expected only files that end in .bin"),
        (["train/a/1.bin", "val/a/1.bin"], "val", "beside the folder train"),
        (["train/a/1.bin", "labels.csv"], "labels.csv", "beside the folder train"),
        (["train/a/1.bin", "Training/a/1.bin"], "", "both Training and train"),
        (["test/a/1.bin"], "", "only the part test"),
        (["a/train/1.bin", "a/test/1.bin"], "a/test", "a part within a class"),
        (["a/1.zip"], "a/1.zip", "Unpack the archive first"),
    ],
)
def test_other_layouts_are_refused(folder, files, named, flaw):
    root = folder(*files)
    message = error_line(find_recordings, root)
    assert any(message.startswith(str(root / name)) for name in named.split("|"))
    assert flaw in message
    assert "expected" in message


def test_empty_folders_are_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty folder" in error_line(find_recordings, tmp_path / "empty")
    assert "no recordings" in error_line(find_unlabelled, tmp_path / "empty")
    root = folder("a/1.bin", "b/.DS_Store", "b/c/Thumbs.db")
    assert f"{root / 'b'}: a class without recordings" in error_line(find_recordings, root)


def test_what_is_no_folder_is_refused(folder, tmp_path):
    root = folder("a/1.bin", "all.zip")
    assert "no such folder" in error_line(find_recordings, tmp_path / "missing")
    assert "Unpack the archive first" in error_line(find_recordings, root / "all.zip")
    assert "a file: expected a folder" in error_line(find_recordings, root / "a" / "1.bin")
    assert "no such file or folder" in error_line(find_unlabelled, tmp_path / "missing")
    assert "Unpack the archive first" in error_line(find_unlabelled, root / "all.zip")


def test_a_pipe_is_not_waited_for(folder):
    root = folder("a/1.bin", "b/1.bin")
    os.mkfifo(root / "a" / "2.bin")
    assert f"{root / 'a' / '2.bin'}: no recordings" in error_line(find_recordings, root)


def test_recordings_without_classes(folder):
    root = folder("b/2.bin", "b/1.dat", "a/x/1.aedat4", "0.BIN")
    assert names(find_unlabelled(root), root) == ["0.BIN", "a/x/1.aedat4", "b/1.dat", "b/2.bin"]
    assert find_unlabelled(root / "0.BIN") == (root / "0.BIN",)
    folder("b/notes.txt", "b/more.txt")
    message = error_line(find_unlabelled, root)
    assert f"{root / 'b' / 'more.txt'} and 1 other files: no recordings" in message


def test_a_data_set_of_them(bars):
    found = find_recordings(bars)
    dataset = load_recordings(found, train=np.array([0, 1, 4, 5]), test=np.array([2, 3]))
    assert (dataset.name, dataset.class_names) == ("bars", ("left", "right"))
    assert dataset.sensor_size == (12, 10, 2)
    # The classes take turns.
    train = [found.train[index] for index in (0, 4, 1, 5)]
    assert [dataset.train.where(index) for index in range(4)] == list(map(str, train))
    assert dataset.train.labels.tolist() == [0, 1, 0, 1]
    assert dataset.test.labels.tolist() == [0, 1]
    for (events, _), path in zip(dataset.train, train, strict=True):
        np.testing.assert_array_equal(events, read_events(path))
    np.testing.assert_array_equal(dataset.test[1][0], bar(1, 0))
    rest = load_recordings(found, test=np.array([2, 3]))
    assert rest.fingerprint == dataset.fingerprint
    assert str(dataset) == "bars: 4 + 2 recordings, 12 x 10 pixels, 2 polarities"


def test_parts_of_a_data_set(folder):
    root = folder("train/a/1.bin", "train/b/1.bin", "train/b/2.bin", "test/b/1.bin", "test/a/1.bin")
    found = find_recordings(root)
    dataset = load_recordings(found)
    assert dataset.train.labels.tolist() == [0, 1, 1]
    assert dataset.test.labels.tolist() == [0, 1]
    some = load_recordings(found, train=[2, 0], test=[1])
    assert [some.train.where(k) for k in (0, 1)] == [str(found.train[k]) for k in (0, 2)]
    assert some.test.where(0) == str(found.test[1])


def test_classes_of_a_training_before(folder):
    root = folder("right/1.bin")
    found = find_recordings(root)
    assert "one class only, 'right'" in error_line(load_recordings, found, test=[0])
    both = replace(found, test=found.train, test_labels=found.train_labels)
    dataset = load_recordings(both, sensor_size=(12, 10, 2), class_names=("left", "right"))
    assert dataset.test.labels.tolist() == [1]
    message = error_line(load_recordings, both, class_names=("left", "wrong"))
    assert message.startswith(str(found.train[0]))
    assert (
        "class 'right' is not a class of the training: expected one of 'left', 'wrong'" in message
    )


def test_a_class_that_was_not_learned_is_refused(folder):
    root = folder("train/a/1.bin", "train/b/1.bin", "test/c/1.bin")
    message = error_line(load_recordings, find_recordings(root))
    assert message.startswith(str(root / "test" / "c" / "1.bin"))
    assert "class 'c' is not a class of the training: expected one of 'a', 'b'" in message


@pytest.mark.parametrize(
    ("parts", "flaw"),
    [
        ({}, "no test part"),
        ({"train": [0, 1]}, "no test part"),
        ({"train": [0, 3], "test": [3, 4]}, "in the training and in the test part"),
        ({"test": [6]}, r"test: position 6: expected 0..5"),
        ({"test": [-1]}, r"test: position -1"),
        ({"train": [0, 0], "test": [3]}, "train: position 0 more than once"),
        ({"test": [0.5]}, "expected a list of integers"),
        ({"train": [], "test": [0]}, "no train recordings"),
    ],
)
def test_positions_that_do_not_fit(bars, parts, flaw):
    assert flaw in error_line(load_recordings, find_recordings(bars), **parts)


def test_the_sensor_is_the_smallest_that_all_fit(bars, nmnist_bytes, tmp_path):
    root = shutil.copytree(bars, tmp_path / "bars")
    wide = np.array([(99, 3, 0, 0), (5, 44, 1, 0)], EVENT)
    (root / "left" / "3.bin").write_bytes(nmnist_bytes(wide))
    found = find_recordings(root)
    # Of all, also those that are in no part; and of two polarities whatever occurs.
    dataset = load_recordings(found, train=[0, 4], test=[1, 5])
    assert dataset.sensor_size == (100, 45, 2)
    assert dataset.options().downsample == 2
    images = count_maps(dataset)
    assert (images.image_shape, images.levels) == ((23, 50, 2), 8)
    given = load_recordings(found, train=[0, 4], test=[2, 5], sensor_size=[12, 10])
    message = error_line(count_maps, given)
    assert message.startswith(f"{root / 'left' / '3.bin'}: event 0 (counted from 0) is outside")
    assert "expected x in 0..11, found 99" in message


@pytest.mark.parametrize(
    ("side", "factor"), [(64, 1), (65, 2), (128, 2), (129, 3), (346, 6), (1280, 20), (9999, 32)]
)
def test_images_have_at_most_64_pixels_a_side(bars, side, factor):
    found = find_recordings(bars)
    dataset = load_recordings(found, test=[0, 3], sensor_size=(side, 32, 2))
    assert dataset.options() == EventsSpec(downsample=factor, merge_polarities=False, levels=8)
    assert (
        load_recordings(found, test=[0, 3], sensor_size=(32, side)).options().downsample == factor
    )


def test_damaged_recordings_are_named(bars, tmp_path):
    root = shutil.copytree(bars, tmp_path / "bars")
    path = root / "left" / "3.bin"
    for content, flaw in (
        (b"", "empty recording"),
        (bytes(7), "truncated file"),
        (bytes([1, 1, 0, 0, 9, 1, 1, 0, 0, 8]), "times are not in order"),
    ):
        path.write_bytes(content)
        message = error_line(load_recordings, find_recordings(root), test=[0, 4])
        assert message.startswith(f"{path}: {flaw}")


def test_fingerprints_are_those_of_content_and_split(bars, tmp_path, nmnist_bytes):
    def fingerprint(root, **parts):
        return load_recordings(find_recordings(root), **parts).fingerprint

    root = shutil.copytree(bars, tmp_path / "other")
    first = fingerprint(bars, test=[0, 3])
    assert fingerprint(root, test=[0, 3]) == first
    assert fingerprint(root, test=[0, 4]) != first
    path = root / "left" / "1.bin"
    about = path.stat()
    changed = bytearray(path.read_bytes())
    changed[0] ^= 1
    path.write_bytes(changed)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert fingerprint(root, test=[0, 3]) != first


ENCODINGS = [
    CONSTANT,
    EncodingSpec(code=Code.EVENTS, steps=7),
    EncodingSpec(code=Code.REPEATED_EVENTS, steps=4),
]


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.code.value)
@pytest.mark.parametrize(
    "options",
    [
        EventsSpec(),
        EventsSpec(window=(5_000, 30_000), levels=2),
        EventsSpec(denoise=9_000, downsample=3, levels=3),
        EventsSpec(merge_polarities=True, downsample=2, window=(0, 20_000)),
    ],
    ids=str,
)
def test_a_row_is_that_of_the_data_set(bars, options, encoding):
    dataset = load_recordings(find_recordings(bars), test=[0, 3])
    if encoding.code is Code.CONSTANT:
        images = count_maps(dataset, options)
    else:
        repeated = encoding.code is Code.REPEATED_EVENTS
        images = movies(dataset, options, steps=encoding.steps, repeated=repeated)
    assert images.x_train.any()
    for index in range(len(dataset.train)):
        path = dataset.train.where(index)
        row = recording_row(
            read_events(path), dataset.sensor_size, dataset.options(options), encoding, where=path
        )
        assert row.dtype == np.uint8
        np.testing.assert_array_equal(row, images.x_train[index])


def test_a_row_leaves_the_events_as_they_are():
    events = bar(1, 0)
    before = events.copy()
    recording_row(events, (12, 10, 2), EventsSpec(window=(2, 30_000)), CONSTANT)
    np.testing.assert_array_equal(events, before)


def test_a_row_without_events_is_dark():
    """As in a data set, of which one recording may be empty after its transforms."""
    row = recording_row(bar(1, 0), [12, 10], EventsSpec(window=(10**6, 10**7)), CONSTANT)
    assert (row.shape, row.any()) == ((240,), False)


def test_events_of_another_camera_are_refused_naming_the_file():
    message = error_line(
        recording_row, bar(1, 0, (13, 10)), (5, 10, 2), EventsSpec(), CONSTANT, where="new.bin"
    )
    assert message.startswith("new.bin: event ")
    assert "expected x in 0..4" in message
    seconds = np.array([(0, 0, 0.5, 1)], [("x", int), ("y", int), ("t", float), ("p", int)])
    message = error_line(recording_row, seconds, (5, 9), EventsSpec(), CONSTANT, where="new.bin")
    assert message.startswith("new.bin: times of type float64")
