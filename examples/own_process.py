"""Your own Process in the network: hidden neurons that also receive noise.

The network is wired by hand from the Processes that `EPNetwork` is made of, with one more between
them. Run it with ``python examples/own_process.py``; it takes a few seconds.
"""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_ep.data import load_dataset
from lava_ep.dynamics import BOP, Binary, Nudging, PhaseSchedule, Stream, generator, initial_weights
from lava_ep.processes import BinaryNeuron, BinarySynapse, ImageSource, Readout, Target
from lava_ep.runtime import supervised

BATCH, HIDDEN, OUTPUT, BATCHES = 16, 256, 50, 80


class NoiseCurrent(AbstractProcess):
    """A Gaussian current of standard deviation ``sigma``, drawn anew in every time step."""

    def __init__(self, *, shape: tuple[int, int], sigma: float, seed: int = 0) -> None:
        super().__init__(shape=shape, sigma=sigma, seed=seed, name="noise")
        self.a_out = OutPort(shape=shape)


@implements(proc=NoiseCurrent, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyNoiseCurrentModel(PyLoihiProcessModel):
    """Draws the numbers with NumPy."""

    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)

    def __init__(self, proc_params) -> None:
        super().__init__(proc_params)
        self._rng = np.random.default_rng(proc_params["seed"])

    def run_spk(self) -> None:
        """Send one time step of noise."""
        noise = self._rng.standard_normal(self.proc_params["shape"], np.float32)
        self.a_out.send(np.float32(self.proc_params["sigma"]) * noise)


def accuracy_with_noise(sigma: float) -> float:
    """Train for ``BATCHES`` batches and return the accuracy in the last 20 of them."""
    digits = load_dataset("digits", limit_train=BATCH * BATCHES)
    schedule = PhaseSchedule(free_steps=10, nudged_steps=6, beta=3.0, nudging=Nudging.SYMMETRIC)
    neuron = {"schedule": schedule, "neuron": Binary(0.45, initial_state=0.0), "bias": 0.15}

    def synapse(layer: int, n_post: int, n_pre: int, scale: float, theta: float, levels: int):
        return BinarySynapse(
            weights=initial_weights((n_post, n_pre), generator(0, Stream.WEIGHTS, layer)),
            alpha=scale / np.sqrt(n_pre),
            levels=levels,
            batch=BATCH,
            schedule=schedule,
            learning_rule=BOP(gamma=1e-4, theta=theta),
        )

    source = ImageSource(
        images=digits.x_train, labels=digits.y_train, batch=BATCH, schedule=schedule
    )
    below = synapse(0, HIDDEN, digits.x_train.shape[1], 0.56, 0.1, digits.levels)
    hidden = BinaryNeuron(shape=(BATCH, HIDDEN), **neuron)
    above = synapse(1, OUTPUT, HIDDEN, 0.69, 0.033, 1)
    output = BinaryNeuron(shape=(BATCH, OUTPUT), **neuron)
    target = Target(shape=(BATCH, OUTPUT), classes=10)
    readout = Readout(
        shape=(BATCH, OUTPUT), classes=10, schedule=schedule, stream=True, buffer_size=BATCHES
    )

    source.s_out.connect(below.s_in_pre)
    below.a_out_post.connect(hidden.a_in)
    hidden.s_out.connect([below.s_in_post, above.s_in_pre])
    above.a_out_pre.connect(hidden.a_in)
    above.a_out_post.connect(output.a_in)
    output.s_out.connect(above.s_in_post)
    output.state_out.connect(readout.state_in)
    source.label_out.connect(target.label_in)
    target.target_out.connect(output.target_in)
    if sigma > 0:
        noise = NoiseCurrent(shape=(BATCH, HIDDEN), sigma=sigma)
        noise.a_out.connect(hidden.a_in)  # currents that meet in a port are added

    with supervised(hidden) as run:
        run.start(BATCHES * schedule.period(learning=True))
        scores = np.concatenate([run.outbox(readout.score_out).get() for _ in range(BATCHES)])
        run.wait()
    correct = scores.argmax(axis=1) == digits.y_train
    return float(np.mean(correct[-20 * BATCH :]))


def main() -> None:
    for sigma in (0.0, 0.2, 0.5):
        print(f"noise {sigma}: accuracy {accuracy_with_noise(sigma):.3f} after {BATCHES} batches")


if __name__ == "__main__":
    main()
