"""Arguments that no Process has are refused by name; lists do as arrays do."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from lava.magma.core.process.process import LogConfig

from lava_ep import processes
from lava_ep.bmlp_parameters import initial_bmlp_parameters, rule_of
from lava_ep.dynamics import (
    BOP,
    SGD,
    Binary,
    Convolution,
    Graded,
    Noise,
    PhaseSchedule,
    SigmaDelta,
    StepSize,
)
from lava_ep.errors import InputError
from lava_ep.processes import (
    BinaryNeuron,
    BinarySynapse,
    ConductanceSynapse,
    ConvSynapse,
    EPNetwork,
    EPNetworkShare,
    EventSource,
    GradedNeuron,
    ImageInjector,
    ImageSource,
    LIFNeuron,
    Neuron,
    Readout,
    RealSynapse,
    ResistiveNeuron,
    SigmaDeltaNeuron,
    Synapse,
    Target,
    WeightedSynapse,
)
from lava_ep.processes.bmlp import Binarizer, BMLPLayer, BMLPNetwork, Labels
from lava_ep.runtime import ProcessTester
from lava_ep.spec import BMLPSpec, NetworkSpec

SCHEDULE = PhaseSchedule(3, 2, 1.0)
SWEEPS = PhaseSchedule(4, 2, 0.5)
SPEC = NetworkSpec(inputs=3, classes=2, layers=[{"neurons": 4, "theta": 0.1}])
BMLP = BMLPSpec.model_validate(
    {
        "kind": "bmlp",
        "inputs": 4,
        "input_levels": 16,
        "classes": 2,
        "initial_scale": 3,
        "layers": [{"neurons": 6, "group": 2, "robustness": 0.1, "reinforcement": 1}],
    }
)
NEURON = {"shape": (2, 4), "schedule": SCHEDULE}
SYNAPSE = {"batch": 2, "schedule": SCHEDULE}
WEIGHTS = np.ones((4, 3), np.int8)
CONVOLUTION = Convolution((4, 4, 2), channels=3, kernel=3, padding=1, pool=2)
IMAGES, LABELS = np.arange(15).reshape(5, 3), np.arange(5) % 2


def bmlp_parameters():
    return initial_bmlp_parameters(BMLP, seed=0, images=np.full((2, 4), 8, np.uint8))


EVERY = {
    BinaryNeuron: lambda **more: BinaryNeuron(**NEURON, **more),
    GradedNeuron: lambda **more: GradedNeuron(**NEURON, **more),
    SigmaDeltaNeuron: lambda **more: SigmaDeltaNeuron(**NEURON, **more),
    LIFNeuron: lambda **more: LIFNeuron(**NEURON, **more),
    ResistiveNeuron: lambda **more: ResistiveNeuron(shape=(2, 4), schedule=SWEEPS, **more),
    BinarySynapse: lambda **more: BinarySynapse(weights=WEIGHTS, **SYNAPSE, **more),
    RealSynapse: lambda **more: RealSynapse(weights=WEIGHTS, **SYNAPSE, **more),
    ConvSynapse: lambda **more: ConvSynapse(
        connection=CONVOLUTION, weights=np.ones((3, 2, 3, 3)), **SYNAPSE, **more
    ),
    ConductanceSynapse: lambda **more: ConductanceSynapse(
        weights=WEIGHTS, batch=2, schedule=SWEEPS, **more
    ),
    ImageSource: lambda **more: ImageSource(images=IMAGES, labels=LABELS, **SYNAPSE, **more),
    EventSource: lambda **more: EventSource(
        recordings=IMAGES.reshape(5, 3, 1), labels=LABELS, **SYNAPSE, **more
    ),
    ImageInjector: lambda **more: ImageInjector(shape=(2, 3), schedule=SCHEDULE, **more),
    Target: lambda **more: Target(shape=(2, 4), classes=2, **more),
    Readout: lambda **more: Readout(**NEURON, classes=2, **more),
    EPNetwork: lambda **more: EPNetwork(spec=SPEC, batch=2, **more),
    EPNetworkShare: lambda **more: EPNetworkShare(
        spec=SPEC, batch=2, whole_batch=4, message=10, **more
    ),
    Binarizer: lambda **more: Binarizer(thresholds=np.ones((4, 1), np.uint8), batch=2, **more),
    Labels: lambda **more: Labels(batch=2, **more),
    BMLPLayer: lambda **more: BMLPLayer(
        parameters=bmlp_parameters().layers[0], rule=rule_of(BMLP.layers[0]), batch=2, **more
    ),
    BMLPNetwork: lambda **more: BMLPNetwork(
        spec=BMLP, parameters=bmlp_parameters(), batch=2, **more
    ),
}


def test_every_process_is_tried():
    found = {value for value in vars(processes).values() if inspect.isclass(value)}
    assert found - {Neuron, Synapse, WeightedSynapse} <= set(EVERY)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_unknown_arguments_are_refused(kind):
    with pytest.raises(InputError, match=rf"{kind.__name__} has no argument 'nam': did you mean"):
        EVERY[kind](nam="x")
    with pytest.raises(InputError, match=r"no argument 'zzz'\. It has .*log_config, .*name"):
        EVERY[kind](zzz=1)
    assert EVERY[kind](name="mine", log_config=LogConfig(level=10)).name == "mine"


@pytest.mark.parametrize(
    ("kind", "wrong", "right"),
    [
        (BinaryNeuron, "bias_rat", "bias_rate"),
        (BinarySynapse, "learning_rules", "learning_rule"),
        (ImageSource, "first_bacth", "first_batch"),
        (BinaryNeuron, "noises", "noise"),
        (RealSynapse, "fixed_pont", "fixed_point"),
        (EPNetworkShare, "thread", "threads"),
    ],
)
def test_close_match_is_named(kind, wrong, right):
    with pytest.raises(InputError, match=rf"'{wrong}': did you mean {right}\? It has "):
        EVERY[kind](**{wrong: 0.1})


def test_images_of_an_event_source_are_refused():
    with pytest.raises(InputError, match="EventSource has no argument 'images'"):
        EVERY[EventSource](images=IMAGES)


@pytest.mark.parametrize(
    ("build", "older", "constants"),
    [
        (BinaryNeuron, {"threshold": 0.3}, Binary(threshold=0.3)),
        (GradedNeuron, {"activation": "tanh"}, Graded("tanh")),
        (GradedNeuron, {"nudge_current": True}, Graded(nudge="current")),
        (SigmaDeltaNeuron, {"step_size": StepSize(7)}, SigmaDelta(step_size=StepSize(7))),
    ],
)
def test_constants_alone_are_deprecated(build, older, constants):
    with pytest.warns(DeprecationWarning, match=f"{build.__name__}: .* use neuron=") as warned:
        made = build(**NEURON, **older)
    assert made.proc_params["neuron"] == constants
    assert warned[0].filename == __file__


def test_required_arguments_are_named():
    with pytest.raises(InputError, match=r"BinaryNeuron needs shape and schedule\. It has bias, "):
        BinaryNeuron(bias=0.1)
    with pytest.raises(InputError, match=r"BinarySynapse needs weights\. It has alpha, "):
        BinarySynapse(**SYNAPSE)


def test_constants_of_other_neurons_are_refused():
    with pytest.raises(InputError, match=r"neuron=Graded\(.*: expected a Binary"):
        BinaryNeuron(**NEURON, neuron=Graded())


class Own(BinaryNeuron):
    """A user's neuron with an argument more, for a model of the user's."""

    def __init__(self, *, gain=1.0, **options):
        super().__init__(gain=gain, **options)


def test_derived_process_may_declare_more():
    assert Own(gain=2.0, **NEURON).proc_params["gain"] == 2.0
    with pytest.raises(InputError, match="Own has no argument 'gian': did you mean gain"):
        Own(gian=2.0, **NEURON)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (BinaryNeuron, {"noise": 0.1}, r"noise=0\.1: expected a lava_ep\.dynamics\.Noise"),
        (RealSynapse, {"noises": Noise(0.1)}, "expected a pair"),
        (ConductanceSynapse, {"noises": (0.1, None)}, "expected a pair"),
        (BinarySynapse, {"readings": (None,)}, r"readings=\(None,\): expected a pair"),
        (RealSynapse, {"normalization": [0.5]}, r"normalization=\[0\.5\]: expected a pair"),
        (BinaryNeuron, {"bias": [float("nan")] * 4}, "bias of shape .* finite"),
        (BinaryNeuron, {"bias": ["a"] * 4}, "bias of type <U1: expected numbers"),
        (LIFNeuron, {"bias": [[1], [1, 2]]}, "bias: .* lists of different length"),
    ],
)
def test_what_does_not_fit_is_named(kind, options, message):
    with pytest.raises(InputError, match=message):
        EVERY[kind](**options)


@pytest.mark.parametrize("shape", [(2,), (2, 0), (2.5, 4), "24", None, (1, 2, 3)])
@pytest.mark.parametrize("build", [BinaryNeuron, ImageInjector, Target, Readout])
def test_shapes_are_checked(build, shape):
    more = {"classes": 2} if build in (Target, Readout) else {}
    more |= {"schedule": SCHEDULE} if build is not Target else {}
    with pytest.raises(InputError, match=r"shape=.*: expected \(batch, n\)"):
        build(shape=shape, **more)


def test_refusal_leaves_no_complaint_of_lava(capfd):
    with pytest.raises(InputError):
        BinaryNeuron(**{**NEURON, "shape": "24"})
    assert capfd.readouterr().err == ""


def sent(process, **inputs):
    steps = [{name: values[k] for name, values in inputs.items()} for k in range(6)]
    tester = ProcessTester(process)
    return tester.run(steps) | {"bias": getattr(tester.model, "bias", 0)}


def assert_same(one, other):
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])


def test_lists_do_as_arrays_do():
    current = {"a_in": np.linspace(-1, 1, 48).reshape(6, 2, 4)}
    for kind in (BinaryNeuron, GradedNeuron, SigmaDeltaNeuron, LIFNeuron):
        bias = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
        of_array = sent(kind(**NEURON, bias=bias), **current)
        of_list = sent(kind(shape=[2, 4], schedule=SCHEDULE, bias=bias.tolist()), **current)
        assert_same(of_list, of_array)
    rng = np.random.default_rng(0)
    events = {
        "s_in_pre": rng.integers(0, 2, (6, 2, 3)),
        "s_in_post": rng.integers(0, 2, (6, 2, 4)),
    }
    signs = np.where(rng.random((4, 3)) < 0.5, -1, 1)
    rule = {"learning_rule": BOP(gamma=0.5, theta=0.01)}
    momentum = rng.normal(size=(4, 3))
    assert_same(
        sent(
            BinarySynapse(
                weights=signs.tolist(),
                momentum=momentum.tolist(),
                readings=[None, None],
                **SYNAPSE,
                **rule,
            ),
            **events,
        ),
        sent(BinarySynapse(weights=signs, momentum=momentum, **SYNAPSE, **rule), **events),
    )
    real, feedback = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    rule = {"learning_rule": SGD(0.1)}
    statistics = np.array([0.5]), np.array([0.25])
    assert_same(
        sent(
            RealSynapse(
                weights=real.tolist(),
                feedback=feedback.tolist(),
                normalization=[[0.5], [0.25]],
                **SYNAPSE,
                **rule,
            ),
            **events,
        ),
        sent(
            RealSynapse(
                weights=real, feedback=feedback, normalization=statistics, **SYNAPSE, **rule
            ),
            **events,
        ),
    )
    options = {"labels": LABELS.tolist(), **SYNAPSE}
    of_list = sent(ImageSource(images=IMAGES.tolist(), **options))
    assert_same(of_list, sent(EVERY[ImageSource]()))
    of_list = sent(EventSource(recordings=IMAGES.reshape(5, 3, 1).tolist(), **options))
    assert_same(of_list, sent(EVERY[EventSource]()))


def test_declared_noise_is_the_noise_of_the_rules():
    """What a neuron's biases learn differs under noise; what it sends does not."""
    rng = np.random.default_rng(0)
    n_steps = 2 * SCHEDULE.period(learning=True)
    steps = [{"a_in": a, "target_in": np.ones((2, 4))} for a in rng.normal(size=(n_steps, 2, 4))]

    def learned(**options):
        tester = ProcessTester(GradedNeuron(**NEURON, bias_rate=0.5, **options))
        return tester.run(steps)["s_out"], np.array(tester.model.bias)

    quiet, noisy = learned(), learned(noise=Noise(0.5))
    assert_same({"bias": learned(noise=None)[1]}, {"bias": quiet[1]})
    period = SCHEDULE.period(learning=True)
    np.testing.assert_array_equal(quiet[0][:period], noisy[0][:period])
    assert (quiet[1] != noisy[1]).any()
