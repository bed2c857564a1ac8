"""The layers of local binary errors with dense products, in NumPy and in PyTorch.

`bmlp.py` imports the one and starts the other, in the environment that has PyTorch::

    python dense_bmlp.py PROBLEM.npz --threads N

It reads commands, one JSON object a line, from standard input: ``{"train": [first, last]}`` learns
from some batches and answers with the seconds, ``{"save": PATH}`` writes the hidden weights.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np


class Problem:
    """What is learned, and from what.

    Which hidden weights are reinforced in which batch is told, so that all can end with the same,
    or drawn with the probability that is told.
    """

    def __init__(self, path: Path) -> None:
        with np.load(path) as content:
            self.arrays = dict(content)
        settings = json.loads(str(self.arrays.pop("settings")))
        self.layers, self.batch = settings["layers"], settings["batch"]
        self.told: bool = settings["told"]

    def samples(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Bits of the inputs, as -1 and +1 of float32, and labels of a batch."""
        begun = number * self.batch % len(self.arrays["labels"])
        chosen = slice(begun, begun + self.batch)
        above = self.arrays["images"][chosen] > self.arrays["thresholds"]
        return np.where(above, np.float32(1), np.float32(-1)), self.arrays["labels"][chosen]

    def places(self, layer: int, number: int) -> np.ndarray:
        """Which hidden weights of a layer are reinforced."""
        ends = self.arrays[f"ends{layer}"]
        return self.arrays[f"places{layer}"][ends[number] : ends[number + 1]]


class DenseNumPy:
    """Products of whole matrices of float32, in which all these integers are exact."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.rng = problem, np.random.default_rng(0)
        count = range(len(problem.layers))
        self.hidden = [problem.arrays[f"hidden{k}"].astype(np.float32) for k in count]
        self.rho = [problem.arrays[f"rho{k}"].astype(np.float32) for k in count]

    def train(self, first: int, last: int) -> float:
        """Learn from some batches; return seconds a batch."""
        begin = time.perf_counter()
        for number in range(first, last):
            x, labels = self.problem.samples(number)
            for layer in range(len(self.hidden)):
                x = self._layer(layer, number, x, labels)
        return (time.perf_counter() - begin) / (last - first)

    def _layer(self, layer: int, number: int, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
        hidden, rho = self.hidden[layer], self.rho[layer]
        group, margin = (self.problem.layers[layer][key] for key in ("group", "margin"))
        z = x @ np.sign(hidden).T
        a = np.where(z >= 0, np.float32(1), np.float32(-1))
        o = a @ rho.T
        top = np.partition(o, -2, axis=1)
        wrong = (o.argmax(axis=1) != labels) | (top[:, -1] - top[:, -2] < margin)
        rows = np.flatnonzero(wrong)
        if not len(rows):
            return a
        wanted = rho[labels[rows]]
        product = z[rows] * wanted
        distance = np.where(product < 0, -product, np.inf).reshape(len(rows), -1, group)
        picks = distance.argmin(axis=2)
        found = np.isfinite(np.take_along_axis(distance, picks[:, :, None], axis=2))
        steps = np.zeros(distance.shape, np.float32)
        np.put_along_axis(steps, picks[:, :, None], found.astype(np.float32), axis=2)
        hidden += 2 * ((steps.reshape(len(rows), -1) * wanted).T @ x[rows])
        if self.problem.told:
            flat, places = hidden.reshape(-1), self.problem.places(layer, number)
            flat[places] += 2 * np.sign(flat[places])
        else:
            drawn = self.rng.random(hidden.shape, dtype=np.float32)
            hidden += 2 * np.sign(hidden) * (drawn < self.problem.layers[layer]["probability"])
        return a


class DenseTorch:
    """The same in PyTorch."""

    def __init__(self, problem: Problem, torch) -> None:
        self.problem, self.torch = problem, torch
        count = range(len(problem.layers))
        self.hidden = [
            torch.from_numpy(problem.arrays[f"hidden{k}"].astype(np.float32)) for k in count
        ]
        self.rho = [torch.from_numpy(problem.arrays[f"rho{k}"].astype(np.float32)) for k in count]

    def train(self, first: int, last: int) -> float:
        """Learn from some batches; return seconds a batch."""
        begin = time.perf_counter()
        with self.torch.inference_mode():
            for number in range(first, last):
                pixels, classes = self.problem.samples(number)
                x, labels = self.torch.from_numpy(pixels), self.torch.from_numpy(classes)
                for layer in range(len(self.hidden)):
                    x = self._layer(layer, number, x, labels)
        return (time.perf_counter() - begin) / (last - first)

    def _layer(self, layer, number, x, labels):
        torch, hidden, rho = self.torch, self.hidden[layer], self.rho[layer]
        group, margin = (self.problem.layers[layer][key] for key in ("group", "margin"))
        z = x @ hidden.sign().T
        a = torch.where(z >= 0, 1.0, -1.0)
        o = a @ rho.T
        top = o.topk(2, dim=1).values
        # The first of equal ones, as in NumPy; argmax of PyTorch promises no order.
        order = torch.arange(o.shape[1], 0, -1)
        best = ((o == top[:, :1]) * order).argmax(dim=1)
        rows = torch.nonzero((best != labels) | (top[:, 0] - top[:, 1] < margin))[:, 0]
        if not len(rows):
            return a
        wanted = rho[labels[rows]]
        product = z[rows] * wanted
        # The first of the smallest: whole distances times the size of a group, plus the place.
        shape = (len(rows), -1, group)
        distance = torch.where(product < 0, -product, torch.inf).reshape(shape)
        distance, picks = (distance * group + torch.arange(group)).min(dim=2)
        steps = torch.zeros(len(rows), distance.shape[1], group)
        steps.scatter_(2, picks[:, :, None], torch.isfinite(distance).float()[:, :, None])
        hidden += 2 * ((steps.reshape(len(rows), -1) * wanted).T @ x[rows])
        if self.problem.told:
            flat, places = hidden.view(-1), torch.from_numpy(self.problem.places(layer, number))
            flat[places] += 2 * flat[places].sign()
        else:
            drawn = torch.rand_like(hidden) < self.problem.layers[layer]["probability"]
            hidden += 2 * hidden.sign() * drawn
        return a


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problem", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network = DenseTorch(Problem(arguments.problem), torch)
    print(json.dumps({"torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        if "save" in command:
            hidden = {f"hidden{k}": h.numpy() for k, h in enumerate(network.hidden)}
            np.savez(command["save"], **hidden)
            print(json.dumps({"saved": command["save"]}), flush=True)
        else:
            print(json.dumps({"seconds": network.train(*command["train"])}), flush=True)


if __name__ == "__main__":
    main()
