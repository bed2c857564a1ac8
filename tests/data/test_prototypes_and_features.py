"""Random prototypes, and features from a file."""

from __future__ import annotations

import numpy as np
import pytest

from lava_ep.data import PreprocessingWarning, load_dataset, nearest_prototype, prototypes
from lava_ep.errors import InputError


def test_prototypes_are_flipped_as_often_as_asked():
    found = load_dataset("prototypes:0.44", limit_test=500)
    assert found.x_train.shape == (10_000, 1000)
    assert found.x_test.shape == (500, 1000)
    flipped = found.x_train != prototypes()[found.y_train]
    assert flipped.mean() == pytest.approx(0.44, abs=0.001)
    again = load_dataset("prototypes:0.44", limit_test=500)
    np.testing.assert_array_equal(found.x_train, again.x_train)
    np.testing.assert_array_equal(load_dataset("prototypes:0").x_test, prototypes()[again_y()])


def again_y():
    return load_dataset("prototypes:0.44").y_test


def test_the_nearest_prototype_is_the_limit():
    found = load_dataset("prototypes:0.46")
    limit = np.mean(nearest_prototype(found.x_test) == found.y_test)
    # 81 % in the limit of many samples.
    assert limit == pytest.approx(0.81, abs=0.03)
    assert (nearest_prototype(load_dataset("prototypes:0.3").x_test) == found.y_test).all()


@pytest.mark.parametrize("name", ["prototypes:", "prototypes:x", "prototypes:0.6", "prototypes:-1"])
def test_other_probabilities_are_refused(name):
    with pytest.raises(InputError, match=r"expected a flip probability from 0 to 0\.5"):
        load_dataset(name)


def make_features(dtype, samples=6, features=3):
    rng = np.random.default_rng(0)
    x = (rng.random((samples, features)) * 200).astype(dtype)
    return {"x_train": x, "y_train": np.arange(samples) % 2, "x_test": x[:2], "y_test": [1, 0]}


def test_features_are_read_and_spread_over_the_levels(tmp_path):
    real, whole = make_features(np.float32), make_features(np.uint8)
    real["x_test"] = np.array([[-1e3, 0, 1e3], [0, 0, 0]])
    np.savez(tmp_path / "real.npz", **real)
    np.savez(tmp_path / "whole.npz", **whole)
    with pytest.warns(PreprocessingWarning, match="x_test: .* lie outside the range"):
        found = load_dataset("features:real", data_dir=tmp_path)
    assert found.x_train.dtype == np.uint8
    assert found.x_train.min(axis=0).tolist() == [0, 0, 0]
    assert found.x_train.max(axis=0).tolist() == [255, 255, 255]
    order = np.argsort(real["x_train"], axis=0)
    np.testing.assert_array_equal(
        np.sort(found.x_train, axis=0), np.take_along_axis(found.x_train, order, axis=0)
    )
    assert found.x_test[0, 0] == 0
    assert found.x_test[0, 2] == 255
    np.testing.assert_array_equal(
        load_dataset("features:whole", data_dir=tmp_path).x_train, whole["x_train"]
    )


def test_features_of_any_size_are_spread(tmp_path):
    large = np.array([[-1.7e308], [0.0], [1.7e308]])
    np.savez(
        tmp_path / "large.npz", x_train=large, y_train=[0, 1, 0], x_test=large, y_test=[0, 1, 0]
    )
    found = load_dataset("features:large", data_dir=tmp_path)
    assert found.x_train.ravel().tolist() == found.x_test.ravel().tolist() == [0, 128, 255]


def test_what_is_no_file_of_features_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("LAVA_EP_DATA", raising=False)
    good = make_features(np.uint8)
    np.savez(tmp_path / "lacking.npz", x_train=good["x_train"])
    np.savez(tmp_path / "objects.npz", **{**good, "x_train": np.array([{}], object)})
    np.savez(tmp_path / "flat.npz", **{**good, "x_test": good["x_test"][0]})
    np.savez(tmp_path / "broken.npz", **{**good, "x_train": np.full((6, 3), np.nan)})
    np.savez(tmp_path / "complex.npz", **{**good, "x_test": good["x_test"] * 1j})
    np.savez(tmp_path / "narrow.npz", **{**good, "x_test": good["x_test"][:, :2]})
    np.savez(tmp_path / "huge.npz", **{**good, "y_train": np.arange(6) * 10**17})
    np.savez(tmp_path / "negative.npz", **{**good, "y_train": np.arange(6) - 1})
    np.savez(tmp_path / "other.npz", **{**good, "y_test": [1, 2]})
    (tmp_path / "text.npz").write_text("no array")
    for name, message in (
        (
            "lacking",
            "no array y_train and x_test and y_test: .* --data .*lacking.npz, which sets training",
        ),
        ("objects", "expected a NumPy file of plain arrays"),
        ("text", "expected a NumPy file of plain arrays"),
        ("flat", r"x_test is uint8\[3\]: expected finite numbers"),
        ("broken", r"x_train\[0, 0\] is nan: expected a finite number"),
        ("complex", r"x_test is complex128\[2, 3\]: expected finite numbers"),
        ("narrow", "x_test has 2 features: expected as many as x_train, 3"),
        ("huge", "y_train has classes from 0 to 500000000000000000: expected"),
        ("negative", "y_train has classes from -1 to 4: expected"),
        ("other", r"y_test\[1\] is 2, expected a class in 0\.\.1"),
        ("missing", r"expected missing\.npz\. Put it there, .*; features are not downloaded\.$"),
        ("../secret", r"expected the name of a file without \.npz"),
    ):
        with pytest.raises(InputError, match=message):
            load_dataset(f"features:{name}", data_dir=tmp_path)
    with pytest.raises(InputError, match=r"no file missing\.npz: expected it in --data-dir"):
        load_dataset("features:missing")
