"""The report of a run: figures and one self-contained HTML page, made from plain data."""

from lava_ep import _matplotlib  # noqa: F401  # isort: skip (before matplotlib itself)

from lava_ep.report.bmlp import report_bmlp_run
from lava_ep.report.collect import raster_run, report_run
from lava_ep.report.content import PhaseRecording, ReportContent, SampleContent
from lava_ep.report.dispatch import report_any_run
from lava_ep.report.writer import write_report, write_sample

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
