"""Writers of small IDX files, shared by the data tests."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"


def idx_bytes(array, *, magic=b"\0\0", code=8):
    """Return `array` as the bytes of an IDX file."""
    array = np.asarray(array, dtype=np.uint8)
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return magic + bytes([code, array.ndim]) + sizes + array.tobytes()


def write(path: Path, content: bytes) -> Path:
    """Write `content`, gzipped if the name of `path` says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


class SmallSet:
    """Five training and three test images of 3 x 2 pixels, with a way to write them."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.arrays = {
            TRAIN_IMAGES: rng.integers(0, 256, (5, 3, 2), dtype=np.uint8),
            TRAIN_LABELS: rng.integers(0, 10, 5, dtype=np.uint8),
            TEST_IMAGES: rng.integers(0, 256, (3, 3, 2), dtype=np.uint8),
            TEST_LABELS: rng.integers(0, 10, 3, dtype=np.uint8),
        }

    def write(self, folder: Path, *, compressed=True) -> Path:
        """Write the four files into `folder` and return it."""
        for name, array in self.arrays.items():
            name = name if compressed else name.removesuffix(".gz")
            write(folder / name, idx_bytes(array))
        return folder

    def check(self, dataset) -> None:
        """Assert that `dataset` holds exactly this set."""
        np.testing.assert_array_equal(dataset.x_train, self.arrays[TRAIN_IMAGES].reshape(5, 6))
        np.testing.assert_array_equal(dataset.y_train, self.arrays[TRAIN_LABELS])
        np.testing.assert_array_equal(dataset.x_test, self.arrays[TEST_IMAGES].reshape(3, 6))
        np.testing.assert_array_equal(dataset.y_test, self.arrays[TEST_LABELS])


@pytest.fixture(name="idx_bytes", scope="session")
def idx_bytes_fixture():
    """Return the function that encodes an array as IDX."""
    return idx_bytes


@pytest.fixture(name="write", scope="session")
def write_fixture():
    """Return the function that writes bytes, gzipped where the name says so."""
    return write


@pytest.fixture
def small_set():
    """Return a small set of images with its writer."""
    return SmallSet()


@pytest.fixture
def other_set():
    """Return a second small set, different from the first."""
    return SmallSet(seed=1)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return an empty, not yet existing user cache; no data folder is set in the environment."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.delenv("LAVA_EP_DATA", raising=False)
    return folder
