"""From a network studied here to a chip: does it fit Loihi 2, and where would it lie."""

from lava_ep.deploy.core_map import core_map
from lava_ep.deploy.placement import (
    Breach,
    Core,
    Placement,
    check_fit,
    largest_that_fits,
    place,
)
from lava_ep.deploy.report import DeployReport, SystemVerdict, report_on

__all__ = [
    "Breach",
    "Core",
    "DeployReport",
    "Placement",
    "SystemVerdict",
    "check_fit",
    "core_map",
    "largest_that_fits",
    "place",
    "report_on",
]
