"""Data sets of tonic by name, in folders as tonic leaves them."""

import zipfile

import numpy as np
import pytest

from lava_ep.data import load_dataset, load_events
from lava_ep.errors import InputError


def write_gesture(folder, *, users=10):
    """Write DVS128 Gesture as tonic unpacks it: times in milliseconds, columns x, y, p, t."""
    rng = np.random.default_rng(0)
    for part in ("ibmGestureTrain", "ibmGestureTest"):
        for user in range(users):
            place = folder / "DVSGesture" / part / f"user{user + 1:02}_led"
            place.mkdir(parents=True)
            for label in range(11):
                events = np.empty((30, 4), np.int64)
                events[:, :2] = rng.integers(0, 128, (30, 2))
                events[:, 2] = rng.integers(0, 2, 30)
                events[:, 3] = 7 + np.sort(rng.integers(0, 1500, 30))
                events[0, 3] = 7
                np.save(place / f"{label}.npy", events)
        (folder / "DVSGesture" / f"{part}.tar.gz").touch()
    return folder / "DVSGesture"


def write_poker(folder):
    """Write Poker-DVS as tonic unpacks it: columns t, x, y, p."""
    for part in ("pips_train", "pips_test"):
        for suit in ("cl", "he", "di", "sp"):
            place = folder / "POKERDVS" / part / suit
            place.mkdir(parents=True)
            for number in range(6):
                np.save(place / f"{number:02}.npy", [[5, number, 34, 1], [9, 0, 1, 0]])
        (folder / "POKERDVS" / f"{part}.tar.gz").touch()
    return folder / "POKERDVS"


def error_line(name, folder):
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError) as caught:
        load_dataset(name, data_dir=folder)
    assert sorted(folder.rglob("*")) == before
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    assert "expected" in message
    return message


@pytest.mark.parametrize("place", [".", "dvs-gesture", "DVS_Gesture"])
def test_gesture(tmp_path, place):
    folder = write_gesture(tmp_path / place)
    for data_dir in {tmp_path, folder}:
        dataset = load_events("dvs-gesture", data_dir=data_dir)
        expected = "dvs-gesture: 110 + 110 recordings, 128 x 128 pixels, 2 polarities"
        assert str(dataset) == expected
        assert dataset.class_names[7] == "Arm roll"
        # The classes take turns, and the users stay in the order of their folders.
        assert dataset.train.labels.tolist() == list(range(11)) * 10
        raw = np.load(folder / "ibmGestureTrain" / "user02_led" / "3.npy")
        events, label = dataset.train[11 + 3]
        assert label == 3
        for name, column in zip("xypt", raw.T, strict=True):
            np.testing.assert_array_equal(events[name], column * (1000 if name == "t" else 1))


def test_gesture_as_images(tmp_path, cache):
    folder = write_gesture(tmp_path / "data")
    images = load_dataset("dvs-gesture", data_dir=tmp_path / "data", limit_train=4, limit_test=1)
    assert (images.image_shape, images.levels, len(images.x_train)) == ((32, 32, 2), 64, 4)
    raw = np.load(folder / "ibmGestureTrain" / "user01_led" / "2.npy")
    early = raw[raw[:, 3] < 1007]  # one second after the first event
    expected = np.zeros((32, 32, 2), int)
    np.add.at(expected, (early[:, 1] // 4, early[:, 0] // 4, early[:, 2]), 1)
    assert 0 < len(early) < 30
    np.testing.assert_array_equal(images.x_train[2], expected.ravel())
    # A large sensor: the images are in the cache, and nothing is left beside the recordings.
    assert len(list(cache.rglob("*.hdf5"))) == 5
    changed = np.load(folder / "ibmGestureTrain" / "user01_led" / "2.npy")[:1]
    np.save(folder / "ibmGestureTrain" / "user01_led" / "2.npy", changed)
    again = load_dataset("dvs-gesture", data_dir=tmp_path / "data", limit_train=4, limit_test=1)
    assert again.x_train[2].sum() == 1


def test_incomplete_gesture_is_not_downloaded(tmp_path):
    write_gesture(tmp_path, users=3)
    assert "DVSGesture: incomplete: expected the archive" in error_line("dvs-gesture", tmp_path)


def test_absent_from_data_dir(tmp_path):
    assert "no files in --data-dir" in error_line("dvs-gesture", tmp_path)
    assert "a folder POKERDVS as tonic" in error_line("tonic:POKERDVS", tmp_path)


@pytest.mark.parametrize(
    ("array", "flaw"),
    [
        (np.array([[128, 0, 1, 5]]), "outside the sensor: expected x in 0..127, found 128"),
        (np.array([[1, 0, 1, 5], [1, 0, 1, 4]]), "times are not in order"),
        (np.empty((0, 4), int), "empty recording"),
        (np.zeros(3), "damaged recording"),
    ],
)
def test_flaws_of_a_recording(tmp_path, cache, array, flaw):
    path = write_gesture(tmp_path / "data") / "ibmGestureTest" / "user01_led" / "0.npy"
    np.save(path, array)
    message = error_line("dvs-gesture", tmp_path / "data")
    assert flaw in message
    assert str(path) in message


def test_objects_are_not_unpickled(tmp_path, cache):
    path = write_gesture(tmp_path / "data") / "ibmGestureTrain" / "user01_led" / "0.npy"
    np.save(path, np.array([{"x": 1}], dtype=object), allow_pickle=True)
    message = error_line("dvs-gesture", tmp_path / "data")
    assert "damaged recording" in message
    assert "allow_pickle=False" in message


def test_poker_by_the_name_of_its_class(tmp_path):
    write_poker(tmp_path)
    dataset = load_events("tonic:POKERDVS", data_dir=tmp_path, limit_test=3)
    assert (dataset.sensor_size, dataset.class_names) == ((35, 35, 2), ("cl", "he", "di", "sp"))
    assert (len(dataset.train), len(dataset.test)) == (24, 3)
    assert dataset.train.labels.tolist() == [0, 1, 2, 3] * 6
    assert dataset.train[9][0].tolist() == [(2, 34, 5, True), (0, 1, 9, False)]
    images = load_dataset("tonic:POKERDVS", data_dir=tmp_path)
    assert images.image_shape == (35, 35, 2)
    assert images.x_train.sum(1).tolist() == [2] * 24


def test_columns_of_events_and_notes_of_macos(tmp_path, monkeypatch):
    """ASLDVS has columns in its files, which tonic takes by their ending, hidden or not."""
    from scipy.io import savemat

    for letter in "ab":
        folder = tmp_path / "ASLDVS" / letter
        folder.mkdir(parents=True)
        for number in range(2):
            column = np.array([[1], [2], [239]])
            savemat(
                folder / f"{letter}_{number}.mat",
                {"ts": 10 * column, "x": column, "y": column // 2, "pol": column % 2},
            )
        (folder / f"._{letter}_0.mat").write_bytes(bytes(120))
    monkeypatch.setattr("tonic.datasets.ASLDVS._check_exists", lambda self: True)
    dataset = load_events("tonic:ASLDVS", data_dir=tmp_path)
    assert (len(dataset.train), len(dataset.test)) == (2, 2)
    events, label = dataset.train[1]
    assert events.tolist() == [(1, 179, 10, True), (2, 178, 20, False), (239, 60, 2390, True)]
    assert (label, dataset.sensor_size) == (1, (240, 180, 2))


def test_poker_from_the_environment(tmp_path, monkeypatch):
    write_poker(tmp_path / "pokerdvs")
    monkeypatch.setenv("LAVA_EP_DATA", str(tmp_path))
    assert len(load_events("tonic:POKERDVS").train) == 24


def test_incomplete_poker(tmp_path):
    folder = write_poker(tmp_path)
    for path in (folder / "pips_train").rglob("*.npy"):
        path.unlink()
    assert "incomplete" in error_line("tonic:POKERDVS", tmp_path)


def test_archives_of_the_user_are_left_alone(tmp_path):
    (tmp_path / "DVSLip").mkdir()
    with zipfile.ZipFile(tmp_path / "DVSLip" / "DVS-Lip.zip", "w") as archive:
        archive.writestr("DVS-Lip/train/about/0.npy", b"")
    assert "incomplete" in error_line("tonic:DVSLip", tmp_path)


def test_download_that_fails(cache, monkeypatch, capsys):
    monkeypatch.setattr("tonic.datasets.DVSGesture.train_url", "http://127.0.0.1:9/file")
    with pytest.raises(InputError) as caught:
        load_events("dvs-gesture")
    message = str(caught.value)
    assert "\n" not in message
    for part in ("DVSGesture is not at hand", "LAVA_EP_DATA (not set)", str(cache), "refused"):
        assert part in message
    assert capsys.readouterr().out == ""


def test_class_that_ends_the_program(cache, tmp_path):
    with pytest.raises(InputError, match="downloading it by tonic failed: SystemExit"):
        load_events("tonic:DVSLip")


def test_sets_in_one_part_are_split():
    from lava_ep.data.tonic_sets import _split

    labels = np.array([0, 1] * 25 + [2])
    train, test = _split(np.arange(51)[::-1].copy(), labels)
    assert test.tolist() == [50, 3, 2, 1, 0]
    assert sorted([*train, *test]) == list(range(51))
