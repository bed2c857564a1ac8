"""Dense PyTorch implementations of four more systems, the yardsticks of their presets.

========================  ===========================  ===========  ============  ================
System                    Layers                       Neurons      Weights       Learning rule
========================  ===========================  ===========  ============  ================
`EP1h`                    784-512-10                   sigmoid      real          gradient
`BinaryWeights`           784-4096-10                  hard sigm.   ±alpha        BOP
`ConvEP`                  1-32-64 convolutional, 10    hard sigm.   real          gradient
`ConvBinary`              1-256-512 convolutional,     binary       ±alpha        BOP
                          700
========================  ===========================  ===========  ============  ================

The algorithms are those of Ernoult et al. (2019) and Laydevant et al. (2021), computed as in the
authors' public code: every time step computes all currents in both directions from the old states
by dense float32 products, that of the image included. The switches of max pooling, which tell where
each maximum was, are found anew in every time step; learning uses those that the last time step of
a phase found, unless told otherwise (`System.final_switches`). What needs no new memory is changed
in place, and the layout of convolutional layers is "channels last", which PyTorch runs faster on a
CPU.

As a script it is driven like `dense_torch.py`, with the same commands and answers. Its problem file
has ``images``, ``labels`` and the JSON object ``settings``, and may have ``beta_signs`` and the
initial ``bias0``, ``bias1``, … with either ``weights0``, … or ``signs0``, …, which the list
``alpha`` of the settings scales; what it does not have is random. Of the settings only ``batch`` is
needed; others are ``seed`` and whatever is to differ from the system's own values, by the names of
its attributes.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from dense_torch import answer
from numpy.typing import NDArray
from torch import Tensor


def real(tensor: Tensor) -> Tensor:
    """Return the type of numbers that is computed with."""
    return tensor.to(torch.get_default_dtype())


class Ends(NamedTuple):
    """What the two ends of a connection hold at the end of a phase."""

    pre: Tensor
    post: Tensor
    switches: Tensor | None


class FullyConnected:
    """Weights between all pairs of neurons.

    Parameters
    ----------
    weights
        (n_post, n_pre).
    bias
        (n_post,).
    """

    switches = None

    def __init__(self, weights: Tensor, bias: Tensor) -> None:
        self.weights = weights
        self.bias = bias

    def forward(self, pre: Tensor) -> Tensor:
        """Return the bias and the currents that the input side causes, (batch, n_post)."""
        return F.linear(pre.flatten(1), self.weights, self.bias)

    def feed_back(self, post: Tensor, drive: Tensor) -> None:
        """Add the currents that the output side causes to the drive of the input side."""
        if drive.dim() == 2:
            drive.addmm_(post, self.weights)
        else:
            drive.add_((post @ self.weights).view(drive.shape))

    def find_switches(self, pre: Tensor) -> None:
        """Do nothing, as nothing is pooled."""

    def contrast(self, free: Ends, nudged: Ends) -> Tensor:
        """Return the correlation of both ends, nudged minus free, summed over the batch."""
        if nudged.pre is free.pre:
            return (nudged.post - free.post).T @ free.pre
        contrast = nudged.post.T @ nudged.pre.flatten(1)
        return contrast.addmm_(free.post.T, free.pre.flatten(1), alpha=-1)


class ConvolutionPool:
    """A convolution followed by max pooling, whose switches route what is sent back.

    Binary neurons often cause equal currents. The first of them is the maximum if alpha is a power
    of two, as sums are then exact and the bias is added later; if it is not, rounding decides.

    Parameters
    ----------
    weights
        (channels_post, channels_pre, kernel, kernel).
    bias
        (channels_post,).
    padding
        Rows of zeros at each side of the input.
    pool
        Size and stride of the pooling window.
    """

    def __init__(self, weights: Tensor, bias: Tensor, padding: int, pool: int) -> None:
        self.weights = weights.to(memory_format=torch.channels_last)
        self.bias = bias
        self.padding = padding
        self.pool = pool
        self.switches: Tensor
        self._size: Sequence[int]

    def forward(self, pre: Tensor) -> Tensor:
        """Return the pooled currents that the input side causes, biases included."""
        return self._pool(pre).add_(self.bias.view(-1, 1, 1))

    def find_switches(self, pre: Tensor) -> None:
        """Find where the largest of the currents are that the input side causes."""
        self._pool(pre)

    def _pool(self, pre: Tensor) -> Tensor:
        currents = F.conv2d(pre, self.weights, padding=self.padding)
        self._size = currents.shape[2:]
        pooled, self.switches = F.max_pool2d(currents, self.pool, return_indices=True)
        return pooled

    def feed_back(self, post: Tensor, drive: Tensor) -> None:
        """Add the currents that the output side causes to the drive of the input side."""
        unpooled = self._unpool(post, self.switches)
        drive.add_(F.conv_transpose2d(unpooled, self.weights, padding=self.padding))

    def contrast(self, free: Ends, nudged: Ends) -> Tensor:
        """Return the correlation of both ends, nudged minus free, summed over the batch."""
        nudged_post = self._unpool(nudged.post, nudged.switches)
        free_post = self._unpool(free.post, free.switches)
        if nudged.pre is free.pre:
            return self._correlate(free.pre, nudged_post - free_post)
        contrast = self._correlate(nudged.pre, nudged_post)
        return contrast.sub_(self._correlate(free.pre, free_post))

    def _unpool(self, post: Tensor, switches: Tensor) -> Tensor:
        return F.max_unpool2d(post, switches, self.pool, output_size=self._size)

    def _correlate(self, pre: Tensor, unpooled: Tensor) -> Tensor:
        # On a CPU often faster than torch.nn.grad.conv2d_weight, and what the authors do.
        pre, unpooled = pre.transpose(0, 1), unpooled.transpose(0, 1)
        return F.conv2d(pre, unpooled, padding=self.padding).transpose(0, 1)


class System:
    """A layered network that learns by EP; lists are ordered from the input side.

    Parameters
    ----------
    batch
        Samples of a batch.
    threads
        Threads that PyTorch may use, in the whole process.
    seed
        Of the initial weights and of the signs of beta, where these are random.
    weights
        Initial ``weights0``, ``bias0``, ``weights1``, …; random if not given, the biases 0. Binary
        weights keep the magnitudes that they have here.
    settings
        Values other than the system's own, by the names of its attributes: ``free_steps=4``.

    Raises
    ------
    TypeError
        If the system has no such setting.
    """

    shapes: ClassVar[tuple[tuple[int, ...], ...]]
    """Of the weights; those with four dimensions are convolutions, each followed by pooling."""
    padding = 0
    pool = 2
    image = (784,)
    """Shape of an image."""
    levels = 255
    """Brightest pixel."""
    classes = 10
    """Each has as many output neurons, side by side."""
    free_steps: int
    nudged_steps: int
    beta: float
    final_switches = False
    """Whether learning uses the switches that the states at the ends of the phases lead to, instead
    of those of the states one step before, as the authors do."""
    random_sign: bool
    """Of beta, drawn for each batch."""
    initial_state: float
    bias_rate: ClassVar[tuple[float, ...]]

    def __init__(
        self,
        batch: int,
        threads: int,
        seed: int,
        weights: dict[str, NDArray[np.floating]] | None = None,
        **settings: Any,
    ) -> None:
        for name, value in settings.items():
            if not isinstance(getattr(self, name, None), (int, float, tuple)):
                raise TypeError(f"{type(self).__name__} has no setting {name!r}")
            setattr(self, name, tuple(value) if isinstance(value, list) else value)
        torch.set_num_threads(threads)
        self.batch = batch
        self._random = np.random.default_rng(seed)
        self.connections: list[FullyConnected | ConvolutionPool] = []
        for index, shape in enumerate(self.shapes):
            start = weights[f"weights{index}"] if weights else self.initial_weights(shape)
            bias = weights[f"bias{index}"] if weights else np.zeros(shape[0])
            tensors = real(torch.tensor(start.reshape(shape))), real(torch.tensor(bias))
            if len(shape) == 4:
                self.connections.append(ConvolutionPool(*tensors, self.padding, self.pool))
            else:
                self.connections.append(FullyConnected(*tensors))

    def initial_weights(self, shape: Sequence[int]) -> NDArray[np.floating]:
        """Draw weights uniformly as `torch.nn.Linear` and `torch.nn.Conv2d` do."""
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        return self._random.uniform(-bound, bound, shape)

    def messages(self, states: list[Tensor]) -> list[Tensor]:
        """Return what the neurons send."""
        return states

    def advance(
        self, states: list[Tensor], drives: list[Tensor], target: Tensor | None, beta: float
    ) -> list[Tensor]:
        """Return the next states; both the old ones and the drives may be overwritten."""
        raise NotImplementedError

    def learn_weights(self, index: int, contrast: Tensor, factor: float) -> None:
        """Learn the weights of one connection, ``factor`` times the contrast being the estimate."""
        raise NotImplementedError

    @torch.no_grad()
    def train(
        self, images: NDArray[np.uint8], labels: NDArray[np.integer], sign: int | None = None
    ) -> None:
        """Learn from one batch.

        Parameters
        ----------
        images
            (batch, 784), 0 to ``levels``.
        labels
            (batch,).
        sign
            Of beta; drawn at random by systems that do so if not given.
        """
        if sign is None:
            sign = self._random.choice((-1, 1)) if self.random_sign else 1
        beta = float(sign * self.beta)
        pixels = self._pixels(images)
        target = real(F.one_hot(torch.as_tensor(labels).long(), self.classes))
        target = target.repeat_interleave(self.shapes[-1][0] // self.classes, dim=1)
        states = self.free_phase(pixels)
        free = self._ends(pixels, states)
        for _ in range(self.nudged_steps):
            states = self.step(states, pixels, target, beta)
        self._learn(free, self._ends(pixels, states), 1 / (beta * self.batch))

    @torch.no_grad()
    def infer(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the class scores of one batch, (batch, classes)."""
        outputs = self.free_phase(self._pixels(images))[-1]
        return outputs.view(self.batch, self.classes, -1).mean(dim=2).numpy()

    def free_phase(self, pixels: Tensor) -> list[Tensor]:
        """Return the states at the end of the free phase."""
        states = self.start()
        for _ in range(self.free_steps):
            states = self.step(states, pixels)
        return states

    def start(self) -> list[Tensor]:
        """Return the states that every batch starts from."""
        states, side = [], self.image[-1]
        for shape in self.shapes:
            size: tuple[int, ...] = (self.batch, shape[0])
            layout = torch.contiguous_format
            if len(shape) == 4:
                side = (side + 2 * self.padding - shape[-1] + 1) // self.pool
                size += (side, side)
                layout = torch.channels_last
            states.append(torch.empty(size, memory_format=layout).fill_(self.initial_state))
        return states

    def step(
        self,
        states: list[Tensor],
        pixels: Tensor,
        target: Tensor | None = None,
        beta: float = 0.0,
    ) -> list[Tensor]:
        """Return the states one time step later, nudged if there is a target."""
        sent = [pixels, *self.messages(states)]
        drives = [
            connection.forward(message)
            for connection, message in zip(self.connections, sent[:-1], strict=True)
        ]
        for connection, message, drive in zip(
            self.connections[1:], sent[2:], drives[:-1], strict=True
        ):
            connection.feed_back(message, drive)
        return self.advance(states, drives, target, beta)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return copies of the weights and biases, by the names by which they can be given."""
        arrays: dict[str, NDArray[np.generic]] = {}
        for index, connection in enumerate(self.connections):
            arrays[f"weights{index}"] = connection.weights.numpy().copy()
            arrays[f"bias{index}"] = connection.bias.numpy().copy()
        return arrays

    def _pixels(self, images: NDArray[np.uint8]) -> Tensor:
        if len(images) != self.batch:
            raise ValueError(f"{len(images)} images: expected a batch of {self.batch}")
        return real(torch.as_tensor(images)).div_(self.levels).view(self.batch, *self.image)

    def _ends(self, pixels: Tensor, states: list[Tensor]) -> list[Ends]:
        """Return what all connections learn from."""
        sent = [pixels, *self.messages(states)]
        if self.final_switches:
            for connection, message in zip(self.connections, sent[:-1], strict=True):
                connection.find_switches(message)
        switches = [connection.switches for connection in self.connections]
        return [Ends(*ends) for ends in zip(sent[:-1], sent[1:], switches, strict=True)]

    def _learn(self, free: list[Ends], nudged: list[Ends], factor: float) -> None:
        for index, ends in enumerate(zip(self.connections, free, nudged, strict=True)):
            connection, before, after = ends
            self.learn_weights(index, connection.contrast(before, after), factor)
            change = after.post - before.post
            summed = change.sum(dim=[axis for axis in range(change.dim()) if axis != 1])
            connection.bias.add_(summed, alpha=self.bias_rate[index] * factor)


class Prototypical(System):
    """Neurons that take the value of their activation function: s <- rho(drive)."""

    initial_state = 0.0
    clips_nudge = False
    """Whether nudged outputs are clipped to [0, 1]."""

    def activate(self, drive: Tensor) -> Tensor:
        """Apply the activation function in place, by default rho(v) = clip(v, 0, 1)."""
        return drive.clamp_(0, 1)

    def nudge(self, output: Tensor, old: Tensor, target: Tensor, beta: float) -> Tensor:
        """Pull the new outputs towards the target, in place."""
        output.add_(target - old, alpha=beta)
        return output.clamp_(0, 1) if self.clips_nudge else output

    def advance(
        self, states: list[Tensor], drives: list[Tensor], target: Tensor | None, beta: float
    ) -> list[Tensor]:
        """Return the next states, which take the place of the drives."""
        for drive in drives:
            self.activate(drive)
        if target is not None:
            self.nudge(drives[-1], states[-1], target, beta)
        return drives


class GradientRule(System):
    """Real weights that move along the estimate of the gradient."""

    rate: ClassVar[tuple[float, ...]]

    def learn_weights(self, index: int, contrast: Tensor, factor: float) -> None:
        """Learn the weights of one connection: W += rate factor contrast."""
        self.connections[index].weights.add_(contrast, alpha=self.rate[index] * factor)


class BinaryRule(System):
    """Weights ±alpha that flip by BOP, when a momentum against their sign exceeds tau."""

    gamma: ClassVar[tuple[float, ...]]
    tau: ClassVar[tuple[float, ...]]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.momenta = [torch.zeros_like(connection.weights) for connection in self.connections]

    def initial_weights(self, shape: Sequence[int]) -> NDArray[np.floating]:
        """Draw signs, with alpha the mean magnitude of weights that PyTorch would draw."""
        return np.sign(super().initial_weights(shape)) * 0.5 / math.sqrt(math.prod(shape[1:]))

    def learn_weights(self, index: int, contrast: Tensor, factor: float) -> None:
        """Learn the weights of one connection."""
        weights, momentum = self.connections[index].weights, self.momenta[index]
        gamma = self.gamma[index]
        momentum.mul_(1 - gamma).add_(contrast, alpha=gamma * factor)
        flips = weights.sign().mul_(momentum) < -self.tau[index]
        weights.copy_(torch.where(flips, -weights, weights))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the weights and biases, and the signs of the weights by themselves."""
        arrays = super().arrays()
        for index in range(len(self.connections)):
            arrays[f"signs{index}"] = np.sign(arrays[f"weights{index}"]).astype(np.int8)
        return arrays


class EP1h(GradientRule, Prototypical):
    """Prototypical EP with one hidden layer (Ernoult et al. 2019)."""

    shapes = ((512, 784), (10, 512))
    free_steps = 30
    nudged_steps = 10
    beta = 0.1
    random_sign = False
    rate = (0.08, 0.04)
    bias_rate = rate

    def activate(self, drive: Tensor) -> Tensor:
        """Apply rho(v) = 1 / (1 + exp(-4 (v - 1/2))) in place."""
        return drive.mul_(4).sub_(2).sigmoid_()


class BinaryWeights(BinaryRule, Prototypical):
    """Binary synapses between real neurons (Laydevant et al. 2021, section 3)."""

    shapes = ((4096, 784), (10, 4096))
    free_steps = 50
    nudged_steps = 10
    beta = 0.3
    random_sign = True
    gamma = (1e-4, 1e-5)
    tau = (5e-7, 5e-7)
    bias_rate = (0.05, 0.025)
    clips_nudge = True


class ConvEP(GradientRule, Prototypical):
    """Prototypical convolutional EP (Ernoult et al. 2019)."""

    shapes = ((32, 1, 5, 5), (64, 32, 5, 5), (10, 1024))
    image = (1, 28, 28)
    free_steps = 200
    nudged_steps = 10
    beta = 0.4
    random_sign = False
    rate = (0.15, 0.035, 0.015)
    bias_rate = rate


class ConvBinary(BinaryRule):
    """Binary neurons and synapses, convolutional (Laydevant et al. 2021, section 4)."""

    shapes = ((256, 1, 5, 5), (512, 256, 5, 5), (700, 2048))
    padding = 1
    pool = 3
    image = (1, 28, 28)
    free_steps = 100
    nudged_steps = 50
    beta = 1.0
    random_sign = True
    initial_state = 1.0
    filter_rate = 0.5
    threshold = 0.5
    gamma = (5e-8, 5e-8, 5e-8)
    tau = (2e-7, 8e-8, 8e-8)
    bias_rate = (1e-5, 5e-6, 2e-6)

    def messages(self, states: list[Tensor]) -> list[Tensor]:
        """Return the activations, 0.0 or 1.0."""
        return [real(state >= self.threshold) for state in states]

    def advance(
        self, states: list[Tensor], drives: list[Tensor], target: Tensor | None, beta: float
    ) -> list[Tensor]:
        """Filter the drives, in place."""
        if target is not None:
            drives[-1].add_(target - states[-1], alpha=beta)
        for state, drive in zip(states, drives, strict=True):
            state.mul_(1 - self.filter_rate).add_(drive, alpha=self.filter_rate).clamp_(0, 1)
        return states


SYSTEMS = {system.__name__: system for system in (EP1h, BinaryWeights, ConvEP, ConvBinary)}


class Problem:
    """The network, the batches and the signs of beta that a file describes.

    Parameters
    ----------
    path
        See the top of the module.
    system
        A name in `SYSTEMS`.
    threads
        Threads of PyTorch.
    """

    def __init__(self, path: Path, system: str, threads: int) -> None:
        with np.load(path) as file:
            arrays = dict(file)
        settings = json.loads(str(arrays.pop("settings")))
        self.images = arrays.pop("images")
        self.labels = arrays.pop("labels")
        self.beta_signs = arrays["beta_signs"].tolist() if "beta_signs" in arrays else None
        self.batch = settings.pop("batch")
        for index, alpha in enumerate(settings.pop("alpha", [])):
            arrays[f"weights{index}"] = alpha * arrays[f"signs{index}"].astype(np.float32)
        seed = settings.pop("seed", 0)
        weights = arrays if "weights0" in arrays else None
        self.network: System = SYSTEMS[system](self.batch, threads, seed, weights, **settings)

    def train(self, number: int) -> None:
        """Learn from the batch with this number."""
        chosen = self._samples(number)
        sign = None if self.beta_signs is None else self.beta_signs[number]
        self.network.train(self.images[chosen], self.labels[chosen], sign)

    def infer(self, number: int) -> list[int]:
        """Return the predicted classes of the batch with this number."""
        scores = self.network.infer(self.images[self._samples(number)])
        predictions: list[int] = scores.argmax(axis=1).tolist()
        return predictions

    def save(self, path: str) -> None:
        """Write the weights and the biases, and the signs of binary weights."""
        np.savez(path, **self.network.arrays())

    def _samples(self, number: int) -> slice:
        return slice(number * self.batch, (number + 1) * self.batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problem", type=Path, help="the .npz file")
    parser.add_argument("--system", choices=SYSTEMS, required=True, help="what is implemented")
    parser.add_argument("--threads", type=int, required=True, help="threads of PyTorch")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    arguments = parser.parse_args()
    torch.set_default_dtype(getattr(torch, arguments.dtype))
    problem = Problem(arguments.problem, arguments.system, arguments.threads)
    print(json.dumps({"torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(problem, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
