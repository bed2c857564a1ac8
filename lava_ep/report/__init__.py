"""The report of a run: figures and one self-contained HTML page, made from plain data."""

from lava_ep.report.collect import report_run
from lava_ep.report.content import PhaseRecording, ReportContent
from lava_ep.report.writer import write_report

__all__ = ["PhaseRecording", "ReportContent", "report_run", "write_report"]
