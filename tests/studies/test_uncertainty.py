"""Thresholds are found where they are, and no training of a study is repeated."""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lava_ep.cli import app
from lava_ep.data import load_dataset
from lava_ep.errors import DivergedError, InputError, LavaEPError
from lava_ep.runtime import WorkerDied
from lava_ep.spec import load_preset, override
from lava_ep.studies._folder import RESULT, update_study
from lava_ep.studies._uncertainty_figures import uncertainty_figures
from lava_ep.studies.uncertainty import (
    TRAININGS,
    Training,
    estimated_threshold,
    fit_threshold,
    for_data,
    load_sets,
    plan_trainings,
    study_uncertainty,
    summarize,
)
from lava_ep.training import Trainer
from lava_ep.training.grid import PLAN

LIMITS = ["data.limit_train=60", "data.limit_test=30"]
SIGMAS = np.geomspace(1e-3, 1, 12)
CRITICAL = 0.03


def accuracy(sigma, samples=1, *, critical=CRITICAL):
    return 0.1 + 0.8 / (1 + (sigma / (critical * math.sqrt(samples))) ** 3)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", limit_train=40, limit_test=20)


@pytest.fixture
def experiment():
    return override(load_preset("drn-digits"), ["network.layers.0.neurons=64", "training.epochs=1"])


@pytest.fixture
def logistic(monkeypatch):
    """Networks that reach what `accuracy` says, give or take a little; returns the calls."""
    calls = []

    def fit(trainer):
        noise, seed = trainer.spec.network.noise, trainer.spec.training.seed
        calls.append((trainer.spec.data.name, noise.sigma, noise.samples, seed))
        rng = np.random.default_rng([seed, noise.samples, int(1e6 * noise.sigma)])
        reached = float(accuracy(noise.sigma, noise.samples) + rng.normal(0, 0.005))
        leave(trainer, reached)

    monkeypatch.setattr(Trainer, "fit", fit)
    return calls


def leave(trainer, reached):
    """Leave what a training of one epoch leaves."""
    shares = {"train_accuracy": reached, "test_accuracy": reached}
    trainer.folder.append_metrics({"epoch": 1, **shares, "seconds": 1.5, "train_seconds": 1.0})
    (trainer.folder.path / "checkpoint-00001.safetensors").touch()


def test_a_threshold_is_found_within_its_interval():
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(100):
        noisy = accuracy(SIGMAS) + rng.normal(0, 0.02, SIGMAS.size)
        found = fit_threshold(SIGMAS, noisy, [0.9, 0.91])
        assert found.low < found.sigma < found.high
        inside.append(found.low < CRITICAL < found.high)
        assert found.sigma == pytest.approx(CRITICAL, rel=0.2)
    assert 0.85 < np.mean(inside) <= 1.0
    assert found.clean == pytest.approx(0.9, abs=0.03)
    np.testing.assert_allclose(found.accuracy(SIGMAS), accuracy(SIGMAS), atol=0.08)


@pytest.mark.parametrize(
    ("sigmas", "accuracies"),
    [
        (SIGMAS, np.full(12, 0.9)),
        (SIGMAS[:3], accuracy(SIGMAS[:3])),
        (SIGMAS[:6] / 100, accuracy(SIGMAS[:6] / 100)),
        (SIGMAS, np.linspace(0.88, 0.9, 12)),
    ],
)
def test_no_threshold_is_found_where_there_is_none(sigmas, accuracies):
    assert fit_threshold(list(sigmas), list(accuracies), [0.9]) is None


def test_the_law_of_the_root_is_seen(logistic, experiment, digits, tmp_path):
    found = study_uncertainty(
        experiment,
        [digits],
        tmp_path / "study",
        deviations=SIGMAS,
        samples=[1, 4, 16, 64],
        seeds=[0, 1],
    )
    assert len(logistic) == len(set(logistic)) == 2 + 2 * 4 * 12
    (result,) = found.results
    for number, threshold in result.by_samples.items():
        assert threshold.sigma == pytest.approx(CRITICAL * math.sqrt(number), rel=0.05)
    assert result.collapsed.low < CRITICAL < result.collapsed.high
    assert abs(result.exponent - 0.5) < max(result.exponent_error, 0.02)
    assert abs(result.gain) < 0.02  # the maximum of many, so a little above 0
    lines = "\n".join(result.lines())
    assert "σ_c/√N = 0.03" in lines and "σ_c grows as N^(0.5" in lines


def test_finished_trainings_are_not_repeated(logistic, experiment, digits, tmp_path):
    folder, kinds = tmp_path / "study", {"deviations": [0.01, 0.1], "samples": [1]}
    before = study_uncertainty(experiment, [digits], folder, **kinds)
    first = list(logistic)
    assert first == [("digits", 0.0, 1, 0), ("digits", 0.01, 1, 0), ("digits", 0.1, 1, 0)]
    # A kill before the checkpoint.
    (folder / "trials" / "00002" / "checkpoint-00001.safetensors").unlink()
    assert study_uncertainty(experiment, [digits], folder, **kinds) == before
    assert logistic[3:] == first[2:]
    kinds["samples"] = [1, 4]
    seen = []
    study_uncertainty(experiment, [digits], folder, **kinds, on_training=lambda *a: seen.append(a))
    assert logistic[4:] == [("digits", 0.02, 4, 0), ("digits", 0.2, 4, 0)]
    assert [numbers for _, *numbers in seen] == [[done, 5] for done in range(1, 6)]


def test_a_study_goes_on_with_the_same_experiment_only(logistic, experiment, digits, tmp_path):
    folder = tmp_path / "study"
    study_uncertainty(experiment, [digits], folder, deviations=[0.1])
    other = override(experiment, ["network.phases.beta=0.5"])
    with pytest.raises(InputError, match=r"another network\.phases\.beta"):
        study_uncertainty(other, [digits], folder, deviations=[0.1])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(InputError, match="not the folder of a study"):
        study_uncertainty(experiment, [digits], tmp_path / "other", deviations=[0.1])


@pytest.fixture
def old(tmp_path):
    """A study as lava-ep 0.1 left it after two of three trainings, the last line cut off."""
    return shutil.copytree(Path(__file__).parent / "uncertainty-0.1", tmp_path / "old")


def test_a_study_of_an_earlier_version_resumes(old, experiment, monkeypatch):
    (digits,) = load_sets(override(experiment, LIMITS), ["digits"])
    kinds = {"deviations": [0.004, 0.01], "samples": [4]}
    found = study_uncertainty(override(experiment, LIMITS), [digits], old, **kinds, threads=1)
    # Those of the earlier version, of which the last was trained again.
    accuracies = [training.test_accuracy for training in found.trainings]
    assert accuracies == [0.23333333333333334, 0.1, 0.1]
    assert [path.name for path in (old / "trials").iterdir()] == ["00000"]
    monkeypatch.setattr(Trainer, "fit", None)
    again = study_uncertainty(override(experiment, LIMITS), [digits], old, **kinds)
    assert again == found
    other = override(experiment, [*LIMITS, "network.phases.beta=0.5"])
    with pytest.raises(InputError, match=r"another network\.phases\.beta, 1\.0 instead of 0\.5"):
        study_uncertainty(other, [digits], old, **kinds)


def test_a_damaged_file_is_an_error(old, experiment):
    experiment = override(experiment, LIMITS)
    data = load_sets(experiment, ["digits"])
    path = old / TRAININGS
    whole = path.read_text().rpartition("\n")[0] + "\n"
    for damage in ("nonsense\n", '{"data": "digits"}\n', whole.replace("0.0", '"zero"', 1)):
        path.write_text(damage + whole)
        with pytest.raises(
            InputError, match=r"trainings\.jsonl, line 1: (expected|not a training)"
        ):
            study_uncertainty(experiment, data, old, deviations=[0.1])
    path.write_text(whole)
    for damage in ("[]", "{", '{"data_sha256": {}}', '{"points": 3}', '{"data_sha256": 3}'):
        (old / PLAN).write_text(damage)
        with pytest.raises(InputError, match=r"plan\.json: .*(expected|not a JSON file)"):
            study_uncertainty(experiment, data, old, deviations=[0.1])


def test_other_samples_by_the_same_name_are_noticed(logistic, experiment, digits, tmp_path):
    study_uncertainty(experiment, [digits], tmp_path, deviations=[0.1])
    second = replace(digits, name="second")
    study_uncertainty(experiment, [second], tmp_path, deviations=[0.1])
    for name in ("digits", "second"):
        changed = replace(digits, name=name, x_test=digits.x_test[::-1])
        with pytest.raises(InputError, match=f"another data set {name}"):
            study_uncertainty(experiment, [changed], tmp_path, deviations=[0.1])
    with pytest.raises(InputError, match="another backend"):
        study_uncertainty(
            experiment, [digits], tmp_path, deviations=[0.1], backend="message-passing"
        )


def test_noise_is_that_of_the_study(experiment, digits, tmp_path):
    noisy = override(experiment, ["network.noise.sigma=0.1"])
    with pytest.raises(InputError, match=r"network\.noise=.*choose deviations"):
        study_uncertainty(noisy, [digits], tmp_path / "study", deviations=[0.1])
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("error", "sigma", "status"),
    [
        (WorkerDied("network", "network", "Model", 1, -9, "was killed"), 0.1, "failed"),
        (DivergedError("epoch 1: not finite"), 0.0, "diverged"),
    ],
)
def test_only_networks_that_noise_breaks_are_results(
    monkeypatch, experiment, digits, tmp_path, error, sigma, status
):
    def fit(trainer):
        if trainer.spec.ep_network.noise.sigma == sigma:
            if isinstance(error, DivergedError):
                trainer.folder.set_diverged(str(error))
            raise error
        leave(trainer, 0.9)

    monkeypatch.setattr(Trainer, "fit", fit)
    with pytest.raises(LavaEPError, match=re.escape(str(error))):
        study_uncertainty(experiment, [digits], tmp_path, deviations=[0.1, 0.2])
    # The others have been trained all the same.
    trials = json.loads((tmp_path / "results.json").read_text())["trials"]
    ended = {row["point"]["network.noise.sigma"]: row["status"] for row in trials}
    assert ended == {0.0: "finished", 0.1: "finished", 0.2: "finished"} | {sigma: status}


def test_noise_that_leaves_no_state_is_told(experiment, digits, tmp_path):
    found = study_uncertainty(
        experiment, [digits], tmp_path, deviations=[30.0], samples=[1], threads=1
    ).trainings[1]
    assert found.test_accuracy is None
    assert "epoch 1: " in found.error and "conductance" in found.error


def test_networks_that_break_down_count_as_chance():
    noisy = [Training("digits", s, 1, 0, accuracy(s), 0.5) for s in SIGMAS]
    broken = [
        replace(t, test_accuracy=None, error="no conductance") if t.sigma > 0.1 else t
        for t in noisy
    ]
    found = summarize(broken, 0.02, 10)
    assert found.by_samples[1].sigma == pytest.approx(CRITICAL, rel=0.1)
    assert found.by_samples[1].left == pytest.approx(0.1, abs=0.02)
    assert found.exponent is None and found.gain is None


def test_the_estimate_scales_as_it_should(experiment, digits):
    spec = for_data(experiment, digits)
    base = estimated_threshold(spec, digits)
    for assignment, factor in (
        ("network.layers.0.rate=0.012", 1 / 2),
        ("network.neuron.input_voltage=400", 1 / 4),
        ("network.phases.beta=0.5", 1 / 2),
        ("network.layers.0.scale=3", 3),
        ("network.phases.nudging=positive", 1 / 2),
    ):
        changed = estimated_threshold(override(spec, [assignment]), digits)
        assert changed == pytest.approx(factor * base)
    # Twice as long; with decay the second epoch walks a little less.
    longer = estimated_threshold(override(spec, ["training.epochs=2"]), digits)
    assert longer == pytest.approx(base / math.sqrt(1 + 0.99**2))
    # Mean of max(U(-s, s), 0) is s / 4.
    rms = np.sqrt(np.mean((digits.x_train / 16.0) ** 2))
    expected = (
        math.sqrt(4)
        * 2
        * (1 / (4 * math.sqrt(128)))
        / (math.sqrt(2) * 0.006 * 100 * rms * math.sqrt(10))
    )
    assert base == pytest.approx(expected, rel=0.05)
    assert estimated_threshold(load_preset("binary-digits"), digits) is None


def test_a_data_set_brings_its_pixels(digits):
    found = for_data(load_preset("drn-xs"), digits).network
    assert (found.inputs, found.input_levels, found.classes) == (64, 16, 10)
    limits = override(load_preset("drn-xs"), ["data.limit_train=2000", "data.limit_test=30"])
    (data,) = load_sets(limits, ["digits", "digits"])
    assert (len(data.x_train), len(data.x_test)) == (1437, 30)


@pytest.mark.parametrize(
    ("deviations", "samples", "seeds", "message"),
    [
        ({"digits": []}, [1], [0], "at least one"),
        ({"digits": [0.1]}, [], [0], "at least one"),
        ({"digits": [-0.1]}, [1], [0], r"deviation -0.1 for digits"),
        ({"digits": [0.1]}, [0], [0], "samples 0: expected 1 or more"),
        ({"digits": [0.1]}, [1], [-1], "seed -1: expected 0 or more"),
    ],
)
def test_impossible_plans_are_refused(deviations, samples, seeds, message):
    with pytest.raises(InputError, match=message):
        plan_trainings(deviations, samples, seeds)


def test_binary_networks_need_deviations(experiment, digits, tmp_path):
    with pytest.raises(InputError, match="no deviations for digits"):
        study_uncertainty(load_preset("binary-digits"), [digits], tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_figures_show_what_there_is(logistic, experiment, digits, tmp_path):
    other = replace(digits, name="other")
    found = study_uncertainty(
        experiment, [digits, other], tmp_path, deviations=SIGMAS[::2], samples=[1, 4]
    )
    update_study(tmp_path, found.to_json(), uncertainty_figures(found))
    for name in ("accuracy-by-sigma", "collapse", "critical-sigma"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
        assert "</svg>" in (tmp_path / f"{name}.svg").read_text()
    assert len(json.loads((tmp_path / RESULT).read_text())["trainings"]) == 2 * (1 + 12)


def test_the_command_trains_networks(tmp_path):
    out = tmp_path / "study"
    arguments = ["study", "uncertainty", "--out", str(out), "--epochs", "1", "--samples", "4"]
    arguments += ["--seeds", "0", "--deviations", "0.004", "--json", "--threads", "1"]
    arguments += ["--limit-train", "60", "--limit-test", "30"]
    arguments += ["--set", "network.layers.0.neurons=64"]
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0, found.output
    result = json.loads(found.stdout.splitlines()[-1])
    assert result["trainings"] == 2
    assert result["results"][0]["data"] == "digits"
    noisy = json.loads((out / RESULT).read_text())["trainings"][1]
    assert (noisy["sigma"], noisy["samples"]) == (0.008, 4)
    assert 0 <= noisy["test_accuracy"] <= 1


def test_the_command_refuses_nonsense(tmp_path):
    for option, value, message in (
        ("--samples", "1,x", "expected whole numbers"),
        ("--deviations", "a", "expected numbers"),
        ("--data", "nothing", "nothing"),
    ):
        arguments = ["study", "uncertainty", "--out", str(tmp_path / "new"), option, value]
        found = CliRunner().invoke(app, arguments)
        assert found.exit_code == 2
        assert message in found.output
    assert not (tmp_path / "new").exists()
