"""A sweep on Ray Tune, whose driver is killed."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from patience import patience

from lava_ep.sweep import SweepFolder
from lava_ep.training import evaluate, load_run_data

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="needs Ray Tune, too large for every test run: pip install 'lava-ep[ray]'",
)

OPTIONS = [
    *("--preset", "binary-digits", "--epochs", "1", "--set", "network.layers.0.neurons=16"),
    *("--set", "data.limit_train=64", "--set", "data.limit_test=40"),
    *("--grid", "network.phases.nudging=symmetric,random-sign", "--samples", "2"),
    *("--loguniform", "network.layers.0.theta=0.02:0.5", "--scheduler", "asha"),
]


def start(out, *options):
    command = [sys.executable, "-m", "lava_ep", "sweep", "--out", str(out), "--json"]
    return subprocess.Popen(
        [*command, "--concurrent", "1", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"},
    )


def finished(folder):
    return [number for number in range(4) if folder.trial(number).checkpoints()]


def test_a_killed_sweep_resumes_and_repeats_no_finished_trial(tmp_path):
    out = tmp_path / "sweep"
    folder = SweepFolder(out)
    driver = start(out, *OPTIONS)
    deadline = time.monotonic() + patience(120)
    while not finished(folder):
        assert driver.poll() is None, driver.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # Ray's own helpers end a while later; what trains must not meet the resumed sweep.
    others = [
        process
        for process in psutil.Process(driver.pid).children(recursive=True)
        if "lava_ep.sweep.server" in process.cmdline()
    ]
    assert others
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    _, left = psutil.wait_procs(others, timeout=patience(30))
    assert not left
    before = {
        number: (folder.trial(number).path / "metrics.jsonl").read_bytes()
        for number in finished(folder)
    }
    assert 0 < len(before) < 4

    again = start(out, "--resume")
    output, _ = again.communicate(timeout=patience(180))
    assert again.returncode == 0, output
    result = json.loads(output.splitlines()[-1])
    assert (result["trials"], result["finished"], result["failed"]) == (4, 4, 0)
    # They hold times, which no second training would repeat.
    for number, metrics in before.items():
        assert (folder.trial(number).path / "metrics.jsonl").read_bytes() == metrics

    pandas = pytest.importorskip("pandas")
    table = pandas.read_parquet(out / "results.parquet")
    assert table.status.tolist() == ["finished"] * 4
    assert set(table["network.phases.nudging"]) == {"symmetric", "random-sign"}
    assert (out / "accuracy-by-value.png").stat().st_size > 1000
    assert (out / "accuracy-by-epoch.png").stat().st_size > 1000
    best = folder.trial(result["best"]["trial"])
    experiment = best.spec()
    _, parameters = best.latest_or_fail(experiment.network)
    found = evaluate(experiment, parameters, load_run_data(best), backend="fused")
    assert found.accuracy == result["best"]["test_accuracy"] == table.test_accuracy.max()
