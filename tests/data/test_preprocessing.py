"""Scaling, classes and missing values: fixed by the training part, exact for every later sample."""

import json

import numpy as np
import pytest

from lava_ep.data import Preprocessing, PreprocessingWarning, load_dataset
from lava_ep.data.own.pixels import as_pixels
from lava_ep.data.own.samples import RawData, RawPart
from lava_ep.errors import InputError

NAMES = ("a", "b")


def table(x, y, names=NAMES):
    """Return a table without a test part."""
    return RawData("t.csv", RawPart(np.array(x), np.array(y)), feature_names=names)


@pytest.fixture
def fitted():
    """Return ranges 0 to 10 and -1 to 1, medians 5 and 0.5, and two classes."""
    x = [[0, -1], [5, np.nan], [10, 1], [5, 0.5]]
    return Preprocessing.fit(table(x, ["no", "yes", "no", "no"]), pixels_per_feature=1)


def test_ranges_and_medians_are_those_of_the_training_part(fitted):
    assert fitted.low.tolist() == [0, -1] and fitted.high.tolist() == [10, 1]
    assert fitted.fill.tolist() == [5, 0.5]
    assert fitted.classes == ("no", "yes")
    np.testing.assert_array_equal(fitted.pixels([[4, 0], [10, -1]]), [[102, 128], [255, 0]])


def test_missing_values_become_the_median_and_that_is_said(fitted):
    with pytest.warns(PreprocessingWarning, match="X: 1 missing values, replaced by the medians"):
        pixels = fitted.pixels([[np.nan, 1], [0, 1], [0, 1], [0, 1], [0, 1], [0, 1]])
    assert pixels[0].tolist() == [128, 255]


def test_values_in_other_units_are_cut_off_with_a_warning(fitted):
    with pytest.warns(PreprocessingWarning, match="50 % of the values lie outside the range"):
        pixels = fitted.pixels([[1000, 0], [2000, 0]], "new.csv")
    assert pixels[:, 0].tolist() == [255, 255]


def test_a_sample_has_the_same_pixels_whatever_else_is_in_its_file(fitted):
    alone = fitted.pixels([[3, 0.25]])
    among = fitted.pixels([[3, 0.25], [0, -1], [10, 1], [9, 0.9]])
    np.testing.assert_array_equal(alone[0], among[0])


def test_narrow_tables_get_thermometers_and_wide_ones_one_pixel_a_feature():
    rng = np.random.default_rng(0)
    narrow = Preprocessing.fit(table(rng.random((8, 3)), [0, 1] * 4, ()))
    assert (narrow.pixels_per_feature, narrow.image_shape) == (22, (3, 22))
    wide = Preprocessing.fit(table(rng.random((8, 64)), [0, 1] * 4, ()))
    assert (wide.pixels_per_feature, wide.image_shape) == (1, (1, 64))
    low, high = narrow.low, narrow.high
    half = narrow.pixels([(low + high) / 2])[0].reshape(3, 22)
    assert (half[:, :11] == 255).all() and (half[:, 11:] == 0).all()


@pytest.mark.parametrize("labels", [["x", "y", "x", "y"], [3, 7, 3, 7], [False, True, False, True]])
def test_labels_come_back_in_their_own_type(labels):
    found = Preprocessing.fit(table(np.arange(8.0).reshape(4, 2), labels))
    indices = found.labels(np.array(labels), "t.csv")
    assert indices.tolist() == [0, 1, 0, 1]
    decoded = found.decode(indices)
    assert decoded.tolist() == labels and decoded.dtype == np.array(labels).dtype
    again = Preprocessing.from_json(json.loads(json.dumps(found.to_json())), source="f")
    assert again.decode(indices).tolist() == labels
    assert again.to_json() == found.to_json()


def test_an_unknown_label_is_named(fitted):
    with pytest.raises(InputError, match=r"label .maybe. is not a class"):
        fitted.labels(np.array(["no", "maybe"]), "other.csv")


def test_true_is_not_the_class_1():
    found = Preprocessing.fit(table([[0.0, 1], [1, 0]], [0, 1]))
    with pytest.raises(InputError, match="label True"):
        found.labels(np.array([True]), "other.csv")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[1, 2, 3]], r"shape \(1, 3\): expected \(samples, 2\)"),
        ([1, 2], r"shape \(2,\).*reshape one sample by X\[None\]"),
        (np.zeros((0, 2)), "no samples"),
        ([["a", "b"]], "expected numbers"),
        ([[1, np.inf]], r"sample 0 .* has the value inf in feature b"),
        ([[1j, 0]], "expected numbers"),
        ([[1], [1, 2]], "not an array of numbers|shape"),
    ],
)
def test_unusable_samples_are_refused(fitted, x, message):
    with pytest.raises(InputError, match=message):
        fitted.pixels(x)


def test_columns_of_a_data_frame_are_taken_by_name(fitted):
    class Frame:
        """The part of a pandas table that is used."""

        columns = ("b", "extra", "a")
        values = np.array([[0.0, 7, 4], [-1, 7, 10]])

        class iloc:
            def __getitem__(self, key):
                return Frame.values[key]

        iloc = iloc()

    np.testing.assert_array_equal(fitted.pixels(Frame()), [[102, 128], [255, 0]])
    Frame.columns = ("b", "extra", "c")
    with pytest.raises(InputError, match="no column 'a'"):
        fitted.pixels(Frame())


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.full((1, 4), 0.5), "float64: expected whole numbers from 0 to 16, of an integer type"),
        (np.ones((1, 4)), "expected whole numbers"),
        (np.full((1, 4), np.nan), "expected whole numbers"),
        (np.full((1, 4), 17), "values from 17 to 17: expected whole numbers from 0 to 16"),
        (np.full((1, 4), -1), "values from -1 to -1"),
        (np.full((1, 4), 300, np.int16), "from 300 to 300"),
        (np.zeros((0, 4), np.uint8), "no samples"),
        (np.zeros((1, 5), np.uint8), r"shape \(1, 5\): expected \(samples, 4\)"),
    ],
)
def test_what_is_no_pixel_is_refused(x, message):
    with pytest.raises(InputError, match=message):
        as_pixels(x, 4, 16, "images")


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_whole_numbers_of_any_type_are_pixels(dtype):
    x = np.array([[0, 1, 16, 3]], dtype)
    found = as_pixels(x, 4, 16, "images")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, x)


def test_bytes_are_pixels_as_they_are():
    x = np.arange(8, dtype=np.uint8).reshape(2, 4) * 30
    raw = RawData("a.npz", RawPart(x, np.array([0, 1])), image_shape=(2, 2), full_scale=255)
    found = Preprocessing.fit(raw)
    assert found.low is None and found.levels == 255
    np.testing.assert_array_equal(found.pixels(x), x)
    np.testing.assert_array_equal(found.pixels(x.reshape(2, 2, 2)), x)
    np.testing.assert_array_equal(found.pixels(x.reshape(2, 2, 2, 1)), x)


def test_all_pixels_of_a_picture_have_one_range():
    x = np.array([[0.0, 0.2, 0.1, 0.4], [0.5, 1.0, 0.2, 0.3]])
    raw = RawData("a.npz", RawPart(x, np.array([0, 1])), image_shape=(2, 2))
    np.testing.assert_array_equal(Preprocessing.fit(raw).pixels(x), np.rint(255 * x))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([[1.0, 2], [2, 3]], ["a", "a"], "all training samples have the label 'a'"),
        ([[1.0, np.nan], [2, np.nan]], [0, 1], "feature b has no value"),
        ([[-1e308, 0], [1e308, 1]], [0, 1], "wider range than float64"),
    ],
)
def test_unusable_training_parts_are_refused(x, y, message):
    with pytest.raises(InputError, match=message):
        Preprocessing.fit(table(x, y))


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"classes": ["a", "a"]},
        {"low": [1.0]},
        {"low": None},
        {"high": ["x", 1.0]},
        {"levels": 0},
        {"image_shape": [3, 3]},
        {"recordings": {"sensor_size": [1, 2]}},
        {"classes": 3},
    ],
)
def test_damaged_files_are_refused(fitted, change):
    with pytest.raises(InputError, match=r"run/preprocessing\.json"):
        Preprocessing.from_json({**fitted.to_json(), **change}, source="run/preprocessing.json")


def test_a_csv_file_is_split_by_class_and_says_so(tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"{v:.3f},{w:.3f},{'ab'[k % 2]}" for k, (v, w) in enumerate(rng.random((20, 2)))]
    path = tmp_path / "t.csv"
    path.write_text("v,w,kind\n" + "\n".join(rows), encoding="utf-8")
    dataset = load_dataset(str(path))
    assert (len(dataset.x_train), len(dataset.x_test)) == (16, 4)
    assert np.bincount(dataset.y_test).tolist() == [2, 2]
    assert dataset.class_names == ("a", "b")
    assert any("16 samples to learn from and 4 to test with" in line for line in dataset.notes)
    assert any("column 'kind'" in line for line in dataset.notes)
