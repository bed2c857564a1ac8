"""The experiment as plain data: frozen, validated, JSON in and out."""

from lava_ep.spec.base import MOST_NEURONS, Spec, of
from lava_ep.spec.bmlp import BinarizationSpec, BMLPLayerSpec, BMLPSpec
from lava_ep.spec.data import DataSpec, EventsSpec, Side
from lava_ep.spec.experiment import AnyNetworkSpec, ExperimentSpec
from lava_ep.spec.layers import (
    EncodingSpec,
    LayerSpec,
    NoiseSpec,
    NormalizationSpec,
    PhaseSpec,
    layer_names,
)
from lava_ep.spec.network import NetworkSpec
from lava_ep.spec.neurons import (
    AnyNeuronSpec,
    GradedNeuronSpec,
    LIFNeuronSpec,
    NeuronSpec,
    NeuronSpecBase,
    ResistiveNeuronSpec,
    SigmaDeltaNeuronSpec,
    StockLayerSpec,
    StockLIFNeuronSpec,
)
from lava_ep.spec.parsing import (
    SpecType,
    load_preset,
    load_spec,
    override,
    parse,
    parse_value,
    preset_names,
)
from lava_ep.spec.training import TrainingSpec

__all__ = [
    "MOST_NEURONS",
    "AnyNetworkSpec",
    "AnyNeuronSpec",
    "BMLPLayerSpec",
    "BMLPSpec",
    "BinarizationSpec",
    "DataSpec",
    "EncodingSpec",
    "EventsSpec",
    "ExperimentSpec",
    "GradedNeuronSpec",
    "LIFNeuronSpec",
    "LayerSpec",
    "NetworkSpec",
    "NeuronSpec",
    "NeuronSpecBase",
    "NoiseSpec",
    "NormalizationSpec",
    "PhaseSpec",
    "ResistiveNeuronSpec",
    "Side",
    "SigmaDeltaNeuronSpec",
    "Spec",
    "SpecType",
    "StockLIFNeuronSpec",
    "StockLayerSpec",
    "TrainingSpec",
    "layer_names",
    "load_preset",
    "load_spec",
    "of",
    "override",
    "parse",
    "parse_value",
    "preset_names",
]
