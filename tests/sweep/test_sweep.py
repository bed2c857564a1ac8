"""A sweep on Ray Tune, whose driver is killed."""

import contextlib
import importlib.util
import json
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
    *("--grid", "network.phases.nudging=symmetric,random-sign"),
    *("--loguniform", "network.layers.0.theta=0.02:0.5", "--scheduler", "asha"),
    *("--concurrent", "1"),
]


TRIALS = 2


@contextlib.contextmanager
def started(out, log, *options):
    """A driver, which is killed in the end; a pipe would stay open as long as Ray's helpers."""
    command = [
        sys.executable,
        "-m",
        "lava_ep",
        "sweep",
        "--engine=ray",
        "--out",
        str(out),
        "--json",
    ]
    with log.open("w") as file:
        driver = subprocess.Popen([*command, *options], stdout=file, stderr=subprocess.STDOUT)
    try:
        yield driver
    finally:
        driver.kill()
        driver.wait()


def finished(folder):
    return [number for number in range(TRIALS) if folder.trial(number).checkpoints()]


def trainers(driver):
    """Yield the processes of a sweep that train."""
    for process in psutil.Process(driver.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            if "lava_ep.cli.server" in process.cmdline():
                yield process


# Ray alone takes minutes to start twice on a machine that is busy enough.
@pytest.mark.timeout(900)
def test_a_killed_sweep_resumes_and_repeats_no_finished_trial(tmp_path):
    out = tmp_path / "sweep"
    folder = SweepFolder(out)
    log = tmp_path / "log"
    deadline = time.monotonic() + patience(120)
    with started(out, log, *OPTIONS) as driver:
        while not finished(folder):
            assert driver.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        others = list(trainers(driver))
        assert others
    _, left = psutil.wait_procs(others, timeout=patience(30))
    assert not left
    before = {
        number: (folder.trial(number).path / "metrics.jsonl").read_bytes()
        for number in finished(folder)
    }
    assert 0 < len(before) < TRIALS

    # It goes on wherever it lies now.
    out = out.rename(tmp_path / "moved")
    folder = SweepFolder(out)
    with started(out, log, "--resume") as again:
        code = again.wait(timeout=patience(180))
    assert code == 0, log.read_text()
    result = json.loads(log.read_text().splitlines()[-1])
    assert (result["trials"], result["finished"], result["failed"]) == (TRIALS, TRIALS, 0)
    # They hold times, which no second training would repeat.
    for number, metrics in before.items():
        assert (folder.trial(number).path / "metrics.jsonl").read_bytes() == metrics

    pandas = pytest.importorskip("pandas")
    table = pandas.read_parquet(out / "results.parquet")
    assert table.status.tolist() == ["finished"] * TRIALS
    assert set(table["network.phases.nudging"]) == {"symmetric", "random-sign"}
    assert (out / "accuracy-by-value.png").stat().st_size > 1000
    assert (out / "accuracy-by-epoch.png").stat().st_size > 1000
    best = folder.trial(result["best"]["trial"])
    experiment = best.spec()
    _, parameters, _ = best.selected(experiment.network)
    found = evaluate(experiment, parameters, load_run_data(best), backend="fused")
    assert found.accuracy == result["best"]["test_accuracy"] == table.test_accuracy.max()
