"""Runs on a user's own data: which samples they are, how they are scaled, and predictions."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet
from sklearn.datasets import load_digits
from typer.testing import CliRunner

import lava_ep
from lava_ep.cli import app
from lava_ep.data import Dataset, load_dataset
from lava_ep.errors import InputError
from lava_ep.spec import load_preset, override
from lava_ep.training import (
    NetworkSession,
    OtherSamplesWarning,
    RunFolder,
    Trainer,
    adapted,
    best_epoch,
    check_fit,
    check_samples,
    describe_run,
    evaluate,
    fit_temperature,
    load_run_data,
    open_run,
    probabilities,
)

SMALL = [
    "network.layers.0.neurons=48",
    "network.phases.free_steps=6",
    "network.phases.nudged_steps=4",
    "training.epochs=2",
]


def command(*arguments):
    """Run the command line and return its result."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def last_json(*arguments):
    """Run a command with --json and return what it prints last."""
    done = command(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout.splitlines()[-1])


def write_table(path, x, y):
    """Write a CSV file with the label last."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"p{k}" for k in range(x.shape[1])), "digit"])
        writer.writerows([*row, label] for row, label in zip(x.tolist(), y, strict=True))
    return path


@pytest.fixture(scope="module")
def samples():
    """Return 300 digits of three classes with 20 features, as floats in units of their own."""
    x, y = load_digits(return_X_y=True)
    kept = y < 3
    return x[kept][:300, 20:40] / 7 - 1, np.array(["zero", "one", "two"])[y[kept][:300]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, samples):
    """Return a folder with a table and a run on it; nothing there may be changed."""
    folder = tmp_path_factory.mktemp("own")
    table = write_table(folder / "digits.csv", *samples)
    done = command(
        *("train", "--data", table, "--backend", "fused", "--out", folder / "run", "--no-report"),
        *(part for assignment in SMALL for part in ("--set", assignment)),
    )
    assert done.exit_code == 0, done.output
    return folder, done.stdout


def test_what_was_decided_is_said(trained):
    _, shown = trained
    assert "labels: column 'digit', the last one" in shown
    assert "no test part: 240 samples to learn from and 60 to test with" in shown
    assert "adapted to digits.csv: network.inputs 64 → 80, network.input_levels 16 → 255" in shown
    assert "network.classes 10 → 3, network.layers.1.neurons 50 → 15" in shown


def test_predictions_are_the_same_alone_among_others_and_in_every_form(trained, samples, tmp_path):
    folder, _ = trained
    x, _ = samples
    network = lava_ep.load_run(folder / "run")
    scores = network.scores(x[:40])
    assert scores.shape == (40, 3) and network.classes.tolist() == ["one", "two", "zero"]
    np.testing.assert_array_equal(network.scores(x[7:8]), scores[7:8])
    labels = network.predict(x[:40])
    np.testing.assert_array_equal(labels, network.classes[scores.argmax(axis=1)])
    chances = network.predict_proba(x[:40])
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert network.calibration == "temperature"
    np.testing.assert_allclose(
        chances,
        np.exp(scores / network.temperature) / np.exp(scores / network.temperature).sum(1)[:, None],
        rtol=1e-6,
    )
    # The columns of a file are taken by name, wherever they stand, and a label is ignored.
    shuffled = tmp_path / "new.csv"
    order = np.random.default_rng(0).permutation(20)
    with shuffled.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["digit", *(f"p{k}" for k in order)])
        writer.writerows(["?", *row] for row in x[:40, order].tolist())
    for out in (tmp_path / "p.csv", tmp_path / "p.npz", tmp_path / "p.parquet"):
        done = command(
            "predict", folder / "run", shuffled, "--out", out, "--scores", "--probabilities"
        )
        assert done.exit_code == 0, done.output
    with np.load(tmp_path / "p.npz") as found:
        np.testing.assert_array_equal(found["predictions"], labels)
        np.testing.assert_array_equal(found["scores"], scores)
        np.testing.assert_array_equal(found["probabilities"], chances)
        assert found["classes"].tolist() == network.classes.tolist()
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["prediction"] for row in rows] == labels.tolist()
    assert [float(row["score_two"]) for row in rows] == scores[:, 1].tolist()
    assert list(rows[0])[:2] == ["sample", "prediction"]
    table = parquet.read_table(tmp_path / "p.parquet")
    assert table["prediction"].to_pylist() == labels.tolist()
    assert table["score_two"].to_pylist() == scores[:, 1].tolist()
    printed = command("predict", folder / "run", shuffled)
    assert [
        row["prediction"] for row in csv.DictReader(printed.stdout.splitlines())
    ] == labels.tolist()


@pytest.mark.filterwarnings("ignore::lava_ep.data.PreprocessingWarning")
@pytest.mark.filterwarnings("ignore::lava_ep.training.OtherSamplesWarning")
def test_the_same_samples_score_the_same_whatever_else_their_file_holds(trained, samples, tmp_path):
    folder, _ = trained
    x, y = samples
    results = []
    for name, factor in {"one": 1, "other": 100}.items():
        # The training part of the second file has another range.
        np.savez(
            tmp_path / name,
            x_train=factor * x[:100],
            y_train=y[:100],
            x_test=x[255:],
            y_test=y[255:],
        )
        path = tmp_path / f"{name}.npz"
        results.append(last_json("evaluate", folder / "run", "--data", path)["test_accuracy"])
    # A test part is enough, and so are samples that are no part of anything.
    np.savez(tmp_path / "all.npz", x=x[255:], y=y[255:])
    results.append(
        last_json("evaluate", folder / "run", "--data", tmp_path / "all.npz")["test_accuracy"]
    )
    network = lava_ep.load_run(folder / "run")
    assert results == [float(np.mean(network.predict(x[255:]) == y[255:]))] * 3


def test_evaluate_writes_predictions_beside_the_labels(trained, tmp_path):
    folder, _ = trained
    out = tmp_path / "test.csv"
    found = last_json("evaluate", folder / "run", "--predictions", out)
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == found["test_samples"] == 60
    right = sum(row["label"] == row["prediction"] for row in rows)
    assert right / 60 == found["test_accuracy"]
    assert found["selected"] == "the newest" and found["epochs"] == 2


def test_a_run_takes_only_the_samples_it_was_trained_on(samples, tmp_path):
    x, y = samples
    table = write_table(tmp_path / "digits.csv", x, y)
    run = tmp_path / "run"
    settings = [part for assignment in SMALL for part in ("--set", assignment)]
    done = command(
        "train", "--data", table, "--backend", "fused", "--out", run, "--no-report", *settings
    )
    assert done.exit_code == 0, done.output
    before = last_json("evaluate", run)["test_accuracy"]

    moved = table.rename(tmp_path / "moved.csv")
    for arguments in (["evaluate"], ["raster"], ["report"], ["compare"], ["convert"]):
        done = command(*arguments, run)
        assert done.exit_code == 2
        assert "digits.csv" in done.output and "--data PATH" in done.output
    assert last_json("evaluate", run, "--data", moved)["test_accuracy"] == before
    done = command("train", "--resume", "--out", run, "--epochs", 3, "--data", moved, "--no-report")
    assert done.exit_code == 0, done.output

    write_table(table, x[::-1], y[::-1])
    for arguments in (["evaluate"], ["raster"], ["report"], ["compare"], ["convert"]):
        done = command(*arguments, run)
        assert done.exit_code == 2
        assert "was trained on other samples than digits.csv now has" in done.output
    done = command("train", "--resume", "--out", run, "--epochs", 4)
    assert done.exit_code == 2 and "other samples" in done.output
    with pytest.warns(OtherSamplesWarning, match="other samples than .* was trained on"):
        assert last_json("evaluate", run, "--data", table)["test_samples"] == 300
    # The same pixels and classes, but other units or labels, are other samples.
    for name, factor, labels in (("units", 10, y), ("labels", 1, np.char.upper(y))):
        other = write_table(tmp_path / f"{name}.csv", factor * x, labels)
        done = command("train", "--resume", "--out", run, "--epochs", 4, "--data", other)
        assert done.exit_code == 2, done.output


def test_what_a_training_has_named_is_found_by_name(tmp_path, samples):
    """As pandas writes tables: the names of the columns may be numbers."""
    x, y = samples
    table, run = tmp_path / "numbers.csv", tmp_path / "run"
    header = [*map(str, range(20)), "label"]
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [header, *([*row, k] for row, k in zip(x.tolist(), y, strict=True))]
        )
    settings = [part for assignment in SMALL for part in ("--set", assignment)]
    done = command(
        "train", "--data", table, "--backend", "fused", "--out", run, "--no-report", *settings
    )
    assert done.exit_code == 0, done.output
    expected = lava_ep.load_run(run).predict(x[:5]).tolist()
    new = tmp_path / "new.csv"
    for order in (list(range(20)), list(range(20))[::-1]):
        with new.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["note", *order, "Label"])
            writer.writerows([f"n{k}", *x[k, order].tolist(), y[k]] for k in range(5))
        done = command("predict", run, new)
        assert done.exit_code == 0, done.output
        rows = list(csv.DictReader(done.stdout.splitlines()))
        assert [row["prediction"] for row in rows] == expected
    before = new.read_bytes()
    done = command("predict", run, new, "--out", new)
    assert done.exit_code == 2 and "holds the samples" in done.output
    assert new.read_bytes() == before


def own_digits():
    """Return another data set with the shape of the bundled digits."""
    digits = load_dataset("digits")
    return Dataset(
        name="mine",
        x_train=16 - digits.x_train[:64],
        y_train=digits.y_train[:64],
        x_test=16 - digits.x_test[:40],
        y_test=digits.y_test[:40],
        levels=16,
        image_shape=(8, 8),
        class_names=digits.class_names,
    )


def test_a_trainer_s_run_on_own_arrays_is_not_evaluated_on_a_set_of_the_same_shape(tmp_path):
    spec, dataset = override(load_preset("binary-digits"), SMALL), own_digits()
    about = describe_run(spec, dataset, backend="fused", command="test")
    folder = RunFolder.create(tmp_path / "run", spec, about)
    trainer = Trainer(spec, dataset, backend="fused", folder=folder)
    trainer.fit()
    with pytest.raises(InputError, match="trained on other samples than digits now has"):
        load_run_data(folder)
    with pytest.raises(InputError, match="trained on other samples"):
        Trainer(spec, load_dataset("digits"), backend="fused", folder=folder)
    with pytest.raises(InputError, match="trained on other samples"):
        open_run(folder.path)
    np.savez(tmp_path / "test.npz", x_test=dataset.x_test.reshape(-1, 8, 8), y_test=dataset.y_test)
    with pytest.warns(OtherSamplesWarning):
        found = load_run_data(folder, name=str(tmp_path / "test.npz"))
    np.testing.assert_array_equal(found.x_test, dataset.x_test)
    expected = evaluate(spec, trainer.parameters, dataset, backend="fused")
    other = evaluate(spec, trainer.parameters, found, backend="fused")
    np.testing.assert_array_equal(other.scores, expected.scores)


def test_everything_that_does_not_fit_is_one_error_with_the_line_that_mends_it():
    spec = load_preset("ep-conv")
    with pytest.raises(InputError) as caught:
        check_fit(spec, load_dataset("digits"))
    text = str(caught.value)
    assert "network.inputs=784" in text and "network.input_levels=255" in text
    line = text.splitlines()[-1]
    settings = line.partition(": ")[2].removeprefix("--set ").split(" --set ")
    assert settings == [
        "network.inputs=64",
        "network.input_levels=16",
        "network.image_shape=[8,8,1]",
    ]
    # Kernels of 5 do not fit twice into 8 pixels: the preset cannot be adapted, and says why.
    with pytest.raises(InputError, match="kernel"):
        adapted(spec, load_dataset("digits"))
    check_samples(override(load_preset("ep-1h"), settings[:2]), load_dataset("digits"))


def test_fields_that_the_user_has_set_are_not_adapted():
    spec = override(load_preset("binary-mnist"), ["network.inputs=100"])
    found, line = adapted(spec, load_dataset("digits"), kept=["network.inputs"])
    assert found.network.inputs == 100 and found.network.input_levels == 16
    assert line is not None and "network.inputs" not in line
    with pytest.raises(InputError, match=r"network\.inputs=100"):
        check_fit(found, load_dataset("digits"))


def test_the_best_epoch_is_selected_by_samples_that_are_not_learned_from(tmp_path):
    digits = load_dataset("digits", limit_train=300, limit_test=60)
    spec = override(
        load_preset("binary-digits"),
        [
            *SMALL,
            "training.validation_fraction=0.2",
            "training.patience=2",
            "training.epochs=40",
            "training.seed=1",
        ],
    )
    about = describe_run(spec, digits, backend="fused", command="test")
    folder = RunFolder.create(tmp_path / "run", spec, about)
    trainer = Trainer(spec, digits, backend="fused", folder=folder)
    # 239 samples are left.
    assert trainer.epoch_batches == 14
    metrics = trainer.fit()
    accuracies = [entry["validation_accuracy"] for entry in metrics]
    best = int(np.argmax(accuracies)) + 1
    assert len(metrics) == best + 2 < 40
    selected = folder.selected(spec.network)
    assert (selected.epoch, selected.reason) == (best, "best by validation accuracy")
    assert trainer.best[0] == best
    for one, other in zip(selected.parameters.layers, trainer.best[1].layers, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
    found = evaluate(spec, selected.parameters, digits, backend="fused")
    assert found.accuracy == metrics[best - 1]["test_accuracy"]
    network = lava_ep.load_run(folder.path)
    assert network.epoch == best
    with pytest.raises(InputError, match="no checkpoint of epoch 99: expected one of"):
        lava_ep.load_run(folder.path, epoch=99)


def test_a_selection_by_the_test_set_is_never_silent(tmp_path):
    done = command(
        *("train", "--backend", "fused", "--limit-train", 64, "--limit-test", 40),
        *("--out", tmp_path / "run", "--no-report", "--set", "training.patience=1"),
        *(part for assignment in SMALL for part in ("--set", assignment)),
    )
    assert done.exit_code == 0, done.output
    assert (
        "the best epoch is selected by the test accuracy, which makes it optimistic" in done.stdout
    )
    assert "best by test accuracy" in done.stdout
    assert "best by test accuracy" in command("evaluate", tmp_path / "run").stdout


def test_without_early_stopping_the_newest_epoch_is_used():
    metrics = [{"epoch": 1, "test_accuracy": 0.9}, {"epoch": 2, "test_accuracy": 0.8}]
    assert best_epoch(metrics, load_preset("binary-digits").training) is None
    early = override(load_preset("binary-digits"), ["training.patience=5"]).training
    assert best_epoch(metrics, early).epoch == 1


def test_the_temperature_is_the_most_likely_one():
    rng = np.random.default_rng(0)
    logits = 3 * rng.normal(size=(4000, 5))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(5, p=row) for row in chances])
    for scale in (1.0, 0.01, 250.0):
        assert fit_temperature(scale * logits, labels) == pytest.approx(scale, rel=0.1)
    np.testing.assert_allclose(probabilities(2 * logits, 2.0), chances)


def test_a_network_that_was_never_wrong_is_not_taken_for_certain():
    labels = np.arange(200) % 4
    scores = np.eye(4)[labels]
    chances = probabilities(scores, fit_temperature(scores, labels))
    assert chances.max() == pytest.approx(201 / 204, abs=0.005)


@pytest.mark.parametrize(
    "images",
    [
        np.full((4, 64), 0.5),
        np.full((4, 64), 300),
        np.full((4, 64), -1),
        np.full((4, 64), np.nan),
        np.zeros((4, 63), np.uint8),
        np.zeros((0, 64), np.uint8),
        np.full((4, 64), 17, np.uint8),
        np.zeros((4, 8, 8), np.uint8),
    ],
)
def test_a_session_refuses_what_is_no_image_and_stays_usable(session, images):
    with pytest.raises(InputError, match="images: "):
        session.scores(images)
    good = load_dataset("digits").x_test[:5]
    np.testing.assert_array_equal(session.scores(good), session.expected)


@pytest.fixture(scope="module")
def session():
    """Return a running network, with the scores of five test images."""
    from lava_ep.parameters import initial_parameters

    spec = override(load_preset("binary-digits"), SMALL).network
    with NetworkSession(
        spec, batch=4, parameters=initial_parameters(spec, seed=0), learning=False, backend="fused"
    ) as running:
        running.expected = running.scores(load_dataset("digits").x_test[:5])
        yield running


def test_labels_that_are_no_classes_are_refused():
    from lava_ep.parameters import initial_parameters

    spec = override(load_preset("binary-digits"), SMALL).network
    digits = load_dataset("digits")
    with NetworkSession(
        spec, batch=4, parameters=initial_parameters(spec, seed=0), backend="fused"
    ) as running:
        for labels in ([0, 1, 2, 10], [0, 1, 2, -1], [0.0, 1, 2, 3], [0, 1, 2], ["0"] * 4):
            with pytest.raises(InputError, match="labels"):
                running.stream(digits.x_train[:4], labels)
        with pytest.raises(InputError, match="multiple of the batch, 4"):
            running.stream(digits.x_train[:5], digits.y_train[:5])
        assert len(list(running.stream(digits.x_train[:8], digits.y_train[:8]))) == 2


def test_runs_of_earlier_versions_are_read(tmp_path):
    """Their folders have no preprocessing.json, and no temperature in metrics.jsonl."""
    spec = override(
        load_preset("binary-digits"), [*SMALL, "data.limit_train=64", "data.limit_test=40"]
    )
    digits = load_dataset("digits", limit_train=64, limit_test=40)
    folder = RunFolder.create(
        tmp_path / "run", spec, describe_run(spec, digits, backend="fused", command="test")
    )
    Trainer(spec, digits, backend="fused", folder=folder).fit()
    expected = lava_ep.load_run(folder.path).predict(digits.x_test)
    (folder.path / "preprocessing.json").unlink()
    path = folder.path / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    text = "".join(
        json.dumps({k: v for k, v in line.items() if k != "temperature"}) + "\n" for line in lines
    )
    path.write_text(text, encoding="utf-8")
    network = lava_ep.load_run(folder.path)
    assert network.calibration == "softmax"
    np.testing.assert_array_equal(network.predict(digits.x_test), expected.astype(str))
    np.save(tmp_path / "narrow.npy", np.zeros((2, 3), np.uint8))
    done = command("predict", folder.path, tmp_path / "narrow.npy")
    assert done.exit_code == 2 and "expected (samples, 64)" in done.output


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("p.txt", "expected a name that ends in .csv, .npz, .parquet"),
        ("no/p.csv", "there is no folder"),
    ],
)
def test_a_place_that_takes_no_predictions_is_refused_first(tmp_path, trained, name, message):
    done = command(
        "predict", trained[0] / "run", trained[0] / "digits.csv", "--out", tmp_path / name
    )
    assert done.exit_code == 2 and message in done.output.replace("\n", " ")
    assert not list(Path(tmp_path).iterdir())
