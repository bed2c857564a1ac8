"""Conformance kit: recorded stimuli and golden traces that any backend can be checked against."""

from lava_ep.conformance.adapter import Adapter, LavaAdapter, NotCovered
from lava_ep.conformance.case import (
    ARITHMETICS,
    FIXED,
    FLOATING,
    Case,
    Trace,
    from_plain,
    network_of,
    to_plain,
)
from lava_ep.conformance.check import Divergence, Outcome, Verdict, check, summary
from lava_ep.conformance.kit import Entry, choose, read_kit, record, write_kit
from lava_ep.conformance.own import OWN_BACKENDS, REFERENCE, find_adapter, record_all
from lava_ep.conformance.suite import cases

__all__ = [
    "ARITHMETICS",
    "FIXED",
    "FLOATING",
    "OWN_BACKENDS",
    "REFERENCE",
    "Adapter",
    "Case",
    "Divergence",
    "Entry",
    "LavaAdapter",
    "NotCovered",
    "Outcome",
    "Trace",
    "Verdict",
    "cases",
    "check",
    "choose",
    "find_adapter",
    "from_plain",
    "network_of",
    "read_kit",
    "record",
    "record_all",
    "summary",
    "to_plain",
    "write_kit",
]
