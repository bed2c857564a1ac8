"""Dense PyTorch implementation of binary EP, timed batch by batch; the yardstick of `run.py`.

A stand-alone script for an environment of its own, which needs PyTorch and NumPy only. It reads a
problem (initial network and batches) from an ``.npz`` file and commands, one JSON object a line,
from standard input:

- ``{"train": [first, last]}`` learns from those batches,
- ``{"infer": [first, last]}`` runs their free phases,
- ``{"save": path}`` writes the weights as they are now.

Each is answered by one line of JSON; timings are seconds, one for each batch. The first line, when
all is read, tells the version of PyTorch.

The algorithm is that of Laydevant et al. (2021), section 4, computed as in the authors' public
code: every time step multiplies the activations of all layers by the full float32 weight matrices
in both directions, the image included, and every batch moves all momenta and tests all weights.
States, momenta and weights are changed in place, and what these settings do not need (the gradient
of the scaling factor, statistics of flips) is left out, so that it is not slower than need be.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear


class DenseNetwork:
    """A layered network of binary neurons and weights; lists are ordered from the input side.

    Parameters
    ----------
    signs
        Initial signs of the weights, one (n_post, n_pre) array a layer.
    biases
        Initial biases, one (n_post,) array a layer.
    settings
        ``alpha``, ``gamma``, ``tau``, ``bias_rate`` (a number for each layer), ``filter_rate``,
        ``threshold``, ``initial_state``, ``free_steps``, ``nudged_steps``, ``beta``, ``classes``.
    """

    def __init__(
        self, signs: list[np.ndarray], biases: list[np.ndarray], settings: dict[str, Any]
    ) -> None:
        self.settings = settings
        self.weights = [
            alpha * torch.from_numpy(s.astype(np.float32))
            for alpha, s in zip(settings["alpha"], signs, strict=True)
        ]
        self.biases = [torch.from_numpy(b.astype(np.float32)) for b in biases]
        self.momenta = [torch.zeros_like(w) for w in self.weights]

    def start(self, batch: int) -> list[Tensor]:
        """Return the pre-activations that every sample starts from, (batch, n) each."""
        initial = self.settings["initial_state"]
        return [torch.full((batch, len(bias)), initial) for bias in self.biases]

    def binary(self, states: list[Tensor]) -> list[Tensor]:
        """Return the activations, 0.0 or 1.0."""
        return [(s >= self.settings["threshold"]).float() for s in states]

    def step(
        self, states: list[Tensor], images: Tensor, target: Tensor | None = None, beta: float = 0.0
    ) -> None:
        """Advance all pre-activations by one time step, in place, nudged if there is a target."""
        rate = self.settings["filter_rate"]
        sources = [images, *self.binary(states)]
        for layer, state in enumerate(states):
            drive = linear(sources[layer], self.weights[layer], self.biases[layer])
            if layer + 1 < len(states):
                drive.addmm_(sources[layer + 2], self.weights[layer + 1])
            elif target is not None:
                drive.add_(target - state, alpha=beta)
            state.mul_(1 - rate).add_(drive, alpha=rate).clamp_(0, 1)

    def free_phase(self, images: Tensor) -> list[Tensor]:
        """Return the pre-activations at the end of the free phase."""
        states = self.start(len(images))
        for _ in range(self.settings["free_steps"]):
            self.step(states, images)
        return states

    def infer(self, images: Tensor) -> Tensor:
        """Return the class scores, (batch, classes)."""
        output = self.free_phase(images)[-1]
        return output.view(len(images), self.settings["classes"], -1).mean(dim=2)

    def train(self, images: Tensor, labels: Tensor, sign: int) -> None:
        """Learn from one batch with the given sign of beta."""
        states = self.free_phase(images)
        free = [images, *self.binary(states)]
        beta = sign * self.settings["beta"]
        classes = self.settings["classes"]
        target = torch.nn.functional.one_hot(labels, classes).float()
        target = target.repeat_interleave(len(self.biases[-1]) // classes, dim=1)
        for _ in range(self.settings["nudged_steps"]):
            self.step(states, images, target, beta)
        nudged = [images, *self.binary(states)]
        self._update(free, nudged, 1 / (beta * len(images)))

    def _update(self, free: list[Tensor], nudged: list[Tensor], factor: float) -> None:
        """Flip weights by BOP and move biases along the contrast of two sets of activations."""
        settings = self.settings
        for layer, (weights, momentum) in enumerate(zip(self.weights, self.momenta, strict=True)):
            gamma = settings["gamma"][layer]
            contrast = nudged[layer + 1].T @ nudged[layer]
            contrast.addmm_(free[layer + 1].T, free[layer], alpha=-1)
            momentum.mul_(1 - gamma).add_(contrast, alpha=gamma * factor)
            flips = -torch.sign(weights) * momentum > settings["tau"][layer]
            weights.copy_(torch.where(flips, -weights, weights))
            change = (nudged[layer + 1] - free[layer + 1]).sum(dim=0)
            self.biases[layer].add_(change, alpha=settings["bias_rate"][layer] * factor)


class Problem:
    """The network, the batches and the signs of beta that a file describes."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as arrays:
            self.settings = json.loads(str(arrays["settings"]))
            layers = range(len(self.settings["alpha"]))
            signs = [arrays[f"signs{layer}"] for layer in layers]
            biases = [arrays[f"bias{layer}"] for layer in layers]
            pixels = torch.from_numpy(arrays["images"])
            self.labels = torch.from_numpy(arrays["labels"])
            self.beta_signs = arrays["beta_signs"].tolist()
        self.images = pixels.float() / self.settings["levels"]
        self.network = DenseNetwork(signs, biases, self.settings)

    def train(self, number: int) -> None:
        """Learn from the batch with this number."""
        chosen = self._samples(number)
        self.network.train(self.images[chosen], self.labels[chosen], self.beta_signs[number])

    def infer(self, number: int) -> list[int]:
        """Return the predicted classes of the batch with this number."""
        scores = self.network.infer(self.images[self._samples(number)])
        predictions: list[int] = scores.argmax(dim=1).tolist()
        return predictions

    def save(self, path: str) -> None:
        """Write the signs of the weights and the biases."""
        network = self.network
        arrays = {f"signs{i}": torch.sign(w).char().numpy() for i, w in enumerate(network.weights)}
        arrays |= {f"bias{i}": bias.numpy() for i, bias in enumerate(network.biases)}
        np.savez(path, **arrays)

    def _samples(self, number: int) -> slice:
        size = self.settings["batch"]
        return slice(number * size, (number + 1) * size)


def answer(problem: Problem, command: dict[str, Any]) -> dict[str, Any]:
    """Carry out one command."""
    if "save" in command:
        problem.save(command["save"])
        return {"saved": command["save"]}
    ((action, (first, last)),) = command.items()
    work = {"train": problem.train, "infer": problem.infer}[action]
    seconds, results = [], []
    for number in range(first, last):
        begin = time.perf_counter()
        results.append(work(number))
        seconds.append(time.perf_counter() - begin)
    if action == "train":
        return {"seconds": seconds}
    return {"seconds": seconds, "predictions": [p for result in results for p in result]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problem", type=Path, help="the .npz file")
    parser.add_argument("--threads", type=int, required=True, help="threads of PyTorch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with torch.inference_mode():
        problem = Problem(arguments.problem)
        print(json.dumps({"torch": torch.__version__}), flush=True)
        for line in sys.stdin:
            print(json.dumps(answer(problem, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
