"""The figure of the benchmark for the README."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lava_ep.report.theme import LIGHT, applied, new_figure

OURS, DENSE = "message-passing", "dense_torch"
TITLES = {"train": "Training", "infer": "Inference"}


def draw(rows: Sequence[dict[str, Any]], content: dict[str, Any], path: Path) -> None:
    """Plot milliseconds a batch against the size of the hidden layer, with their spread."""
    machine = content["machine"]
    lowest = min(row[name]["min"] for row in rows for name in (DENSE, OURS))
    highest = max(row[name]["max"] for row in rows for name in (DENSE, OURS))
    with applied(LIGHT):
        figure = new_figure(9.0, 4.2)
        panels = figure.subplots(1, len(TITLES), sharey=True)
        for panel, (task, title) in zip(panels, TITLES.items(), strict=True):
            chosen = [row for row in rows if row["task"] == task]
            sizes = [row["hidden"] for row in chosen]
            for name, label, color, marker in (
                (DENSE, "dense PyTorch", LIGHT.orange, "s"),
                (OURS, "message passing (Lava)", LIGHT.blue, "o"),
            ):
                medians = [row[name]["median"] for row in chosen]
                spread = [
                    [m - row[name]["min"] for m, row in zip(medians, chosen, strict=True)],
                    [row[name]["max"] - m for m, row in zip(medians, chosen, strict=True)],
                ]
                panel.errorbar(
                    sizes, medians, spread, color=color, marker=marker, capsize=4, label=label
                )
            for row in chosen:
                panel.annotate(
                    f"{row['ratio']['median']:.1f}×",
                    (row["hidden"], max(row[name]["max"] for name in (DENSE, OURS))),
                    textcoords="offset points",
                    xytext=(0, 8),
                    ha="center",
                )
            panel.set(
                title=title,
                xlabel="hidden neurons",
                xscale="log",
                yscale="log",
                xlim=(sizes[0] / 1.6, sizes[-1] * 1.6),
                ylim=(lowest / 2, highest * 2.5),
                xticks=sizes,
                xticklabels=[str(size) for size in sizes],
            )
            panel.yaxis.set_major_formatter("{x:g}")
            panel.minorticks_off()
            panel.grid(axis="y")
        panels[0].set_ylabel("milliseconds a batch of 64")
        panels[0].legend(loc="lower right")
        figure.supxlabel(
            f"784-H-100, {content['settings']['images']}, {machine['cpu']}, "
            f"{machine['cores']} cores, PyTorch {machine['torch']}; medians and extremes of "
            f"{content['settings']['repeats']} repeats in turns",
            fontsize=9,
            color=LIGHT.muted,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
