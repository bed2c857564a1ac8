"""MNIST and its relatives from local folders: where they are found, and what is refused."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from lava_ep.data import load_dataset
from lava_ep.data.mnist import FILES, SOURCES
from lava_ep.errors import InputError

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = (f"{file}.gz" for file in FILES)


def error_line(name, folder):
    """Return the message for a folder that cannot be used, having checked what all must do."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError) as caught:
        load_dataset(name, data_dir=folder)
    assert sorted(folder.rglob("*")) == before
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    assert "expected" in message
    return message


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("mnist", "."),
        ("mnist", "mnist"),
        ("mnist", "MNIST/raw"),
        ("fashion-mnist", "."),
        ("fashion-mnist", "fashion-mnist"),
        ("fashion-mnist", "fashion_mnist"),
        ("fashion-mnist", "FashionMNIST/raw"),
        ("kmnist", "kmnist"),
        ("kmnist", "KMNIST"),
    ],
)
def test_found_in_data_dir(tmp_path, small_set, name, place, compressed):
    small_set.write(tmp_path / place, compressed=compressed)
    dataset = load_dataset(name, data_dir=str(tmp_path))
    small_set.check(dataset)
    assert (dataset.name, dataset.levels, dataset.image_shape) == (name, 255, (3, 2))
    assert dataset.class_names == SOURCES[name].class_names
    assert len(dataset.class_names) == 10


def test_sub_folder_of_the_set_goes_before_the_folder_itself(tmp_path, small_set, other_set):
    other_set.write(tmp_path)
    small_set.write(tmp_path / "kmnist")
    small_set.check(load_dataset("kmnist", data_dir=tmp_path))
    other_set.check(load_dataset("mnist", data_dir=tmp_path))


def test_environment_names_the_folder(tmp_path, small_set, monkeypatch):
    small_set.write(tmp_path / "mnist")
    monkeypatch.setenv("LAVA_EP_DATA", str(tmp_path))
    small_set.check(load_dataset("mnist"))


def test_data_dir_goes_before_the_environment(tmp_path, small_set, other_set, monkeypatch):
    monkeypatch.setenv("LAVA_EP_DATA", str(other_set.write(tmp_path / "environment")))
    small_set.write(tmp_path / "given")
    small_set.check(load_dataset("mnist", data_dir=tmp_path / "given"))


def test_home_is_expanded(tmp_path, small_set, monkeypatch):
    small_set.write(tmp_path / "data")
    monkeypatch.setenv("HOME", str(tmp_path))
    small_set.check(load_dataset("mnist", data_dir="~/data"))
    monkeypatch.setenv("LAVA_EP_DATA", "~/data")
    small_set.check(load_dataset("mnist"))


def test_set_absent_from_data_dir_is_not_downloaded(tmp_path, small_set, cache, monkeypatch):
    monkeypatch.setenv("LAVA_EP_DATA", str(small_set.write(tmp_path / "environment")))
    folder = tmp_path / "given"
    folder.mkdir()
    message = error_line("mnist", folder)
    assert all(name in message for name in small_set.arrays)
    assert not cache.exists()


@pytest.mark.parametrize("missing", [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS])
def test_one_of_the_four_is_missing(tmp_path, small_set, missing):
    folder = small_set.write(tmp_path / "mnist")
    (folder / missing).unlink()
    assert f"missing {folder / missing}: expected" in error_line("mnist", tmp_path)


def test_incomplete_set_in_the_environment_is_not_downloaded(
    tmp_path, small_set, cache, monkeypatch
):
    folder = small_set.write(tmp_path / "mnist")
    (folder / TEST_LABELS).unlink()
    monkeypatch.setenv("LAVA_EP_DATA", str(tmp_path))
    with pytest.raises(InputError, match=f"missing {folder / TEST_LABELS}"):
        load_dataset("mnist")
    assert not cache.exists()


@pytest.mark.parametrize("broken", [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS])
def test_broken_file_is_named(tmp_path, small_set, broken):
    path = small_set.write(tmp_path) / broken
    path.write_bytes(path.read_bytes()[:-5])
    assert error_line("mnist", tmp_path).startswith(f"{path}: truncated gzip file")


def test_exchanged_files_are_named(tmp_path, small_set):
    images, labels = tmp_path / TRAIN_IMAGES, tmp_path / TRAIN_LABELS
    small_set.write(tmp_path)
    images.rename(tmp_path / "x")
    labels.rename(images)
    (tmp_path / "x").rename(labels)
    assert f"{images}: wrong number of dimensions" in error_line("mnist", tmp_path)


@pytest.mark.parametrize(("labels", "count"), [(TRAIN_LABELS, 5), (TEST_LABELS, 3)])
def test_count_mismatch(tmp_path, small_set, labels, count):
    small_set.arrays[labels] = small_set.arrays[labels][:-1]
    message = error_line("mnist", small_set.write(tmp_path))
    assert message.startswith(f"{tmp_path / labels}: wrong number of labels: expected {count}")
    assert f"found {count - 1}" in message


def test_image_shape_mismatch(tmp_path, small_set):
    small_set.arrays[TEST_IMAGES] = small_set.arrays[TEST_IMAGES].reshape(3, 2, 3)
    message = error_line("mnist", small_set.write(tmp_path))
    assert message.startswith(f"{tmp_path / TEST_IMAGES}: wrong image shape: expected (3, 2)")
    assert "found (2, 3)" in message


@pytest.mark.parametrize("labels", [TRAIN_LABELS, TEST_LABELS])
def test_label_out_of_range(tmp_path, small_set, labels):
    small_set.arrays[labels][2] = 10
    message = error_line("mnist", small_set.write(tmp_path))
    assert message.startswith(f"{tmp_path / labels}: wrong label: expected 0..9, found 10 at")
    assert "position 2" in message


def test_folder_named_after_another_set_is_not_taken(tmp_path, small_set):
    small_set.write(tmp_path / "mnist")
    assert "sub-folder named kmnist" in error_line("kmnist", tmp_path / "mnist")


def test_published_files_of_another_set_are_not_taken(tmp_path, small_set, monkeypatch):
    labels = small_set.write(tmp_path) / TRAIN_LABELS
    digest = hashlib.sha256(labels.read_bytes()).hexdigest()
    source = SOURCES["mnist"]
    checksums = ("sha256:0", f"sha256:{digest}", "sha256:0", "sha256:0")
    monkeypatch.setitem(
        SOURCES, "mnist", type(source)(source.base_url, checksums, source.class_names)
    )
    small_set.check(load_dataset("mnist", data_dir=tmp_path))
    message = error_line("fashion-mnist", tmp_path)
    assert message.startswith(f"{labels}: wrong data set: expected fashion-mnist, found the")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_sub_folder(tmp_path, small_set):
    folder = small_set.write(tmp_path / "mnist")
    folder.chmod(0)
    try:
        with pytest.raises(InputError, match=r"cannot be read: .* Permission denied"):
            load_dataset("mnist", data_dir=tmp_path)
    finally:
        folder.chmod(0o700)


TRAIN_COUNTS = {
    "mnist": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "fashion-mnist": [6000] * 10,
    "kmnist": [6000] * 10,
}
TEST_COUNTS = {
    "mnist": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    "fashion-mnist": [1000] * 10,
    "kmnist": [1000] * 10,
}


@pytest.mark.parametrize("name", SOURCES)
def test_published_set(name):
    root = os.environ.get("LAVA_EP_DATA")
    if not root:
        pytest.skip("LAVA_EP_DATA is not set: it names the folder of the published sets")
    try:
        dataset = load_dataset(name, data_dir=root)
    except InputError as error:
        if "no files in" not in str(error):
            raise
        pytest.skip(f"LAVA_EP_DATA={root} lacks {name}")
    assert dataset.x_train.shape == (60000, 784)
    assert dataset.x_test.shape == (10000, 784)
    assert dataset.image_shape == (28, 28)
    assert np.bincount(dataset.y_train).tolist() == TRAIN_COUNTS[name]
    assert np.bincount(dataset.y_test).tolist() == TEST_COUNTS[name]
    assert (dataset.x_train.min(), dataset.x_train.max()) == (0, 255)


def test_checksums_are_those_of_the_published_files():
    root = os.environ.get("LAVA_EP_DATA")
    if not root:
        pytest.skip("LAVA_EP_DATA is not set: it names the folder of the published sets")
    checked = 0
    for name, folder in (("mnist", "mnist"), ("fashion-mnist", "fashion_mnist")):
        for file, checksum in zip(FILES, SOURCES[name].checksums, strict=True):
            path = Path(root) / folder / f"{file}.gz"
            if path.is_file():
                assert checksum == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
                checked += 1
    if not checked:
        pytest.skip(f"LAVA_EP_DATA={root} has neither mnist nor fashion_mnist")


def test_damage_inside_gzip_is_named(tmp_path, small_set):
    path = small_set.write(tmp_path) / TRAIN_IMAGES
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # in the checksum
    path.write_bytes(content)
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(content)
    assert f"{path}: corrupt gzip file" in error_line("mnist", tmp_path)
