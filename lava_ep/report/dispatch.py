"""The report of any run, whatever kind of network it has trained."""

from __future__ import annotations

from pathlib import Path

from lava_ep.report.bmlp import report_bmlp_run
from lava_ep.report.collect import report_run
from lava_ep.training import RunFolder

REPORTS = {"ep": report_run, "bmlp": report_bmlp_run}
"""How to report on a run, by ``network.kind``."""


def report_any_run(
    run_dir: Path,
    *,
    data: str | None = None,
    data_dir: Path | None = None,
    out: Path | None = None,
) -> Path:
    """Write the report of a run and return the page; see `lava_ep.report.report_run`.

    Raises
    ------
    InputError
        If there is nothing to report on, or the report cannot be written there.
    """
    kind = RunFolder.open(run_dir).spec().network.kind
    return REPORTS[kind](run_dir, data=data, data_dir=data_dir, out=out)
