"""The report of a run: figures and one self-contained HTML page, made from plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_ep._lazy import lazily
from lava_ep.figures import _matplotlib  # noqa: F401  (before matplotlib itself)

if TYPE_CHECKING:
    from lava_ep.report.bmlp import report_bmlp_run
    from lava_ep.report.collect import raster_run, report_run
    from lava_ep.report.content import PhaseRecording, ReportContent, SampleContent
    from lava_ep.report.dispatch import report_any_run
    from lava_ep.report.writer import write_report, write_sample
else:
    __getattr__ = lazily(
        __name__,
        {
            "bmlp": ("report_bmlp_run",),
            "collect": (
                "raster_run",
                "report_run",
            ),
            "content": (
                "PhaseRecording",
                "ReportContent",
                "SampleContent",
            ),
            "dispatch": ("report_any_run",),
            "writer": (
                "write_report",
                "write_sample",
            ),
        },
    )

__all__ = [
    "PhaseRecording",
    "ReportContent",
    "SampleContent",
    "raster_run",
    "report_any_run",
    "report_bmlp_run",
    "report_run",
    "write_report",
    "write_sample",
]
