"""Reading one IDX file: the round trip, and every way in which a file can be broken."""

import gzip
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lava_ep.data import read_idx
from lava_ep.errors import InputError

arrays = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=3, max_side=6))
suffixes = st.sampled_from(["", ".gz"])


def error_line(path, dimensions=3):
    """Return the message for a broken file, having checked its form."""
    with pytest.raises(InputError) as caught:
        read_idx(path, dimensions=dimensions)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    assert "expected" in message
    assert "found" in message
    return message


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("idx")


@given(array=arrays, suffix=suffixes)
def test_round_trip(array, suffix, scratch, idx_bytes, write):
    path = write(scratch / f"round-trip{suffix}", idx_bytes(array))
    read = read_idx(path, dimensions=array.ndim)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array)


@given(array=arrays, suffix=suffixes, data=st.data())
def test_any_truncation_is_refused(array, suffix, data, scratch, idx_bytes, write):
    path = write(scratch / f"truncated{suffix}", idx_bytes(array))
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    error_line(path, array.ndim)


@given(array=arrays, data=st.data())
@settings(max_examples=300)
def test_any_damaged_gzip_byte_is_refused_or_harmless(array, data, scratch, idx_bytes, write):
    path = write(scratch / "damaged.gz", idx_bytes(array))
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        read = read_idx(path, dimensions=array.ndim)
    except InputError:
        return
    np.testing.assert_array_equal(read, array)  # the gzip header has bytes without meaning


def test_truncated_gzip(tmp_path, idx_bytes, write):
    path = write(tmp_path / "a.gz", idx_bytes(np.zeros((4, 3, 2))))
    path.write_bytes(path.read_bytes()[:-3])
    assert "truncated gzip file" in error_line(path)


def test_corrupt_gzip(tmp_path):
    path = tmp_path / "a.gz"
    content = bytearray(gzip.compress(bytes(range(200))))
    content[50] ^= 0xFF
    path.write_bytes(content)
    assert "corrupt gzip file" in error_line(path)


def test_not_gzip_at_all(tmp_path, idx_bytes):
    path = tmp_path / "a.gz"
    path.write_bytes(idx_bytes(np.zeros((4, 3, 2))))
    assert "corrupt gzip file" in error_line(path)


@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_empty_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"")
    assert "found 0 bytes" in error_line(path)


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (lambda content: content[:-1], "truncated IDX file: expected 24 bytes .* found 23"),
        (lambda content: content + b"\0", "trailing bytes: expected 24 bytes .* found 25"),
        (lambda content: content[:10], "truncated IDX file: expected at least 16 .* found 10"),
        (lambda content: b"\x89P" + content[2:], "wrong magic number: .* found 89 50"),
        (lambda content: content[:2] + b"\x0d" + content[3:], "wrong data type: .* found 0x0d"),
        (lambda content: content[:3] + b"\1" + content[4:], "dimensions: expected 3, found 1"),
        (lambda content: content[:4] + b"\0\0\0\0" + content[8:], r"empty array: .*\(0, 3, 2\)"),
        (lambda content: content[:4] + b"\xff" * 12 + content[16:], "truncated IDX file"),
    ],
    ids=["short", "long", "no header", "magic", "dtype", "dimensions", "empty", "huge"],
)
@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_broken_content(tmp_path, idx_bytes, write, name, change, flaw):
    path = write(tmp_path / name, change(idx_bytes(np.zeros((4, 3, 2)))))
    message = error_line(path)
    assert re.search(flaw, message), message


def test_missing_file(tmp_path):
    assert "No such file" in error_line(tmp_path / "a.gz")


def test_folder_in_place_of_file(tmp_path):
    (tmp_path / "a").mkdir()
    assert "Is a directory" in error_line(tmp_path / "a")
