"""The comparison of nudged updates with backpropagation through time, and what it leaves behind."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from lava_ep.analysis.bptt import Loss
from lava_ep.analysis.nudged import NudgedPhase, Rule, Setting, statement
from lava_ep.cli import app
from lava_ep.data import load_dataset
from lava_ep.errors import InputError
from lava_ep.models.fused.engines.populations import PopulationEngine
from lava_ep.parameters import initial_parameters
from lava_ep.spec import NetworkSpec, load_preset, override, parse
from lava_ep.studies._folder import RESULT, write_study
from lava_ep.studies._gdu_figures import gdu_figures
from lava_ep.studies.gdu import log_slope, study_gdu

SMALL = [
    "network.layers.0.neurons=8",
    "network.phases.free_steps=60",
    "network.phases.nudged_steps=6",
]
LONG = "network.phases.free_steps=300"


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", limit_train=12, limit_test=10)


def network_of(*assignments):
    return override(load_preset("gdu-toy"), [*SMALL, *assignments]).network


def study(digits, network, *, seed=0, **sweeps):
    parameters = initial_parameters(network, seed=seed)
    return study_gdu(network, parameters, digits.x_train[:4], digits.y_train[:4], **sweeps)


@pytest.fixture(scope="module")
def toy(digits):
    return study(digits, network_of(), betas=[1e-4, 1e-3], etas=[1e-7])


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_study_has_every_rule_and_every_pair_of_values(toy):
    settings = [run.setting for run in toy.runs]
    betas, etas = [1e-4, 1e-3, 1e-2], [1e-7, 2e-5]
    expected = [Setting(Rule.EP, beta) for beta in betas]
    expected += [Setting(Rule.C_EP, beta, eta) for beta in betas for eta in etas]
    expected += [Setting(Rule.C_VF, 1e-2, eta) for eta in etas]
    assert settings == expected
    assert [run.setting.beta for run in toy.select(rule=Rule.C_EP, eta=1e-7)] == betas
    assert toy.settled
    assert toy.beta_order == pytest.approx(1, abs=0.05)


def test_measures_of_agreement_are_those_of_the_traces(toy):
    run = toy.select(rule=Rule.EP, beta=1e-2)[0]
    agreements = {(a.layer, a.quantity): a for a in run.agreements}
    assert set(agreements) == {
        (layer, quantity)
        for layer in ("hidden1", "output")
        for quantity in ("states", "weights", "bias")
    }
    # The nudge arrives at the hidden layer in the second step.
    hidden = agreements["hidden1", "weights"]
    assert hidden.error[0] is None
    assert hidden.angle[0] is None
    assert 0 < hidden.error[1] < 0.05
    assert 0 < hidden.angle[-1] < 3
    assert hidden.sign_agreement[-1] > 0.95
    for trace in toy.traces:
        if trace.setting.rule is Rule.EP:
            update, wanted = np.array(trace.update), np.array(trace.descent["squared-error"])
            assert np.abs(wanted).max() > 0
            assert np.linalg.norm(update - wanted) < 0.1 * np.linalg.norm(wanted)


def test_updates_of_all_steps_are_what_the_network_learns(digits):
    network = network_of("network.phases.beta=0.1")
    parameters = initial_parameters(network, seed=0)
    images, labels = digits.x_train[:4], digits.y_train[:4]
    schedule = network.phases.schedule(0)
    phase = NudgedPhase(network, parameters, images, labels, Setting(Rule.EP, 0.1))
    steps = [phase.step() for _ in range(network.phases.nudged_steps)]
    engine = PopulationEngine(
        network, batch=4, schedule=schedule, learning=True, threads=1, dtype=np.float64
    )
    for index, layer in enumerate(parameters.layers):
        for field, value in layer.arrays.items():
            engine.set(index, field, value)
    engine.set_labels(labels.astype(np.int32))
    engine.advance(0, schedule.period(learning=True), images.astype(np.int32))
    engine.learn()
    for index, name in enumerate(network.layer_names):
        for field, rate in (("weights", 2e-5), ("bias", 2e-5)):
            before = getattr(parameters.layers[index], field)
            learned = (engine.get(index, field) - before) / rate
            total = sum(step[name, field] for step in steps)
            assert np.abs(learned).max() > 1e-3
            np.testing.assert_allclose(total, learned, rtol=0, atol=1e-9)


@pytest.mark.parametrize("rule", [Rule.EP, Rule.C_EP])
def test_a_network_that_stands_still_makes_no_updates_until_the_end(digits, rule):
    # Nothing reaches the outputs, which cannot move either: the engine may skip silent steps.
    network = network_of("network.layers.1.scale=1e-9", "network.neuron.activation=hard-sigmoid")
    parameters = initial_parameters(network, seed=0)
    hidden, output = parameters.layers
    dead = replace(parameters, layers=(hidden, replace(output, bias=output.bias - 5)))
    setting = Setting(rule, 0.01, 1e-3 if rule.continual else 0.0)
    phase = NudgedPhase(network, dead, digits.x_train[:4], digits.y_train[:4], setting)
    for _ in range(network.phases.nudged_steps):
        for update in phase.step().values():
            assert not update.any()


@pytest.mark.parametrize(
    ("assignments", "loss", "words"),
    [
        (["network.neuron.nudge=current"], Loss.SQUARED_ERROR, "nudge in the current"),
        (["network.neuron.nudge=state"], Loss.NUDGE, "miss a factor rho'"),
        (
            ["network.neuron.nudge=state", "network.neuron.time_step=0.5", LONG],
            Loss.SQUARED_ERROR,
            "energy-based",
        ),
        (["network.feedback_angle=0"], Loss.SQUARED_ERROR, "nudge in the current"),
        (["network.feedback_angle=90"], None, "no gradient"),
    ],
)
def test_the_statement_says_what_holds(digits, assignments, loss, words):
    network = network_of(*assignments)
    parameters = initial_parameters(network, seed=0)
    found, text = statement(network, parameters)
    assert found is loss
    assert words in text
    result = study(digits, network, betas=[1e-5], etas=[])
    assert result.statement == text
    smallest = result.select(beta=1e-5)[0]
    assert (smallest.error < 1e-3) == (loss is not None)
    if loss is Loss.NUDGE:
        squared = [run.error for run in result.runs if run.loss is Loss.SQUARED_ERROR]
        assert min(squared) > 0.01


def test_untied_networks_are_vector_fields_and_binary_weights_have_no_continual_updates(digits):
    untied = study(digits, network_of("network.feedback_angle=45"), betas=[], etas=[])
    assert {run.setting.rule for run in untied.runs} == {Rule.VF, Rule.C_VF}
    quantities = {a.quantity for a in untied.runs[0].agreements if a.layer == "output"}
    assert quantities == {"states", "weights", "feedback", "bias"}
    layers = [{"neurons": 8, "theta": 1.0}, {"neurons": 10, "theta": 1.0}]
    data = network_of(LONG).model_dump(mode="json") | {"layers": layers}
    binary = study(digits, parse(NetworkSpec, data, source="test"), betas=[1e-4], etas=[])
    assert {run.setting.rule for run in binary.runs} == {Rule.EP}
    assert binary.select(beta=1e-4)[0].error < 1e-3
    assert set(gdu_figures(binary)) == {"curves-ep", "error-by-beta", "angle"}


def test_a_free_phase_that_has_not_settled_is_told(digits):
    found = study(digits, network_of("network.phases.free_steps=8"), betas=[], etas=[])
    assert found.residual > 1e-4
    assert not found.settled


@pytest.mark.parametrize(
    ("assignments", "sweeps", "message"),
    [
        (["network.phases.nudged_steps=70"], {}, "nudged_steps=70: expected at most the 60"),
        ([], {"betas": [0.1, -0.1]}, "beta=-0.1: expected a positive number"),
        ([], {"etas": [0.0]}, "eta=0: expected a positive number"),
        (["network.neuron.event_threshold=0.1"], {}, "event_threshold=0.1: expected 0"),
    ],
)
def test_impossible_studies_are_refused(digits, assignments, sweeps, message):
    with pytest.raises(InputError, match=message):
        study(digits, network_of(*assignments), **sweeps)


def test_slopes():
    assert log_slope([1.0, 10.0, 100.0], [3.0, 300.0, 30000.0]) == pytest.approx(2)
    assert log_slope([1.0], [3.0]) is None


def test_a_study_is_written_as_json_and_figures(toy, tmp_path):
    out = tmp_path / "deep" / "study"
    write_study(out, toy.to_json(), gdu_figures(toy))
    names = ("curves-ep", "curves-c-ep", "curves-c-vf", "error-by-beta", "error-by-eta", "angle")
    expected = {RESULT, *(f"{name}.{kind}" for name in names for kind in ("png", "svg"))}
    assert {path.name for path in out.iterdir()} == expected
    assert [path.name for path in out.parent.iterdir()] == ["study"]
    data = json.loads((out / RESULT).read_text())
    assert data["settled"] is True
    assert [run["error"] for run in data["runs"]] == [run.error for run in toy.runs]
    assert data["runs"][0]["setting"] == {"rule": "EP", "beta": 1e-4, "eta": 0.0}
    for name in names:
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in (out / f"{name}.svg").read_bytes()
    with pytest.raises(InputError, match="not empty"):
        write_study(out, {}, {})


def test_a_study_that_fails_leaves_nothing(tmp_path):
    def fail(theme):
        raise RuntimeError("cannot draw")

    with pytest.raises(RuntimeError, match="cannot draw"):
        write_study(tmp_path / "study", {}, {"figure": fail})
    assert list(tmp_path.iterdir()) == []


def test_study_gdu_on_the_command_line(tmp_path):
    changes = [f"--set={assignment}" for assignment in SMALL]
    arguments = ["study", "gdu", *changes, "--samples=4", "--beta=1e-3", "--eta=2e-5"]
    done = invoke(*arguments, "--json", "--out", tmp_path / "study")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["network"] == "64-8-10"
    assert set(result["errors"]) == {"EP", "C-EP", "C-VF"}
    assert result["errors"]["EP"] < 0.05
    data = json.loads((tmp_path / "study" / RESULT).read_text())
    assert data["samples"] == 4
    assert {run["setting"]["beta"] for run in data["runs"]} == {1e-3, 1e-2}
    again = invoke(*arguments, "--out", tmp_path / "study")
    assert again.exit_code == 2
    assert "not empty" in again.output


def test_study_gdu_of_a_run_takes_its_parameters(tmp_path):
    run = tmp_path / "run"
    changes = [f"--set={assignment}" for assignment in (*SMALL, "network.layers.1.rate=0.01")]
    trained = invoke(
        "train",
        "--preset=gdu-toy",
        *changes,
        "--limit-train=40",
        "--limit-test=20",
        "--epochs=1",
        "--backend=fused",
        "--no-report",
        "--out",
        run,
    )
    assert trained.exit_code == 0, trained.output
    done = invoke(
        "study", "gdu", "--run", run, "--beta=1e-3", "--eta=0.01", "--out", tmp_path / "study"
    )
    assert done.exit_code == 0, done.output
    assert "64-8-10: discrete time" in done.output
    data = json.loads((tmp_path / "study" / RESULT).read_text())
    assert data["eta"] == 0.01
    both = invoke("study", "gdu", "--run", run, "--preset=gdu-toy", "--out", tmp_path / "other")
    assert both.exit_code == 2
    assert "leave out --preset" in both.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gdu", "--preset=binary-digits"], "kind=binary: expected graded"),
        (["gdu", "--beta=1,x"], "--beta 1,x: expected numbers separated by commas"),
        (["gdu", "--samples=0"], "--samples 0: expected 1 to 1437"),
        (["gdu", "--run=missing"], "not a run folder"),
    ],
)
def test_bad_input_is_told_before_anything_is_written(arguments, message, tmp_path):
    done = invoke("study", *arguments, "--out", tmp_path / "study")
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.split())
    assert list(tmp_path.iterdir()) == []
