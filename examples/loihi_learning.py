"""Equilibrium propagation with nothing but Lava's own Processes and a Loihi learning rule.

Run it with ``python examples/loihi_learning.py``; it takes about a minute. Digits 0 to 2 are
learned on Lava's fixed-point models, one sample after the other; then the same weights are tested
in integers and in real numbers.
"""

import numpy as np
from lava.proc.dense.process import LearningDense

from lava_ep.data import Dataset, load_dataset
from lava_ep.models import run_config
from lava_ep.processes import EPNetwork
from lava_ep.spec import load_preset, override
from lava_ep.training import Trainer, evaluate

CLASSES = 3


def first_classes(digits: Dataset, train: int, test: int) -> Dataset:
    """Keep so many samples of the first classes."""
    chosen = [np.flatnonzero(y < CLASSES) for y in (digits.y_train, digits.y_test)]
    return Dataset(
        name=f"digits 0 to {CLASSES - 1}",
        x_train=digits.x_train[chosen[0][:train]],
        y_train=digits.y_train[chosen[0][:train]],
        x_test=digits.x_test[chosen[1][:test]],
        y_test=digits.y_test[chosen[1][:test]],
        levels=digits.levels,
        image_shape=digits.image_shape,
        class_names=digits.class_names[:CLASSES],
    )


def main() -> None:
    experiment = override(
        load_preset("stock-digits"),
        [
            f"network.classes={CLASSES}",
            f"network.layers.1.neurons={CLASSES}",
            "network.layers.0.neurons=50",
            "training.epochs=1",
        ],
    )
    dataset = first_classes(load_dataset("digits"), train=150, test=60)

    print("What a network is made of:")
    network = EPNetwork(spec=experiment.network)
    executable = network.compile(run_config("loihi-fixed"))
    for process in sorted(executable.process_list, key=lambda found: found.name):
        print(f"  {process.name:18} {type(process).__name__:14} {process.model_class.__name__}")
        if isinstance(process, LearningDense):
            rule = process.proc_params["learning_rule"]
            print(f"    dd = {rule.dd_str}\n    dt = {rule.dt_str}\n    dw = {rule.dw_str}")

    def show(progress):
        if progress.batch % 30 == 0:
            print(f"after {progress.batch:3} samples: {progress.accuracy:.3f} of them right")

    trainer = Trainer(experiment, dataset, backend="loihi-fixed", on_progress=show)
    trainer.fit()
    for backend in ("loihi-fixed", "loihi-float"):
        found = evaluate(experiment, trainer.parameters, dataset, backend=backend)
        print(f"{backend}: {found.accuracy:.3f} of {len(dataset.x_test)} test samples")


if __name__ == "__main__":
    main()
