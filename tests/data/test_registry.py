"""Loading by name: the bundled digits, limits, and options that make no sense."""

import hashlib

import numpy as np
import pytest

from lava_ep.data import (
    DATASETS,
    Dataset,
    has_events,
    is_own_data,
    load_dataset,
    load_events,
    load_experiment,
    register_dataset,
)
from lava_ep.errors import InputError
from lava_ep.spec import EventsSpec, load_preset, override
from lava_ep.training import Trainer

DIGITS_SHA256 = "6a812af8365b27b7ec02d34500f780068c2c6659fd92ac09c86758d8ab34538c"


def test_names():
    images = ["digits", "mnist", "fashion-mnist", "kmnist", "cifar10"]
    images += ["prototypes:FLIP", "features:NAME"]
    events = ["event-digits", "nmnist", "dvs-gesture", "tonic:NAME"]
    assert list(DATASETS) == [*images, *events]
    assert [name for name in DATASETS if not has_events(name)] == images
    assert all(line and "\n" not in line for line in DATASETS.values())


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match="'mnits': expected one of digits, mnist, fashion-mnist"):
        load_dataset("mnits")
    with pytest.raises(InputError, match="'mnits': expected one of digits, mnist, fashion-mnist"):
        load_events("mnits")


def test_unknown_class_of_tonic_lists_the_known_ones():
    for load in (load_dataset, load_events):
        with pytest.raises(
            InputError, match=r"'tonic:DSEC': expected tonic: and one of ASLDVS, .*SSC"
        ):
            load("tonic:DSEC")


def test_images_are_no_events():
    with pytest.raises(InputError, match=r"'digits': consists of images: expected .*event-digits"):
        load_events("digits")
    with pytest.raises(InputError, match=r"data.events={'levels': 3}: digits is a set of images"):
        load_dataset("digits", events=EventsSpec(levels=3))
    load_dataset("digits", events=EventsSpec())  # nothing asked for


@pytest.mark.parametrize("load", [load_dataset, load_events])
def test_limits_of_recordings(load):
    with pytest.raises(InputError, match="--limit-train 1438: expected at most 1437"):
        load("event-digits", limit_train=1438)
    with pytest.raises(InputError, match="--limit-test 0: expected an integer"):
        load("event-digits", limit_test=0)


def test_events_become_images():
    maps = load_dataset(
        "event-digits", limit_train=3, limit_test=2, events=EventsSpec(levels=5, downsample=2)
    )
    events = load_events("event-digits", limit_train=3, limit_test=2)
    assert (len(events.train), len(events.test)) == (3, 2)
    assert (maps.image_shape, maps.levels, maps.x_train.shape) == ((8, 8, 2), 5, (3, 128))
    for index, image in enumerate(maps.x_train):
        recording, label = events.train[index]
        recording = recording[recording["t"] < recording["t"][0] + 100_000]
        assert maps.y_train[index] == label
        place = (recording["y"] // 2, recording["x"] // 2, recording["p"].astype(int))
        counts = np.zeros((8, 8, 2), int)
        np.add.at(counts, place, 1)
        np.testing.assert_array_equal(image, np.minimum(counts, 5).ravel())


def test_digits_shape_and_range():
    digits = load_dataset("digits")
    assert digits.x_train.shape == (1437, 64)
    assert digits.x_test.shape == (360, 64)
    assert (digits.levels, digits.x_train.max(), digits.x_test.max()) == (16, 16, 16)
    assert digits.image_shape == (8, 8)
    assert digits.class_names == tuple("0123456789")


def test_digits_split_is_stratified_and_complete():
    from sklearn.datasets import load_digits

    digits, bunch = load_dataset("digits"), load_digits()
    everything = np.bincount(bunch.target)
    test = np.bincount(digits.y_test)
    np.testing.assert_array_equal(np.bincount(digits.y_train) + test, everything)
    assert np.abs(test - everything * 360 / 1797).max() < 1
    both = np.concatenate([digits.x_train, digits.x_test])
    assert sorted(map(bytes, both)) == sorted(map(bytes, bunch.data.astype(np.uint8)))


def test_digits_split_is_fixed():
    np.random.seed(1)  # noqa: NPY002 - a split must not depend on the global state
    digits = load_dataset("digits")
    sha256 = hashlib.sha256()
    for array in (digits.x_train, digits.y_train, digits.x_test, digits.y_test):
        sha256.update(array.tobytes())
    assert sha256.hexdigest() == DIGITS_SHA256


def test_limits_keep_the_first_samples():
    whole = load_dataset("digits")
    part = load_dataset("digits", limit_train=7, limit_test=np.int64(360))
    np.testing.assert_array_equal(part.x_train, whole.x_train[:7])
    np.testing.assert_array_equal(part.y_train, whole.y_train[:7])
    np.testing.assert_array_equal(part.y_test, whole.y_test)


@pytest.mark.parametrize("limit", [0, -3, 1.5, "10"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_senseless_limit(part, limit):
    with pytest.raises(InputError, match=f"--limit-{part} {limit!r}: expected an integer"):
        load_dataset("digits", **{f"limit_{part}": limit})


@pytest.mark.parametrize(("part", "available"), [("train", 1437), ("test", 360)])
def test_limit_above_what_there_is(part, available):
    message = f"--limit-{part} {available + 1}: expected at most {available}"
    with pytest.raises(InputError, match=message):
        load_dataset("digits", **{f"limit_{part}": available + 1})


@pytest.mark.parametrize("name", DATASETS)
def test_data_dir_must_be_a_folder(tmp_path, name):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "missing", tmp_path / ("long" * 100)):
        with pytest.raises(InputError, match=r"--data-dir .*: expected an existing") as caught:
            load_dataset(name, data_dir=path)
        assert str(path) in str(caught.value)


@pytest.fixture
def dots(monkeypatch):
    """A family of data sets of somebody else's, known for the length of a test."""
    from lava_ep.data import sources

    monkeypatch.setattr(sources, "_SOURCES", dict(sources._SOURCES))

    @register_dataset("dots:SIZE", "which of two dots is lit")
    def load_dots(name):
        labels = np.arange(64) % 2
        images = np.zeros((64, int(name.partition(":")[2])), np.uint8)
        images[np.arange(64), labels] = 1
        return Dataset(
            name=name,
            x_train=images[:48],
            y_train=labels[:48],
            x_test=images[48:],
            y_test=labels[48:],
            levels=1,
            image_shape=(1, images.shape[1]),
            class_names=("left", "right"),
        )


def test_a_data_set_of_somebody_elses_is_trained_on_by_name(dots):
    assert list(DATASETS)[7] == "dots:SIZE"
    assert not is_own_data("dots:16")
    changes = ["data.name=dots:16", "data.limit_train=40", "network.inputs=16", "training.epochs=5"]
    changes += ["network.classes=2", "network.input_levels=1", "training.batch_size=8"]
    spec = override(load_preset("binary-digits"), changes)
    dataset = load_experiment(spec)
    assert (dataset.x_train.shape, dataset.x_test.shape) == ((40, 16), (16, 16))
    metrics = Trainer(spec, dataset, backend="fused").fit()
    assert metrics[-1]["test_accuracy"] == 1


def test_a_name_is_taken_once_and_parameters_are_checked(dots):
    with pytest.raises(InputError, match="data set 'digits': there is one of this name"):
        register_dataset("digits", "others")(lambda: None)
    with pytest.raises(InputError, match="has the parameters folder: expected none but name"):
        register_dataset("rings", "rings")(lambda folder: None)
    assert "rings" not in DATASETS
