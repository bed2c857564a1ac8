"""The statistics of the benchmark."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from summary import ForeignLoad, describe_machine, summarize, summarize_ratio


def test_median_and_spread() -> None:
    assert summarize([3.0, 1.0, 9.0, 2.0]) == {"median": 2.5, "min": 1.0, "max": 9.0, "runs": 4}


def test_no_measurement_is_an_error() -> None:
    with pytest.raises(ValueError, match="no measurements"):
        summarize([])


def test_ratios_are_paired() -> None:
    # The machine is half as fast in the second repeat: each pair still says 4.
    assert summarize_ratio([4.0, 8.0, 4.0], [1.0, 2.0, 1.0]) == {
        "median": 4.0,
        "min": 4.0,
        "max": 4.0,
        "runs": 3,
    }
    with pytest.raises(ValueError, match="shorter"):
        summarize_ratio([1.0, 2.0], [1.0])


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="reads CPU times of all processes")
def test_foreign_load_sees_other_programs_only() -> None:
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        strange = ForeignLoad([os.getpid()])
        known = ForeignLoad([os.getpid(), burner.pid])
        time.sleep(1.5)
        difference = strange.cores() - known.cores()
    finally:
        burner.kill()
        burner.wait()
    assert difference > 0.05


def test_machine_is_described() -> None:
    machine = describe_machine()
    assert machine["cores"] >= 1
    assert machine["cpu"]
    assert machine["lava-nc"].startswith("0.10")
