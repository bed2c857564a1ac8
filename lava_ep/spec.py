"""The experiment as plain data: frozen, validated, JSON in and out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lava_ep.dynamics import Nudging, PhaseSchedule
from lava_ep.errors import InputError


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NeuronSpec(_Spec):
    r"""Dynamics shared by all neurons, see `lava_ep.dynamics.binary_step`."""

    filter_rate: float = Field(0.5, gt=0, le=1, description=r"gamma_n of the pre-activation filter")
    threshold: float = Field(0.5, gt=0, le=1, description="theta: b = [s >= theta]")
    initial_state: float = Field(1.0, ge=0, le=1, description="s at the start of every sample")


class PhaseSpec(_Spec):
    r"""Lengths and nudging of the phases, see `lava_ep.dynamics.PhaseSchedule`."""

    free_steps: int = Field(20, ge=1, description="T")
    nudged_steps: int = Field(10, ge=1, description="K")
    beta: float = Field(2.0, gt=0, description="nudging strength")
    nudging: Nudging = Field(Nudging.RANDOM_SIGN, description="choice of the sign of beta")

    def schedule(self, seed: int) -> PhaseSchedule:
        """Return the schedule that every Process gets its own copy of."""
        return PhaseSchedule(self.free_steps, self.nudged_steps, self.beta, self.nudging, seed)


def layer_names(layers: int) -> tuple[str, ...]:
    """Names of so many layers of neurons: ``hidden1``, ``hidden2``, …, ``output``."""
    return (*(f"hidden{i}" for i in range(1, layers)), "output")


class LayerSpec(_Spec):
    r"""One layer of neurons with the binary synapses that enter it from the layer below.

    ``theta`` is the flip threshold on :math:`M = m/\gamma` (see `lava_ep.dynamics.BOP`); a
    published threshold :math:`\tau` on :math:`m` may be given as ``tau`` instead and is stored as
    :math:`\theta = \tau/\gamma`.
    """

    neurons: int = Field(ge=1, description="number of neurons")
    scale: float = Field(0.5, gt=0, description="c of alpha = c / sqrt(fan_in)")
    gamma: float = Field(0.0, ge=0, lt=1, description="BOP adaptivity")
    theta: float = Field(gt=0, description="BOP threshold on M = m / gamma")
    bias_offset: float = Field(0.0, description="added to the initial biases U(+-1/sqrt(fan_in))")
    bias_rate: float = Field(0.0, ge=0, description="learning rate of the biases")
    alpha_rate: float = Field(0.0, ge=0, description="learning rate of alpha; 0 keeps it fixed")
    frozen: bool = Field(False, description="the synapses into this layer do not learn")

    @model_validator(mode="before")
    @classmethod
    def _published_threshold(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "tau" not in data:
            return data
        data = dict(data)
        tau = data.pop("tau")
        gamma = data.get("gamma", 0.0)
        if "theta" in data:
            raise ValueError("give either theta or tau, not both")
        if not isinstance(tau, int | float) or not isinstance(gamma, int | float) or not gamma > 0:
            raise ValueError(f"tau={tau} with gamma={gamma}: theta = tau / gamma needs gamma > 0")
        data["theta"] = tau / gamma
        return data


class NetworkSpec(_Spec):
    """A fully connected network of binary neurons and binary synapses."""

    inputs: int = Field(ge=1, description="number of pixels")
    input_levels: int = Field(255, ge=1, le=255, description="pixel value that means 1.0")
    classes: int = Field(10, ge=2, description="number of classes")
    layers: tuple[LayerSpec, ...] = Field(min_length=1, description="hidden layers, then output")
    neuron: NeuronSpec = NeuronSpec()
    phases: PhaseSpec = PhaseSpec()

    @model_validator(mode="after")
    def _output_groups(self) -> NetworkSpec:
        outputs = self.layers[-1].neurons
        if outputs % self.classes:
            raise ValueError(
                f"{outputs} output neurons for {self.classes} classes: expected a multiple, "
                "since every class is read from a group of equal size"
            )
        return self

    @property
    def sizes(self) -> tuple[int, ...]:
        """Layer sizes, input first."""
        return (self.inputs, *(layer.neurons for layer in self.layers))

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers of neurons, such as ``hidden1`` and ``output``."""
        return layer_names(len(self.layers))

    def __str__(self) -> str:
        return "-".join(map(str, self.sizes))


class TrainingSpec(_Spec):
    """How long and in which portions the network is trained."""

    epochs: int = Field(10, ge=1)
    batch_size: int = Field(16, ge=1)
    seed: int = Field(0, ge=0)
    bop_decay: float = Field(1.0, gt=0, le=1, description="decay of BOP contributions an epoch")
    patience: int | None = Field(
        None, ge=1, description="stop after this many epochs without a better test accuracy"
    )
    test_batch_size: int = Field(500, ge=1, description="upper limit of the batch for testing")


class DataSpec(_Spec):
    """Which samples are used."""

    name: str = "digits"
    limit_train: int | None = Field(None, ge=1)
    limit_test: int | None = Field(None, ge=1)


class ExperimentSpec(_Spec):
    """Everything that decides the result of a run, apart from the backend, which does not."""

    network: NetworkSpec
    training: TrainingSpec = TrainingSpec()
    data: DataSpec = DataSpec()

    def with_frozen_input_layer(self) -> ExperimentSpec:
        """Return the baseline in which the synapses into the first layer never learn."""
        return override(self, ["network.layers.0.frozen=true"])


SpecType = TypeVar("SpecType", bound=_Spec)


def parse(kind: type[SpecType], data: Any, *, source: str) -> SpecType:
    """Validate plain data.

    Raises
    ------
    InputError
        Naming the source, and every field at fault with its value and what was expected.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        # A layer with a fault is also missing from the layers, which is no fault of its own.
        errors = [fault for fault in error.errors() if fault["type"] != "too_short"]
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'spec'}={fault.get('input')!r:.80}: "
            f"{fault['msg'].removeprefix('Value error, ')}"
            for fault in errors or error.errors()
        )
        raise InputError(f"{source}: {faults}") from None


def load_spec(path: Path) -> ExperimentSpec:
    """Read an experiment from a JSON file.

    Raises
    ------
    InputError
        If the file is missing, is not JSON, or does not describe an experiment.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot read the spec ({error.strerror})") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a JSON file ({error})") from None
    return parse(ExperimentSpec, data, source=str(path))


def preset_names() -> list[str]:
    """Names of the presets that come with the package."""
    folder = resources.files("lava_ep") / "presets"
    return sorted(
        item.name.removesuffix(".json") for item in folder.iterdir() if item.name.endswith(".json")
    )


def load_preset(name: str) -> ExperimentSpec:
    """Return one of the presets that come with the package.

    Raises
    ------
    InputError
        If there is no preset of this name.
    """
    if name not in preset_names():
        raise InputError(f"preset {name!r}: expected one of {', '.join(preset_names())}")
    text = (resources.files("lava_ep") / "presets" / f"{name}.json").read_text(encoding="utf-8")
    return parse(ExperimentSpec, json.loads(text), source=f"preset {name!r}")


def override(spec: ExperimentSpec, assignments: Iterable[str]) -> ExperimentSpec:
    """Change fields given as ``dotted.key=value``; values are JSON, or else strings.

    Examples
    --------
    >>> override(load_preset("binary-digits"), ["network.layers.0.neurons=256"])  # doctest: +SKIP

    Raises
    ------
    InputError
        If an assignment is malformed, names no field, or gives an impossible value.
    """
    assignments = list(assignments)
    data = spec.model_dump(mode="json")
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator or not key:
            raise InputError(
                f"--set {assignment!r}: expected KEY=VALUE, e.g. network.phases.free_steps=20"
            )
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        *parents, leaf = key.split(".")
        node = data
        for part in parents:
            node = _child(node, part, key)
        _child(node, leaf, key)
        if isinstance(node, list):
            node[int(leaf)] = value
        else:
            node[leaf] = value
    return parse(ExperimentSpec, data, source="--set " + " ".join(assignments))


def _child(node: Any, part: str, key: str) -> Any:
    """Step into a field or list item, or say which ones there are."""
    if isinstance(node, dict):
        if part in node:
            return node[part]
        names = ", ".join(node)
    elif isinstance(node, list):
        if part.isdecimal() and int(part) < len(node):
            return node[int(part)]
        names = f"0 to {len(node) - 1}"
    else:
        names = "nothing, it is a single value"
    raise InputError(f"--set {key}: there is no {part!r} here; expected one of: {names}")
