"""Tables of text: everything that people write into a .csv, and what is refused."""

import csv
import gzip
import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ep.data.own.reading import read_samples
from lava_ep.errors import InputError

NAMES = itertools.count()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@pytest.fixture
def read(scratch):
    """Return the function that writes a table and reads it."""

    def write_and_read(content, *, ending=".csv", **options):
        path = scratch / f"{next(NAMES)}{ending}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_samples(path, **options)

    return write_and_read


def check(data, x, y, names=(), label=None):
    """Assert that a table was read as expected."""
    np.testing.assert_array_equal(data.train.x, np.array(x, np.float64))
    assert data.train.x.dtype == np.float64
    assert data.train.y.tolist() == y
    assert (data.feature_names, data.label_name) == (tuple(names), label)
    assert (data.test, data.image_shape, data.full_scale) == (None, None, None)
    assert data.train.names == ()


def error_line(read, content, **options):
    """Return the message about a table that cannot be used."""
    with pytest.raises(InputError) as caught:
        read(content, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert "expected" in message
    return message


@pytest.mark.parametrize(
    "text",
    [
        "a,b,kind\n1,2.5,x\n-3,4e1,y\n",
        "a;b;kind\n1;2.5;x\n-3;4e1;y\n",
        "a;b;kind\n1;2,5;x\n-3;4e1;y\n",
        "a\tb\tkind\n1\t2,5\tx\n-3\t40\ty\n",
        "a b kind\n 1  2.5 x\n-3 40 y\n",
        "\ufeffa,b,kind\r\n1,2.5,x\r\n-3,4e1,y\r\n",
        "a,b,kind\r1,2.5,x\r-3,4e1,y\r",
        "\na,b,kind\n\n1,2.5,x\n  \n-3,4e1,y\n\n\n",
        "a,b,kind,\n1,2.5,x,\n-3,4e1,y,\n",
        "a,b,kind\n1,2.5,x,\n-3,4e1,y,\n",
        '"a","b","kind"\n"1","2.5","x"\n"-3","4e1","y"',
        "a, b, kind\n1, 2.5, x\n-3, +40., y",
    ],
    ids=[
        *("commas", "semicolons", "decimal comma", "tabs", "spaces", "CRLF and BOM", "CR"),
        *("blank lines", "trailing delimiter", "trailing delimiter below", "quotes", "blanks"),
    ],
)
def test_ways_to_write_the_same_table(read, text):
    check(read(text), [[1, 2.5], [-3, 40]], ["x", "y"], ["a", "b"], "kind")


def test_a_row_of_missing_values_is_a_sample(read):
    for text in ("a\tb\n1\t2\n\t\n3\t4\n", "a,b\n1,2\n,\n3,4\n"):
        x = read(text, labelled=False).train.x
        np.testing.assert_array_equal(x, [[1, 2], [math.nan, math.nan], [3, 4]])


def test_encodings_and_compression(read):
    text = "größe,kind\n1,ä\n2,ö\n"
    for content in (
        text.encode(),
        text.encode("utf-8-sig"),
        text.encode("utf-16"),
        text.encode("latin-1"),
    ):
        check(read(content), [[1], [2]], ["ä", "ö"], ["größe"], "kind")
    check(
        read(gzip.compress(text.encode()), ending=".CSV.GZ"),
        [[1], [2]],
        ["ä", "ö"],
        ["größe"],
        "kind",
    )


@pytest.mark.parametrize("ending", [".csv", ".TSV", ".txt"])
def test_without_names_of_columns(read, ending):
    check(read("1,2,x\n3,4,y\n", ending=ending), [[1, 2], [3, 4]], ["x", "y"])
    check(read("x,1,2\ny,3,4\n", ending=ending, label="1"), [[1, 2], [3, 4]], ["x", "y"])
    check(read("1 2 0\n3 4 1\n", ending=ending), [[1, 2], [3, 4]], [0, 1])


def test_what_numpy_and_pandas_write(tmp_path):
    path = tmp_path / "a.txt"
    np.savetxt(path, [[0.5, 1, 0], [2, 1 / 3, 1]])
    check(read_samples(path), [[0.5, 1], [2, 1 / 3]], [0, 1])
    np.savetxt(path, [[0.5, 0], [2, 1]], header="a k")
    check(read_samples(path), [[0.5], [2]], [0, 1], ["a"], "k")
    # pandas.DataFrame(...).to_csv(index=False) with default names, and of truth values.
    path.write_text("0,1,2,kind\n0.5,True,7,a\n2.0,False,8,b\n")
    check(read_samples(path), [[0.5, 1, 7], [2, 0, 8]], ["a", "b"], ["0", "1", "2"], "kind")
    # The same first row is a sample where its label is a class.
    path.write_text("0,1,2,a\n0.5,1,7,a\n")
    check(read_samples(path), [[0, 1, 2], [0.5, 1, 7]], ["a", "a"])


def test_the_label_by_name_and_by_number(read):
    text = "kind,1,b\n7,1,2\n8,3,4\n"
    check(read(text, label="kind"), [[1, 2], [3, 4]], [7, 8], ["1", "b"], "kind")
    # Names go before numbers.
    check(read(text, label="1"), [[7, 2], [8, 4]], [1, 3], ["kind", "b"], "1")
    check(read(text, label="3"), [[7, 1], [8, 3]], [2, 4], ["kind", "1"], "b")
    check(read(text), [[7, 1], [8, 3]], [2, 4], ["kind", "1"], "b")


@pytest.mark.parametrize(
    ("cells", "labels", "kind"),
    [
        (["3", "-1", "+2"], [3, -1, 2], "i"),
        (["1.0", "2.0", "0"], [1, 2, 0], "i"),
        (["True", "false", "TRUE"], [True, False, True], "b"),
        (["1", "2", "b"], ["1", "2", "b"], "U"),
        (["01", "1", "2"], ["01", "1", "2"], "U"),
        (["99999999999999999999", "1", "2"], ["99999999999999999999", "1", "2"], "U"),
        (["New York", "a, b", 'say ""x""'], ["New York", "a, b", 'say "x"'], "U"),
    ],
)
def test_types_of_labels(read, cells, labels, kind):
    data = read("v,kind\n" + "".join(f'1,"{cell}"\n' for cell in cells))
    assert data.train.y.tolist() == labels
    assert data.train.y.dtype.kind == kind


def test_missing_values_become_nan(read):
    data = read("a,b,kind\n1,,x\nNA,2,x\n?,nan,y\nNULL,n/a,y\n5,6,y\n")
    nan = math.nan
    np.testing.assert_array_equal(
        data.train.x, [[1, nan], [nan, 2], [nan, nan], [nan, nan], [5, 6]]
    )


def test_without_labels(read):
    def features(*arguments, **options):
        return read(*arguments, labelled=False, **options)

    for text in ("a,kind,b\n1,x,2\n3,,4\n", "a,b\n1,2\n3,4\n"):
        data = features(text, label="kind")
        assert data.train.x.tolist() == [[1, 2], [3, 4]]
        assert (data.train.y, data.feature_names, data.label_name) == (None, ("a", "b"), None)
    data = features("1,2\n3,4\n", label="kind")
    assert (data.train.x.tolist(), data.feature_names) == ([[1, 2], [3, 4]], ())
    data = features("a\n1\n2\n")
    assert (data.train.x.tolist(), data.feature_names) == ([[1], [2]], ("a",))
    data = features("5\n6\n")
    assert (data.train.x.tolist(), data.feature_names) == ([[5], [6]], ())
    # One sample with names above, as they are text in all columns.
    data = features("a,b\n1,2\n")
    assert (data.train.x.tolist(), data.feature_names) == ([[1, 2]], ("a", "b"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a,b,k\n1,red,x\n2,blue,y\n",
            r"line 2, column 2 \(b\): 'red': expected a number\. Rem",
        ),
        ("a,b,c,k\n1,2,red,x\n2,2,blue,y\n", r"column 3 \(c\): 'red': expected a number\. .*--lab"),
        ("a,b,k\n1,2,x\n1,2_0,y\n", r"line 3, column 2 \(b\): '2_0': expected a number"),
        ("a,b,k\n1,2,x\n1,٣,y\n", r"line 3, column 2 \(b\): '٣': expected a number"),
        ("a,b,k\n1,2,x\n1,inf,y\n", r"line 3, column 2 \(b\): 'inf': expected a finite number"),
        ("a,b,k\n1,2,x\n1,1e999,y\n", r"line 3, column 2 \(b\): '1e999': expected a finite"),
        ("a,b,k\n1,,x\n1,1e999,y\n", r"line 3, column 2 \(b\): '1e999': expected a finite"),
        ('a,b,k\n1,2,x\n1,"1,234.5",y\n', r"'1,234\.5': expected a number\. Write .* thousands"),
        ("a;k\n1.234,5;x\n2,5;y\n", r"'1\.234,5': expected a number\. Write .* thousands"),
        ("a;k\n1,25;x\n2.5;y\n", r"1,25 in line 2 and 2\.5 in line 3: expected the same decimal"),
        ("a;k\n1,234;x\n2,345;y\n", r"line 2: 1,234 may have a decimal comma or a thousands"),
        ("a,b,k\n1,2,x\n1,2\n", r"line 3: 2 cells: expected 3"),
        ("a,b,k\n1,2,x\n1,2,y,4\n", r"line 3: 4 cells: expected 3"),
        ("a,b,k\n1,2,x\n1,2,\n", r"line 3, column 3 \(k\): no label, found ''"),
        ("a,b,k\n1,2,x\n1,2,NaN\n", r"line 3, column 3 \(k\): no label, found 'NaN'"),
        ("a,a,k\n1,2,x\n1,2,y\n", r"line 1: several columns are named 'a'"),
        (",a,k\n0,2,x\n1,2,y\n", r"line 1: column 1 has no name: .*index=False"),
        ("5.1x,3.5,a\n5,3,a\n4,3,b\n", r"line 1: '5\.1x' in column 1 is not a number as in the"),
        ("a,k\n1,0.5\n2,0.7\n", r"column 2 \(k\): 0\.5: expected classes"),
        ("class,a\n1,5\n2,6\n", r"a column is named class, but .* Add --label class or --label a"),
        ("k\n1\n2\n", r"no features: expected columns of numbers besides the labels"),
        ("a,b,k\n", r"no samples: expected rows below the names"),
        ("", r"empty table"),
        ("\n\n", r"empty table"),
        ('a,b,k\n1,2,"x\n1,2,y\n', r"line 3: expected a table of cells, found: unexpected end"),
    ],
)
def test_what_is_refused(read, text, message):
    line = error_line(read, text)
    assert re.search(message, line), line


def test_an_unknown_column_is_named_with_the_known_ones(read):
    line = error_line(read, "a,b\n1,2\n3,4\n", label="c")
    assert "--label c: no such column" in line
    assert "expected one of a, b, or its number from 1 to 2" in line
    for label in ("a", "0", "3", "-1"):
        line = error_line(read, "1,2\n3,4\n", label=label)
        assert f"--label {label}: no such column" in line
        assert "a number from 1 to 2, as the columns have no names" in line


def test_other_encodings_name_the_byte(read):
    line = error_line(read, "a,k\n1,x\n2,\u2018y\u2019\n".encode("cp1252"))
    assert "line 3: byte 0x91, the 11th of the file, is neither UTF-8 nor Latin-1" in line
    assert "neither UTF-8 nor Latin-1" in error_line(read, bytes(range(256)))
    error_line(read, b"a,k\n1,\0\n2,x\n")


cells = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**60), 2**60),
)
words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1).filter(
    lambda text: text.lower() not in ("na", "nan", "null", "?", "n/a")
)


@given(
    rows=st.lists(st.tuples(cells, cells, words), min_size=2, max_size=6),
    delimiter=st.sampled_from(",;\t"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@settings(max_examples=100, deadline=None)
def test_round_trip(rows, delimiter, quoting, scratch):
    path = scratch / "round-trip.csv"
    rows = [(one, two, f"k{word}") for one, two, word in rows]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=quoting)
        writer.writerows([("a", "b", "kind"), *rows])
    check(
        read_samples(path),
        [[float(one), float(two)] for one, two, _ in rows],
        [word for *_, word in rows],
        ["a", "b"],
        "kind",
    )


def test_many_rows_are_read_alike_with_and_without_missing_values(tmp_path):
    x = np.random.default_rng(0).normal(size=(2500, 4))
    y = np.arange(2500) % 3
    lines = [
        ",".join([*map(repr, row.tolist()), str(label)]) for row, label in zip(x, y, strict=True)
    ]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines))
    check(read_samples(path), x, y.tolist())
    lines[2000] = f"1,,2,3,{y[2000]}"
    path.write_text("\n".join(lines))
    x[2000] = [1, math.nan, 2, 3]
    check(read_samples(path), x, y.tolist())
