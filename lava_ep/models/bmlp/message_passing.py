"""Message-passing models: the input, every layer, and labels a Process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.model.sub.model import AbstractSubProcessModel

from lava_ep._lava_private import is_connected
from lava_ep.arrays import as_integers
from lava_ep.bmlp_parameters import BMLPParameters, rule_of
from lava_ep.dynamics.bmlp import packed
from lava_ep.errors import InputError
from lava_ep.models.bmlp.part import BMLPLayerPart
from lava_ep.models.bmlp.vars import LAYER_VARS, ModelWithArrays
from lava_ep.models.discovery import cpu_model, sub_model
from lava_ep.models.messages import SummingInPort
from lava_ep.processes.bmlp import Binarizer, BMLPLayer, BMLPNetwork, Labels
from lava_ep.spec import BMLPSpec

TAGS = ("floating_pt", "fixed_pt", "bit_accurate_loihi")
"""All numbers are integers, so the same models serve all of Lava's arithmetics."""


@cpu_model(Binarizer, *TAGS)
class PyBinarizerModel(ModelWithArrays):
    """Compare pixels with thresholds."""

    pixels_in: SummingInPort = LavaPyType(SummingInPort, np.uint8)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)

    def __init__(self, proc_params: Mapping[str, Any]) -> None:
        super().__init__(proc_params)
        batch, thresholds = proc_params["batch"], proc_params["thresholds"].copy()
        self.arrays["thresholds"] = thresholds
        self._copies = np.empty(thresholds.size, np.uint8)
        self._rows = packed.empty_rows(batch, thresholds.size)
        self._events = np.zeros((batch, thresholds.size), np.int8)

    def run_spk(self) -> None:
        """Receive pixels, send bits."""
        pixels = as_integers(self.pixels_in.recv(), np.uint8)
        packed.pack_above(pixels, self.thresholds, self._copies, self._rows)
        packed.unpack_events(self._rows, self._events)
        self.s_out.send(self._events)


@cpu_model(Labels, *TAGS)
class PyLabelsModel(PyLoihiProcessModel):
    """Pass labels on."""

    label_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    label_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self) -> None:
        """Receive labels, send them."""
        self.label_out.send(self.label_in.recv())


@cpu_model(BMLPLayer, *TAGS)
class PyBMLPLayerModel(ModelWithArrays):
    """Receive events and labels, pass activations on, learn."""

    s_in: SummingInPort = LavaPyType(SummingInPort, np.int8)
    label_in: SummingInPort = LavaPyType(SummingInPort, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    score_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Mapping[str, Any]) -> None:
        super().__init__(proc_params)
        names = ("batch", "index", "seed", "first_batch", "epoch_batches")
        options = {name: proc_params[name] for name in names}
        parameters = proc_params["parameters"]
        self.part = BMLPLayerPart(parameters, proc_params["rule"], **options)
        self.arrays.update({name: getattr(self.part, name) for name in LAYER_VARS})
        self._learning: bool = proc_params["learning"]
        batch = proc_params["batch"]
        self._x = packed.empty_rows(batch, parameters.hidden.shape[1])
        self._events = np.zeros((batch, parameters.classifier.shape[1]), np.int8)

    def run_spk(self) -> None:
        """Take a batch.

        Raises
        ------
        InputError
            If there is nothing to learn from.
        """
        packed.pack_events(as_integers(self.s_in.recv(), np.int8), self._x)
        packed.unpack_events(self.part.forward(self._x), self._events)
        self.s_out.send(self._events)
        self.score_out.send(self.part.scores)
        if not self._learning:
            return
        if not is_connected(self.label_in):
            raise InputError(
                "label_in is not connected, so there is nothing to learn from; connect it or set "
                "learning=False"
            )
        self.part.learn(as_integers(self.label_in.recv(), np.int32))

    def on_var_update(self) -> None:
        """Forget what was derived from the parameters."""
        self.part.changed()


@sub_model(BMLPNetwork, "floating_pt")
class SubBMLPNetworkModel(AbstractSubProcessModel):
    """Wire the input and the layers to a network."""

    def __init__(self, proc: BMLPNetwork) -> None:
        options = proc.proc_params
        spec: BMLPSpec = options["spec"]
        parameters: BMLPParameters = options["parameters"]
        batch, learning = options["batch"], options["learning"]
        self.binarizer = Binarizer(thresholds=parameters.thresholds, batch=batch, name="binarizer")
        proc.pixels_in.connect(self.binarizer.pixels_in)
        proc.thresholds.alias(self.binarizer.thresholds)
        if learning:
            self.labels = Labels(batch=batch, name="labels")
            proc.label_in.connect(self.labels.label_in)
        below: Any = self.binarizer
        for index, (name, layer) in enumerate(zip(spec.layer_names, spec.layers, strict=True)):
            process = BMLPLayer(
                parameters=parameters.layers[index],
                rule=rule_of(layer),
                batch=batch,
                index=index,
                seed=options["seed"],
                learning=learning,
                first_batch=parameters.batch,
                epoch_batches=options["epoch_batches"],
                name=name,
            )
            # Lava finds the sub-Processes of a model among its attributes.
            setattr(self, name, process)
            below.s_out.connect(process.s_in)
            if learning:
                self.labels.label_out.connect(process.label_in)
            for var in LAYER_VARS:
                proc.layer_var(name, var).alias(getattr(process, var))
            below = process
        below.score_out.connect(proc.score_out)
