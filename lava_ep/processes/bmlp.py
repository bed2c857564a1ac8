"""Networks that learn from local binary errors: their input, their layers, and the whole."""

from __future__ import annotations

from typing import Any

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike

from lava_ep.bmlp_parameters import BMLPLayerParameters, BMLPParameters
from lava_ep.dynamics.bmlp import LayerRule
from lava_ep.errors import InputError
from lava_ep.processes.arguments import EPProcess, as_count, as_numbers
from lava_ep.spec import BMLPSpec

LAYER_PARAMETERS = ("hidden", "classifier", "right")
"""Vars of a layer that are its parameters, see `BMLPLayerParameters`."""

LAYER_COUNTERS = ("flips", "updates", "reinforced", "errors")
"""Vars of a layer that count, see `BMLPLayer`."""


class Binarizer(EPProcess):
    """Turn pixels into bits.

    Parameters
    ----------
    thresholds
        uint8 (pixels, bits a pixel), see `lava_ep.dynamics.bmlp.binarize`.
    batch
        Number of samples.

    Attributes
    ----------
    pixels_in : InPort
        (batch, pixels) of uint8, every step.
    s_out : OutPort
        Events, (batch, bits) int8: 1 for a bit of +1, 0 (silence) for one of -1.
    thresholds : Var
        The thresholds.
    """

    def __init__(
        self,
        *,
        thresholds: ArrayLike,
        batch: int,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        thresholds, batch = as_numbers(thresholds, "thresholds"), as_count(batch, "batch")
        super().__init__(thresholds=thresholds, batch=batch, name=name, **kwargs)
        self.pixels_in = InPort(shape=(batch, len(thresholds)))
        self.s_out = OutPort(shape=(batch, thresholds.size))
        self.thresholds = Var(shape=thresholds.shape, init=thresholds)


class Labels(EPProcess):
    """Pass labels on to any number of layers.

    Parameters
    ----------
    batch
        Number of samples.

    Attributes
    ----------
    label_in : InPort
        (batch,) integers, every step.
    label_out : OutPort
        The same.
    """

    def __init__(self, *, batch: int, name: str | None = None, **kwargs: Any) -> None:
        batch = as_count(batch, "batch")
        super().__init__(batch=batch, name=name, **kwargs)
        self.label_in = InPort(shape=(batch,))
        self.label_out = OutPort(shape=(batch,))


class BMLPLayer(EPProcess):
    """Binary neurons with the binary synapses into them, and a classifier that tells their errors.

    In every time step it takes a batch, passes its activations on, and learns from what it
    received itself: inputs and labels. See `lava_ep.dynamics.bmlp.LayerRule`.

    Parameters
    ----------
    parameters
        What it starts from.
    rule
        How it computes and learns.
    batch
        Number of samples.
    index, seed
        Which layer of a network it is, counted from 0, and the seed of the run: for its own stream
        of random numbers.
    learning
        Whether it learns; ``label_in`` has to be connected then.
    first_batch, epoch_batches
        Number of batches learned from before this run, and of batches in an epoch. The layer counts
        by itself how many samples its classifier has right in an epoch.

    Attributes
    ----------
    s_in : InPort
        Events of the layer below, (batch, inputs): 1 for a bit of +1, 0 for one of -1; every step.
    label_in : InPort
        (batch,) integers, every step.
    s_out : OutPort
        Events, (batch, outputs) int8, every step.
    score_out : OutPort
        Logits of the classifier, (batch, classes) int32, every step.
    hidden, classifier, right : Var
        See `BMLPLayerParameters`.
    flips, updates, reinforced, errors : Var
        Since the start: changes of the sign of a hidden weight, times a neuron learned from a
        sample, hidden weights moved away from 0, and samples that were wrong; (1,) each.

    Raises
    ------
    InputError
        If an argument is unknown, or the parameters do not fit together.
    """

    def __init__(
        self,
        *,
        parameters: BMLPLayerParameters,
        rule: LayerRule,
        batch: int,
        index: int = 0,
        seed: int = 0,
        learning: bool = True,
        first_batch: int = 0,
        epoch_batches: int = 1,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        batch = as_count(batch, "batch")
        super().__init__(
            parameters=parameters,
            rule=rule,
            batch=batch,
            index=index,
            seed=seed,
            learning=learning,
            first_batch=first_batch,
            epoch_batches=epoch_batches,
            name=name,
            **kwargs,
        )
        neurons, inputs = parameters.hidden.shape
        classes, outputs = parameters.classifier.shape
        if neurons % rule.group or outputs != rule.outputs(neurons):
            raise InputError(
                f"hidden weights {parameters.hidden.shape} and classifier "
                f"{parameters.classifier.shape} with group={rule.group}, majority={rule.majority}: "
                "expected a multiple of the group, and a column of the classifier for each bit "
                "that is passed on"
            )
        self.s_in = InPort(shape=(batch, inputs))
        self.label_in = InPort(shape=(batch,))
        self.s_out = OutPort(shape=(batch, outputs))
        self.score_out = OutPort(shape=(batch, classes))
        for field in LAYER_PARAMETERS:
            value = getattr(parameters, field)
            setattr(self, field, Var(shape=value.shape, init=value))
        for counter in LAYER_COUNTERS:
            setattr(self, counter, Var(shape=(1,), init=0))


class BMLPNetwork(EPProcess):
    """A multi-layer perceptron of bits whose layers learn from local binary errors.

    One time step takes a batch through all layers.

    Parameters
    ----------
    spec
        Sizes and learning rules.
    parameters
        What it starts from.
    batch
        Number of samples processed at the same time.
    seed
        Seed of the run.
    learning
        Whether the layers learn.
    epoch_batches
        Batches of an epoch, see `BMLPLayer`.
    threads
        Threads that a multi-threaded backend uses, by default one for each core. No result depends
        on it.

    Attributes
    ----------
    pixels_in : InPort
        (batch, pixels) of uint8, every step.
    label_in : InPort
        (batch,) integers, every step; has to be connected if ``learning``.
    score_out : OutPort
        Logits of the last layer, (batch, classes) int32, every step.
    thresholds : Var
        See `Binarizer`.
    hidden1_hidden, …, output_flips, … : Var
        For each layer of ``spec.layer_names`` the Vars of `BMLPLayer`, joined by an underscore.

    Raises
    ------
    InputError
        If an argument is unknown, ``batch`` or ``threads`` is below 1, or the parameters do not fit
        the spec.
    """

    def __init__(
        self,
        *,
        spec: BMLPSpec,
        parameters: BMLPParameters,
        batch: int = 1,
        seed: int = 0,
        learning: bool = True,
        epoch_batches: int = 1,
        threads: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        batch = as_count(batch, "batch")
        super().__init__(
            spec=spec,
            parameters=parameters,
            batch=batch,
            seed=seed,
            learning=learning,
            epoch_batches=epoch_batches,
            threads=threads,
            name=name,
            **kwargs,
        )
        if threads is not None:
            as_count(threads, "threads")
        BMLPParameters.from_arrays(parameters.to_arrays(), spec, source="parameters")
        self.pixels_in = InPort(shape=(batch, spec.inputs))
        self.label_in = InPort(shape=(batch,))
        self.score_out = OutPort(shape=(batch, spec.classes))
        self.thresholds = Var(shape=parameters.thresholds.shape, init=parameters.thresholds)
        for name_, layer in zip(spec.layer_names, parameters.layers, strict=True):
            for field in LAYER_PARAMETERS:
                value = getattr(layer, field)
                setattr(self, f"{name_}_{field}", Var(shape=value.shape, init=value))
            for counter in LAYER_COUNTERS:
                setattr(self, f"{name_}_{counter}", Var(shape=(1,), init=0))

    def layer_var(self, layer_name: str, field: str) -> Var:
        """Return one of the per-layer Vars, e.g. ``layer_var("hidden1", "hidden")``."""
        var: Var = getattr(self, f"{layer_name}_{field}")
        return var
