"""Single files of events: what is read, and what is refused."""

import sys

import numpy as np
import pytest

from lava_ep.data import EVENT, checked_events, read_events
from lava_ep.data.event_files import is_litter
from lava_ep.data.events import checked_size
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


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([2**32 - 10, 2**32 - 1, 0, 7], [2**32 - 10, 2**32 - 1, 2**32, 2**32 + 7]),
        ([2**32 - 1, 59_000_000], [2**32 - 1, 2**32 + 59_000_000]),
        # After each of two roll-overs.
        ([2**32 - 3, 5, 2**32 - 2, 1], [2**32 - 3, 2**32 + 5, 2**33 - 2, 2**33 + 1]),
        ([5, 5, 3 * 10**9], [5, 5, 3 * 10**9]),
    ],
)
def test_dat_times_roll_over(tmp_path, times, expected):
    events = np.zeros(len(times), EVENT)
    events["t"] = times
    path = tmp_path / "a.dat"
    path.write_bytes(dat_bytes(events))
    assert read_events(path)["t"].tolist() == expected


@pytest.mark.parametrize(
    ("times", "late"), [([100, 50], 1), ([7, 3 * 10**9, 5], 2), ([2**32 - 1, 61_000_000], 1)]
)
def test_dat_times_not_in_order_are_no_roll_over(tmp_path, times, late):
    events = np.zeros(len(times), EVENT)
    events["t"] = times
    path = tmp_path / "a.dat"
    path.write_bytes(dat_bytes(events))
    message = error_line(path)
    assert f"times are not in order: expected event {late} (counted from 0) at" in message
    assert f"{times[late - 1]} us or later" in message
    assert f"found {times[late]} us" in message


def test_bin_of_a_camera_with_more_rows_than_the_format_has(tmp_path):
    """Row 240 marks an overflow of the times by 2**13 us; another row above is no such file's."""
    path = tmp_path / "a.bin"
    path.write_bytes(bytes([1, 2, 0, 0, 9, 0, 240, 0, 0, 0, 1, 2, 0, 0, 10]))
    assert read_events(path)["t"].tolist() == [9, 2**13 + 10]
    path.write_bytes(bytes([1, 2, 0, 0, 9, 0, 240, 0, 0, 0, 1, 250, 0, 0, 10]))
    assert "rows above 240" in error_line(path)


@pytest.mark.parametrize("name", [".DS_Store", "._1.bin", "__MACOSX", "Thumbs.db", "desktop.ini"])
def test_litter(name):
    assert is_litter(name)
    assert not is_litter(f"a{name}")


def records(n=3, **fields):
    """Return events as programs other than tonic have them, fields of any type."""
    columns = {"x": np.arange(n), "y": np.arange(n), "t": 10 * np.arange(n), "p": np.arange(n) % 2}
    columns |= {name: np.asarray(values) for name, values in fields.items()}
    array = np.empty(n, [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        array[name] = column
    return array


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (np.array([0, 1, 2], np.uint8), [0, 1, 2]),
        (np.array([0, 1, 2**63 - 1], np.uint64), [0, 1, 2**63 - 1]),
        (np.array([-5, 1, 2], ">i4"), [-5, 1, 2]),
        (np.array([0, 7, 2000], "m8[us]"), [0, 7, 2000]),
        (np.array([-1000, 7000, 2_000_000], "m8[ns]"), [-1, 7, 2000]),
        (np.array([0, 1, 3], "m8[ms]"), [0, 1000, 3000]),
        (np.array([0, 1, 3], "m8[s]"), [0, 10**6, 3 * 10**6]),
        (np.array([0, 1, 3], "m8[25us]"), [0, 25, 75]),
        (np.array([0, 4, 8], "m8[250ns]"), [0, 1, 2]),
        (np.array([0, 0, 9_223_372_036_854], "m8[s]"), [0, 0, 9_223_372_036_854 * 10**6]),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test_times_are_microseconds_or_have_a_unit(times, expected):
    events = checked_events(records(t=times), None, "here")
    assert events.dtype == EVENT
    assert events["t"].tolist() == expected


SECONDS = r"\(t \* 1e6\)\.round\(\)\.astype\(np\.int64\) if they are seconds"


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0, 0.25, 0.5], rf"times of type float64, such as 0.25: expected integers.*{SECONDS}"),
        # They may be seconds as well as microseconds.
        (np.array([0, 1, 2], np.float32), r"times of type float32, such as 1.0: expected integers"),
        ([0, np.nan, 1], r"event 1 \(counted from 0\) has time nan"),
        ([0, 1, np.inf], r"event 2 \(counted from 0\) has time inf"),
        (np.array([0, 1, 2**63], np.uint64), r"event 2 .* has time 9223372036854775808: expected"),
        (np.array([0, 1500, 2000], "m8[ns]"), r"event 1 .* has time 1500 nanoseconds: .* whole"),
        (np.array([0, 1, "NaT"], "m8[us]"), r"event 2 .* has time NaT"),
        (np.array([0, 1, 2**62], "m8[s]"), r"event 2 .* fits into 64 bits"),
        (np.arange(3).view("m8"), r"times of type timedelta64: expected a unit of fixed length"),
        (np.array([0, 1, 2], "m8[M]"), r"expected a unit of fixed length"),
        (np.array(["2020-01-01"] * 3, "M8[us]"), r"times of day .* Subtract the start: t - t\[0\]"),
        (["0", "1", "2"], r"times of type <U1: expected integers"),
        (np.array([0, 1, 2], object), r"times of type object: expected integers"),
        ([False, True, True], r"times of type bool"),
        ([0, 1j, 2], r"times of type complex128"),
    ],
    ids=str,
)
def test_times_that_are_not_microseconds(times, message):
    with pytest.raises(InputError, match=f"^here: .*{message}"):
        checked_events(records(t=times), None, "here")


@pytest.mark.parametrize(
    ("polarities", "expected"),
    [
        ([0, 1, 1], [False, True, True]),
        ([False, True, True], [False, True, True]),
        ([-1, 1, 1], [False, True, True]),
        ([1, 1, 1], [True, True, True]),
        ([-1, -1, -1], [False, False, False]),
        ([0, 0, 0], [False, False, False]),
        (np.array([-1, 1, -1], np.int8), [False, True, False]),
        ([-1.0, 1.0, 1.0], [False, True, True]),
    ],
)
def test_conventions_of_polarity(polarities, expected):
    assert checked_events(records(p=polarities), None, "here")["p"].tolist() == expected


@pytest.mark.parametrize(
    ("polarities", "message"),
    [
        ([1, 2, 1], r"event 1 .* has polarity 2: expected 0 and 1, or -1 and 1\. .*p == 2"),
        ([-1, 0, -1], r"polarities -1 as well as 0 \(event 1"),
        ([0, 1, -1], r"polarities -1 as well as 0 \(event 0"),
        ([0, 255, 255], r"event 1 .* has polarity 255: .*p > 0"),
        ([0, 0.5, 1], r"event 1 .* has p 0.5: expected a whole number"),
        ([0, np.nan, 1], r"event 1 .* has p nan: expected a whole number"),
        (["on", "off", "on"], r"p of type <U3: expected an integer"),
        (np.array([0, 1, None]), r"p of type object: expected an integer"),
    ],
    ids=str,
)
def test_polarities_of_no_convention(polarities, message):
    with pytest.raises(InputError, match=f"^here: .*{message}"):
        checked_events(records(p=polarities), None, "here")


@pytest.mark.parametrize("name", ["x", "y"])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, np.nan, 1], "event 1 .* has {name} nan: expected a whole number"),
        ([0, 1, -np.inf], "event 2 .* has {name} -inf"),
        ([0.0, 1.5, 1.0], "event 1 .* has {name} 1.5"),
        ([0, -1, 1], r"event 1 .* expected {name} in 0\.\.32766, found -1"),
        ([0, 1, 65536], r"event 2 .* expected {name} in 0\.\.32766, found 65536"),
        (np.array([0, 1, 2**64 - 1], np.uint64), "event 2 .* found 18446744073709551615"),
        (["0", "1", "2"], "{name} of type <U1"),
        ([True, False, True], "{name} of type bool"),
    ],
    ids=str,
)
def test_places_are_whole_numbers_on_the_sensor(name, values, message):
    with pytest.raises(InputError, match=f"^here: .*{message.format(name=name)}"):
        checked_events(records(**{name: values}), None, "here")


def test_whole_floats_are_places():
    events = checked_events(records(x=[0.0, 32766.0, 2.0]), None, "here")
    assert events["x"].tolist() == [0, 32766, 2]


def test_one_event_has_one_number_in_each_field():
    pairs = np.zeros(3, [("x", int, 2), ("y", int), ("t", int), ("p", int)])
    with pytest.raises(InputError, match=r"x of type int64 and shape \(3, 2\)"):
        checked_events(pairs, None, "here")
    with pytest.raises(InputError, match=r"shape \(1, 3\): expected one dimension"):
        checked_events(records()[None], None, "here")


def test_lists_and_tables_say_how_to_make_events():
    with pytest.raises(InputError, match=r"found no fields .*frame\.to_records\(index=False\)"):
        checked_events([(0, 0, 0, 0)], None, "here")


def test_a_sensor_of_one_polarity_has_events_of_one():
    for p in ([0, 0, 0], [1, 1, 1], [-1, -1, -1]):
        assert not checked_events(records(p=p), (9, 9, 1), "here")["p"].any()
    with pytest.raises(InputError, match=r"both polarities: .*\(9, 9, 1\).*merge_polarities"):
        checked_events(records(p=[0, 1, 1]), (9, 9, 1), "here")


@pytest.mark.parametrize("size", [(3, 3), [3, 3], [3, 3, 2], np.array([3, 3, 2])])
def test_sizes_of_sensors(size):
    assert len(checked_events(records(), size, "here")) == 3
    with pytest.raises(InputError, match=r"expected x in 0\.\.2, found 3"):
        checked_events(records(x=[0, 1, 3]), size, "here")


@pytest.mark.parametrize(
    "size", [3, (3,), (3, 3, 2, 1), (3, 3, 3), (0, 3, 2), (3, 2**15, 2), (3.0, 3, 2), "33", None]
)
def test_senseless_sizes_of_sensors(size):
    with pytest.raises(InputError, match=r"here: sensor_size=.*: expected width and height in"):
        checked_size(size, "here")


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
