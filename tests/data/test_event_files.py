"""Single files of events: what is read, and what is refused."""

import sys

import numpy as np
import pytest

from lava_ep.data import EVENT, checked_events, read_events
from lava_ep.errors import InputError

DAT_HEADER = b"% Data file containing CD events.\n% Version 2\n\x00\x08"


def dat_bytes(events) -> bytes:
    """Return events in the format DAT: time, then polarity, row and column in 32 bits."""
    words = np.empty((len(events), 2), "<u4")
    words[:, 0] = events["t"]
    where = events["p"].astype(np.uint32) << 28 | events["y"].astype(np.uint32) << 14
    words[:, 1] = where | events["x"].astype(np.uint32)
    return DAT_HEADER + words.tobytes()


def error_line(path, **arguments):
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(InputError) as caught:
        read_events(path, **arguments)
    assert (path.read_bytes() if path.is_file() else None) == before
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert "expected" in message
    return message


def test_layout_is_that_of_tonic():
    from tonic.io import events_struct

    assert events_struct == EVENT


def test_nmnist_file(tmp_path, nmnist_bytes, random_events):
    events = random_events()
    path = tmp_path / "00001.bin"
    path.write_bytes(nmnist_bytes(events))
    read = read_events(str(path), (34, 34, 2))
    np.testing.assert_array_equal(read, events)
    assert read.dtype == EVENT


def test_dat_file(tmp_path, random_events):
    events = random_events(size=(120, 100, 2))
    path = tmp_path / "car.dat"
    path.write_bytes(dat_bytes(events))
    np.testing.assert_array_equal(read_events(path), events)


@pytest.mark.parametrize("ending", ["bin", "dat"])
@pytest.mark.parametrize("lost", [1, 3])
def test_truncated(tmp_path, nmnist_bytes, random_events, ending, lost):
    write = {"bin": nmnist_bytes, "dat": dat_bytes}[ending]
    path = tmp_path / f"events.{ending}"
    path.write_bytes(write(random_events())[:-lost])
    assert "truncated file" in error_line(path)


def test_empty(tmp_path):
    for name, content in (("a.bin", b""), ("a.dat", DAT_HEADER)):
        (tmp_path / name).write_bytes(content)
        assert "empty recording" in error_line(tmp_path / name)


def test_dat_without_end_of_header(tmp_path):
    path = tmp_path / "a.dat"
    for content, flaw in (
        (DAT_HEADER[:-2], "truncated"),
        (b"% no end of line", "truncated"),
        (b"", "foreign file"),
        (DAT_HEADER[:-1] + b"\x07" + bytes(8), "wrong size of events"),
    ):
        path.write_bytes(content)
        assert flaw in error_line(path)


@pytest.mark.parametrize("ending", ["bin", "dat", "aedat4"])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"#!AER-DAT2.0\r\n" + bytes(60), "AEDAT"),
        (b"MATLAB 5.0 MAT-file" + bytes(60), "MATLAB"),
        (b"\x89HDF\r\n\x1a\n" + bytes(62), "HDF5"),
        (b"PK\x03\x04" + bytes(61), "zip"),
        (b"x, y, t, p\n1, 2, 3, 1\n4, 5, 6, 0\n\n\n", "text"),
    ],
)
def test_foreign(tmp_path, ending, content, found):
    path = tmp_path / f"events.{ending}"
    path.write_bytes(content)
    message = error_line(path)
    assert "foreign file" in message
    assert ending == "aedat4" or found in message


@pytest.mark.parametrize("name", ["events.mat", "events.aedat", "events.npy", "events"])
def test_unknown_ending(tmp_path, name):
    (tmp_path / name).touch()
    assert "unknown format" in error_line(tmp_path / name)


def test_missing(tmp_path):
    assert "cannot be read" in error_line(tmp_path / "missing.bin")


def test_outside_the_sensor(tmp_path, nmnist_bytes, random_events):
    events = random_events()
    events["x"][17] = 34
    path = tmp_path / "a.bin"
    path.write_bytes(nmnist_bytes(events))
    assert len(read_events(path)) == len(events)
    message = error_line(path, sensor_size=(34, 34, 2))
    assert (
        "event 17 (counted from 0) is outside the sensor: expected x in 0..33, found 34" in message
    )


def test_times_not_in_order(tmp_path, nmnist_bytes, random_events):
    events = random_events()
    events["t"][50] = events["t"][49] - 1
    path = tmp_path / "a.bin"
    path.write_bytes(nmnist_bytes(events))
    assert "times are not in order: expected event 50" in error_line(path)


def test_damaged_aedat4(tmp_path):
    path = tmp_path / "a.aedat4"
    path.write_bytes(b"#!AER-DAT4.0\r\n" + bytes(100))
    message = error_line(path)
    assert "damaged file" in message or "pip install aedat" in message


def test_aedat4_without_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "aedat", None)
    path = tmp_path / "a.aedat4"
    path.write_bytes(b"#!AER-DAT4.0\r\n" + bytes(100))
    with pytest.raises(InputError, match="pip install aedat"):
        read_events(path)


def test_fields_in_any_order():
    events = np.array([(5, 1, 3)], dtype=[("t", int), ("p", int), ("x", int)])
    assert checked_events(events, (4, 1, 1), "here").tolist() == [(3, 0, 5, False)]
    with pytest.raises(InputError, match=r"here: foreign events: .* found t, p \(without x\)"):
        checked_events(events[["t", "p"]], None, "here")
    with pytest.raises(InputError, match="found no fields"):
        checked_events(np.zeros((3, 4)), None, "here")


@pytest.mark.parametrize(
    ("name", "number", "last"),
    [
        ("sample_nmnist.bin", 4325, (21, 14, 311175, True)),
        ("sample_ncars.dat", 2009, (75, 28, 99952, True)),
    ],
)
def test_samples(shared_events, name, number, last):
    events = read_events(shared_events / name)
    assert (len(events), events[-1].tolist()) == (number, last)


def test_aedat4_sample(shared_events):
    pytest.importorskip("aedat", reason="the package aedat, which tonic reads AEDAT 4 with")
    events = read_events(shared_events / "sample.aedat4")
    assert (len(events), events.dtype) == (111954, EVENT)
    assert events[-1].tolist() == (88, 237, 1605537494308262, True)
    assert 0.2 < events["p"].mean() < 0.8
