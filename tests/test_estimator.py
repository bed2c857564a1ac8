"""`EPClassifier` as scikit-learn expects it, on the real Lava runtime."""

import contextlib
import dataclasses
import functools
import json
import multiprocessing
import pickle
import shutil

import numpy as np
import pandas
import pytest
from joblib.externals.loky import get_reusable_executor
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator
from typer.testing import CliRunner

import lava_ep
from lava_ep.cli import app
from lava_ep.data import load_dataset
from lava_ep.data.own.preprocessing import PreprocessingWarning
from lava_ep.errors import InputError
from lava_ep.estimator import EPClassifier, thermometer
from lava_ep.spec import DataSpec, TrainingSpec, load_preset, override
from lava_ep.training import RunFolder, Trainer, describe_run, fit_temperature

# The backend that starts fewer processes: these tests start hundreds of networks.
SMALL = EPClassifier(hidden_layer_sizes=(64,), max_iter=2, backend="fused")
NAMES = np.array(["cat", "dog", "eel"])


def small(**changes):
    """Return a classifier that learns within a second."""
    return clone(SMALL).set_params(**{"random_state": 0, **changes})


def learned(classifier):
    """Return everything a network has learned as bytes."""
    return {k: v.tobytes() for k, v in classifier.parameters_.to_arrays().items()}


def state(classifier):
    """Return everything that later calls depend on, apart from the arrays."""
    return {
        "classes": (classifier.classes_.dtype, classifier.classes_.tolist()),
        "range": (classifier.data_min_.tolist(), classifier.data_max_.tolist()),
        "parameters": classifier.get_params(),
        **{
            name: getattr(classifier, f"{name}_")
            for name in (
                "n_features_in",
                "spec",
                "seed",
                "n_iter",
                "batch_size",
                "decay_batches",
                "train_accuracy",
                "metrics",
                "temperature",
            )
        },
    }


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


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    """Return the run folder of that classifier; not to be changed."""
    path = tmp_path_factory.mktemp("saved") / "run"
    fitted.save(path)
    return path


@pytest.fixture(scope="module")
def trained(blobs, tmp_path_factory):
    """Return the folder of a run on a file with the blobs, the best of its epochs selected."""
    x, y = blobs
    folder = tmp_path_factory.mktemp("trained")
    np.savez(folder / "blobs.npz", x_train=x, y_train=y)
    spec = override(
        load_preset("binary-digits"),
        [
            f"data.name={json.dumps(str(folder / 'blobs.npz'))}",
            "network.inputs=65",
            "network.input_levels=255",
            "network.classes=3",
            "network.layers.0.neurons=32",
            "network.layers.1.neurons=15",
            "training.epochs=2",
            "training.validation_fraction=0.2",
        ],
    )
    run = RunFolder.create(
        folder / "run",
        spec,
        {"backend": "fused", "data_dir": None, "command": "", "versions": {}, "started": "now"},
    )
    Trainer(spec, lava_ep.data.load_experiment(spec), backend="fused", folder=run).fit()
    return run.path


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
    preset = load_preset("binary-digits")
    training = TrainingSpec(epochs=2, batch_size=16, seed=7, decay=0.9)
    spec = preset.model_copy(update={"training": training, "data": DataSpec()})
    trainer = Trainer(spec, digits)
    metrics = trainer.fit()
    # With the backend that is the default of both.
    classifier = EPClassifier(
        nudged_steps=8,
        levels=16,
        input_range=(0, 16),
        bias_rate=0.03,
        max_iter=2,
        random_state=7,
    )
    classifier.fit(digits.x_train, digits.y_train)
    assert classifier.spec_ == preset.network
    times = ("seconds", "train_seconds", "test_accuracy")
    for found, entry in zip(classifier.metrics_, metrics, strict=True):
        assert found["test_accuracy"] is None
        assert found["seconds"] == found["train_seconds"] > 0
        assert (
            found.items()
            >= {k: v for k, v in entry.items() if k not in (*times, "temperature")}.items()
        )
    assert classifier.train_accuracy_ == [entry["train_accuracy"] for entry in metrics]
    assert classifier.temperature_ == metrics[-1]["temperature"]
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
    # The class that is missing at first lies elsewhere.
    classifier = small(input_range=(-15, 15)).partial_fit(x[chunk], y[chunk], classes=NAMES)
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
    classifier = small(input_range=chosen, max_iter=1)
    with contextlib.ExitStack() as stack:
        if chosen == (0, 16):
            stack.enter_context(pytest.warns(PreprocessingWarning, match="22 % of the values"))
        classifier.fit(x, [0, 1, 1])
    assert classifier.data_min_.tolist() == low
    assert classifier.data_max_.tolist() == high


def test_values_beyond_the_range_are_clipped_and_constant_features_are_silent():
    x = np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0], [0.5, 5.0]])
    classifier = small().fit(x, [0, 1, 1, 0])
    inside = classifier.decision_function([[0.0, 5.0], [2.0, 5.0]])
    with pytest.warns(PreprocessingWarning, match="100 % of the values lie outside"):
        outside = classifier.decision_function([[-1e308, 1e308], [1e308, -4.0]])
    np.testing.assert_array_equal(outside, inside)
    assert inside[0] != inside[1]


def test_a_range_that_float64_cannot_hold_is_refused():
    with pytest.raises(InputError, match="wider range than float64 can hold"):
        small().fit([[-1.5e308], [1.5e308]], [0, 1])


def test_probabilities_are_the_softmax_of_scores_before_learning(blobs, fitted):
    x, _ = blobs
    scores = fitted.decision_function(x)
    found = fitted.predict_proba(x)
    expected = softmax(scores.astype(np.float64) / fitted.temperature_, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_array_equal(NAMES[found.argmax(axis=1)], fitted.predict(x))
    assert 1e-4 < fitted.temperature_ < 1e4


def test_the_temperature_is_fitted_to_predictions_before_learning(blobs):
    x, y = blobs
    # A network that does not learn predicts the same before and after.
    still = small(theta=1e9, gamma=0.0, max_iter=1).fit(x, y)
    labels = np.searchsorted(NAMES, y)
    assert still.temperature_ == fit_temperature(still.decision_function(x), labels)
    before = still.temperature_
    still.partial_fit(x[:16], y[:16])
    assert still.temperature_ == fit_temperature(still.decision_function(x[:16]), labels[:16])
    assert still.temperature_ != before


def test_scorers_of_probabilities(blobs):
    x, y = blobs
    found = {
        scoring: cross_val_score(small(), x, y, cv=2, scoring=scoring, error_score="raise")
        for scoring in ("roc_auc_ovr", "neg_log_loss")
    }
    assert found["roc_auc_ovr"].min() > 0.9
    # Guessing scores -log(3).
    assert found["neg_log_loss"].min() > -0.5


def test_pickles_of_earlier_versions_predict(blobs, fitted, tmp_path):
    x, y = blobs
    old = pickle.loads(pickle.dumps(fitted))
    for name in ("preprocessing_", "metrics_", "temperature_", "_started", "bias_rate"):
        del old.__dict__[name]
    old = pickle.loads(pickle.dumps(old))
    scores = old.decision_function(x)
    np.testing.assert_array_equal(scores, fitted.decision_function(x))
    with pytest.warns(UserWarning, match="not calibrated, as an earlier version"):
        found = old.predict_proba(x)
    np.testing.assert_allclose(found, softmax(scores.astype(np.float64), axis=1), rtol=1e-9)
    old.save(tmp_path / "run")
    assert RunFolder(tmp_path / "run").epochs_before == 2
    more = EPClassifier.from_run(tmp_path / "run")
    assert more.train_accuracy_ == fitted.train_accuracy_
    more.partial_fit(x, y)
    assert learned(more) == learned(old.partial_fit(x, y))
    assert more.temperature_ == old.temperature_ > 0
    assert [line["epoch"] for line in more.metrics_] == [3]


def test_a_saved_estimator_comes_back_as_it_was(fitted, saved):
    again = EPClassifier.from_run(saved)
    assert learned(again) == learned(fitted)
    assert state(again) == state(fitted)
    assert RunFolder(saved).metrics() == fitted.metrics_


def test_predictions_of_a_saved_estimator(blobs, fitted, saved):
    x, _ = blobs
    again, loaded = EPClassifier.from_run(saved), lava_ep.load_run(saved)
    scores = fitted.decision_function(x)
    np.testing.assert_array_equal(again.decision_function(x), scores)
    np.testing.assert_array_equal(loaded.scores(x), scores)
    probabilities = fitted.predict_proba(x)
    np.testing.assert_array_equal(again.predict_proba(x), probabilities)
    np.testing.assert_array_equal(loaded.predict_proba(x), probabilities)
    assert loaded.calibration == "temperature"
    for found in (again.predict(x), loaded.predict(x)):
        np.testing.assert_array_equal(found, fitted.predict(x))


def test_learning_resumes_from_a_saved_estimator(blobs, tmp_path):
    x, y = blobs
    # Momenta, signs of beta and the order of samples all matter.
    whole = small(nudging="random-sign", gamma=0.9, batch_size=128, bias_rate=0.01)
    whole.partial_fit(x, y, classes=NAMES).save(tmp_path / "run")
    again = EPClassifier.from_run(tmp_path / "run").partial_fit(x[:40], y[:40])
    whole.partial_fit(x[:40], y[:40])
    assert learned(again) == learned(whole)
    expected, found = state(whole), state(again)
    for seconds in ("seconds", "train_seconds"):
        expected["metrics"][-1][seconds] = found["metrics"][-1][seconds] = 0
    assert found == expected
    assert learned(clone(again).fit(x, y)) == learned(clone(whole).fit(x, y))


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        (["a", "bcd"], ["a", "bcd"]),
        (np.array(["a", "bcd"], object), ["a", "bcd"]),
        ([3, -1], [-1, 3]),
        (np.array([1, 2], np.uint8), [1, 2]),
        ([True, False], [False, True]),
        ([2.0, 5.0], [2, 5]),
    ],
)
def test_labels_keep_their_type(tmp_path, labels, kept):
    y = np.asarray(labels)[[0, 1, 1, 0]]
    classifier = small(hidden_layer_sizes=(), max_iter=1).fit([[0], [1], [2], [0.5]], y)
    classifier.save(tmp_path / "run")
    again = EPClassifier.from_run(tmp_path / "run")
    assert again.classes_.dtype == classifier.classes_.dtype
    assert again.classes_.tolist() == classifier.classes_.tolist() == kept
    found = lava_ep.load_run(tmp_path / "run").classes
    assert [type(label) for label in found.tolist()] == [type(label) for label in kept]
    assert found.tolist() == kept


def test_names_of_features_are_saved(blobs, tmp_path):
    x, y = blobs
    frame = pandas.DataFrame(x, columns=list("abcde"))
    classifier = small(max_iter=1).fit(frame, y)
    classifier.save(tmp_path / "run")
    again = EPClassifier.from_run(tmp_path / "run")
    assert again.feature_names_in_.tolist() == list("abcde")
    np.testing.assert_array_equal(again.predict(frame), classifier.predict(frame))
    with pytest.raises(ValueError, match="feature names"):
        again.predict(pandas.DataFrame(x, columns=list("edcba")))
    # Newer releases of scikit-learn refuse them already in fit.
    with pytest.raises(ValueError, match=r"'a'.* 2 times"):
        twice = small(max_iter=1).fit(pandas.DataFrame(x, columns=list("abcda")), y)
        twice.save(tmp_path / "twice")
    assert not (tmp_path / "twice").exists()


def test_a_folder_in_use_is_not_written_to(fitted, saved, tmp_path):
    before = sorted((path, path.stat().st_mtime_ns) for path in saved.iterdir())
    with pytest.raises(InputError, match="exists and is not an empty folder"):
        fitted.save(saved)
    assert sorted((path, path.stat().st_mtime_ns) for path in saved.iterdir()) == before
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="not an empty folder"):
        fitted.save(tmp_path / "file")
    with pytest.raises(InputError, match="cannot save the estimator"):
        fitted.save(tmp_path / "file" / "run")
    with pytest.raises(NotFittedError):
        small().save(tmp_path / "unfitted")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def run(*arguments):
    """Run a command of ``lava-ep``."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_commands_take_a_saved_estimator(blobs, fitted, saved, tmp_path):
    x, y = blobs
    np.savetxt(tmp_path / "new.csv", x, delimiter=",", header="a,b,c,d,e", comments="")
    out = tmp_path / "found.npz"
    done = [
        run("predict", saved, tmp_path / "new.csv", "--out", out, "--scores"),
        run("deploy", "report", saved),
        run("export", "nir", saved, "--out", tmp_path / "net.nir"),
    ]
    assert [(one.exit_code, one.exception) for one in done] == [(0, None)] * 3
    with np.load(out) as found:
        np.testing.assert_array_equal(found["predictions"], fitted.predict(x))
        np.testing.assert_array_equal(found["scores"], fitted.decision_function(x))
    np.savez(tmp_path / "test.npz", x_test=x, y_test=y)
    done = run("evaluate", saved, "--data", tmp_path / "test.npz", "--json")
    assert done.exit_code == 0, done.exception
    result = json.loads(done.stdout)
    assert result["test_accuracy"] == fitted.score(x, y)
    assert result["test_samples"] == len(x)
    page = tmp_path / "page"
    done = run("report", saved, "--data", tmp_path / "test.npz", "--out", page)
    assert done.exit_code == 0, done.exception
    accuracies = fitted.train_accuracy_[0], fitted.train_accuracy_[1], result["test_accuracy"]
    first, last, tested = (
        f"<td>{100 * accuracy:.2f}\N{NO-BREAK SPACE}%</td>" for accuracy in accuracies
    )
    text = (page / "report.html").read_text(encoding="utf-8")
    assert f"{first}<td>–</td>" in text
    assert f"{last}{tested}" in text


@pytest.mark.parametrize("command", ["evaluate", "report", "raster", "compare"])
def test_commands_that_need_samples_say_that_none_are_kept(saved, command):
    done = run(command, saved)
    message = " ".join(done.output.split())
    assert done.exit_code == 2
    assert "saved EPClassifier, with which the samples are not kept" in message
    assert "--data FILE" in message


def test_an_estimator_of_a_run_on_own_data(blobs, trained):
    x, _ = blobs
    loaded, classifier = lava_ep.load_run(trained), EPClassifier.from_run(trained)
    np.testing.assert_array_equal(classifier.decision_function(x), loaded.scores(x))
    np.testing.assert_array_equal(classifier.predict(x), loaded.predict(x))
    np.testing.assert_array_equal(classifier.predict_proba(x), loaded.predict_proba(x))
    assert classifier.n_iter_ == loaded.epoch
    assert classifier.classes_.tolist() == NAMES.tolist()
    # Tables have medians for missing values, as in the run.
    x = np.where(np.arange(5) == 2, np.nan, x)
    with pytest.warns(PreprocessingWarning, match="96 missing values"):
        expected = loaded.scores(x)
    with pytest.warns(PreprocessingWarning, match="96 missing values"):
        np.testing.assert_array_equal(classifier.decision_function(x), expected)
    again = clone(classifier).set_params(max_iter=1).fit(*blobs)
    assert again.spec_ == classifier.spec_
    assert [layer.bias_rate for layer in again.spec_.layers] == [0.03, 0.03]
    assert classifier.hidden_layer_sizes == (32,)
    assert classifier.pixels_per_feature == 13


def test_an_estimator_of_a_run_resumes_it(tmp_path):
    digits = load_dataset("digits", limit_train=64, limit_test=10)
    spec = override(
        load_preset("binary-digits"), ["training.epochs=2", "network.layers.0.neurons=16"]
    )
    shorter = override(spec, ["training.epochs=1"])
    about = describe_run(shorter, digits, backend="fused", command="")
    run = RunFolder.create(tmp_path / "run", shorter, about)
    Trainer(shorter, digits, backend="fused", folder=run).fit()
    whole = Trainer(spec, digits, backend="fused")
    whole.fit()
    classifier = EPClassifier.from_run(run.path)
    names = np.array(digits.class_names)
    assert classifier.classes_.tolist() == names.tolist()
    assert classifier.input_range == (0, 16)
    classifier.partial_fit(digits.x_train, names[digits.y_train])
    expected = {k: v.tobytes() for k, v in whole.parameters.to_arrays().items()}
    assert learned(classifier) == expected
    assert [line["test_accuracy"] is None for line in classifier.metrics_] == [False, True]
    # Values that are no pixels are refused, as by `load_run`.
    with pytest.raises(InputError, match="whole numbers from 0 to 16"):
        classifier.predict(digits.x_test / 16)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (["network.layers.0.alpha_rate=0.1"], r"network\.layers\.0\.alpha_rate=0\.1"),
        (["network.layers.0.frozen=true"], r"network\.layers\.0\.frozen=True"),
        (["network.phases.updates=continual"], r"network\.phases\.updates='continual'"),
        (["network.noise.sigma=0.1"], r"network\.noise\.sigma=0\.1"),
    ],
)
def test_other_networks_are_no_estimators(trained, tmp_path, changes, field):
    folder = RunFolder(shutil.copytree(trained, tmp_path / "run"))
    folder.write_spec(override(folder.spec(), changes))
    with pytest.raises(InputError, match=rf"{field}, .*lava_ep\.load_run\("):
        EPClassifier.from_run(folder.path)


def test_unsorted_classes_are_no_estimator(trained, tmp_path):
    folder = RunFolder(shutil.copytree(trained, tmp_path / "run"))
    unsorted = dataclasses.replace(folder.preprocessing(), classes=("eel", "cat", "dog"))
    folder.write_preprocessing(unsorted)
    with pytest.raises(InputError, match="classes that are not sorted"):
        EPClassifier.from_run(folder.path)


def test_a_damaged_entry_of_a_saved_estimator_is_named(saved, tmp_path):
    folder = RunFolder(shutil.copytree(saved, tmp_path / "run"))
    path = folder.path / "run.json"
    about = json.loads(path.read_text())
    for key, value in {"label_type": "|b1", "decay_batches": 0, "parameters": {"x": 1}}.items():
        path.write_text(json.dumps({**about, "estimator": {**about["estimator"], key: value}}))
        with pytest.raises(InputError, match=r"run\.json: estimator: damaged"):
            EPClassifier.from_run(folder.path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.reshape(-1, 1, 5), r"dim 3.*X\.reshape\(len\(X\), -1\)"),
        (lambda x: [[[1.0], [2.0]], [[3.0], [4.0]]], r"dim 3.*X\.reshape\(len\(X\), -1\)"),
        (lambda x: x[0], "array.reshape"),
        (lambda x: x[:, :3], "X has 3 features, but EPClassifier is expecting 5"),
        (lambda x: x[:0], "0 sample"),
        (lambda x: [["red"] * 5], "arrays of bytes/strings.*OneHotEncoder"),
        (lambda x: np.array([["red"] * 5], object), "convert string to float: 'red'.*OneHotEnc"),
        (lambda x: [[1, 2, 3, 4, 5], [1, 2]], "inhomogeneous.*same number of values"),
        (lambda x: np.where(x > 0, np.nan, x), "contains NaN"),
        (lambda x: np.where(x > 0, np.inf, x), "contains infinity"),
    ],
)
def test_unusable_samples_are_refused(blobs, fitted, change, message):
    x, y = blobs
    wrong = change(x)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        fitted.predict(wrong)
    if np.ndim(x) == 2 and "expecting" not in message:
        with pytest.raises(ValueError, match=f"(?s){message}"):
            small().fit(wrong, y[: len(wrong)])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(96), r"y has one class, (np\.float64\()?0\.0\)?: expected two classes"),
        (np.linspace(0, 1, 96), "continuous"),
        (np.zeros(95), "inconsistent numbers of samples"),
        (None, "requires y to be passed"),
    ],
)
def test_unusable_labels_are_refused(blobs, y, message):
    with pytest.raises(ValueError, match=message):
        small().fit(blobs[0], y)


def test_lists_do_as_arrays_do(blobs, fitted):
    x, y = blobs
    again = small().fit(x.tolist(), y.tolist())
    assert learned(again) == learned(fitted)
    assert again.predict(x.tolist()).tolist() == fitted.predict(x).tolist()
