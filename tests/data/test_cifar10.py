"""CIFAR-10 from local folders: every form of it, and what is refused, above all in pickles."""

import gzip
import hashlib
import io
import os
import pickle
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest

from lava_ep.data import load_dataset
from lava_ep.data.cifar10 import BATCHES, CLASS_NAMES
from lava_ep.errors import InputError

ARCHIVE = "cifar-10-python.tar.gz"


def error_line(folder):
    """Return the message for a folder that cannot be used, having checked what all must do."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError) as caught:
        load_dataset("cifar10", data_dir=folder)
    assert sorted(folder.rglob("*")) == before
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1000
    assert str(folder) in message
    assert "expected" in message
    return message


@pytest.mark.parametrize(
    ("form", "place"),
    [
        ("python", "."),
        ("python", "cifar10"),
        ("python", "cifar-10-batches-py"),
        ("python", "CIFAR-10/cifar-10-batches-py"),
        ("binary", "."),
        ("binary", "cifar_10"),
        ("binary", "cifar-10/cifar-10-batches-bin"),
        ("binary", "cifar-10-batches-bin"),
        ("recoded", "."),
        ("recoded", "cifar10"),
        ("archive", "."),
        ("archive", "CIFAR10"),
    ],
)
def test_found_in_data_dir(tmp_path, small_cifar10, form, place):
    getattr(small_cifar10, f"write_{form}")(tmp_path / place)
    dataset = load_dataset("cifar10", data_dir=str(tmp_path))
    small_cifar10.check(dataset)
    assert (dataset.name, dataset.levels, dataset.image_shape) == ("cifar10", 255, (32, 32, 3))
    assert (dataset.y_train.dtype, dataset.y_test.dtype) == (np.int64, np.int64)
    assert dataset.class_names == CLASS_NAMES
    assert len(dataset.class_names) == 10


def test_standard_folder_itself_is_data_dir(tmp_path, small_cifar10):
    folder = small_cifar10.write_python(tmp_path / "cifar-10-batches-py")
    small_cifar10.check(load_dataset("cifar10", data_dir=folder))


def test_environment_names_the_folder(tmp_path, small_cifar10, monkeypatch):
    small_cifar10.write_recoded(tmp_path / "cifar10")
    monkeypatch.setenv("LAVA_EP_DATA", str(tmp_path))
    small_cifar10.check(load_dataset("cifar10", limit_train=15, limit_test=3))


def test_set_absent_from_data_dir_is_not_downloaded(tmp_path, cache):
    (tmp_path / "given").mkdir()
    message = error_line(tmp_path / "given")
    assert "no files in --data-dir" in message
    for name in ("data_batch_1", "test_batch.bin", "cifar10.npz", ARCHIVE):
        assert name in message
    assert not cache.exists()


def test_missing_batches_are_named(tmp_path, small_cifar10):
    folder = small_cifar10.write_python(tmp_path / "cifar-10-batches-py")
    (folder / "data_batch_3").unlink()
    (folder / "test_batch").unlink()
    message = error_line(tmp_path)
    assert f"missing {folder / 'data_batch_3'} and {folder / 'test_batch'}: expected" in message


def test_whole_set_goes_before_an_incomplete_one(tmp_path, small_cifar10):
    folder = small_cifar10.write_python(tmp_path / "cifar10")
    (folder / "data_batch_3").unlink()
    small_cifar10.write_binary(tmp_path)
    small_cifar10.check(load_dataset("cifar10", data_dir=tmp_path))


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class EvilShell(Evil):
    def __reduce__(self):
        return subprocess.call, (["touch", str(self.path)],)


class EvilSystem(Evil):
    def __reduce__(self):
        return os.system, (f"touch '{self.path}'",)


class EvilBuiltin(Evil):
    def __reduce__(self):
        return exec, (f"open({str(self.path)!r}, 'w').close()",)


class EvilInside(Evil):
    """Hides a call in the state of an array of objects."""

    def __reduce__(self):
        return np.array([EvilSystem(self.path)], dtype=object).__reduce__()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", [Evil, EvilShell, EvilSystem, EvilBuiltin, EvilInside])
def test_pickle_that_calls_something_is_refused(tmp_path, small_cifar10, kind, protocol):
    folder, target = tmp_path / "data", tmp_path / "made by a pickle"
    content = pickle.dumps({b"data": kind(target), b"labels": [0]}, protocol)
    pickle.loads(content)
    assert target.exists()  # so this pickle is harmful indeed
    target.unlink()
    path = small_cifar10.write_python(folder) / "data_batch_2"
    path.write_bytes(content)
    message = error_line(folder)
    assert message.startswith(f"{path}: forbidden content: expected")
    assert "found the global " in message
    assert not target.exists()


def test_forbidden_global_is_named(tmp_path, small_cifar10):
    path = small_cifar10.write_python(tmp_path) / "test_batch"
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert "found the global os.system, and nothing of it was called" in error_line(tmp_path)


@pytest.mark.parametrize("name", ["array", "fromstring", "core.multiarray.array"])
def test_other_functions_of_numpy_are_refused(tmp_path, small_cifar10, name):
    path = small_cifar10.write_python(tmp_path) / "test_batch"
    path.write_bytes(f"cnumpy\n{name}\n)R.".encode())
    assert f"found the global numpy.{name}," in error_line(tmp_path)


@pytest.mark.parametrize("content", [b"Pelsewhere\n.", b"\x80\x02K\x01Q."])
def test_persistent_object_is_refused(tmp_path, small_cifar10, content):
    path = small_cifar10.write_python(tmp_path) / "data_batch_1"
    path.write_bytes(content)
    assert "forbidden content" in (message := error_line(tmp_path))
    assert "found the persistent object" in message


def test_pickle_cannot_change_its_reader(tmp_path, small_cifar10):
    path = small_cifar10.write_python(tmp_path) / "data_batch_1"
    attempts = [
        b"cnumpy\ndtype\nN}Vstate\nI1\ns\x86b.",  # set an attribute of what stands for a class
        b"c_codecs\nencode\nN}V__doc__\nI1\ns\x86b.",
        b"cnumpy\nndarray\nVstate\nI1\ns.",
    ]
    for attempt in attempts:
        path.write_bytes(attempt)
        assert error_line(tmp_path).startswith(f"{path}: damaged pickle")
    small_cifar10.write_python(tmp_path)
    small_cifar10.check(load_dataset("cifar10", data_dir=tmp_path))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("order", ["C", "F"])
def test_batches_pickled_anew_are_read(tmp_path, small_cifar10, protocol, order):
    for number, name in enumerate(BATCHES):
        planes = np.array(small_cifar10.planes(number), order=order)
        labels = small_cifar10.labels[number].tolist()
        batch = {b"data": ByOldProtocol(planes), b"labels": labels}
        (tmp_path / name).write_bytes(pickle.dumps(batch, protocol))
    small_cifar10.check(load_dataset("cifar10", data_dir=tmp_path))


class ByOldProtocol:
    """An array that is pickled as in the published batches, which protocol 5 would not do."""

    def __init__(self, array):
        self.array = array

    def __reduce__(self):
        return self.array.__reduce__()


def test_any_truncation_of_a_pickle_is_refused(tmp_path, small_cifar10):
    path = small_cifar10.write_python(tmp_path) / "data_batch_1"
    content = path.read_bytes()
    for length in (*range(300), *range(len(content) - 100, len(content), 7), 5000):
        path.write_bytes(content[:length])
        assert error_line(tmp_path).startswith(f"{path}: damaged pickle: expected a whole batch")


def altered(batch, **changes):
    return pickle.dumps({**batch, **{key.encode(): value for key, value in changes.items()}}, 2)


@pytest.mark.parametrize(
    ("changes", "flaw"),
    [
        ({"labels": [0, 10, 1]}, "wrong label: expected 0..9, found 10 at position 1"),
        ({"labels": [0, 1, -1]}, "wrong label: expected 0..9, found -1 at position 2"),
        ({"labels": [0, 1]}, "wrong labels: expected b'labels' to be a list of 3 integers, found"),
        ({"labels": [0, 1, 2.5]}, "wrong labels: "),
        ({"labels": [0, 1, None]}, "wrong labels: "),
        ({"labels": [0, 1, [2]]}, "wrong labels: "),
        ({"labels": [0, 1, 10**9999]}, "wrong labels: "),
        ({"labels": {0, 1, 2}}, "forbidden content: "),
        ({"labels": b"123"}, "wrong labels: .* found bytes"),
        ({"data": np.zeros((3, 3071), np.uint8)}, "wrong pixels: expected b'data' to be an array"),
        ({"data": np.zeros((2, 3072), np.uint8)}, "wrong pixels: "),
        ({"data": np.zeros((3, 3072), np.int8)}, "wrong pixels: "),
        ({"data": np.zeros((3, 1536), np.uint16)}, "wrong pixels: "),
        ({"data": [1, 2, 3]}, "wrong pixels: .* found list"),
        ({"data": np.dtype("u1")}, "wrong pixels: "),
    ],
)
def test_unfit_content_of_a_pickle(tmp_path, small_cifar10, changes, flaw):
    path = small_cifar10.write_python(tmp_path) / "data_batch_5"
    good = {b"data": small_cifar10.planes(4), b"labels": [1, 2, 3]}
    path.write_bytes(altered(good))
    load_dataset("cifar10", data_dir=tmp_path)
    path.write_bytes(altered(good, **changes))
    message = error_line(tmp_path)
    assert message.startswith(f"{path}: {flaw.split(' .* ')[0]}")
    assert flaw.split(" .* ")[-1] in message


def test_array_with_too_few_bytes(tmp_path, small_cifar10):
    path = small_cifar10.write_python(tmp_path) / "data_batch_4"
    content = small_cifar10.pickled(3).replace(b"M\x03\0M\0\x0c", b"M\x04\0M\0\x0c")
    path.write_bytes(content)
    assert f"{path}: wrong pixels: " in (message := error_line(tmp_path))
    assert "of shape (4, 3072) in 9216 bytes" in message


@pytest.mark.parametrize(
    "content",
    [pickle.dumps([1, 2], 2), pickle.dumps({"data": 1, "labels": 2}, 2), pickle.dumps(None, 2)],
    ids=["list", "text keys", "none"],
)
def test_pickle_of_something_else(tmp_path, small_cifar10, content):
    path = small_cifar10.write_python(tmp_path) / "data_batch_4"
    path.write_bytes(content)
    assert error_line(tmp_path).startswith(f"{path}: wrong content: expected a dictionary with")


@pytest.mark.parametrize(
    "content", [b"", b"no pickle at all", b"\x80\xff", b"]a.", b"\x80\x02h\x05."]
)
def test_damaged_pickle(tmp_path, small_cifar10, content):
    path = small_cifar10.write_python(tmp_path) / "data_batch_4"
    path.write_bytes(content)
    assert error_line(tmp_path).startswith(f"{path}: damaged pickle: ")


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (lambda content: content[:-1], "truncated binary batch: expected 9219 bytes"),
        (lambda content: b"", "truncated binary batch: expected 9219 bytes for 3 images, found 0"),
        (lambda content: content + b"\0", "trailing bytes: expected 9219 bytes"),
        (lambda content: b"\x0a" + content[1:], "wrong label: expected 0..9, found 10 at position"),
    ],
    ids=["short", "empty", "long", "label"],
)
def test_broken_binary_batch(tmp_path, small_cifar10, change, flaw):
    path = small_cifar10.write_binary(tmp_path) / "test_batch.bin"
    path.write_bytes(change(path.read_bytes()))
    assert error_line(tmp_path).startswith(f"{path}: {flaw}")


@pytest.mark.parametrize(
    ("name", "array", "flaw"),
    [
        ("train_coded", np.zeros((3, 14, 32, 32), np.uint8), "wrong array train_coded: expected"),
        ("train_coded", np.zeros((15, 32, 32, 3), np.uint8), "wrong array train_coded: expected"),
        ("test_coded", np.zeros((3, 3, 32, 32)), "wrong array test_coded: expected uint8"),
        ("test_coded", np.zeros(3, object), "damaged file: expected an .npz file with"),
        ("test_labels", np.array([1, 2], np.uint8), "wrong array test_labels: expected"),
        ("train_labels", np.full(15, 10, np.uint8), "train_labels: wrong label: expected 0..9"),
        ("test_labels", None, "damaged file: expected an .npz file with"),
    ],
)
def test_unfit_content_of_the_re_coding(tmp_path, small_cifar10, name, array, flaw):
    arrays = small_cifar10.recoded() | {name: array}
    path = tmp_path / "cifar10.npz"
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    assert error_line(tmp_path).startswith(f"{path}: {flaw}")


def test_truncated_or_damaged_re_coding(tmp_path, small_cifar10):
    path = small_cifar10.write_recoded(tmp_path) / "cifar10.npz"
    content = path.read_bytes()
    changed = bytearray(content)
    changed[1000] ^= 0xFF
    array = io.BytesIO()
    np.save(array, np.zeros(3, np.uint8))
    lengths = (0, 10, 1000, len(content) // 2, len(content) - 1)
    for broken in (*(content[:length] for length in lengths), changed, array.getvalue()):
        path.write_bytes(broken)
        assert error_line(tmp_path).startswith(f"{path}: damaged file: expected an .npz file")


def test_pickle_in_place_of_the_re_coding(tmp_path, small_cifar10):
    target = tmp_path / "made by a pickle"
    path = small_cifar10.write_recoded(tmp_path / "data") / "cifar10.npz"
    path.write_bytes(pickle.dumps(EvilSystem(target)))
    assert error_line(tmp_path / "data").startswith(f"{path}: damaged file")
    assert not target.exists()


@pytest.fixture
def archive(tmp_path, small_cifar10):
    """Return the path of a small archive."""
    return small_cifar10.write_archive(tmp_path / "data") / ARCHIVE


def members_of(archive):
    with tarfile.open(archive) as file:
        return {member.name: file.extractfile(member).read() for member in file}


def test_archive_is_not_unpacked(archive, small_cifar10, tar_bytes, write):
    members = {"../outside": b"", "/tmp/outside": b"", **members_of(archive), "readme.html": b"x"}
    write(archive, tar_bytes(members))
    small_cifar10.check(load_dataset("cifar10", data_dir=archive.parent))
    assert list(archive.parent.parent.rglob("*")) == [archive.parent, archive]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_member_that_is_no_file(archive, tar_bytes, write, kind):
    member = tarfile.TarInfo("cifar-10-batches-py/test_batch")
    member.type, member.linkname = kind, "cifar-10-batches-py/data_batch_1"
    write(archive, tar_bytes({**members_of(archive), member.name: member}))
    message = error_line(archive.parent)
    assert message.startswith(f"{archive}: wrong member {member.name}: expected a regular file")


def test_archive_without_a_batch(archive, tar_bytes, write):
    members = members_of(archive)
    del members["cifar-10-batches-py/data_batch_2"]
    write(archive, tar_bytes(members))
    message = error_line(archive.parent)
    assert message.startswith(f"{archive}: incomplete archive: expected the members")
    assert "'cifar-10-batches-py/data_batch_2' not found" in message


def test_harmful_pickle_in_an_archive(archive, tar_bytes, write):
    target = archive.parent.parent / "made by a pickle"
    harmful = {"cifar-10-batches-py/data_batch_2": pickle.dumps(EvilSystem(target))}
    write(archive, tar_bytes(members_of(archive) | harmful))
    assert error_line(archive.parent).startswith(f"{archive}: data_batch_2: forbidden content")
    assert not target.exists()


def test_truncated_archive(archive, write):
    whole = gzip.decompress(archive.read_bytes())
    write(archive, whole[:20_000])
    assert error_line(archive.parent).startswith(f"{archive}: damaged archive: expected a whole")
    write(archive, b"")
    assert error_line(archive.parent).startswith(f"{archive}: damaged archive: expected a whole")
    write(archive, whole)
    archive.write_bytes(archive.read_bytes()[:-20])
    assert error_line(archive.parent).startswith(f"{archive}: truncated gzip file")


# The published set.

PUBLISHED_BATCHES = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def published():
    """Return the published set from the folder in the environment."""
    root = os.environ.get("LAVA_EP_DATA")
    if not root:
        pytest.skip("LAVA_EP_DATA is not set: it names the folder of the published sets")
    try:
        return load_dataset("cifar10", data_dir=root)
    except InputError as error:
        if "no files in" not in str(error):
            raise
        pytest.skip(f"LAVA_EP_DATA={root} lacks cifar10")


def test_published_set(published):
    assert published.x_train.shape == (50000, 3072)
    assert published.x_test.shape == (10000, 3072)
    assert np.bincount(published.y_train).tolist() == [5000] * 10
    assert np.bincount(published.y_test).tolist() == [1000] * 10
    assert md5(published.x_train) == "17e2cb5a4119d89a4a13e02b91701bff"
    assert md5(published.y_train.astype(np.uint8)) == "69c5f3349be54915edfca558b72ad888"
    assert md5(published.x_test) == "6d2714505047e13831cd876923568712"
    assert md5(published.y_test.astype(np.uint8)) == "251f18ce75337ae9ca5d0dbd7ea62cf4"


def test_published_python_batches_are_rebuilt_and_read(published, pickled_batch, tmp_path):
    recoded = Path(os.environ["LAVA_EP_DATA"]) / "cifar10" / "cifar10.npz"
    if not recoded.is_file():
        pytest.skip(f"{recoded} is not there: it holds the names of the images")
    with np.load(recoded) as arrays:
        names = [*arrays["train_filenames"].tolist(), *arrays["test_filenames"].tolist()]
    images = np.concatenate([published.x_train, published.x_test]).reshape(6, -1, 32, 32, 3)
    labels = np.concatenate([published.y_train, published.y_test]).reshape(6, -1)
    titles = [b"training batch %d of 5" % number for number in range(1, 6)]
    titles.append(b"testing batch 1 of 1")
    for number, (batch, digest) in enumerate(PUBLISHED_BATCHES.items()):
        planes = np.moveaxis(images[number], 3, 1).reshape(10000, -1)
        content = pickled_batch(
            titles[number], planes, labels[number], names[10000 * number :][:10000]
        )
        assert md5(content) == digest
        (tmp_path / batch).write_bytes(content)
    try:
        read = load_dataset("cifar10", data_dir=tmp_path)
    finally:
        shutil.rmtree(tmp_path)  # it is large, and pytest would keep it
    for part in ("x_train", "y_train", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(read, part), getattr(published, part))
