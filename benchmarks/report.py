"""The results so far: the JSON file, and the table that is printed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from contenders import DENSE, FUSED, MESSAGES, THRESHOLDED
from rich.console import Console
from rich.table import Table
from summary import describe_machine, summarize, summarize_ratio
from turns import QUIET, Turns

COLUMNS = {
    DENSE: "dense PyTorch",
    MESSAGES: "message passing",
    FUSED: "fused",
    THRESHOLDED: "threshold",
}
QUOTED = {
    f"{FUSED}_vs_{DENSE}": "fused : dense",
    f"{FUSED}_vs_{MESSAGES}": "fused : messages",
    f"{THRESHOLDED}_vs_{DENSE}": "threshold : dense",
}

BINARY, FAMILY, SPIKING = "binary", "family", "spiking"
"""Parts of the benchmark: the dense binary networks, the other systems, and a spiking network."""


def scaled(values: Sequence[float], factor: float) -> dict[str, Any]:
    """Summarize values in another unit, and list them."""
    found = [factor * value for value in values]
    return {**summarize(found), "values": found}


def pairwise_ratios(prefix: str, seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Summarize how many times faster each contender is than those that follow it."""
    return {
        f"{prefix}_{fast}_vs_{slow}": summarize_ratio(seconds[slow], seconds[fast])
        for fast, slow in itertools.combinations(seconds, 2)
    }


def three_digits(value: float) -> str:
    """Write a number."""
    return f"{float(f'{value:.3g}'):g}"


def _median(summary: Mapping[str, float]) -> str:
    return three_digits(summary["median"])


def _told(found: Mapping[str, Any]) -> str:
    """Write numbers, and the largest of lists of them."""
    told = []
    for name, value in found.items():
        if isinstance(value, Mapping):
            told.append(f"{name} ({_told(value)})")
        elif not isinstance(value, list):
            told.append(f"{name} {value:.6g}")
        elif value and not isinstance(value[0], str):
            told.append(f"{name} {max(value):.2g}")
    return ", ".join(told)


def with_spread(summary: Mapping[str, float]) -> str:
    """Write a summary."""
    median, low, high = (three_digits(summary[key]) for key in ("median", "min", "max"))
    return f"{median} ({low} – {high})"


class Measurements:
    """Collects what was measured of whole networks.

    Parameters
    ----------
    settings
        What was measured and how, for the reader.

    Attributes
    ----------
    content : dict
        For the JSON file.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.content: dict[str, Any] = {
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "machine": describe_machine(),
            "settings": dict(settings),
            "ratios": {},
            "milliseconds_per_batch": {},
            "cores_used_by_other_programs": {},
            "activity": {},
            "agreement": {},
        }

    def add_torch(self, version: str) -> None:
        """Enter the version of PyTorch."""
        self.content["machine"]["torch"] = version

    def add_network(self, network: str, turns: Turns, activity: Mapping[str, Any]) -> None:
        """Enter the seconds a batch of one task of one network, and what happened in it."""
        self.content["ratios"] |= pairwise_ratios(network, turns.values)
        self.content["milliseconds_per_batch"] |= {
            f"{network}_{name}": scaled(values, 1e3) for name, values in turns.values.items()
        }
        self.content["activity"][network] = dict(activity)
        self._add_load(network, turns)

    def add_agreement(self, network: str, found: Mapping[str, Any]) -> None:
        """Enter how far the contenders learned the same."""
        self.content["agreement"][network] = dict(found)

    def _add_load(self, name: str, turns: Turns) -> None:
        self.content["cores_used_by_other_programs"][name] = summarize(turns.foreign_cores)

    def print(self, console: Console) -> None:
        """Show the most important results, and whether they may be believed."""
        networks = list(self.content["activity"])
        times, ratios = self.content["milliseconds_per_batch"], self.content["ratios"]
        columns = {
            heading: [times.get(f"{network}_{name}") for network in networks]
            for name, heading in COLUMNS.items()
        }
        quoted = {
            heading: [ratios.get(f"{network}_{pair}") for network in networks]
            for pair, heading in QUOTED.items()
        }
        cells = {
            heading: [write(one) if one else "" for one in found]
            for written, write in ((columns, _median), (quoted, with_spread))
            for heading, found in written.items()
            if any(found)
        }
        table = Table(title="Median milliseconds a batch, and times faster (from – to)")
        for heading in ("task", "network"):
            table.add_column(heading, no_wrap=True)
        for heading in cells:
            table.add_column(heading, justify="right")
        for network, *row in zip(networks, *cells.values(), strict=True):
            table.add_row(*network.split("_", 1), *row)
        console.print(table)
        self._print_more(console)
        loads = self.content["cores_used_by_other_programs"].values()
        foreign = max((load["max"] for load in loads), default=0.0)
        if foreign > QUIET:
            console.print(
                f"[bold]Do not quote these times:[/bold] other programs kept up to {foreign:.1f} "
                "cores busy meanwhile, which slows threads that wait for each other most. Run the "
                "benchmark again when the machine is quiet."
            )

    def _print_more(self, console: Console) -> None:
        """Show what is left to tell."""


class FamilyReport(Measurements):
    """The measurements of the systems that have a preset each."""

    def _print_more(self, console: Console) -> None:
        for preset, found in self.content["agreement"].items():
            console.print(f"{preset}: {_told(found)}", soft_wrap=True)


class Report(Measurements):
    """The measurements of dense binary networks, and of all that explains them."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.content |= {
            "milliseconds_per_sample": {},
            "steps_per_second": {},
            "microseconds_per_sample_and_step": {},
            "nanoseconds_per_event": {},
            "doubling_hidden_free_phase": {},
            "doubling_square_population": {},
            "roofline": {},
        }

    def add_steps(self, network: str, turns: Turns) -> None:
        """Enter the seconds that a time step of one sample takes."""
        name = f"steps_{network}"
        self.content["ratios"] |= pairwise_ratios(name, turns.values)
        self.content["steps_per_second"] |= {
            f"{name}_{contender}": scaled([1 / value for value in values], 1)
            for contender, values in turns.values.items()
        }
        self._add_load(name, turns)

    def add_batch_sizes(self, network: str, turns: Turns) -> None:
        """Enter the seconds a sample, by the size of the batch."""
        self.content["milliseconds_per_sample"][network] = {
            size: scaled(values, 1e3) for size, values in turns.values.items()
        }
        self._add_load(f"batch_size_{network}", turns)

    def add_activity(self, series: str, turns: Turns) -> None:
        """Enter the seconds that the events of a sample in a step take, by their number."""
        self._add_events(series, turns)
        self.content["nanoseconds_per_event"][series] = {
            events: scaled(values, 1e9 / int(events)) for events, values in turns.values.items()
        }

    def add_sizes(self, series: str, turns: Turns, doubling: str) -> None:
        """Enter the seconds that the events of a sample in a step take, by the size of a layer.

        ``doubling`` is where to enter how many times longer each takes than the one before.
        """
        self._add_events(series, turns)
        self.content[doubling] = {
            f"{small}_to_{large}": summarize_ratio(turns.values[large], turns.values[small])
            for small, large in itertools.pairwise(turns.values)
        }

    def _add_events(self, series: str, turns: Turns) -> None:
        self.content["microseconds_per_sample_and_step"][series] = {
            number: scaled(values, 1e6) for number, values in turns.values.items()
        }
        self._add_load(series, turns)

    def add_roofline(self, found: Mapping[str, Any], turns: Turns) -> None:
        """Enter how near the limits of the machine the engine comes."""
        self.content["roofline"] |= found
        self._add_load("roofline", turns)

    def _print_more(self, console: Console) -> None:
        for name, steps in self.content["steps_per_second"].items():
            console.print(f"{name}: {with_spread(steps)} time steps a second")
        for demand in ("doubling_hidden_free_phase", "doubling_square_population"):
            for step, ratio in self.content[demand].items():
                console.print(f"{demand}, {step}: {with_spread(ratio)} times the time")
        if remark := self.content["roofline"].get("remark"):
            console.print(remark)


def write_results(path: Path, part: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Write what one part of the benchmark has measured; return what the JSON file then holds.

    The other parts stay as they were, with their own dates and machines.
    """
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if part == BINARY:
        others = {name: found[name] for name in (FAMILY, SPIKING) if name in found}
        found = {**content, **others}
    else:
        found[part] = dict(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found
