"""N-MNIST, whole or in part: from a folder, a zip file, or by download."""

import os
import shutil
import zipfile

import numpy as np
import pytest

from lava_ep.data import load_dataset, load_events
from lava_ep.errors import InputError

LABELS = {"Train": {1: 5, 2: 0, 3: 4, 10: 5}, "Test": {1: 7, 2: 2}}
"""Digit of each recording by its number."""


@pytest.fixture
def small(tmp_path, nmnist_bytes, random_events):
    """Return a way to write a small part of N-MNIST, and its recordings in order."""

    class Small:
        def __init__(self):
            self.files = {}
            self.recordings = {"Train": [], "Test": []}

        def write(self, folder):
            for name, content in self.files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
            return folder

        def zip(self, path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in sorted(self.files.items(), reverse=True):
                    archive.writestr(name, content)
            return path

        def check(self, dataset):
            for part, recordings in (("Train", dataset.train), ("Test", dataset.test)):
                assert recordings.labels.tolist() == list(LABELS[part].values())
                for (events, _), expected in zip(recordings, self.recordings[part], strict=True):
                    np.testing.assert_array_equal(events, expected)

    small = Small()
    for part, labels in LABELS.items():
        for number, label in labels.items():
            events = random_events(seed=len(small.files), number=50 + number)
            small.recordings[part].append(events)
            small.files[f"{part}/{label}/{number:05}.bin"] = nmnist_bytes(events)
    return small


def error_line(folder):
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError) as caught:
        load_dataset("nmnist", data_dir=folder)
    assert sorted(folder.rglob("*")) == before
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    assert "expected" in message
    return message


@pytest.mark.parametrize(
    "place", [".", "nmnist", "N-MNIST", "nmnist_small", "NMNIST", "nmnist/NMNIST"]
)
def test_folder(tmp_path, small, place):
    small.write(tmp_path / place)
    small.check(load_events("nmnist", data_dir=tmp_path))


@pytest.mark.parametrize(
    "place", ["nmnist.zip", "nmnist_small/nmnist_small.zip", "nmnist/N-MNIST.zip"]
)
def test_zip_file_is_read_where_it_is(tmp_path, small, place):
    small.zip(tmp_path / place)
    before = sorted(tmp_path.rglob("*"))
    small.check(load_events("nmnist", data_dir=tmp_path))
    assert sorted(tmp_path.rglob("*")) == before


LITTER = [
    ".DS_Store",
    "Train/.DS_Store",
    "Train/5/.DS_Store",
    "Train/5/._00001.bin",
    "Train/5/Thumbs.db",
    "Test/__MACOSX/7/._00001.bin",
    "__MACOSX/._Train",
    "__MACOSX/Train/5/._00001.bin",
]
"""What macOS and Windows leave behind."""


def test_what_operating_systems_leave_behind_is_passed_over(tmp_path, small):
    files = dict(small.files)
    small.files |= dict.fromkeys(LITTER, b"\0\5\x16\7" + bytes(60))
    small.check(load_events("nmnist", data_dir=small.write(tmp_path / "folder")))
    small.zip(tmp_path / "archive" / "nmnist.zip")
    small.check(load_events("nmnist", data_dir=tmp_path / "archive"))
    # The Finder packs a folder with its own name, and its notes beside it.
    small.files = {f"My digits/{name}": content for name, content in files.items()}
    small.files |= {f"__MACOSX/My digits/{name}": bytes(64) for name in files}
    small.zip(tmp_path / "packed" / "nmnist.zip")
    small.check(load_events("nmnist", data_dir=tmp_path / "packed"))


def test_class_folders_may_be_links(tmp_path, small):
    small.write(tmp_path / "nmnist")
    (tmp_path / "nmnist" / "Train" / "5").rename(tmp_path / "elsewhere")
    (tmp_path / "nmnist" / "Train" / "5").symlink_to(tmp_path / "elsewhere")
    small.check(load_events("nmnist", data_dir=tmp_path))


def test_environment_names_the_folder(tmp_path, small, monkeypatch):
    small.zip(tmp_path / "nmnist_small" / "nmnist_small.zip")
    monkeypatch.setenv("LAVA_EP_DATA", str(tmp_path))
    dataset = load_events("nmnist")
    small.check(dataset)
    expected = "nmnist: 4 + 2 recordings (of 60000 + 10000), 34 x 34 pixels, 2 polarities"
    assert str(dataset) == expected


def test_images(tmp_path, small):
    small.write(tmp_path)
    images = load_dataset("nmnist", data_dir=tmp_path, limit_train=3)
    assert (images.image_shape, images.levels, len(images.x_train)) == ((34, 34, 2), 4, 3)
    times = [events["t"] for events in small.recordings["Train"][:3]]
    first_saccade = [np.count_nonzero(t < t[0] + 100_000) for t in times]
    assert images.x_train.sum(1).tolist() == first_saccade


def test_absent(tmp_path, cache):
    message = error_line(tmp_path)
    assert "no files in --data-dir" in message
    assert "nmnist_small.zip" in message
    assert not cache.exists()


def test_one_part_only(tmp_path, small):
    small.write(tmp_path / "nmnist")
    shutil.rmtree(tmp_path / "nmnist" / "Test")
    assert "incomplete folder" in error_line(tmp_path)


@pytest.mark.parametrize("name", ["Train/3/notes.txt", "Train/3/00001.aedat", "Train/3/x.bin"])
def test_foreign_file(tmp_path, small, name):
    small.files[name] = b"something"
    small.write(tmp_path)
    assert f"{tmp_path / name}: foreign file" in error_line(tmp_path)
    shutil.rmtree(tmp_path / "Train")
    shutil.rmtree(tmp_path / "Test")
    small.zip(tmp_path / "nmnist.zip")
    assert name in error_line(tmp_path)


@pytest.mark.parametrize(
    ("content", "flaw"),
    [
        (bytes(12), "truncated file: expected a multiple of 5 bytes, found 12"),
        (b"", "empty recording"),
        (bytes([40, 0, 0, 0, 1]), "outside the sensor: expected x in 0..33, found 40"),
        (bytes([1, 1, 0, 0, 9, 1, 1, 0, 0, 8]), "times are not in order"),
        (b"#!AER-DAT2.0\r\n" + bytes(6), "foreign file"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_damaged_recording(tmp_path, small, zipped, content, flaw):
    name = "Train/5/00010.bin"
    small.files[name] = content
    if zipped:
        small.zip(tmp_path / "nmnist.zip")
    else:
        small.write(tmp_path)
    message = error_line(tmp_path)
    assert flaw in message
    assert name in message


def test_damaged_zip_file(tmp_path, small):
    path = small.zip(tmp_path / "nmnist.zip")
    content = bytearray(path.read_bytes())
    path.write_bytes(content[:-30])
    assert "damaged zip file" in error_line(tmp_path)
    content[60] ^= 255  # in the compressed data of the first member
    path.write_bytes(content)
    assert "damaged member Train/5/00010.bin" in error_line(tmp_path)


def serve_nothing(monkeypatch):
    for part in ("train", "test"):
        monkeypatch.setattr(f"tonic.datasets.NMNIST.{part}_url", "http://127.0.0.1:9/file")


def test_download_that_fails(cache, monkeypatch, tmp_path, capsys):
    serve_nothing(monkeypatch)
    monkeypatch.setenv("LAVA_EP_DATA", str(tmp_path))
    with pytest.raises(InputError) as caught:
        load_dataset("nmnist")
    message = str(caught.value)
    assert "\n" not in message
    for part in (f"LAVA_EP_DATA={tmp_path}", str(cache), "Connection refused", "--data-dir"):
        assert part in message
    assert capsys.readouterr().out == ""


@pytest.fixture
def downloaded(cache, small, monkeypatch):
    """Return the cache with what tonic has downloaded, a part that is taken for the whole."""
    serve_nothing(monkeypatch)
    monkeypatch.setattr("lava_ep.data.nmnist.PUBLISHED", (4, 2))
    monkeypatch.setattr(
        "tonic.datasets.NMNIST._folder_contains_at_least_n_files_of_type", lambda *_: True
    )
    folder = small.write(cache / "lava-ep" / "nmnist" / "NMNIST")
    for name in ("train.zip", "test.zip"):
        (folder / name).touch()
    return folder


def test_tonic_folder_in_the_cache(downloaded, small):
    dataset = load_events("nmnist")
    small.check(dataset)
    assert "(of" not in str(dataset)


def test_incomplete_folder_in_the_cache(downloaded):
    (downloaded / "Train" / "5" / "00010.bin").unlink()
    with pytest.raises(InputError, match="incomplete cache: expected 4 recordings, found 3"):
        load_events("nmnist")


def test_published_part():
    root = os.environ.get("LAVA_EP_DATA")
    if not root:
        pytest.skip("LAVA_EP_DATA is not set: it names the folder of the published sets")
    try:
        dataset = load_events("nmnist", data_dir=root)
    except InputError as error:
        if "no files in" not in str(error):
            raise
        pytest.skip(f"LAVA_EP_DATA={root} lacks nmnist")
    # The first of MNIST are 5 0 4 1 9 2 1 3 1 4 for training and 7 2 1 0 4 1 4 9 5 9 for testing.
    assert dataset.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert dataset.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    events, label = dataset.train[0]
    assert label == 5
    assert len(events) > 1000
    assert events["t"][-1] < 400_000
