"""The report of a network that learns from local binary errors."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lava_ep.analysis import gates
from lava_ep.data import Dataset
from lava_ep.figures.text import count, percent, plural, printable
from lava_ep.figures.theme import DARK, LIGHT, Theme
from lava_ep.report.plates import Plate, confusion_matrix
from lava_ep.report.plates._epochs import layer_curves
from lava_ep.report.plates.learning_curve import learning_curve
from lava_ep.report.summary import frequent_mistakes
from lava_ep.report.writer import check_place, drawn, replace_report, shown_plates, templates
from lava_ep.spec import BMLPSpec, ExperimentSpec
from lava_ep.training import RunFolder, check_samples, evaluate, load_run_data
from lava_ep.training.bmlp_family import bmlp_of


@dataclass(frozen=True, eq=False, kw_only=True)
class BMLPContent:
    """Everything that the report shows.

    Parameters
    ----------
    experiment
        What was trained, and how.
    about
        Content of ``run.json``.
    dataset
        What it was trained on.
    metrics, baseline_metrics, confusion
        See `lava_ep.report.ReportContent`.
    """

    experiment: ExperimentSpec
    about: Mapping[str, Any]
    dataset: Dataset
    metrics: Sequence[Mapping[str, Any]]
    baseline_metrics: Sequence[Mapping[str, Any]] | None
    confusion: NDArray[np.int64]

    event, state = "event", "activation"

    @property
    def network(self) -> BMLPSpec:
        """The network."""
        return bmlp_of(self.experiment)

    @property
    def title(self) -> str:
        """Heading of the page."""
        return f"{self.network} on {self.dataset.name}"

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of every class."""
        return tuple(map(printable, self.dataset.class_names))

    @property
    def accounts(self) -> gates.GateAccount:
        """Boolean gates of an inference and of a training sample of the last epoch."""
        return gates.account(self.network, self.metrics[-1])


def _curves(content: BMLPContent, key: str, label: str, theme: Theme) -> Figure:
    """Draw a number of every layer over the epochs."""
    epochs = [int(line["epoch"]) for line in content.metrics]
    found = {
        name: [line[key][layer] for line in content.metrics]
        for layer, name in enumerate(content.network.layer_names)
    }
    return layer_curves(epochs, found, label, theme)


def _flips(content: BMLPContent, theme: Theme) -> Figure:
    return _curves(content, "weight_flips", "weights flipped in the epoch", theme)


def _wrong(content: BMLPContent, theme: Theme) -> Figure:
    return _curves(content, "wrong_at_layer", "wrong samples, share", theme)


def _learning_caption(content: BMLPContent) -> str:
    last = content.metrics[-1]
    return (
        f"After {plural(len(content.metrics), 'epoch')} the network classifies "
        f"{percent(last['test_accuracy'])} of the test set and {percent(last['train_accuracy'])} "
        "of the training set, as it was shown in the epoch, correctly."
    )


def _flips_caption(content: BMLPContent) -> str:
    first, last = (sum(content.metrics[k]["weight_flips"]) for k in (0, -1))
    return (
        "A weight flips where its hidden weight passes 0: "
        f"{count(first)} flips in the first epoch, {count(last)} in the last."
    )


def _wrong_caption(content: BMLPContent) -> str:
    shares = ", ".join(percent(share) for share in content.metrics[-1]["wrong_at_layer"])
    return (
        "A layer learns only from samples that its own classifier has wrong, or right by less than "
        f"the margin: {shares} of them in the last epoch."
    )


def _described(what: str) -> Any:
    def alt(content: BMLPContent) -> str:
        return f"Line chart of {what} over {plural(len(content.metrics), 'epoch')}."

    return alt


PLATES: tuple[Plate[BMLPContent], ...] = (
    Plate(
        "learning-curve",
        "Learning curve",
        learning_curve,
        _learning_caption,
        _described("training and test accuracy"),
    ),
    Plate(
        "wrong-samples",
        "Wrong samples at each layer",
        _wrong,
        _wrong_caption,
        _described("wrong samples at each layer"),
    ),
    Plate(
        "weight-flips", "Weight flips", _flips, _flips_caption, _described("flips of each layer")
    ),
    Plate(
        "confusion-matrix",
        "Confusion matrix",
        confusion_matrix.confusion,
        confusion_matrix.caption,
        confusion_matrix.alt,
    ),
)
"""The figures in the order of the page."""


def _rows(network: BMLPSpec) -> list[dict[str, str]]:
    """Return a row of the table of layers for each."""
    rows = []
    for name, layer, inputs in zip(
        network.layer_names, network.layers, network.sizes[:-1], strict=True
    ):
        passes = f", passing on {layer.outputs} majorities" if layer.majority else ""
        learning = (
            "frozen"
            if layer.frozen
            else f"γ = {layer.group}, margin {layer.margin} (r = {layer.robustness:g}), "
            f"p_r = {layer.reinforcement:g}"
        )
        rows.append(
            {
                "name": name,
                "inputs": count(inputs),
                "neurons": f"{count(layer.neurons)}{passes}",
                "classifier": "learns" if layer.learned_classifier else "fixed",
                "learning": learning,
            }
        )
    return rows


def report_bmlp_run(
    run_dir: Path,
    *,
    data: str | None = None,
    data_dir: Path | None = None,
    out: Path | None = None,
) -> Path:
    """Test the newest checkpoint of a run and write its report; see `lava_ep.report.report_run`.

    Raises
    ------
    InputError
        If the folder is not one of a run with a checkpoint, its data is missing or does not fit,
        or the report cannot be written there.
    """
    folder = RunFolder.open(run_dir)
    out = out or run_dir
    check_place(out)
    experiment, about = folder.spec(), folder.about()
    _, parameters, _ = folder.selected(experiment.network)
    dataset = load_run_data(folder, name=data, data_dir=data_dir)
    check_samples(experiment, dataset)
    found = evaluate(experiment, parameters, dataset, backend=str(about["backend"]))
    content = BMLPContent(
        experiment=experiment,
        about=about,
        dataset=dataset,
        metrics=folder.metrics(),
        baseline_metrics=folder.baseline.metrics() or None,
        confusion=found.confusion(experiment.network.classes),
    )
    light, dark = drawn(PLATES, content, LIGHT), drawn(PLATES, content, DARK)
    accuracy = float(content.metrics[-1]["test_accuracy"])
    samples = len(dataset.y_test)
    page = (
        templates()
        .get_template("bmlp.html.j2")
        .render(
            content=content,
            last=content.metrics[-1],
            test_samples=samples,
            standard_error=math.sqrt(accuracy * (1 - accuracy) / samples),
            seconds=sum(float(line["seconds"]) for line in content.metrics),
            rows=_rows(content.network),
            binarization=content.network.binarization,
            accounts=(content.accounts.inference, content.accounts.training),
            source=gates.SOURCE,
            mistakes=frequent_mistakes(content),
            spec=json.dumps(experiment.model_dump(mode="json"), indent=2, ensure_ascii=False),
            plates=shown_plates(PLATES, content, light, dark),
            player=None,
        )
    )
    return replace_report(page, light, out)
