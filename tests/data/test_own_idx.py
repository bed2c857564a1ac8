"""IDX sets of any classes under the names that people have them by."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lava_ep.data import load_dataset
from lava_ep.data.mnist import FILES
from lava_ep.data.own.reading import kind_of, read_samples
from lava_ep.errors import InputError

IMAGES = np.arange(30, dtype=np.uint8).reshape(5, 3, 2)
LABELS = np.array([1, 26, 3, 26, 1])
NAMES = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)


def error_line(path, **options):
    """Return the message about IDX files that cannot be used."""
    with pytest.raises(InputError) as caught:
        read_samples(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert "expected" in message
    return message


@pytest.fixture
def write_set(tmp_path, write, idx_bytes):
    """Return the function that writes a set with names made by a function."""

    def write_files(spell, folder=tmp_path, parts=2, shift=0):
        for part, (images, labels) in enumerate(NAMES[:parts]):
            count = 5 - 2 * part
            write(folder / spell(images), idx_bytes(IMAGES[:count] + shift))
            write(folder / spell(labels), idx_bytes(LABELS[:count]))
        return folder

    return write_files


def check(data, *, parts=2, shift=0):
    """Assert that a set was read as it was written."""
    np.testing.assert_array_equal(data.train.x, IMAGES.reshape(5, 6) + shift)
    np.testing.assert_array_equal(data.train.y, LABELS)
    assert data.train.y.dtype == np.int64
    assert (data.test is None) == (parts == 1)
    if data.test is not None:
        np.testing.assert_array_equal(data.test.x, IMAGES[:3].reshape(3, 6) + shift)
        np.testing.assert_array_equal(data.test.y, LABELS[:3])
    assert (data.image_shape, data.full_scale) == ((3, 2), 255)


SPELLINGS = [
    lambda name: name,
    lambda name: f"{name}.gz",
    lambda name: name.upper(),
    lambda name: f"{name}.gz".upper(),
    lambda name: name.replace("-idx", ".idx"),
    lambda name: f"{name.replace('-idx', '.idx').title()}.gz",
]


@pytest.mark.parametrize("spell", SPELLINGS)
def test_spellings(write_set, spell):
    folder = write_set(spell)
    assert kind_of(folder) == "idx"
    check(read_samples(folder))


@pytest.mark.parametrize(
    "spell",
    [
        lambda name: f"emnist-letters-{name.replace('t10k', 'test')}.gz",
        lambda name: f"EMNIST_letters_{name}",
        lambda name: f"raw/{name}",
    ],
)
def test_prefixes_and_places(write_set, spell):
    check(read_samples(write_set(spell)))


def test_several_sets_in_a_folder(write_set, tmp_path):
    write_set(lambda name: f"emnist-letters-{name}.gz")
    write_set(lambda name: f"emnist-digits-{name}.gz", shift=9)
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 65 97\n")
    line = error_line(tmp_path)
    assert "several IDX sets, whose names begin with emnist-digits, emnist-letters" in line
    assert f"--data {tmp_path}/emnist-letters." in line
    assert kind_of(tmp_path / "emnist-letters") == "idx"
    check(read_samples(tmp_path / "emnist-letters"))
    check(read_samples(tmp_path / "EMNIST-Digits"), shift=9)
    with pytest.raises(InputError, match="no such file or folder"):
        read_samples(tmp_path / "emnist-balanced")


def test_a_file_unpacked_beside_its_archive(write_set):
    write_set(lambda name: name)
    check(read_samples(write_set(lambda name: f"{name}.gz")))
    folder = write_set(lambda name: name.replace("-idx", ".idx"), shift=9)
    assert "several files for test images: expected one of them, found t10k-i" in error_line(folder)


def test_a_set_without_a_test_part(write_set):
    check(read_samples(write_set(lambda name: name, parts=1)), parts=1)


def test_labels_of_other_integers(write_set, write, tmp_path):
    folder = write_set(lambda name: name, parts=1)
    (folder / NAMES[0][1]).unlink()
    for name, code, element in (
        ("train-labels-idx1-int", 0x0C, ">i4"),
        ("train-labels.idx1-short", 0x0B, ">i2"),
        ("train-labels-idx1-ubyte", 0x09, "i1"),
    ):
        labels = np.array([-1, 100, 3, -1, 0])
        header = bytes([0, 0, code, 1]) + struct.pack(">I", 5)
        path = write(folder / name, header + labels.astype(element).tobytes())
        assert read_samples(folder).train.y.tolist() == labels.tolist()
        path.write_bytes(path.read_bytes()[:-1])
        assert "truncated IDX file" in error_line(folder)
        path.unlink()


def test_what_is_refused(write_set, write, idx_bytes):
    folder = write_set(lambda name: name)
    (folder / NAMES[1][1]).unlink()
    line = error_line(folder)
    assert "no file t10k-labels-idx1-ubyte (or .gz): expected images and labels, found" in line
    (folder / NAMES[1][0]).unlink()
    images, labels = (folder / name for name in NAMES[0])
    write(labels, idx_bytes(LABELS[:4]))
    assert f"{labels}: wrong number of labels: expected 5, one for each image" in error_line(folder)
    labels.unlink()
    assert "no file train-labels-idx1-ubyte (or .gz)" in error_line(folder)
    write(labels, idx_bytes(LABELS))
    write(images, idx_bytes(IMAGES[0]))
    assert f"{images}: wrong number of dimensions: expected 3, found 2" in error_line(folder)
    assert "Give the folder:" in error_line(labels)


def test_test_images_of_another_size(write_set, write, idx_bytes):
    folder = write_set(lambda name: name)
    write(folder / NAMES[1][0], idx_bytes(IMAGES[:3].reshape(3, 2, 3)))
    assert "test images of 2 x 3 pixels: expected 3 x 2 as those for training" in error_line(folder)


@pytest.mark.parametrize("name", ["my-images.IDX3-ubyte.gz", "t10k-images-idx3-ubyte", "images"])
def test_images_to_predict(tmp_path, write, idx_bytes, name):
    path = write(tmp_path / name, idx_bytes(IMAGES))
    data = read_samples(path, labelled=False)
    np.testing.assert_array_equal(data.train.x, IMAGES.reshape(5, 6))
    assert (data.train.y, data.image_shape, data.full_scale) == (None, (3, 2), 255)


def test_a_set_to_predict_is_refused(write_set):
    assert "expected one file of images to predict" in error_line(
        write_set(lambda name: name), labelled=False
    )


@given(
    images=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=5)),
    seed=st.integers(0, 99),
    suffix=st.sampled_from(["", ".gz"]),
)
@settings(max_examples=25, deadline=None)
def test_round_trip(images, seed, suffix, tmp_path_factory, write, idx_bytes):
    folder = tmp_path_factory.mktemp("idx")
    labels = np.random.default_rng(seed).integers(0, 256, len(images), dtype=np.uint8)
    write(folder / f"train-images.idx3-ubyte{suffix}", idx_bytes(images))
    write(folder / f"Train-Labels-idx1-ubyte{suffix}", idx_bytes(labels))
    data = read_samples(folder)
    np.testing.assert_array_equal(data.train.x, images.reshape(len(images), -1))
    np.testing.assert_array_equal(data.train.y, labels)
    assert data.image_shape == images.shape[1:]


@pytest.mark.parametrize("spell", SPELLINGS)
def test_the_built_in_sets_take_the_same_names(tmp_path, small_set, spell, idx_bytes, write):
    for name, array in small_set.arrays.items():
        write(tmp_path / "mnist" / spell(name.removesuffix(".gz")), idx_bytes(array))
    small_set.check(load_dataset("mnist", data_dir=tmp_path))


def test_built_in_sets_refuse_several_files_of_one_meaning(tmp_path, small_set):
    small_set.write(tmp_path, compressed=False)
    path = tmp_path / FILES[0]
    for name in (f"{FILES[0]}.GZ", FILES[0].replace("-idx", ".idx")):
        (tmp_path / name).write_bytes(path.read_bytes())
    small_set.check(load_dataset("mnist", data_dir=tmp_path))
    path.unlink()
    with pytest.raises(InputError, match="several files for train-images-idx3-ubyte"):
        load_dataset("mnist", data_dir=tmp_path)


def test_other_classes_in_a_built_in_set_point_to_the_folder(tmp_path, small_set):
    small_set.arrays["train-labels-idx1-ubyte.gz"][:] = [10, 7, 10, 3, 2]
    small_set.arrays["t10k-labels-idx1-ubyte.gz"][:] = [10, 7, 2]
    folder = small_set.write(tmp_path / "mnist")
    with pytest.raises(InputError, match=f"of other classes, give its folder: --data {folder}"):
        load_dataset("mnist", data_dir=tmp_path)
    assert read_samples(folder).train.y.tolist() == [10, 7, 10, 3, 2]


def test_mnist_is_the_same_under_other_names(tmp_path):
    root = os.environ.get("LAVA_EP_DATA")
    if not root or not (Path(root) / "mnist").is_dir():
        pytest.skip("LAVA_EP_DATA does not name a folder with the published files of MNIST")
    for name in FILES:
        other = f"{name.replace('-idx', '.idx')}.GZ"
        (tmp_path / other).symlink_to(Path(root) / "mnist" / f"{name}.gz")
    published, own = load_dataset("mnist", data_dir=root), read_samples(tmp_path)
    renamed = load_dataset("mnist", data_dir=tmp_path)
    np.testing.assert_array_equal(renamed.x_train, published.x_train)
    np.testing.assert_array_equal(renamed.y_test, published.y_test)
    for part in ("train", "test"):
        np.testing.assert_array_equal(getattr(own, part).x, getattr(published, f"x_{part}"))
        np.testing.assert_array_equal(getattr(own, part).y, getattr(published, f"y_{part}"))
    assert (own.image_shape, own.full_scale) == ((28, 28), published.levels)
