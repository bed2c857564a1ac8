"""Keep what a run was and how it went, in one JSON file of the folder ``reproductions``.

::

    python scripts/keep_run.py RUN_DIR [RUN_DIR ...]
"""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

from lava_ep.training import RunFolder

FOLDER = Path(__file__).resolve().parent.parent / "reproductions"
CURVES = (
    "train_accuracy",
    "test_accuracy",
    "seconds",
    "events_per_sample",
    "synaptic_operations_per_sample",
    "updates_per_sample",
    "reinforced_per_sample",
    "wrong_at_layer",
)


def without_paths(command: str) -> str:
    """Return a command without the options that name places on somebody's machine."""
    words, kept = shlex.split(command), []
    while words:
        word = words.pop(0)
        if word in ("--out", "--data-dir"):
            words.pop(0)
        else:
            kept.append(word)
    return shlex.join(kept)


def keep(path: Path) -> Path:
    """Write the spec, the seed, the versions and the curves of a run; return the file."""
    run = RunFolder.open(path)
    spec, about, metrics = run.spec(), run.about(), run.metrics()
    content = {
        "command": without_paths(about["command"]),
        "started": about["started"],
        "backend": about["backend"],
        "seed": about["seed"],
        "versions": about["versions"],
        "spec": spec.model_dump(mode="json"),
        "epochs": len(metrics),
        **{name: [entry[name] for entry in metrics] for name in CURVES if name in metrics[0]},
    }
    if run.baseline.exists():
        entries = run.baseline.metrics()
        content["frozen_input_layer_test_accuracy"] = [entry["test_accuracy"] for entry in entries]
    target = FOLDER / f"{path.name}.json"
    target.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return target


def main() -> None:
    """Keep the runs named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_DIR")
    FOLDER.mkdir(exist_ok=True)
    for path in parser.parse_args().runs:
        print(keep(path))


if __name__ == "__main__":
    main()
