"""The figures of the benchmark for the README.

They can be drawn anew without measuring anew::

    python benchmarks/figure.py benchmarks/results/latest.json docs/_static
"""

from __future__ import annotations

import argparse
import json
import re
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from contenders import DENSE, FUSED, MESSAGES, THRESHOLDED
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator
from report import FAMILY
from scaling import EVENTS, OUTPUTS

from lava_ep.figures.theme import LIGHT, applied, new_figure

TITLES = {"train": "Training", "infer": "Inference"}
LINES = {
    DENSE: ("dense PyTorch", LIGHT.orange, "s"),
    MESSAGES: ("message passing (Lava)", LIGHT.blue, "o"),
    FUSED: ("fused (Lava)", LIGHT.green, "D"),
}
FAMILY_LINES = {
    DENSE: LINES[DENSE],
    FUSED: LINES[FUSED],
    THRESHOLDED: ("fused, small changes not sent", LIGHT.blue, "o"),
}
Series = dict[int, Mapping[str, float]]
"""Summaries by what is varied."""


def by_number(summaries: Mapping[str, Mapping[str, float]]) -> Series:
    """Return summaries by their keys as numbers, in order."""
    return {int(key): summaries[key] for key in sorted(summaries, key=int)}


def by_hidden(summaries: Mapping[str, Mapping[str, float]], task: str, end: str) -> Series:
    """Return the summaries of the networks with one hidden layer, by its size."""
    pattern = re.compile(rf"{task}_\d+-(\d+)-\d+_{re.escape(end)}")
    matches = {pattern.fullmatch(key): summary for key, summary in summaries.items()}
    return by_number({match[1]: summary for match, summary in matches.items() if match})


def _plot(
    panel: Axes, series: Series, label: str, color: str, marker: str, linestyle: str = "-"
) -> None:
    """Plot medians and their spread."""
    medians = [one["median"] for one in series.values()]
    spread = [
        [one["median"] - one["min"] for one in series.values()],
        [one["max"] - one["median"] for one in series.values()],
    ]
    panel.errorbar(
        list(series),
        medians,
        spread,
        color=color,
        marker=marker,
        linestyle=linestyle,
        capsize=3,
        label=label,
    )


def _on_logarithms(panel: Axes, title: str, xlabel: str) -> None:
    """Prepare a panel; its limits then follow from what is plotted, so this comes first."""
    panel.set(title=title, xlabel=xlabel, xscale="log", yscale="log")
    panel.yaxis.set_major_formatter("{x:g}")
    panel.grid(axis="y")


def _mark(panel: Axes, numbers: list[int]) -> None:
    """Put ticks at the numbers that were measured."""
    panel.set(
        xlim=(numbers[0] / 1.6, numbers[-1] * 1.6),
        xticks=numbers,
        xticklabels=[str(number) for number in numbers],
    )
    panel.minorticks_off()


def _fit(panel: Axes, every: Iterable[Series], *, below: float = 1.5, above: float = 1.5) -> None:
    """Let the vertical axis show all measurements, with these factors as room for text."""
    summaries = [one for series in every for one in series.values()]
    low, high = min(one["min"] for one in summaries), max(one["max"] for one in summaries)
    panel.set_ylim(low / below, high * above)


def _proportional(panel: Axes, series: Series, through: int) -> None:
    """Draw what is proportional, through one of the points."""
    ends = [min(series), max(series)]
    values = [series[through]["median"] * end / through for end in ends]
    panel.plot(ends, values, color=LIGHT.muted, linestyle=":", linewidth=1.5, label="proportional")


def _tell_doublings(
    panel: Axes, doublings: Mapping[str, Mapping[str, float]], height: float, color: str
) -> None:
    """Write between the sizes how many times longer the larger one takes."""
    for step, ratio in doublings.items():
        small, large = map(int, step.split("_to_"))
        panel.text(
            (small * large) ** 0.5,
            height,
            f"{ratio['median']:.2f}×",
            transform=panel.get_xaxis_transform(),
            ha="center",
            fontsize=9.5,
            color=color,
        )


def _machine(content: Mapping[str, Any]) -> str:
    machine = content["machine"]
    return f"{content['settings']['images']}, {machine['cpu']}, {machine['cores']} cores"


def draw_networks(content: Mapping[str, Any], path: Path) -> None:
    """Plot milliseconds a batch against the size of the hidden layer."""
    times, ratios = content["milliseconds_per_batch"], content["ratios"]
    with applied(LIGHT):
        figure = new_figure(9.0, 4.6)
        panels = figure.subplots(1, len(TITLES), sharey=True)
        shown: list[Series] = []
        for panel, (task, title) in zip(panels, TITLES.items(), strict=True):
            lines = {name: by_hidden(times, task, name) for name in LINES}
            _on_logarithms(panel, title, "hidden neurons")
            for name, series in lines.items():
                _plot(panel, series, *LINES[name])
            for hidden, ratio in by_hidden(ratios, task, f"{FUSED}_vs_{DENSE}").items():
                panel.annotate(
                    f"{ratio['median']:.3g}×",
                    (hidden, max(s[hidden]["max"] for s in lines.values() if hidden in s)),
                    textcoords="offset points",
                    xytext=(0, 7),
                    ha="center",
                )
            _mark(panel, list(lines[FUSED]))
            shown += lines.values()
        _fit(panels[0], shown, above=3.0)
        panels[0].set_ylabel(f"milliseconds a batch of {content['settings']['batch']}")
        handles = panels[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside upper center", ncols=len(LINES))
        figure.supxlabel(
            f"784-H-100, {_machine(content)}, PyTorch {content['machine']['torch']}; medians and "
            f"extremes of {content['settings']['repeats']} repeats in turns; "
            "×: fused against dense",
            fontsize=9,
            color=LIGHT.muted,
        )
        figure.savefig(path)


def draw_scaling(content: Mapping[str, Any], path: Path) -> None:
    """Plot the time of events against activity and size, and of samples against batch size."""
    series = {
        re.sub(r"\d+", "N", key): (key, by_number(found))
        for key, found in content["microseconds_per_sample_and_step"].items()
    }
    with applied(LIGHT):
        figure = new_figure(13.0, 4.4)
        activity, size, batch = figure.subplots(1, 3)

        key, found = series["events_to_N_neurons"]
        neurons = re.findall(r"\d+", key)[0]
        _on_logarithms(activity, f"Activity, {neurons} → {neurons} neurons", "events a sample")
        _plot(activity, found, "measured", LIGHT.green, "D")
        _proportional(activity, found, through=max(found))
        _mark(activity, list(found))
        activity.set_ylabel("µs a sample and step, one core")

        found = series["hidden_between_H_and_N"][1]
        _on_logarithms(size, f"Size, {EVENTS} events from each layer", "hidden neurons H")
        _plot(size, found, f"H ⇄ {OUTPUTS} neurons", LIGHT.green, "D")
        square = series["hidden_between_H_and_H"][1]
        _plot(size, square, "H → H neurons", LIGHT.blue, "o")
        _proportional(size, found, through=min(found))
        _mark(size, list(found))
        _fit(size, (found, square), below=5.0)
        _tell_doublings(size, content["doubling_hidden_free_phase"], 0.09, LIGHT.green)
        _tell_doublings(size, content["doubling_square_population"], 0.02, LIGHT.blue)
        size.set_ylabel("µs a sample and step, one core")

        network = next(iter(content["milliseconds_per_sample"])).split("_", 1)[1]
        _on_logarithms(batch, f"Batches, {network}, fused", "batch size")
        batch.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        shown: list[Series] = []
        for (task, title), color, marker in zip(
            TITLES.items(), (LIGHT.green, LIGHT.blue), "Do", strict=True
        ):
            found = by_number(content["milliseconds_per_sample"][f"{task}_{network}"])
            _plot(batch, found, title.lower(), color, marker)
            _mark(batch, list(found))
            shown.append(found)
        _fit(batch, shown)
        batch.set_ylabel("milliseconds a sample, all cores")
        for panel in (activity, size, batch):
            panel.legend(loc="best")
        figure.supxlabel(
            f"{_machine(content)}; medians and extremes of repeats in turns; "
            "×: time of twice the neurons",
            fontsize=9,
            color=LIGHT.muted,
        )
        figure.savefig(path)


def a_sample(content: Mapping[str, Any], task: str, contender: str) -> Series:
    """Return milliseconds a sample, by the place of the preset."""
    found: Series = {}
    for place, (preset, settings) in enumerate(content["settings"]["presets"].items()):
        if summary := content["milliseconds_per_batch"].get(f"{task}_{preset}_{contender}"):
            extremes = ("min", "median", "max")
            found[place] = {key: summary[key] / settings["batch"] for key in extremes}
    return found


def draw_family(content: Mapping[str, Any], path: Path) -> None:
    """Plot milliseconds a sample of the systems that have a preset each."""
    presets = content["settings"]["presets"]
    with applied(LIGHT):
        figure = new_figure(9.0, 4.6)
        panels = figure.subplots(1, len(TITLES), sharey=True)
        shown: list[Series] = []
        for panel, (task, title) in zip(panels, TITLES.items(), strict=True):
            panel.set(title=title, yscale="log", xlim=(-0.5, len(presets) - 0.5))
            panel.set_xticks(range(len(presets)), [textwrap.fill(name, 11) for name in presets])
            panel.yaxis.set_major_formatter("{x:g}")
            panel.grid(axis="y")
            points = {name: a_sample(content, task, name) for name in FAMILY_LINES}
            for name, series in points.items():
                _plot(panel, series, *FAMILY_LINES[name], linestyle="none")
            for place, preset in enumerate(presets):
                ratio = content["ratios"][f"{task}_{preset}_{FUSED}_vs_{DENSE}"]
                panel.annotate(
                    f"{ratio['median']:.3g}×",
                    (place, max(s[place]["max"] for s in points.values() if place in s)),
                    textcoords="offset points",
                    xytext=(0, 7),
                    ha="center",
                )
            shown += points.values()
        _fit(panels[0], shown, above=3.0)
        panels[0].set_ylabel("milliseconds a sample")
        handles = panels[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside upper center", ncols=len(FAMILY_LINES))
        batches = ", ".join(str(settings["batch"]) for settings in presets.values())
        figure.supxlabel(
            f"Batches of {batches}, {_machine(content)}, PyTorch {content['machine']['torch']};\n"
            "medians and extremes of repeats in turns; ×: fused, all changes sent, against dense",
            fontsize=9,
            color=LIGHT.muted,
        )
        figure.savefig(path)


def draw_all(content: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw figures of all that was measured into a folder; return where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    if "ratios" in content:
        found += [folder / "bench.png", folder / "bench-scaling.png"]
        draw_networks(content, found[0])
        draw_scaling(content, found[1])
    if FAMILY in content:
        found.append(folder / "bench-family.png")
        draw_family(content[FAMILY], found[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="JSON file of the benchmark")
    parser.add_argument("folder", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    draw_all(json.loads(arguments.results.read_text(encoding="utf-8")), arguments.folder)


if __name__ == "__main__":
    main()
