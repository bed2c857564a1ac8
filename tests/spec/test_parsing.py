"""Experiments from files and presets, and changed by ``--set``."""

from __future__ import annotations

import pytest

from lava_ep.dynamics import Nudging
from lava_ep.errors import InputError
from lava_ep.spec import ExperimentSpec, load_preset, load_spec, override, preset_names


def test_a_file_gives_back_the_same_experiment(tmp_path):
    spec = load_preset("binary-digits")
    path = tmp_path / "spec.json"
    path.write_text(spec.model_dump_json(), encoding="utf-8")
    assert load_spec(path) == spec


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_valid_and_survive_json(name):
    spec = load_preset(name)
    assert ExperimentSpec.model_validate_json(spec.model_dump_json()) == spec
    pixels = {"digits": 64, "cifar10": 3072, "event-digits": 512}
    pixels |= {"prototypes:0.44": 1000, "features:cifar10tl": 9216}
    assert spec.network.inputs == pixels.get(spec.data.name, 784)
    if spec.network.kind == "ep":
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
        (None, "cannot be read.*No such file"),
        (b"{", "not a JSON file"),
        (b"\xff\xfe", "not a JSON file"),
        (b"[]", "expected a JSON object"),
        (b"[" * 100_000, "not a JSON file"),
        (b"{}", "network=.*Field required"),
    ],
)
def test_unusable_files_are_named(tmp_path, content, message):
    path = tmp_path / "broken.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"broken.json: {message}"):
        load_spec(path)
