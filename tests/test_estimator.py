"""`EPClassifier` as scikit-learn expects it, on the real Lava runtime."""

import functools
import multiprocessing
import pickle

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from lava_ep.data import load_dataset
from lava_ep.errors import InputError
from lava_ep.estimator import EPClassifier, thermometer
from lava_ep.spec import DataSpec, TrainingSpec, load_preset, override
from lava_ep.training import Trainer

# The backend that starts fewer processes: these tests start hundreds of networks.
SMALL = EPClassifier(hidden_layer_sizes=(64,), max_iter=2, backend="fused")
NAMES = np.array(["cat", "dog", "eel"])


def small(**changes):
    """Return a classifier that learns within a second."""
    return clone(SMALL).set_params(**{"random_state": 0, **changes})


def learned(classifier):
    """Return everything a network has learned as bytes."""
    return {k: v.tobytes() for k, v in classifier.parameters_.to_arrays().items()}


def check_name(part):
    """Return the name of a check behind its partials, and nothing for an estimator."""
    while isinstance(part, functools.partial):
        part = part.func
    return getattr(part, "__name__", "")


@pytest.fixture(scope="module")
def blobs():
    """Return 96 samples of 5 features in three classes that have names."""
    x, y = make_blobs(96, n_features=5, centers=3, random_state=0)
    return x, NAMES[y]


@pytest.fixture(scope="module")
def fitted(blobs):
    """Return a classifier that has learned the blobs; not to be changed."""
    return small().fit(*blobs)


# Some checks start 40 networks. The iterator that `parametrize_with_checks` of scikit-learn 1.7
# hands to pytest 9 is deprecated there, hence the list.
@pytest.mark.parametrize(
    ("estimator", "check"), list(estimator_checks_generator(SMALL)), ids=check_name
)
def test_follows_the_conventions_of_scikit_learn(estimator, check):
    check(estimator)


def test_learns_digits_in_a_few_epochs():
    digits = load_dataset("digits")
    classifier = EPClassifier(max_iter=4, random_state=0, backend="fused")
    classifier.fit(digits.x_train, digits.y_train)
    assert classifier.score(digits.x_test, digits.y_test) >= 0.93
    assert classifier.n_iter_ == len(classifier.train_accuracy_) == 4
    assert classifier.train_accuracy_[0] < 0.9 < classifier.train_accuracy_[-1]
    assert str(classifier.spec_) == "64-512-50"


def test_learns_tables_of_few_features():
    x, y = make_blobs(400, n_features=2, centers=4, cluster_std=0.8, random_state=3)
    classifier = small(hidden_layer_sizes=(128,), max_iter=4)
    assert classifier.fit(x[:300], y[:300]).score(x[300:], y[300:]) >= 0.95


def test_learns_the_same_bytes_as_the_trainer():
    digits = load_dataset("digits", limit_train=168, limit_test=10)
    preset = override(
        load_preset("binary-digits"),
        [f"network.layers.{layer}.bias_rate=0" for layer in (0, 1)],
    )
    training = TrainingSpec(epochs=2, batch_size=16, seed=7, decay=0.9)
    spec = preset.model_copy(update={"training": training, "data": DataSpec()})
    trainer = Trainer(spec, digits)
    metrics = trainer.fit()
    # With the backend that is the default of both.
    classifier = EPClassifier(
        nudged_steps=8,
        levels=16,
        input_range=(0, 16),
        max_iter=2,
        random_state=7,
    )
    classifier.fit(digits.x_train, digits.y_train)
    assert classifier.spec_ == preset.network
    assert classifier.train_accuracy_ == [entry["train_accuracy"] for entry in metrics]
    expected = {k: v.tobytes() for k, v in trainer.parameters.to_arrays().items()}
    assert learned(classifier) == expected


def test_partial_fit_goes_on_as_fit_does(blobs, fitted):
    x, y = blobs
    classifier = small(nudging="random-sign", gamma=0.9).fit(x, y)
    pieces = clone(classifier)
    pieces.partial_fit(x, y, classes=NAMES)
    pieces = pickle.loads(pickle.dumps(pieces)).partial_fit(x, y)
    assert learned(pieces) == learned(classifier)
    assert pieces.train_accuracy_ == classifier.train_accuracy_
    assert pieces.n_iter_ == 2
    assert learned(classifier) != learned(fitted)


def test_partial_fit_goes_on_after_fit(blobs, fitted):
    more = pickle.loads(pickle.dumps(fitted)).partial_fit(*blobs)
    assert learned(more) == learned(small(max_iter=3).fit(*blobs))


def test_partial_fit_converts_momenta_to_another_batch_size(blobs):
    x, y = blobs
    still = small(theta=1e9, gamma=0.0, decay=1.0)
    whole = still.partial_fit(x, y, classes=NAMES)
    before = [layer.momentum.copy() for layer in whole.parameters_.layers]
    whole.set_params(batch_size=8).partial_fit(x, y)
    # The weights have not moved, so the same contrasts were added, in units of half the batch.
    for layer, momentum in zip(whole.parameters_.layers, before, strict=True):
        assert momentum.any()
        np.testing.assert_array_equal(layer.momentum, 1.5 * momentum)
    assert whole.batch_size_ == 8
    assert whole.parameters_.batch == 6 + 12


def test_partial_fit_takes_chunks_that_lack_classes(blobs):
    x, y = blobs
    chunk = y != "eel"
    classifier = small().partial_fit(x[chunk], y[chunk], classes=NAMES)
    classifier.partial_fit(x[:3], y[:3])
    assert classifier.batch_size_ == 3
    assert classifier.decision_function(x).shape == (96, 3)


def test_partial_fit_refuses_what_does_not_go_on(blobs, fitted):
    x, y = blobs
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        small().partial_fit(x, y)
    with pytest.raises(InputError, match="one class"):
        small().partial_fit(x, y, classes=["cat"])
    begun = pickle.loads(pickle.dumps(fitted))
    with pytest.raises(InputError, match=r"classes=\['cat', 'dog'\]"):
        begun.partial_fit(x, y, classes=["cat", "dog"])
    with pytest.raises(ValueError, match="unseen labels"):
        begun.partial_fit(x, np.where(y == "cat", "ape", y))
    with pytest.raises(InputError, match="have changed"):
        begun.set_params(beta=1.0).partial_fit(x, y)
    assert learned(begun) == learned(fitted)


def test_a_seed_decides_everything(blobs, fitted):
    assert learned(small().fit(*blobs)) == learned(fitted)
    assert learned(small(random_state=1).fit(*blobs)) != learned(fitted)
    state = np.random.RandomState(5)
    first, second = (small(random_state=state).fit(*blobs) for _ in range(2))
    assert first.seed_ != second.seed_
    again = small(random_state=np.random.RandomState(5)).fit(*blobs)
    assert learned(again) == learned(first)
    assert learned(small(random_state=first.seed_).fit(*blobs)) == learned(first)


def test_two_unseeded_networks_differ(blobs):
    one, other = (small(random_state=None).partial_fit(*blobs, classes=NAMES) for _ in range(2))
    assert one.seed_ != other.seed_


def test_two_classes_have_one_score(blobs):
    x, y = blobs
    two = y != "eel"
    classifier = small().fit(x[two], y[two])
    decision = classifier.decision_function(x[two])
    assert decision.shape == (two.sum(),)
    assert set(np.sign(decision)) >= {-1, 1}
    np.testing.assert_array_equal(classifier.predict(x[two]), np.where(decision > 0, "dog", "cat"))


def test_many_samples_are_predicted_in_portions(blobs, fitted):
    x, _ = blobs
    expected = fitted.decision_function(x)
    repeats = 11
    assert repeats * len(x) > 1000
    decision = fitted.decision_function(np.tile(x, (repeats, 1)))
    np.testing.assert_array_equal(decision, np.tile(expected, (repeats, 1)))


@pytest.mark.parametrize("backend", ["message-passing", "fused"])
def test_no_process_outlives_a_call(blobs, backend):
    x, y = blobs
    small(backend=backend, max_iter=1).fit(x, y).predict(x[:3])
    assert multiprocessing.active_children() == []


@pytest.fixture
def joblib_workers():
    """End the workers that joblib would keep for later."""
    yield
    get_reusable_executor().shutdown(wait=True)


@pytest.mark.usefixtures("joblib_workers")
def test_cross_validation_of_a_pipeline_in_series_and_in_parallel(blobs):
    pipeline = make_pipeline(StandardScaler(), small())
    serial, parallel = (
        cross_val_score(pipeline, *blobs, cv=2, n_jobs=jobs, error_score="raise")
        for jobs in (None, 2)
    )
    assert serial.mean() > 0.8
    np.testing.assert_array_equal(parallel, serial)


def test_feature_names_are_remembered(blobs):
    pandas = pytest.importorskip("pandas")
    x, y = blobs
    frame = pandas.DataFrame(x, columns=list("abcde"))
    classifier = small().fit(frame, y)
    assert list(classifier.feature_names_in_) == list("abcde")
    with pytest.raises(ValueError, match="feature names"):
        classifier.predict(frame[list("edcba")])


def test_verbose_prints_a_line_an_epoch(blobs, capsys):
    classifier = small(verbose=True).fit(*blobs)
    assert capsys.readouterr().out.splitlines() == [
        f"epoch {number}: training accuracy {accuracy:.4f}"
        for number, accuracy in enumerate(classifier.train_accuracy_, start=1)
    ]


def test_layers_take_one_number_a_pair_or_one_each(blobs):
    # Searches over grids hand NumPy's numbers to an estimator.
    classifier = small(
        hidden_layer_sizes=[24, np.int64(16)],
        neurons_per_class=np.int64(2),
        weight_scale=(0.5, 0.7),
        theta=np.array([0.1, 0.2, 0.3]),
        bias_offset=0,
        beta=np.float32(2.5),
        max_iter=np.int64(1),
    ).fit(*blobs)
    spec = classifier.spec_
    assert spec.sizes == (65, 24, 16, 6)
    assert [layer.scale for layer in spec.layers] == [0.5, 0.5, 0.7]
    assert [layer.theta for layer in spec.layers] == [0.1, 0.2, 0.3]
    assert [layer.bias_offset for layer in spec.layers] == [0, 0, 0]


def test_hidden_layers_may_be_absent(blobs):
    classifier = small(hidden_layer_sizes=()).fit(*blobs)
    assert classifier.spec_.sizes == (65, 15)
    assert classifier.score(*blobs) > 0.8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_layer_sizes": (8, 0)}, r"hidden_layer_sizes=\(8, 0\): .* greater than or equal"),
        ({"hidden_layer_sizes": 2.5}, r"hidden_layer_sizes=2\.5: .* integer"),
        ({"neurons_per_class": 0}, "neurons_per_class=0: expected a positive integer"),
        ({"pixels_per_feature": "all"}, "pixels_per_feature='all': expected a positive integer or"),
        ({"levels": 256}, "levels=256: .* less than or equal to 255"),
        ({"free_steps": 0}, "free_steps=0: .* greater than or equal to 1"),
        ({"beta": -1}, "beta=-1: .* greater than 0"),
        (
            {"nudging": "both"},
            "nudging='both': .*'positive', 'random-sign', 'symmetric' or 'swing'",
        ),
        ({"weight_scale": (1, 0)}, r"weight_scale=\(1, 0\): .* greater than 0"),
        ({"theta": (1, 2, 3)}, r"theta=\(1, 2, 3\): expected a number, a pair .* or 2 numbers"),
        ({"gamma": 1.0}, r"gamma=1\.0: .* less than 1"),
        ({"filter_rate": np.nan}, "filter_rate=nan: "),
        ({"max_iter": 0}, "max_iter=0: "),
        ({"batch_size": 0}, "batch_size=0: "),
        ({"decay": 2}, "decay=2: "),
        ({"input_range": "wide"}, "input_range='wide': expected 'feature', 'global' or"),
        ({"input_range": (1, 1)}, r"input_range=\(1, 1\): expected"),
        ({"backend": "abacus"}, "backend 'abacus': expected one of"),
    ],
)
def test_a_bad_parameter_is_named(blobs, changes, message):
    classifier = small().set_params(**changes)
    with pytest.raises(InputError, match=message):
        classifier.fit(*blobs)
    with pytest.raises(NotFittedError):
        classifier.predict(blobs[0])


def test_a_feature_fills_its_pixels_one_after_another():
    share = np.array([[0.0, 1.0], [0.5, 0.75], [0.1, 0.26]])
    assert thermometer(share, pixels=1, levels=100).tolist() == [[0, 100], [50, 75], [10, 26]]
    assert thermometer(share, pixels=2, levels=100).tolist() == [
        [0, 0, 100, 100],
        [100, 0, 100, 50],
        [20, 0, 52, 0],
    ]
    assert thermometer(share, pixels=2, levels=255).dtype == np.uint8


@pytest.mark.parametrize(
    ("chosen", "low", "high"),
    [
        ("feature", [-3.0, 10.0, 7.0], [1.0, 20.0, 7.0]),
        ("global", [-3.0] * 3, [20.0] * 3),
        ((0, 16), [0.0] * 3, [16.0] * 3),
    ],
)
def test_input_range(chosen, low, high):
    x = np.array([[-3, 10, 7], [1, 20, 7], [0, 15, 7]])
    classifier = small(input_range=chosen, max_iter=1).fit(x, [0, 1, 1])
    assert classifier.data_min_.tolist() == low
    assert classifier.data_max_.tolist() == high


def test_values_beyond_the_range_are_clipped_and_constant_features_are_silent():
    x = np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0], [0.5, 5.0]])
    classifier = small().fit(x, [0, 1, 1, 0])
    inside = classifier.decision_function([[0.0, 5.0], [2.0, 5.0]])
    outside = classifier.decision_function([[-1e308, 1e308], [1e308, -4.0]])
    np.testing.assert_array_equal(outside, inside)
    assert inside[0] != inside[1]


def test_a_range_that_float64_cannot_hold_is_refused():
    with pytest.raises(InputError, match="wider range than float64 can hold"):
        small().fit([[-1.5e308], [1.5e308]], [0, 1])
