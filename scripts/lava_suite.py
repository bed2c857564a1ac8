"""Run Lava's own unit tests, those that execute Processes, on Lava's runtime and on ours.

The tests lie in Lava's wheel. ``python scripts/lava_suite.py`` runs them twice, each time in a new
interpreter, prints how many pass, and exits with 1 if one that passes on Lava's own runtime does
not pass inline.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import pkgutil
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

EXECUTIONS = ("lava", "inline")
_EXECUTES = re.compile(r"RunSteps|RunContinuous|create_runtime|Runtime\(")
# Tests of parts that inline execution leaves out, by the reason.
NOT_APPLICABLE: dict[str, str] = {}


def test_files() -> list[Path]:
    """Return Lava's test files in which Processes are executed."""
    files = importlib.metadata.files("lava-nc") or []
    paths = [Path(str(file.locate())) for file in files if "tests" in file.parts[:1]]
    return sorted(
        path
        for path in paths
        if path.name.startswith("test_")
        and path.suffix == ".py"
        and _EXECUTES.search(path.read_text(encoding="utf-8"))
    )


def use_inline_execution() -> None:
    """Have ``Process.run`` build our runtime, whoever has imported Lava's already or will."""
    import lava

    from lava_ep.runtime import ProcessFailure
    from lava_ep.runtime.inline import InlineRuntime

    for module in pkgutil.walk_packages(lava.__path__, "lava."):
        if module.name.startswith(("lava.magma", "lava.proc")):
            importlib.import_module(module.name)
    from lava.magma.runtime.runtime import Runtime

    class AsLavaReports(InlineRuntime):
        """Reports failures in Lava's words: how many models raise, and nothing else."""

        def start(self, run_condition: Any) -> None:
            try:
                super().start(run_condition)
            except ProcessFailure:
                number = 1 + self._others_that_raise()
                text = f"{number} Exception(s) occurred. See output above for details."
                raise RuntimeError(text) from None

        def _others_that_raise(self) -> int:
            number = 0
            while True:
                self.scheduler.failure = self.failure = None
                try:
                    self.host.until(lambda: False, must=False)
                except ProcessFailure:
                    number += 1
                else:
                    return number

    # Lava's executables are pickled with the class that they name as their runtime.
    AsLavaReports.__module__, AsLavaReports.__qualname__ = Runtime.__module__, "Runtime"
    for name, loaded in list(sys.modules.items()):
        if name.startswith("lava.") and getattr(loaded, "Runtime", None) is Runtime:
            loaded.Runtime = AsLavaReports  # type: ignore[attr-defined]


class _Collector:
    """A pytest plugin that keeps the outcome of every test."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.messages: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Take in the outcome of a test, or of what comes before or after it."""
        name = report.nodeid
        self.seconds[name] = self.seconds.get(name, 0.0) + report.duration
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[name] = report.outcome
        if report.failed:
            self.messages[name] = str(report.longrepr)


def run_here(execution: str, output: Path, patterns: list[str], timeout: int) -> None:
    """Run the tests in this interpreter and write their outcomes."""
    import pytest

    files = test_files()
    if execution == "inline":
        use_inline_execution()
    root = files[0]
    while root.name != "tests":
        root = root.parent
    chosen = [str(file) for file in files if not patterns or any(p in str(file) for p in patterns)]
    collector = _Collector()
    options = ["-q", "-p", "no:cacheprovider", "-c", "/dev/null", f"--rootdir={root.parent}"]
    options += [f"--timeout={timeout}", "--import-mode=importlib", "-W", "ignore"]
    pytest.main([*options, *chosen], plugins=[collector])
    output.write_text(json.dumps(vars(collector)))


def main() -> int:
    """Compare both executions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patterns", nargs="*", help="run only files whose path contains one")
    parser.add_argument("--execution", choices=EXECUTIONS, help="run only this one")
    parser.add_argument("--output", type=Path, help="write all outcomes to this file")
    parser.add_argument("--timeout", type=int, default=120, help="seconds per test")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        run_here(options.execution, options.output, options.patterns, options.timeout)
        return 0
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for execution in EXECUTIONS:
            if options.execution not in (None, execution):
                continue
            output = Path(folder) / f"{execution}.json"
            start = time.monotonic()
            command = [sys.executable, str(Path(__file__).resolve()), "--here"]
            command += ["--execution", execution, "--output", str(output)]
            command += ["--timeout", str(options.timeout), *options.patterns]
            process = subprocess.run(
                command,
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if not output.exists():
                print(process.stdout, process.stderr)
                raise SystemExit(f"{execution}: the tests did not run to their end")
            found[execution] = json.loads(output.read_text())
            counts = Counter(found[execution]["outcomes"].values())
            told = ", ".join(f"{counts[kind]} {kind}" for kind in ("passed", "failed", "skipped"))
            print(f"{execution:>7}: {told} in {time.monotonic() - start:.0f} s", flush=True)
    if options.output is not None:
        options.output.write_text(json.dumps(found, indent=1))
    if len(found) < 2:
        for name, message in found.popitem()[1]["messages"].items():
            print(f"\n{name}\n{message}")
        return 0
    lost = [
        name
        for name, outcome in found["lava"]["outcomes"].items()
        if outcome == "passed" and found["inline"]["outcomes"].get(name) != "passed"
    ]
    for name in lost:
        print(f"passes on Lava's runtime only: {name}{_reason(name)}")
    return 1 if any(not _reason(name) for name in lost) else 0


def _reason(name: str) -> str:
    for part, reason in NOT_APPLICABLE.items():
        if part in name:
            return f" ({reason})"
    return ""


if __name__ == "__main__":
    sys.exit(main())
