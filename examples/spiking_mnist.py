"""Train integrate-and-fire neurons on MNIST, and count what an inference costs.

Run it with ``python examples/spiking_mnist.py``; it takes about a minute. The files of MNIST are
looked for in the folder that the environment variable ``LAVA_EP_DATA`` names, and downloaded if it
is not set.
"""

import sys

from lava_ep.analysis import inference_account
from lava_ep.data import load_dataset
from lava_ep.errors import InputError
from lava_ep.spec import load_preset
from lava_ep.training import Trainer, evaluate


def main() -> None:
    try:
        mnist = load_dataset("mnist")
    except InputError as error:
        sys.exit(str(error))
    experiment = load_preset("if-mnist")
    network = experiment.network
    print(f"{network} network, {len(mnist.x_train)} training images")

    def show(epoch):
        free, nudged = epoch["events_per_sample"].values()
        print(
            f"epoch {epoch['epoch']}: test accuracy {epoch['test_accuracy']:.3f}, "
            f"{free:.0f} + {nudged:.0f} spikes a sample, {epoch['seconds']:.0f} s"
        )

    trainer = Trainer(experiment, mnist, backend="fused", on_epoch=show)
    trainer.fit()

    # An inference is a free phase: no label, no nudge.
    result = evaluate(experiment, trainer.parameters, mnist, backend="fused")
    cost = inference_account(
        network,
        events=result.counters.events[0] / result.shown,
        operations=result.counters.synaptic_operations[0] / result.shown,
    )
    print(f"accuracy {result.accuracy:.3f} on {len(mnist.x_test)} test images")
    print(f"{cost.events_per_neuron:.2f} spikes per neuron per inference of {cost.steps} steps")
    print(f"{cost.synaptic_operations:12,.0f} synaptic operations per inference")
    print(f"{cost.dense_macs:12,} multiply-accumulates if every synapse acted in every step")
    print(f"{cost.dense_macs_input_once:12,} if the product with the image is computed once")
    print(f"{cost.feedforward_macs:12,} in one forward pass without feedback")


if __name__ == "__main__":
    main()
