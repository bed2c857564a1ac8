"""From a network studied here to a chip: does it fit Loihi 2, and what do other simulators read."""

from lava_ep.deploy.core_map import core_map
from lava_ep.deploy.nir_file import Trained, read_nir, write_nir
from lava_ep.deploy.nir_graph import from_graph, to_graph
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
    "Trained",
    "check_fit",
    "core_map",
    "from_graph",
    "largest_that_fits",
    "place",
    "read_nir",
    "report_on",
    "to_graph",
    "write_nir",
]
