"""Training networks of local binary errors: run folders, resuming, the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from lava_ep.cli import app
from lava_ep.data import load_experiment
from lava_ep.errors import InputError
from lava_ep.spec import BMLPSpec, ExperimentSpec, NetworkSpec, load_preset, override
from lava_ep.training import RunFolder, Trainer, describe_run, family_of

SMALL = [
    "network.layers.0.neurons=100",
    "network.layers.0.group=10",
    "data.limit_train=400",
    "data.limit_test=100",
    "training.epochs=4",
]


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def small(*changes: str) -> ExperimentSpec:
    return override(load_preset("bmlp-digits"), [*SMALL, *changes])


def test_a_resumed_run_ends_with_the_same_bytes_and_metrics(tmp_path):
    experiment = small("training.epochs=3")
    dataset = load_experiment(experiment)
    about = describe_run(experiment, dataset, backend="fused", command="lava-ep train")
    found = []
    for name, parts in (("whole", (3,)), ("resumed", (1, 3))):
        folder = RunFolder.create(tmp_path / name, experiment, about)
        for epochs in parts:
            part = override(experiment, [f"training.epochs={epochs}"])
            trainer = Trainer(part, dataset, backend="fused", folder=folder)
            trainer.resume()
            trainer.fit()
        found.append((folder.checkpoints()[3].read_bytes(), folder.metrics()))
    assert found[0][0] == found[1][0]
    for one, other in zip(found[0][1], found[1][1], strict=True):
        times = ("seconds", "train_seconds")
        assert {k: v for k, v in one.items() if k not in times} == {
            k: v for k, v in other.items() if k not in times
        }
    last = found[0][1][-1]
    assert last["weight_flips"][0] > 0
    assert 0 < last["wrong_at_layer"][0] < 1
    assert 0 < last["updates_per_sample"][0] <= 10


def test_the_command_line_trains_evaluates_reports_and_refuses(tmp_path):
    out = tmp_path / "run"
    options = [f"--set={change}" for change in SMALL]
    done = invoke(
        "train",
        "--preset=bmlp-digits",
        *options,
        "--backend=fused",
        "--json",
        "--frozen-baseline",
        "--out",
        out,
    )
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["test_accuracy"] > 0.7
    baseline = RunFolder.open(out).baseline.metrics()[-1]
    assert baseline["weight_flips"] == [0]
    assert baseline["test_accuracy"] < result["test_accuracy"]
    page = (out / "report.html").read_text(encoding="utf-8")
    for words in ("256-100 on digits", "thermometer", "γ = 10", "Boolean gates", "Input layer fro"):
        assert words in page
    tested = json.loads(invoke("evaluate", out, "--json").stdout.splitlines()[-1])
    assert tested["test_accuracy"] == result["test_accuracy"]
    gates = tested["boolean_gates"]
    assert gates["per_inference"]["xnor"] == 256 * 100 + 100 * 10
    steps = gates["per_training_sample"]["steps"]
    last = RunFolder.open(out).metrics()[-1]
    counted = last["updates_per_sample"][0] * 256 + last["reinforced_per_sample"][0]
    assert steps == pytest.approx(counted)
    for arguments in (
        ("compare", out),
        ("convert", out),
        ("raster", out),
        ("deploy", "report", out),
        ("export", "nir", out),
        ("study", "gdu", "--run", out, "--out", tmp_path / "study"),
    ):
        refused = invoke(*arguments)
        assert refused.exit_code == 2, arguments
        assert "network.kind=bmlp: expected ep" in refused.output
    refused = invoke("evaluate", out, "--backend=loihi-fixed")
    assert refused.exit_code == 2
    assert "expected one of message-passing, fused for networks of kind bmlp" in refused.output


def test_what_does_not_fit_is_refused():
    experiment = small()
    dataset = load_experiment(experiment)
    for change, message in (
        ("training.decay=0.5", "training.decay=0.5 with network.kind=bmlp: expected 1"),
        ("network.inputs=65", "network.inputs=65: digits has 64 pixels"),
        ("network.input_levels=15", "pixels of digits go up to 16"),
    ):
        with pytest.raises(InputError, match=message):
            Trainer(override(experiment, [change]), dataset, backend="fused")
    for change, message in (
        ("network.layers.0.group=7", "group=7 with neurons=100: expected a divisor"),
        ("network.binarization.thresholds=[3]", "expected at least one with kind thresholds"),
        ("network.binarization.kind=median", "bits=4 with kind=median"),
        ("network.phases={}", "there is no 'phases' here; expected one of: kind, inputs"),
        ("network.kind=snn", "expected kind ep, bmlp"),
    ):
        with pytest.raises(InputError, match=message):
            override(experiment, [change])


def test_a_network_without_a_kind_is_of_equilibrium_propagation():
    data = load_preset("binary-digits").model_dump(mode="json")
    del data["network"]["kind"]
    experiment = ExperimentSpec.model_validate(data)
    assert isinstance(experiment.network, NetworkSpec)
    assert experiment.ep_network is experiment.network
    bmlp = small()
    assert isinstance(bmlp.network, BMLPSpec)
    assert ExperimentSpec.model_validate_json(bmlp.model_dump_json()) == bmlp
    with pytest.raises(InputError, match=r"network\.kind=bmlp: expected ep"):
        _ = bmlp.ep_network
    assert family_of(bmlp.network) is not family_of(experiment.network)
