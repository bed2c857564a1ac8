"""The experiment as data: what it accepts, what it says no to, and JSON there and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lava_ep.dynamics import Nudging, PhaseSchedule
from lava_ep.errors import InputError
from lava_ep.spec import (
    DataSpec,
    ExperimentSpec,
    LayerSpec,
    NetworkSpec,
    NeuronSpec,
    PhaseSpec,
    TrainingSpec,
    load_preset,
    load_spec,
    override,
    parse,
    preset_names,
)

positive = st.floats(1e-9, 1e9)
unit = st.floats(0, 1, exclude_min=True)
rates = st.floats(0, 10)
counts = st.integers(1, 10**6)


@st.composite
def experiments(draw):
    classes = draw(st.integers(2, 20))
    sizes = [*draw(st.lists(counts, max_size=3)), classes * draw(st.integers(1, 50))]
    layers = tuple(
        LayerSpec(
            neurons=size,
            scale=draw(positive),
            gamma=draw(st.floats(0, 1, exclude_max=True)),
            theta=draw(positive),
            bias_offset=draw(st.floats(-10, 10)),
            bias_rate=draw(rates),
            alpha_rate=draw(rates),
            frozen=draw(st.booleans()),
        )
        for size in sizes
    )
    return ExperimentSpec(
        network=NetworkSpec(
            inputs=draw(counts),
            input_levels=draw(st.integers(1, 255)),
            classes=classes,
            layers=layers,
            neuron=draw(
                st.builds(NeuronSpec, filter_rate=unit, threshold=unit, initial_state=unit)
            ),
            phases=draw(
                st.builds(
                    PhaseSpec,
                    free_steps=counts,
                    nudged_steps=counts,
                    beta=positive,
                    nudging=st.sampled_from(Nudging),
                )
            ),
        ),
        training=draw(
            st.builds(
                TrainingSpec,
                epochs=counts,
                batch_size=counts,
                seed=st.integers(0, 2**63 - 1),
                bop_decay=unit,
                patience=st.none() | counts,
            )
        ),
        data=draw(
            st.builds(
                DataSpec,
                name=st.text(),
                limit_train=st.none() | counts,
                limit_test=st.none() | counts,
            )
        ),
    )


def minimal(**changes):
    layers = ({"neurons": 8, "theta": 0.1}, {"neurons": 4, "theta": 0.1})
    return {"inputs": 3, "classes": 2, "layers": layers, **changes}


@settings(max_examples=15, deadline=None)
@given(experiments())
def test_json_gives_back_the_same_experiment(spec):
    text = spec.model_dump_json()
    assert ExperimentSpec.model_validate_json(text) == spec
    assert parse(ExperimentSpec, json.loads(text), source="test") == spec
    assert override(spec, []) == spec


def test_a_file_gives_back_the_same_experiment(tmp_path):
    spec = load_preset("binary-digits")
    path = tmp_path / "spec.json"
    path.write_text(spec.model_dump_json(), encoding="utf-8")
    assert load_spec(path) == spec


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_valid_and_survive_json(name):
    spec = load_preset(name)
    assert ExperimentSpec.model_validate_json(spec.model_dump_json()) == spec
    assert spec.network.sizes[0] == {"digits": 64}.get(spec.data.name, 784)
    assert spec.network.phases.schedule(0).period(learning=True) > 2


def test_there_are_the_promised_presets():
    names = ["binary-digits", "binary-mnist", "laydevant-fc", "laydevant-fc-2h"]
    assert set(names) <= set(preset_names())
    with pytest.raises(InputError, match=r"'binary-cats'.*binary-digits, binary-mnist"):
        load_preset("binary-cats")


def test_published_presets_have_the_published_thresholds():
    fc, fc2 = (load_preset(name).network.layers for name in ("laydevant-fc", "laydevant-fc-2h"))
    assert [layer.theta * layer.gamma for layer in fc] == pytest.approx([2e-7, 2.5e-7])
    assert [layer.theta * layer.gamma for layer in fc2] == pytest.approx([5e-8, 1e-8, 2e-8])


def test_a_published_threshold_is_converted():
    layer = LayerSpec.model_validate({"neurons": 4, "tau": 2.5e-7, "gamma": 2e-6})
    assert layer == LayerSpec(neurons=4, theta=2.5e-7 / 2e-6, gamma=2e-6)
    assert "tau" not in layer.model_dump()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"tau": 1e-7, "gamma": 1e-6, "theta": 0.1}, "either theta or tau"),
        ({"tau": 1e-7}, "needs gamma > 0"),
        ({"tau": 1e-7, "gamma": 0}, "needs gamma > 0"),
        ({"tau": "x", "gamma": 1e-6}, "tau=x"),
        ({"tau": -1e-7, "gamma": 1e-6}, "greater than 0"),
        ({}, "theta.*Field required"),
    ],
)
def test_impossible_thresholds_are_refused(layer, message):
    data = minimal(layers=[{"neurons": 4, **layer}])
    with pytest.raises(InputError, match=message):
        parse(NetworkSpec, data, source="test")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": 0}, "test: inputs=0: .*greater than or equal to 1"),
        ({"input_levels": 256}, "input_levels=256"),
        ({"layers": []}, r"layers=\[\]"),
        ({"layers": [{"neurons": 5, "theta": 0.1}]}, "5 output neurons for 2 classes"),
        ({"layers": [{"neurons": 4, "theta": -1}]}, r"layers\.0\.theta=-1"),
        ({"layers": [{"neurons": 4, "theta": 1, "gamma": 1}]}, r"layers\.0\.gamma=1"),
        ({"layers": [{"neurons": 4, "theta": float("nan")}]}, r"layers\.0\.theta=nan"),
        ({"neuron": {"filter_rate": 0}}, r"neuron\.filter_rate=0"),
        ({"neuron": {"initial_state": 1.5}}, r"neuron\.initial_state=1\.5"),
        ({"phases": {"beta": -1}}, r"phases\.beta=-1"),
        ({"phases": {"nudging": "up"}}, r"'positive', 'random-sign' or 'symmetric'"),
        ({"phases": {"free_step": 3}}, r"phases\.free_step=3: Extra inputs"),
        ({"colour": "red"}, r"colour='red': Extra inputs"),
    ],
)
def test_impossible_networks_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        parse(NetworkSpec, minimal(**change), source="test")


def test_all_faults_are_named_at_once():
    with pytest.raises(InputError, match=r"inputs=0.*; classes=1"):
        parse(NetworkSpec, minimal(inputs=0, classes=1), source="test")


def test_specs_cannot_be_changed():
    spec = load_preset("binary-digits")
    for part, field in [(spec, "data"), (spec.network, "inputs"), (spec.network.phases, "beta")]:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, field, 1)


def test_names_and_sizes_of_layers():
    spec = NetworkSpec.model_validate(minimal())
    assert spec.sizes == (3, 8, 4)
    assert spec.layer_names == ("hidden1", "output")
    assert str(spec) == "3-8-4"
    single = NetworkSpec.model_validate(minimal(layers=[{"neurons": 4, "theta": 1}]))
    assert single.layer_names == ("output",)


def test_a_spec_makes_its_schedule():
    spec = PhaseSpec(free_steps=3, nudged_steps=2, beta=1.5, nudging=Nudging.SYMMETRIC)
    assert spec.schedule(7) == PhaseSchedule(3, 2, 1.5, Nudging.SYMMETRIC, seed=7)


def test_override_changes_the_named_fields_only():
    spec = load_preset("binary-digits")
    changed = override(
        spec,
        iter(  # any iterable
            [
                "network.layers.0.neurons=256",
                "network.phases.nudging=random-sign",
                "training.patience=3",
                "data.limit_train=100",
                "network.layers.1.frozen=true",
            ]
        ),
    )
    expected = spec.model_dump()
    expected["network"]["layers"][0]["neurons"] = 256
    expected["network"]["layers"][1]["frozen"] = True
    expected["network"]["phases"]["nudging"] = Nudging.RANDOM_SIGN
    expected["training"]["patience"] = 3
    expected["data"]["limit_train"] = 100
    assert changed.model_dump() == expected
    assert override(changed, ["training.patience=null"]).training.patience is None


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("network.phases.free_steps", r"expected KEY=VALUE"),
        ("=3", r"expected KEY=VALUE"),
        ("network.phases.steps=3", r"network\.phases\.steps: .*'steps'.*free_steps, nudged_steps"),
        ("networks.inputs=3", r"'networks'.*network, training, data"),
        ("network.layers.2.neurons=3", r"network\.layers\.2\.neurons: .*'2'.*0 to 1"),
        ("network.layers.x.neurons=3", r"'x'.*0 to 1"),
        ("network.inputs.more=3", r"'more'.*single value"),
        ("network.inputs=many", r"network\.inputs='many'.*valid integer"),
        ("network.inputs=0", r"--set .*network\.inputs=0: network\.inputs=0"),
        ("network.phases.nudging=up", r"network\.phases\.nudging='up'.*'positive'"),
        ("network.phases.beta=NaN", r"network\.phases\.beta=nan.*finite"),
        ("network.layers.1.neurons=51", r"51 output neurons for 10 classes"),
        ("training.batch_size=-1", r"training\.batch_size=-1"),
    ],
)
def test_impossible_overrides_are_refused(assignment, message):
    spec = load_preset("binary-digits")
    with pytest.raises(InputError, match=message):
        override(spec, [assignment])
    with pytest.raises(InputError, match=message):
        override(spec, iter(["training.epochs=2", assignment]))


def test_the_frozen_baseline_differs_in_one_field():
    spec = load_preset("binary-digits")
    baseline = spec.with_frozen_input_layer()
    assert [layer.frozen for layer in baseline.network.layers] == [True, False]
    assert override(baseline, ["network.layers.0.frozen=false"]) == spec


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the spec.*No such file"),
        (b"{", "not a JSON file"),
        (b"\xff\xfe", "not a JSON file"),
        (b"[]", "spec=.*valid dictionary"),
        (b"{}", "network=.*Field required"),
    ],
)
def test_unusable_files_are_named(tmp_path, content, message):
    path = tmp_path / "broken.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"broken.json: {message}"):
        load_spec(path)
