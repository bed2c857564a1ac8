import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from patience import patience
from typer.testing import CliRunner

from lava_ep.cli import app
from lava_ep.training import RunFolder

SMALL = [
    "--preset=binary-digits",
    "--limit-train=160",
    "--limit-test=60",
    "--batch=16",
    "--set=network.layers.0.neurons=32",
]

REAL = {"weights": "real", "rate": 0.1}

HUGE = {"neurons": 2**24, **REAL}


def lava_ep(*arguments, **kwargs):
    return subprocess.run(
        [sys.executable, "-m", "lava_ep", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
        **kwargs,
    )


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "run"
    done = lava_ep("train", *SMALL, "--epochs=2", "--frozen-baseline", "--json", "--out", out)
    assert done.returncode == 0, done.stderr
    return out, done


def test_train_json_is_the_last_line_and_complete(trained):
    out, done = trained
    assert len(done.stdout.splitlines()) == 1
    result = json.loads(done.stdout)
    assert {
        "test_accuracy",
        "train_accuracy",
        "epochs",
        "seconds",
        "train_seconds_per_epoch",
        "backend",
        "seed",
        "run_dir",
        "events_per_sample",
        "synaptic_operations_per_sample",
        "weight_flips",
    } <= set(result)
    assert 0 <= result["test_accuracy"] <= 1
    assert (result["epochs"], result["seed"], result["backend"]) == (2, 0, "message-passing")
    assert result["run_dir"] == str(out)
    for key in ("events_per_sample", "synaptic_operations_per_sample"):
        assert result[key]["free"] > 0
        assert result[key]["nudged"] > 0
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert result["test_accuracy"] == lines[-1]["test_accuracy"]
    flips = [line["weight_flips"] for line in lines]
    assert result["weight_flips"] == [sum(layer) for layer in zip(*flips, strict=True)]


def test_train_leaves_a_report_and_the_baseline(trained):
    out, _ = trained
    assert (out / "report.html").stat().st_size > 50_000
    assert (out / "baseline-frozen" / "metrics.jsonl").exists()
    assert json.loads((out / "spec.json").read_text())["network"]["layers"][0]["neurons"] == 32


def test_evaluate_finds_the_accuracy_of_training(trained):
    out, done = trained
    found = invoke("evaluate", out, "--json")
    assert found.exit_code == 0, found.output
    result = json.loads(found.stdout)
    assert result["test_accuracy"] == json.loads(done.stdout)["test_accuracy"]
    assert result["test_samples"] == 60
    assert result["events_per_sample"]["nudged"] == 0


def test_evaluate_accounts_for_efficiency(trained):
    out, done = trained
    result = json.loads(invoke("evaluate", out, "--json").stdout)
    inference = result["efficiency"]["per_inference"]
    training = result["efficiency"]["per_training_sample"]
    operations = result["synaptic_operations_per_sample"]["free"]
    assert inference["synaptic_operations"] == operations > 0
    assert inference["events"] == result["events_per_sample"]["free"]
    assert inference["dense_macs"] == 10 * (64 * 32 + 2 * 32 * 50)
    assert inference["feedforward_macs"] == 64 * 32 + 32 * 50
    assert inference["energy_estimate_pj"]["low"] == pytest.approx(12.7 * operations)
    assert "Merolla et al." in inference["energy_estimate_pj"]["source"]
    counted = json.loads(done.stdout)["synaptic_operations_per_sample"]
    assert training["synaptic_operations"] == counted["free"] + counted["nudged"]
    assert training["time_steps"] == 10 + 2 * 8
    assert "Estimates" in result["efficiency"]["note"]
    text = invoke("evaluate", out).output
    assert "synaptic operations" in text
    assert "estimates" in text


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--sample=3"], "raster-3.html"),
        (["--sample=159", "--train", "--backend=fused"], "raster-train-159.html"),
        (["--out=look/raster.png"], "look/raster.png"),
        (["--out=raster.svg"], "raster.svg"),
    ],
)
def test_raster_draws_a_sample(trained, tmp_path, monkeypatch, options, name):
    monkeypatch.chdir(tmp_path)
    out, _ = trained
    found = invoke("raster", out, *options)
    assert found.exit_code == 0, found.output
    path = (tmp_path if any("--out" in option for option in options) else out) / name
    assert path.stat().st_size > 20_000
    assert str(path) in found.output
    assert "true class" in found.output
    if path.suffix == ".html":
        assert "Events of one sample" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sample=60"], "sample 60: the test set of digits has 60 samples, expected 0 to 59"),
        (["--sample=-1"], "sample -1: the test set of digits has 60 samples, expected 0 to 59"),
        (["--sample=160", "--train"], "the training set of digits has 160 samples"),
        (["--out=x.gif"], "x.gif: expected a name that ends in .html, .png, .svg"),
        (["--backend=gpu"], "backend 'gpu': expected one of"),
    ],
)
def test_raster_refuses_what_it_cannot_draw(trained, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    result = invoke("raster", trained[0], *options)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_no_test_samples_are_none_and_not_all(trained):
    result = invoke("evaluate", trained[0], "--limit-test=0")
    assert result.exit_code == 2
    assert "--limit-test 0: expected" in result.output


def test_two_trainings_of_one_run_do_not_meet(tmp_path):
    out = tmp_path / "run"
    process = start_training(out)
    try:
        wait_for(1, out, process)
        second = invoke("train", "--resume", "--out", out)
        assert second.exit_code == 2
        assert f"process {process.pid} is writing to it" in " ".join(second.output.split())
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_raster_needs_a_checkpoint(trained, tmp_path):
    for name in ("spec.json", "run.json"):
        (tmp_path / name).write_bytes((trained[0] / name).read_bytes())
    result = invoke("raster", tmp_path)
    assert result.exit_code == 2
    assert "no checkpoint yet" in result.output


def test_a_used_folder_is_refused_with_exit_code_2(trained):
    out, _ = trained
    before = sorted((path.name, path.stat().st_mtime_ns) for path in out.iterdir())
    result = invoke("train", *SMALL, "--out", out)
    assert result.exit_code == 2
    assert "not empty" in result.output
    assert sorted((path.name, path.stat().st_mtime_ns) for path in out.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--preset=none"], "preset 'none': expected one of binary-digits"),
        (["train", "--spec=missing.json"], "missing.json: cannot be read"),
        (["train", "--preset=binary-mnist", "--spec=x"], "give only one of them"),
        (["train", "--backend=gpu"], "backend 'gpu': expected one of message-passing, fused"),
        (["train", "--threads=0"], "--threads 0: expected at least 1"),
        (["train", "--data=imagenet"], "imagenet"),
        (["train", "--data-dir=missing"], "missing"),
        (["train", "--epochs=0"], "training.epochs=0: Input should be greater than or equal to 1"),
        (["train", "--batch=5000"], "training.batch_size=5000: only 1437"),
        (["train", "--limit-train=9999"], "9999"),
        (["train", "--seed=-1"], "training.seed=-1"),
        (["train", "--set=network.classes=7"], "50 output neurons for 7 classes"),
        (["train", "--set=network.depth=7"], "there is no 'depth' here; expected one of: kind"),
        (["train", "--set=epochs"], "expected KEY=VALUE"),
        (["train", "--resume"], "--out DIR"),
        (["train", "--resume", "--out=missing"], "not a run folder"),
        (["train", "--resume", "--out=x", "--seed=3"], "training.seed cannot change a run"),
        (
            ["train", "--resume", "--out=x", "--frozen-baseline"],
            "--frozen-baseline cannot change a run",
        ),
        (["train", "--backend="], "--backend: expected a value, not ''"),
        (["train", "--preset="], "--preset: expected a value"),
        (["evaluate", "missing", "--data="], "--data: expected a value"),
        (["train", "--set=network.layers.0.neurons=99999999999"], "less than or equal to 16777216"),
        (
            ["train", f"--set=network.layers={json.dumps([HUGE, HUGE, {**HUGE, 'neurons': 10}])}"],
            "64-16777216-16777216-10: parameters take 1,048,581 GiB of memory",
        ),
        (["train", "--no-such-option"], "No such option"),
        (["evaluate", "missing"], "not a run folder"),
        (["report", "missing"], "not a run folder"),
        (["raster", "missing"], "not a run folder"),
        (["compare", "missing"], "not a run folder"),
        (["compare", "missing", "--backends=fused,gpu"], "backend 'gpu': expected one of"),
        (["convert", "missing"], "not a run folder"),
        (
            ["train", "--preset=ep-1h", "--backend=fixed_point"],
            "network.neuron.kind=graded: fixed point covers binary, sigma-delta or lif",
        ),
    ],
)
def test_bad_input_is_one_clear_message_and_exit_code_2(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == [], "something was written although nothing could start"


def test_help_names_the_defaults(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert "(default: gdu-toy)" in invoke("study", "gdu", "--help").output
    assert "(default: runs/NAME-TIME)" in invoke("train", "--help").output


def test_presets_and_info_speak_json():
    presets = json.loads(invoke("presets", "--json").stdout)
    assert presets["laydevant-fc"]["network"]["layers"][0]["neurons"] == 8192
    facts = json.loads(invoke("info", "--json").stdout)
    assert {"message-passing", "fused", "fixed_point"} <= set(facts["backends"])
    large = facts["engine_bytes"]["laydevant-fc-2h"]
    synapses = 784 * 8192 + 8192 * 8192 + 8192 * 6000
    assert large["momenta"] == 4 * synapses
    assert 2 * synapses / 8 < large["signs"] < 2.05 * synapses / 8
    assert facts["versions"]["lava-nc"].startswith("0.10")
    # Other engines than that of bits tell of the parameters only.
    assert "laydevant-fc-2h" not in facts["parameter_bytes"]
    assert facts["parameter_bytes"]["ep-1h"] == {"weights": 4 * (784 * 512 + 512 * 10)}
    assert facts["parameter_bytes"]["cvf-1h"]["feedback"] == 4 * 512 * 10
    kernels = (3 * 64 + 64 * 128 + 128 * 256 + 256 * 256) * 25
    convolutional = facts["parameter_bytes"]["laydevant-cifar10"]
    assert convolutional["momenta"] == 4 * convolutional["weights"] > 4 * kernels
    assert set(facts["parameter_bytes"]) | set(facts["engine_bytes"]) == set(presets)
    assert "binary-digits" in invoke("presets").output
    assert "message-passing" in invoke("info").output


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("laydevant-conv", ["binary, binary", "784-256c5-512c5-700"]),
        ("laydevant-real-fc", ["graded, binary"]),
        ("ep-1h", ["graded, real"]),
        ("cvf-1h", ["graded, real, untied, continual", "40 + 15, random-sign, β=0.2"]),
    ],
)
def test_presets_say_what_kind_of_network_they_are(name, shown):
    lines = [line.rstrip() for line in invoke("presets", name).output.splitlines()]
    for text in shown:
        assert any(line.endswith(f"  {text}") for line in lines)


@pytest.mark.parametrize("binary", [False, True])
def test_flips_are_told_of_binary_weights_only(tmp_path, binary):
    hidden = {"neurons": 16, "theta": 0.1} if binary else {"neurons": 16, **REAL}
    network = {
        "inputs": 64,
        "input_levels": 16,
        "layers": [hidden, {"neurons": 10, **REAL}],
        "neuron": {"kind": "graded"},
        "phases": {"free_steps": 6, "nudged_steps": 3, "beta": 0.3, "nudging": "swing"},
    }
    data = {"name": "digits", "limit_train": 40, "limit_test": 20}
    training = {"epochs": 2, "batch_size": 10, "test_batch_size": 20}
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"network": network, "training": training, "data": data}))
    out = tmp_path / "run"
    options = ["--backend=fused", "--json", "--out", out]
    done = invoke("train", "--spec", spec, *options)
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert ("weight_flips" in result) == binary
    if binary:
        assert result["weight_flips"][1] == 0
    epochs = [line for line in done.stderr.splitlines() if line.startswith("epoch ")]
    assert len(epochs) == 2
    assert all(("flips" in line) == binary for line in epochs)
    assert all("events/sample" in line for line in epochs)
    figures = {path.stem for path in (out / "figures").iterdir()}
    assert ("weight-flips" in figures) == binary
    found = json.loads(invoke("evaluate", out, "--json").stdout)
    assert found["test_accuracy"] == result["test_accuracy"]


def test_backends_train_to_the_same_bytes_and_a_resumed_run_stays_on_its_own(tmp_path):
    checkpoints = {}
    for backend in ("message-passing", "fused"):
        out = tmp_path / backend
        options = ["--epochs=1", "--no-report", "--backend", backend, "--out", str(out)]
        result = invoke("train", *SMALL, *options)
        assert result.exit_code == 0, result.output
        options = ["--epochs=2", "--no-report", "--json", "--out", str(out)]
        result = invoke("train", "--resume", *options)
        assert json.loads(result.stdout.splitlines()[-1])["backend"] == backend
        checkpoints[backend] = (out / "checkpoint-00002.safetensors").read_bytes()
    assert checkpoints["fused"] == checkpoints["message-passing"]
    result = invoke("train", "--resume", "--epochs=1", "--out", str(out))
    assert result.exit_code == 2
    assert "has been trained for 2 epochs already" in " ".join(result.output.split())


def test_fixed_point_trains_resumes_and_reports_its_conversion(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    small = [*SMALL, "--no-report", "--backend=fixed_point"]
    assert invoke("train", *small, "--epochs=2", "--out", whole).exit_code == 0
    assert invoke("train", *small, "--epochs=1", "--out", parts).exit_code == 0
    resumed = invoke("train", "--resume", "--epochs=2", "--no-report", "--out", parts)
    assert resumed.exit_code == 0, resumed.output
    last = "checkpoint-00002.safetensors"
    assert (whole / last).read_bytes() == (parts / last).read_bytes()
    found = invoke("convert", whole, "--json")
    assert found.exit_code == 0, found.output
    result = json.loads(found.stdout.splitlines()[-1])
    assert result["clipped"] == 0
    assert result["predictions"]["samples"] == 60
    assert result["predictions"]["identical"] > 50
    trained = json.loads((whole / "metrics.jsonl").read_text().splitlines()[-1])
    assert result["predictions"]["accuracies"][1] == trained["test_accuracy"]
    assert "alpha back" in invoke("convert", whole, "--no-predict").output


def test_compare_says_identical_and_exits_with_0(tmp_path):
    out = str(tmp_path / "run")
    assert invoke("train", *SMALL, "--epochs=1", "--no-report", "--out", out).exit_code == 0
    result = invoke("compare", out, "--samples=20", "--threads=3")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("identical: ")
    result = invoke("compare", out, "--backends=fused")
    assert result.exit_code == 2
    assert "expected at least two different ones" in result.output


def start_training(out):
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "lava_ep",
            "train",
            *SMALL,
            "--epochs=6",
            "--no-report",
            "--out",
            out,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(epochs, out, process):
    """Wait for the checkpoint of an epoch or of a later one; only the newest are kept."""
    while not (out / "spec.json").exists() or max(RunFolder(out).checkpoints(), default=0) < epochs:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)


def test_interrupt_exits_with_130_within_seconds_and_keeps_the_checkpoint(tmp_path):
    out = tmp_path / "run"
    process = start_training(out)
    wait_for(1, out, process)
    interrupted = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=250)
    assert process.returncode == 130, output
    assert time.monotonic() - interrupted < patience(5)
    assert "Traceback" not in output
    assert RunFolder(out).checkpoints()
    with pytest.raises(ProcessLookupError):  # no worker is left in the group
        os.killpg(process.pid, 0)


def test_a_run_killed_at_any_moment_ends_with_the_same_bytes(tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "killed"
    result = invoke("train", *SMALL, "--epochs=6", "--no-report", "--out", whole)
    assert result.exit_code == 0, result.output
    process = start_training(out)
    moments = random.Random(0)
    # Before there is anything to go on from, and somewhere in the epochs after two checkpoints.
    for epochs in (0, 1, 3):
        wait_for(epochs, out, process)
        time.sleep(moments.uniform(0, 0.3))
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        process = subprocess.Popen(
            [sys.executable, "-m", "lava_ep", "train", "--resume", "--no-report", "--out", out],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    output, _ = process.communicate(timeout=250)
    assert process.returncode == 0, output
    name = "checkpoint-00006.safetensors"
    assert (out / name).read_bytes() == (whole / name).read_bytes()
