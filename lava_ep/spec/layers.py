"""The layers of a network, its phases, and how its images are sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lava_ep.dynamics import (
    BOP,
    SGD,
    Code,
    Noise,
    Nudging,
    PhaseSchedule,
    Pooling,
    Updates,
)
from lava_ep.spec.base import MOST_NEURONS, Spec, of


class PhaseSpec(Spec):
    r"""Lengths and nudging of the phases, see `lava_ep.dynamics.PhaseSchedule`."""

    free_steps: int = Field(20, ge=1, description="T")
    nudged_steps: int = Field(10, ge=1, description="K")
    beta: float = Field(2.0, gt=0, description="nudging strength")
    nudging: Nudging = Field(Nudging.RANDOM_SIGN, description="choice of the sign of beta")
    updates: Updates = Field(Updates.TWO_PHASE, description="when parameters change")

    def schedule(self, seed: int, *, time_steps: int = 1) -> PhaseSchedule:
        """Return the schedule that every Process gets its own copy of.

        Parameters
        ----------
        seed
            Seed of the run.
        time_steps
            Time steps that each of the steps given here takes, see `NetworkSpec.schedule`.
        """
        steps = time_steps * self.free_steps, time_steps * self.nudged_steps
        return PhaseSchedule(*steps, self.beta, self.nudging, seed, self.updates)


def layer_names(layers: int) -> tuple[str, ...]:
    """Names of that many layers of neurons: ``hidden1``, ``hidden2``, …, ``output``."""
    return (*(f"hidden{i}" for i in range(1, layers)), "output")


class LayerSpec(Spec):
    r"""One layer of neurons with the synapses that enter it from the layer below.

    A layer is dense if it has ``neurons``, convolutional if it has ``channels``. Binary weights
    learn by BOP and need ``theta``, the flip threshold on :math:`M = m/\gamma` (see
    `lava_ep.dynamics.BOP`); a published threshold :math:`\tau` on :math:`m` may be given as ``tau``
    instead and is stored as :math:`\theta = \tau/\gamma`. Real weights learn by SGD and need
    ``rate``, and so do conductances, which are never negative and belong to neurons of kind
    ``resistive``.
    """

    neurons: int | None = Field(None, ge=1, le=MOST_NEURONS, description="neurons of a dense layer")
    channels: int | None = Field(
        None, ge=1, le=MOST_NEURONS, description="channels of a convolutional layer"
    )
    kernel: int = Field(5, ge=1, description="side of the kernel")
    padding: int = Field(0, ge=0, description="zeros around the layer below")
    pool: int = Field(1, ge=1, le=15, description="side of the pooling windows; 1: none")
    pooling: Pooling = Field(Pooling.MAX, description="what is passed on of a window")
    weights: Literal["binary", "real", "conductance"] = Field(
        "binary", description="kind of weights"
    )
    scale: float = Field(
        gt=0,
        description="c of alpha = c / sqrt(fan_in) (binary, default 0.5), of the Glorot bound "
        "c sqrt(6 / (fan_in + fan_out)) (real, default 1), or of the upper bound c / sqrt(fan_in) "
        "(conductance, default 1)",
    )
    gamma: float = of(BOP, "gamma", default=0.0)
    theta: float | None = of(BOP, "theta", default=None)
    rate: float | None = of(SGD, "rate", default=None)
    bias_offset: float = Field(
        0.0,
        description="added to the initial biases U(+-1/sqrt(fan_in)), or 0 of resistive neurons",
    )
    bias_rate: float = Field(0.0, ge=0, description="learning rate of the biases")
    alpha_rate: float = Field(0.0, ge=0, description="learning rate of alpha; 0 keeps it fixed")
    frozen: bool = Field(False, description="the synapses into this layer do not learn")

    @model_validator(mode="before")
    @classmethod
    def _defaults_by_kind(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = dict(data)
        data.setdefault("scale", 1.0 if data.get("weights") in ("real", "conductance") else 0.5)
        if "tau" not in data:
            return data
        tau = data.pop("tau")
        gamma = data.get("gamma", 0.0)
        if "theta" in data:
            raise ValueError("give either theta or tau, not both")
        if not isinstance(tau, int | float) or not isinstance(gamma, int | float) or not gamma > 0:
            raise ValueError(f"tau={tau} with gamma={gamma}: theta = tau / gamma needs gamma > 0")
        data["theta"] = tau / gamma
        return data

    @model_validator(mode="after")
    def _consistent(self) -> LayerSpec:
        if (self.neurons is None) == (self.channels is None):
            raise ValueError("give neurons for a dense layer or channels for a convolutional one")
        if self.neurons is not None and (self.padding or self.pool > 1):
            raise ValueError("padding and pool are for layers with channels")
        if self.weights == "binary" and self.theta is None:
            raise ValueError("binary weights need theta, the BOP threshold (or tau)")
        if self.weights == "binary" and self.rate is not None:
            raise ValueError("rate is for real weights; binary weights learn by gamma and theta")
        if not self.binary and self.rate is None:
            raise ValueError(f"{self.weights} weights need rate, the learning rate")
        if not self.binary and (self.theta or self.gamma or self.alpha_rate):
            raise ValueError("gamma, theta and alpha_rate are for binary weights; use rate")
        if self.weights == "conductance" and self.neurons is None:
            raise ValueError("weights=conductance with channels: expected neurons")
        return self

    @property
    def binary(self) -> bool:
        """Whether the weights are binary."""
        return self.weights == "binary"

    def rule(self, decay: float = 1.0, epoch_updates: int = 1) -> BOP | SGD | None:
        """Return the learning rule of the weights; ``None`` if they are frozen."""
        if self.frozen:
            return None
        if self.theta is not None:
            return BOP(self.gamma, self.theta, decay, epoch_updates)
        return SGD(self.rate or 0.0, decay, epoch_updates)


class NormalizationSpec(Spec):
    """What is made of pixels p: (p / input_levels - mean) / std, for each channel."""

    mean: tuple[float, ...] = Field(min_length=1, description="subtracted from pixels of a channel")
    std: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        min_length=1, description="what they are then divided by"
    )

    @model_validator(mode="after")
    def _as_many(self) -> NormalizationSpec:
        if len(self.mean) != len(self.std):
            raise ValueError(f"{len(self.mean)} means and {len(self.std)} stds: expected as many")
        return self

    @property
    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Means and standard deviations."""
        return np.array(self.mean), np.array(self.std)


class NoiseSpec(Spec):
    """Noise of what synapses and biases learn from, see `lava_ep.dynamics.Noise`."""

    sigma: float = Field(
        0.0, ge=0, description="standard deviation of a measured activation; 0: no noise"
    )
    samples: int = Field(1, ge=1, description="N: measurements that are averaged")

    def of_layer(self, layer: int) -> Noise | None:
        """Return the noise of a layer of neurons, the first one 0; none if there is none."""
        return Noise(self.sigma, self.samples, layer) if self.sigma else None


class EncodingSpec(Spec):
    """How images are sent over time, see `lava_ep.dynamics.Encoding`."""

    code: Code = Field(Code.CONSTANT, description="how pixels are sent")
    steps: int = Field(1, ge=1, description="time steps over which latencies or events are spread")
