"""Arrays in .npz and .npy files: what each holds, and what is refused."""

import itertools
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lava_ep.data.own.reading import read_samples
from lava_ep.errors import InputError

NAMES = itertools.count()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("arrays")


@pytest.fixture
def read(scratch):
    """Return the function that writes arrays and reads them."""

    def write_and_read(*, labelled=True, **arrays):
        path = scratch / f"{next(NAMES)}.npz"
        np.savez(path, **arrays)
        return read_samples(path, labelled=labelled)

    return write_and_read


def error_line(read, **arrays):
    """Return the message about arrays that cannot be used."""
    with pytest.raises(InputError) as caught:
        read(**arrays)
    message = str(caught.value)
    assert "\n" not in message
    assert "expected" in message
    return message


X = np.arange(12, dtype=np.float32).reshape(4, 3)
Y = np.array([0, 1, 1, 0])


@pytest.mark.parametrize(
    ("x", "y", "x_test", "y_test"),
    [("x_train", "y_train", "x_test", "y_test"), ("X_Train", "Y_TRAIN", "X_test", "y_Test")],
)
def test_parts(read, x, y, x_test, y_test):
    data = read(**{x: X, y: Y, x_test: X[:2] + 1, y_test: Y[:2]}, other=np.array([1j]))
    np.testing.assert_array_equal(data.train.x, X)
    np.testing.assert_array_equal(data.train.y, Y)
    np.testing.assert_array_equal(data.test.x, X[:2] + 1)
    np.testing.assert_array_equal(data.test.y, Y[:2])
    assert (data.image_shape, data.full_scale, data.feature_names) == (None, None, ())


@pytest.mark.parametrize("names", [("x", "y"), ("X", "y"), ("x_train", "y_train")])
def test_one_part(read, names):
    data = read(**dict(zip(names, (X, Y), strict=True)))
    np.testing.assert_array_equal(data.train.x, X)
    np.testing.assert_array_equal(data.train.y, Y)
    assert data.test is None


@pytest.mark.parametrize(
    ("shape", "image_shape"),
    [
        ((4, 6), None),
        ((4, 3, 2), (3, 2)),
        ((4, 3, 2, 1), (3, 2)),
        ((4, 3, 2, 3), (3, 2, 3)),
        ((4, 1, 6), (1, 6)),
        ((4, 5, 4, 2), (5, 4, 2)),
    ],
)
@pytest.mark.parametrize(
    ("dtype", "full_scale"),
    [("uint8", 255), ("bool", 1), ("int16", None), (">f4", None), ("f8", None), ("u2", None)],
)
def test_shapes_and_scales(read, shape, image_shape, dtype, full_scale):
    x = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    data = read(x=x, y=Y)
    np.testing.assert_array_equal(data.train.x, x.reshape(4, -1))
    assert data.train.x.dtype == np.dtype(dtype).newbyteorder("=")
    assert (data.image_shape, data.full_scale) == (image_shape, full_scale)


@pytest.mark.parametrize(
    ("y", "labels", "kind"),
    [
        (np.array([3, -1, 3, 7], np.int8), [3, -1, 3, 7], "i"),
        (np.array([3, 0, 3, 7], ">u8"), [3, 0, 3, 7], "i"),
        (np.array([1.0, 2, 1, -2]), [1, 2, 1, -2], "i"),
        (np.array([True, False, True, True]), [True, False, True, True], "b"),
        (np.array(["a", "ü", "a", "1"]), ["a", "ü", "a", "1"], "U"),
        (np.array([b"a", "ü".encode(), b"a", b"1"]), ["a", "ü", "a", "1"], "U"),
    ],
)
def test_labels(read, y, labels, kind):
    data = read(x=X, y=y)
    assert data.train.y.tolist() == labels
    assert data.train.y.dtype.kind == kind
    assert data.train.y.dtype == np.int64 or kind != "i"


NAN = X.copy()
NAN[2, 1] = np.nan


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": X}, r"no array y_train: expected .* found x_train\. Add the missing"),
        (
            {"x_train": X, "y_train": Y, "x_test": X},
            r"no array y_test: .* Add the labels of x_test",
        ),
        ({"x_train": X, "y_train": Y, "y_test": Y}, r"no array x_test: .* or remove it"),
        ({"x": X}, r"no array y: expected"),
        ({"y": Y}, r"no array x: expected"),
        ({"images": X, "labels": Y}, r"no array x_train: .* found images, labels\. Rename"),
        ({}, r"no arrays: expected"),
        ({"x": X, "X": X, "y": Y}, r"arrays x and X: expected one of them"),
        ({"x": X, "y": Y, "x_test": X}, r"x besides x_test: expected"),
        ({"x": X * 1j, "y": Y}, r"x is complex64: expected booleans, integers or floating"),
        ({"x": X.astype(str), "y": Y}, r"x is <U32: expected booleans"),
        ({"x": X[:, 0], "y": Y}, r"x has shape \(4,\): expected .* Use x\.reshape\(-1, 1\)"),
        ({"x": X[:0], "y": Y[:0]}, r"x has shape \(0, 3\): expected at least one sample"),
        ({"x": np.zeros((4, 3, 8, 8)), "y": Y}, r"channels last.*transpose\(0, 2, 3, 1\)"),
        ({"x": np.zeros((4, 1, 8, 8)), "y": Y}, r"channels last.*transpose\(0, 2, 3, 1\)"),
        ({"x": np.zeros((4, 2, 2, 2, 1)), "y": Y}, r"x has shape \(4, 2, 2, 2, 1\): expected"),
        ({"x": NAN, "y": Y}, r"x\[2, 1\] is nan: expected a finite number"),
        ({"x": X, "y": Y[:3]}, r"y has 3 labels: expected 4, one for each sample"),
        ({"x": X, "y": Y[:, None]}, r"y has shape \(4, 1\): expected \(samples,\)\. Use \.ravel"),
        ({"x": X, "y": np.eye(2)[Y]}, r"y has shape \(4, 2\): .*one-hot\), use \.argmax\(axis=1\)"),
        ({"x": X, "y": Y + 0.5}, r"y\[0\] is 0\.5: expected classes as text, integers or booleans"),
        ({"x": X, "y": [0, 1, np.inf, 1]}, r"y\[2\] is inf: expected a finite number"),
        ({"x": X, "y": Y * 1e30}, r"y\[1\] is 1e\+30: expected classes"),
        ({"x": X, "y": Y.astype("u8") << 63}, r"y\[1\] is 9223372036854775808: expected classes"),
        ({"x": X, "y": Y * 1j}, r"y is complex128: expected text, integers or booleans"),
        ({"x": X, "y": np.array(["a", "", "b", "a"])}, r"y\[1\] is empty: expected a label"),
        ({"x": X, "y": Y.astype("M8[D]")}, r"y is datetime64\[D\]: expected text"),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, :2], "y_test": Y},
            r"x_test has samples of shape \(2,\): expected \(3,\) as in x_train",
        ),
        (
            {"x_train": X.astype("u1"), "y_train": Y, "x_test": X, "y_test": Y},
            r"x_test is float32: expected uint8 as in x_train",
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 1},
            r"test sample 1 \(counted from 0\) has the label 2: expected one of the training part",
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y.astype(str)},
            r"test sample 0 \(counted from 0\) has the label '0': expected one of the training",
        ),
        ({"x": np.array([{}] * 4), "y": Y}, r"plain arrays, found: Object arrays cannot be loaded"),
        ({"x": X, "y": np.array(["a", 1, "b", "a"], object)}, r"found: Object arrays cannot be lo"),
    ],
)
def test_what_is_refused(read, arrays, message):
    line = error_line(read, **arrays)
    assert re.search(message, line), line


def test_without_labels(read):
    bad = np.array([1j, 2])
    for arrays in ({"x": X}, {"X_TEST": X, "y_test": bad}, {"x_train": X}, {"mine": X, "y": bad}):
        data = read(labelled=False, **arrays)
        np.testing.assert_array_equal(data.train.x, X)
        assert (data.train.y, data.test) == (None, None)
    for arrays in ({"x_train": X, "x_test": X}, {"a": X, "b": X}):
        assert "several arrays of samples: expected one, x, found" in error_line(
            read, labelled=False, **arrays
        )
    assert "no array of samples" in error_line(read, labelled=False, y=Y)


def test_npy(tmp_path):
    path = tmp_path / "a.NPY"
    with path.open("wb") as file:
        np.save(file, np.arange(24, dtype=np.uint8).reshape(2, 4, 3))
    data = read_samples(path, labelled=False)
    assert data.train.x.tolist() == [[*range(12)], [*range(12, 24)]]
    assert (data.image_shape, data.full_scale, data.train.y) == ((4, 3), 255, None)
    with pytest.raises(InputError, match=r"no labels: expected an \.npz file with x_train"):
        read_samples(path)


def test_files_under_a_wrong_name_and_damaged_ones(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole)
    np.save(tmp_path / "b.npy", X)
    (tmp_path / "b.npz").write_bytes((tmp_path / "b.npy").read_bytes())
    (tmp_path / "text.npz").write_text("text")
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "short.npz").write_bytes(whole[:-30])
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps([1]))
    with pytest.raises(InputError, match=r"expected an \.npy file, found that of \.npz"):
        read_samples(tmp_path / "a.npy", labelled=False)
    with pytest.raises(InputError, match=r"expected an \.npz file, found that of \.npy"):
        read_samples(tmp_path / "b.npz")
    for name in ("text", "empty", "short", "pickle"):
        with pytest.raises(InputError, match=r"cannot be read: expected a NumPy file of plain"):
            read_samples(tmp_path / f"{name}.npz")


def test_any_damaged_byte_is_refused_or_harmless(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=X, y=Y)
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            data = read_samples(path)
        except InputError as error:
            assert "\n" not in str(error)
        else:
            np.testing.assert_array_equal(data.train.x, X)
            np.testing.assert_array_equal(data.train.y, Y)


numbers = st.one_of(
    hnp.boolean_dtypes(), hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.floating_dtypes()
)


@given(
    x=hnp.arrays(
        numbers,
        hnp.array_shapes(min_dims=2, max_dims=4, min_side=2, max_side=5),
        elements={"allow_nan": False, "allow_infinity": False},
    ),
    label=st.sampled_from(["integers", "text", "truth"]),
)
@settings(max_examples=60, deadline=None)
def test_round_trip(x, label, scratch):
    if x.ndim == 4 and x.shape[1] in (3, 4) and x.shape[3] not in (3, 4):
        x = x.transpose(0, 2, 3, 1)
    index = np.arange(len(x))
    y = {"integers": index - 1, "text": index.astype(str), "truth": index > 0}[label]
    np.savez(scratch / "round-trip.npz", x_train=x, y_train=y)
    data = read_samples(scratch / "round-trip.npz")
    np.testing.assert_array_equal(data.train.x, x.reshape(len(x), -1))
    np.testing.assert_array_equal(data.train.y, y)
    assert data.image_shape == (None if x.ndim == 2 else x.shape[1:])
