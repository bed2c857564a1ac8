"""Training networks of Lava's own Processes: learning, run folders, resuming."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from lava_ep.analysis import compare_backends, record_sample
from lava_ep.cli import app
from lava_ep.data import Dataset
from lava_ep.errors import InputError
from lava_ep.parameters import initial_parameters
from lava_ep.spec import ExperimentSpec
from lava_ep.training import RunFolder, StockSession, Trainer, describe_run, evaluate

HALF = 16


def make_experiment(**training):
    """Return an experiment that learns three patches of bright pixels."""
    network = {
        "inputs": 12,
        "input_levels": 16,
        "classes": 3,
        "layers": [
            {"neurons": 16, "weights": "real", "scale": 880, "rate": 128},
            {"neurons": 3, "weights": "real", "scale": 242, "rate": 64},
        ],
        "neuron": {
            "kind": "stock-lif",
            "layers": [
                {"du": 2048, "dv": 2048, "vth": 2500, "impulse": 20, "weight_exp": -5},
                {"du": 256, "dv": 1024, "vth": 3500, "impulse": 8, "feedback_exp": 2},
            ],
            "excitation": 1392,
            "inhibition": 1008,
        },
        "phases": {
            "free_steps": HALF,
            "nudged_steps": HALF,
            "beta": 1,
            "nudging": "positive",
        },
        "feedback_angle": 0,
    }
    values = {"epochs": 1, "batch_size": 1, "test_batch_size": 1, **training}
    return ExperimentSpec.model_validate({"network": network, "training": values})


def make_dataset(train, test):
    """Noise with a bright patch for each class."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(train + test) % 3)
    images = rng.integers(0, 5, (train + test, 12))
    for image, label in zip(images, labels, strict=True):
        image[4 * label : 4 * label + 4] += rng.integers(8, 12, 4)
    images = images.astype(np.uint8)
    return Dataset(
        name="patches",
        x_train=images[:train],
        y_train=labels[:train],
        x_test=images[train:],
        y_test=labels[train:],
        levels=16,
        image_shape=(3, 4),
        class_names=("a", "b", "c"),
    )


def test_a_network_learns_and_is_tested_with_what_it_learned():
    experiment, dataset = make_experiment(), make_dataset(36, 24)
    start = initial_parameters(experiment.network, seed=0)
    untrained = evaluate(experiment, start, dataset, backend="loihi-fixed")
    trainer = Trainer(experiment, dataset, backend="loihi-fixed")
    (entry,) = trainer.fit()
    assert entry["test_accuracy"] >= 0.9 > 0.6 > untrained.accuracy
    assert entry["events_per_sample"]["free"] > 1
    assert entry["synaptic_operations_per_sample"]["nudged"] > 12 * 16
    again = evaluate(experiment, trainer.parameters, dataset, backend="loihi-fixed")
    assert again.accuracy == entry["test_accuracy"]
    # The same weights in real numbers.
    assert evaluate(experiment, trainer.parameters, dataset, backend="loihi-float").accuracy >= 0.9


def test_a_resumed_run_ends_with_the_same_bytes(tmp_path):
    dataset = make_dataset(3, 2)
    bytes_found = []
    for name, epochs in (("whole", (2,)), ("resumed", (1, 2))):
        experiment = make_experiment(epochs=2, decay=0.5)
        about = describe_run(experiment, dataset, backend="loihi-fixed", command="lava-ep train")
        folder = RunFolder.create(tmp_path / name, experiment, about)
        for number in epochs:
            part = make_experiment(epochs=number, decay=0.5)
            trainer = Trainer(part, dataset, backend="loihi-fixed", folder=folder)
            trainer.resume()
            trainer.fit()
        bytes_found.append(folder.checkpoints()[2].read_bytes())
    assert bytes_found[0] == bytes_found[1]


def test_a_sample_is_recorded_spike_by_spike():
    experiment, dataset = make_experiment(), make_dataset(3, 1)
    network = experiment.network
    start = initial_parameters(network, seed=0)
    image, label = dataset.x_train[0], int(dataset.y_train[0])
    found = record_sample(network, start, image, label, backend="loihi-fixed")
    bounds = [("load", 0, 1), ("free", 1, HALF + 1), ("nudged", HALF + 1, 2 * HALF + 1)]
    assert list(found.phase_bounds) == bounds
    hidden, output = found.events
    assert set(np.unique(output)) <= {0, 1}
    nudged = output[HALF + 1 :].sum(axis=0)
    assert nudged.argmax() == label
    with StockSession(network, batch=1, parameters=start) as session:
        (scores,) = session.stream(dataset.x_train[:1], dataset.y_train[:1])
        events = session.counters().events
    np.testing.assert_array_equal(found.scores, scores[0])
    assert events.sum() == hidden.sum() + output.sum()
    # A spike sets the membrane potential to 0, and it is below the threshold otherwise.
    for potential, spikes in zip(found.membranes, found.events, strict=True):
        assert (potential[spikes == 1] == 0).all()
        assert potential.max() <= 1
    # Traces rise with spikes and fall by a factor without.
    np.testing.assert_allclose(
        found.states[1][1:],
        np.exp(-1 / 6) * found.states[1][:-1] + (1 - np.exp(-1 / 6)) * output[1:],
        atol=1e-6,
    )


def test_what_cannot_work_is_refused():
    experiment, dataset = make_experiment(), make_dataset(3, 1)
    start = initial_parameters(experiment.network, seed=0)
    with pytest.raises(InputError, match="'fused': expected one of loihi-fixed, loihi-float"):
        Trainer(experiment, dataset, backend="fused")
    with pytest.raises(InputError, match=r"rate=0.125 of plastic .* in all epochs"):
        Trainer(make_experiment(epochs=11, decay=0.5), dataset, backend="loihi-fixed")
    with pytest.raises(InputError, match="kind stock-lif cannot be compared"):
        compare_backends(experiment, start, dataset, ["loihi-fixed", "loihi-float"], samples=1)
    with StockSession(experiment.network, batch=1, parameters=start) as session:
        with pytest.raises(ValueError, match="learning needs labels"):
            next(session.stream(dataset.x_train))
        with pytest.raises(InputError, match="walk: 2 images, expected 1"):
            next(session.walk(dataset.x_train[:2], dataset.y_train[:2]))


def test_the_command_line_trains_reports_and_refuses(tmp_path):
    def invoke(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    out = tmp_path / "run"
    small = ["--preset=stock-digits", "--set=network.layers.0.neurons=8"]
    small += ["--limit-train=2", "--limit-test=2", "--epochs=1"]
    done = invoke("train", *small, "--json", "--out", out)
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["backend"] == "loihi-fixed"
    page = (out / "report.html").read_text(encoding="utf-8")
    for words in ("LIFReset", "graded spikes in every time step", "through weights of its own"):
        assert words in page
    for arguments, message in (
        (("evaluate", out, "--backend=fused"), "expected one of loihi-fixed, loihi-float"),
        (("compare", out), "cannot be compared"),
        (("train", *small, "--backend=loihi2"), "inrc_interest@intel.com"),
        (("train", *small, "--backend=message-passing"), "expected one of loihi-fixed"),
        (("train", "--preset=binary-digits", "--backend=loihi-fixed"), "message-passing, fused"),
    ):
        refused = invoke(*arguments)
        assert refused.exit_code == 2
        assert message in refused.output
