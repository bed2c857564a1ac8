"""Writers of IDX files, CIFAR-10 batches and event recordings, shared by the data tests."""

import gzip
import io
import os
import struct
import tarfile
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
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix.lower() == ".gz" else content)
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


def pickled_batch(title: bytes, planes, labels, file_names) -> bytes:
    """Return a python batch of CIFAR-10 exactly as Python 2 pickled the published ones."""
    memo = iter(range(1, 2**31))

    def kept(opcodes: bytes) -> bytes:
        """Have the unpickler keep what `opcodes` make under the next number."""
        number = next(memo)
        return opcodes + (b"q%c" % number if number < 256 else b"r" + struct.pack("<I", number))

    def text(content: bytes) -> bytes:
        return b"U%c%b" % (len(content), content)

    def list_of(items, opcodes) -> bytes:
        """Make a list that grows by a thousand items at a time."""
        made = kept(b"]")
        for start in range(0, len(items), 1000):
            made += b"(" + b"".join(map(opcodes, items[start : start + 1000])) + b"e"
        return made

    raw = np.ascontiguousarray(planes, np.uint8).tobytes()
    return b"".join(
        [
            b"\x80\x02" + kept(b"}") + b"(",
            kept(text(b"batch_label")) + kept(text(title)),
            kept(text(b"labels")) + list_of(list(labels), lambda label: b"K%c" % label),
            kept(text(b"data")),
            kept(b"cnumpy.core.multiarray\n_reconstruct\n") + kept(b"cnumpy\nndarray\n"),
            kept(b"K\0\x85U\x01b\x87R") + b"(K\x01",
            b"".join(b"M" + struct.pack("<H", size) for size in np.shape(planes)) + b"\x86",
            kept(b"cnumpy\ndtype\n") + kept(text(b"u1") + b"K\0K\x01\x87R"),
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb",
            b"\x89T" + struct.pack("<I", len(raw)) + raw + b"tb",
            kept(text(b"filenames")) + list_of(list(file_names), lambda name: kept(text(name))),
            b"u.",
        ]
    )


BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


class SmallCifar10:
    """CIFAR-10 with three images a batch, and ways to write it."""

    samples = 3

    def __init__(self):
        rng = np.random.default_rng(0)
        shape = (len(BATCHES), self.samples)
        self.images = rng.integers(0, 256, (*shape, 32, 32, 3), dtype=np.uint8)
        self.labels = rng.integers(0, 10, shape, dtype=np.uint8)

    def planes(self, batch):
        """Return the images of a batch as rows of three planes."""
        return np.moveaxis(self.images[batch], 3, 1).reshape(self.samples, -1)

    def pickled(self, batch) -> bytes:
        names = [b"image_%d.png" % number for number in range(self.samples)]
        return pickled_batch(b"a batch", self.planes(batch), self.labels[batch], names)

    def binary(self, batch) -> bytes:
        return np.column_stack([self.labels[batch], self.planes(batch)]).tobytes()

    def recoded(self) -> dict:
        """Return the arrays of the lossless re-coding."""
        red, green, blue = np.moveaxis(self.images.reshape(-1, 32, 32, 3), 3, 0)
        coded = np.stack([green, red - green, blue - green])
        for axis in (2, 3):
            coded = np.diff(coded, axis=axis, prepend=np.uint8(0))
        labels, train = self.labels.ravel(), 5 * self.samples
        return {
            "train_coded": coded[:, :train],
            "train_labels": labels[:train],
            "test_coded": coded[:, train:],
            "test_labels": labels[train:],
        }

    def write_python(self, folder: Path) -> Path:
        for number, name in enumerate(BATCHES):
            write(folder / name, self.pickled(number))
        return folder

    def write_binary(self, folder: Path) -> Path:
        for number, name in enumerate(BATCHES):
            write(folder / f"{name}.bin", self.binary(number))
        return folder

    def write_recoded(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / "cifar10.npz", **self.recoded())
        return folder

    def write_archive(self, folder: Path) -> Path:
        members = {
            f"cifar-10-batches-py/{name}": self.pickled(number)
            for number, name in enumerate(BATCHES)
        }
        write(folder / "cifar-10-python.tar.gz", tar_bytes(members))
        return folder

    def check(self, dataset) -> None:
        """Assert that `dataset` holds exactly this set."""
        images, labels = self.images.reshape(-1, 32 * 32 * 3), self.labels.ravel()
        train = 5 * self.samples
        np.testing.assert_array_equal(dataset.x_train, images[:train])
        np.testing.assert_array_equal(dataset.y_train, labels[:train])
        np.testing.assert_array_equal(dataset.x_test, images[train:])
        np.testing.assert_array_equal(dataset.y_test, labels[train:])


def tar_bytes(members) -> bytes:
    """Return a tar archive of members by name: bytes for a file, or a ready TarInfo."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def nmnist_bytes(events) -> bytes:
    """Return events as the bytes of a file of N-MNIST."""
    t, p = np.asarray(events["t"]), np.asarray(events["p"]).astype(int)
    columns = [events["x"], events["y"], p << 7 | t >> 16, t >> 8 & 255, t & 255]
    return np.column_stack(columns).astype(np.uint8).tobytes()


def random_events(seed=0, number=200, size=(34, 34, 2), duration=300_000):
    """Return events anywhere on a sensor, in the order of their times."""
    from lava_ep.data import EVENT

    rng = np.random.default_rng(seed)
    events = np.empty(number, EVENT)
    events["x"], events["y"] = (rng.integers(0, side, number) for side in size[:2])
    events["t"] = np.sort(rng.integers(0, duration, number))
    events["p"] = rng.integers(0, size[2], number)
    return events


@pytest.fixture(name="nmnist_bytes", scope="session")
def nmnist_bytes_fixture():
    """Return the function that encodes events as N-MNIST does."""
    return nmnist_bytes


@pytest.fixture(name="random_events", scope="session")
def random_events_fixture():
    """Return the function that makes random events."""
    return random_events


@pytest.fixture(scope="session")
def shared_events():
    """Return the folder of event samples in the folder that LAVA_EP_DATA names."""
    root = os.environ.get("LAVA_EP_DATA")
    if not root:
        pytest.skip("LAVA_EP_DATA is not set: it names the folder of the published sets")
    folder = Path(root) / "event_samples"
    if not folder.is_dir():
        pytest.skip(f"LAVA_EP_DATA={root} lacks event_samples")
    return folder


@pytest.fixture(name="pickled_batch", scope="session")
def pickled_batch_fixture():
    """Return the function that pickles a batch of CIFAR-10 as Python 2 did."""
    return pickled_batch


@pytest.fixture(name="tar_bytes", scope="session")
def tar_bytes_fixture():
    """Return the function that makes a tar archive."""
    return tar_bytes


@pytest.fixture
def small_cifar10(monkeypatch):
    """Return a CIFAR-10 of three images a batch, which is then taken for the whole."""
    monkeypatch.setattr("lava_ep.data.cifar10.BATCH_SAMPLES", SmallCifar10.samples)
    return SmallCifar10()


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
