"""Kinds of neurons of other packages: registered, found by name, and as good as our own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lava_ep import kinds
from lava_ep.errors import InputError
from lava_ep.kinds import register
from lava_ep.models import BACKENDS, Backend, register_backend
from lava_ep.processes import Neuron
from lava_ep.spec import NetworkSpec

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture(scope="module")
def own_neuron():
    """The example, imported once, as a kind is registered once."""
    spec = importlib.util.spec_from_file_location("own_neuron", EXAMPLES / "own_neuron.py")
    module = sys.modules["own_neuron"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_neurons_of_another_package_learn_digits(own_neuron):
    assert own_neuron.accuracy() > 0.75
    assert own_neuron.accuracy(batches=20) < 0.75


def test_every_backend_of_populations_runs_them(own_neuron):
    """The backend is registered as another package would do it."""
    register_backend("mine", Backend("fused", "fused_stepwise", "the fused one by another name"))
    results = {own_neuron.accuracy(name, 20) for name in ("message-passing", "fused", "mine")}
    assert len(results) == 1
    with pytest.raises(InputError, match="backend 'fused': there is one of this name"):
        register_backend("fused", Backend("mine", "mine", "another"))
    del BACKENDS["mine"]


def test_their_spec_is_plain_data_with_ranges(own_neuron):
    network = own_neuron.network(levels=3)
    plain = json.loads(json.dumps(network.model_dump(mode="json")))
    assert plain["neuron"] == {"kind": "stepped", "filter_rate": 0.5, "levels": 3}
    assert NetworkSpec.model_validate(plain) == network
    with pytest.raises(ValueError, match=r"neuron\.levels\n.*greater than or equal to 1"):
        own_neuron.network(levels=0)
    with pytest.raises(InputError, match=r"Stepped levels=0: expected a value in \[1, 255\]"):
        own_neuron.Stepped(levels=0)


def test_a_kind_has_one_process(own_neuron):
    with pytest.raises(InputError, match=r"process .* of neurons of kind stepped: they have"):
        type("Other", (Neuron,), {"CONSTANTS": own_neuron.Stepped})
    assert register("stepped", "process")(own_neuron.SteppedNeuron) is own_neuron.SteppedNeuron


def test_an_installed_plugin_is_found_by_name(tmp_path):
    """As of a package that names its module as an entry point, for any command."""
    (tmp_path / "own_neuron.py").write_text((EXAMPLES / "own_neuron.py").read_text("utf-8"))
    info = tmp_path / "stepped-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stepped\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lava_ep.plugins]\nstepped = own_neuron\n")
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    code = """
from lava_ep.spec import load_preset, override
spec = override(load_preset("binary-digits"), ['network.neuron={"kind": "stepped"}'])
print(spec.network.neuron)
"""
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "kind='stepped' filter_rate=0.5 levels=4\n"


def test_a_broken_plugin_is_named(tmp_path, monkeypatch):
    (tmp_path / "broken_neuron.py").write_text("raise RuntimeError('half done')")
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[lava_ep.plugins]\nb = broken_neuron\nc = whole_neuron\n"
    )
    (tmp_path / "whole_neuron.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(kinds, "_imported", False)
    with pytest.raises(InputError, match=r"plugin b \(broken_neuron\) .*RuntimeError: half done"):
        kinds.find("unheard-of", "spec")
    assert "whole_neuron" in sys.modules  # a broken one does not hide those after it
    with pytest.raises(InputError, match="kind unheard-of have no process: expected"):
        kinds.find("unheard-of", "process")
