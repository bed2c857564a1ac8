"""Train a binary EP network on digits and look at what it did.

Run it with ``python examples/quickstart.py``; it takes about a minute.
"""

from lava_ep.data import load_dataset
from lava_ep.spec import load_preset
from lava_ep.training import Trainer


def main() -> None:
    experiment = load_preset("binary-digits")
    digits = load_dataset("digits")
    print(f"{experiment.network} network, {len(digits.x_train)} training images")

    def show(epoch):
        free, nudged = epoch["events_per_sample"].values()
        print(
            f"epoch {epoch['epoch']:2}: test accuracy {epoch['test_accuracy']:.3f}, "
            f"{free:.0f} + {nudged:.0f} events a sample, {sum(epoch['weight_flips'])} flips"
        )

    trainer = Trainer(experiment, digits, on_epoch=show)
    trainer.fit()
    weights = trainer.parameters.layers[0].weights
    print(f"input weights: {weights.shape}, values {sorted(set(weights.flat))}")


if __name__ == "__main__":
    main()
