"""The figure of the confusion matrix."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lava_ep.figures.text import count, percent, plural
from lava_ep.figures.theme import Theme, new_figure
from lava_ep.report.content import RunContent
from lava_ep.report.plates import RUN, plate

_WRITTEN_CLASSES = 20
"""With more classes the counts are no longer written into the cells."""


def _ink(background: NDArray[np.float64]) -> str:
    """Black or white, whichever stands out more from a background color (WCAG 2 luminance)."""
    channels = background[:3]
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ np.array([0.2126, 0.7152, 0.0722]))
    return "#000000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#ffffff"


def caption(content: RunContent) -> str:
    """Say what to see in the confusion matrix."""
    total = int(content.confusion.sum())
    hits = int(np.trace(content.confusion))
    if hits == total:
        return f"All {plural(total, 'test sample')} lie on the diagonal: none is misclassified."
    return (
        f"Of {plural(total, 'test sample')}, {count(hits)} lie on the blue diagonal; every orange "
        "cell counts samples of the row's class that were taken for the column's."
    )


def alt(content: RunContent) -> str:
    """Describe the confusion matrix to those who cannot see it."""
    totals = np.maximum(1, content.confusion.sum(axis=1))
    recall = content.confusion.diagonal() / totals
    worst = int(recall.argmin())
    return (
        f"Confusion matrix of {len(content.class_names)} classes. The class found least often is "
        f"{content.class_names[worst]}, {percent(float(recall[worst]))} of its samples."
    )


@plate(RUN, "confusion-matrix", "Confusion matrix", caption=caption, alt=alt)
def confusion(content: RunContent, theme: Theme) -> Figure:
    """Test samples by true and predicted class; hits in blue, errors in orange."""
    counts = content.confusion
    classes = len(content.class_names)
    totals = counts.sum(axis=1)
    errors = np.where(np.eye(classes, dtype=bool), 0, counts)
    worst = max(4, int(errors.max()))
    blues = LinearSegmentedColormap.from_list("hits", [theme.surface, theme.blue])
    oranges = LinearSegmentedColormap.from_list("errors", [theme.surface, theme.orange])
    recall = counts.diagonal() / np.maximum(1, totals)
    # Square roots keep single errors visible beside the most frequent confusion.
    colors = oranges(np.sqrt(errors / worst))
    colors[np.arange(classes), np.arange(classes)] = blues(0.15 + 0.75 * recall)
    figure = new_figure(6.2, 5.6)
    axes = figure.add_subplot()
    axes.imshow(colors, interpolation="nearest")
    long_names = max(len(name) for name in content.class_names) > 3
    stride = -(-classes // _WRITTEN_CLASSES)
    shown = list(range(0, classes, stride))
    axes.set_xticks(shown, [content.class_names[k] for k in shown])
    axes.set_yticks(shown, [content.class_names[k] for k in shown])
    if long_names:
        axes.tick_params(axis="x", labelrotation=45)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
    if classes <= _WRITTEN_CLASSES:
        size = 11.5 if classes <= 10 else 8.0
        for (true, predicted), number in np.ndenumerate(counts):
            if number:
                axes.text(
                    predicted,
                    true,
                    str(number),
                    ha="center",
                    va="center",
                    fontsize=size,
                    color=_ink(colors[true, predicted]),
                    fontweight="bold" if true == predicted else "normal",
                )
        for k, found in enumerate(recall):
            axes.annotate(
                f"{100 * found:.0f} %" if totals[k] else "\N{EN DASH}",
                (1.0, k),
                xycoords=axes.get_yaxis_transform(),
                xytext=(38, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=size - 1,
                color=theme.muted,
            )
        axes.annotate(
            "recall",
            (1.0, 1.0),
            xycoords="axes fraction",
            xytext=(38, 4),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=10.5,
            color=theme.muted,
        )
    edges = np.arange(classes + 1) - 0.5
    rules = [[(edge, edges[0]), (edge, edges[-1])] for edge in edges]
    rules += [[(edges[0], edge), (edges[-1], edge)] for edge in edges]
    axes.add_collection(LineCollection(rules, colors=theme.line, linewidths=0.6, clip_on=False))
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    return figure
