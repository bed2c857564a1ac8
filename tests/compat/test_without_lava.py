"""Where Lava is not installed, all that needs no Process works, and the rest says how to get it."""

import json
import os
import subprocess
import sys

import pytest

from lava_ep import _lava

NO_LAVA = """
import sys

class NoLava:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "lava":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoLava)
"""


def without_lava(code, *arguments):
    """Run code in an interpreter that finds no Lava."""
    return subprocess.run(
        [sys.executable, "-c", NO_LAVA + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
        env=os.environ,
    )


WORKS = """
import hashlib, sys
from pathlib import Path
import numpy as np
from lava_ep import dynamics
from lava_ep.data import load_dataset
from lava_ep.deploy import Trained, read_nir, write_nir
from lava_ep.estimator import EPClassifier
from lava_ep.models.bmlp import BMLPEngine
from lava_ep.models.fixed_point import convert
from lava_ep.models.fixed_point.engine import FixedEngine
from lava_ep.models.fused.choice import engine_for
from lava_ep.parameters import initial_parameters
from lava_ep.spec import load_preset
from lava_ep.training import RunFolder, family_of

experiment, digits = load_preset("binary-digits"), load_dataset("digits")
network, batch = experiment.ep_network, 16
parameters = initial_parameters(network, seed=0)
images = digits.x_train[:batch].astype(np.int32)
labels = digits.y_train[:batch].astype(np.int32)


def learned(kind, **options):
    schedule = network.schedule(0)
    engine = kind(network, batch=batch, schedule=schedule, learning=True, **options)
    for k, layer in enumerate(parameters.layers):
        for field, value in layer.arrays.items():
            engine.set(k, field, value.copy())
    engine.set_labels(labels)
    engine.advance(0, schedule.period(learning=True), images)
    engine.learn()
    return engine.get(0, "momentum")


formats = convert(network, parameters).layers
found = learned(engine_for(network)), learned(FixedEngine, formats=formats)
assert all(np.any(array) for array in found)
if len(sys.argv) > 1:
    path = Path(sys.argv[1]) / "net.nir"
    write_nir(path, Trained(experiment, parameters, 0, {}))
    again = read_nir(path).parameters
    assert np.array_equal(again.layers[0].weights, parameters.layers[0].weights)
EPClassifier().get_params()
print(family_of(network).describe(experiment), "lava" in sys.modules)
print(*(hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest() for array in found))
"""


def test_what_needs_no_process_works_and_gives_the_same(tmp_path):
    done = without_lava(WORKS, tmp_path)
    assert done.returncode == 0, done.stderr
    with_lava = subprocess.run(
        [sys.executable, "-c", WORKS], capture_output=True, text=True, timeout=250, check=True
    )
    first, second = done.stdout.splitlines(), with_lava.stdout.splitlines()
    assert first[0].endswith("False")
    assert second[0].endswith("True")
    assert first[1] == second[1]


ASKS = {
    "Processes": "from lava_ep.processes import EPNetwork",
    "a module of Processes": "from lava_ep.processes.neuron import BinaryNeuron",
    "the attribute": "import lava_ep; lava_ep.processes",
    "a supervised run": "from lava_ep.runtime import supervised",
    "a session": "from lava_ep.training import NetworkSession",
    "a RunConfig": "from lava_ep.models import run_config; run_config('fused')",
    "its class": "from lava_ep.models import BackendCfg",
    "a ProcessModel": "from lava_ep.models.fused import PyEPNetworkModelFused",
    "message passing": "from lava_ep.models import message_passing",
    "a chip": "from lava_ep.models import check_backend\nfrom lava_ep.spec import load_preset\n"
    "check_backend('loihi2', load_preset('stock-digits').ep_network)",
    "the estimator": "from lava_ep.estimator import EPClassifier\n"
    "EPClassifier().fit([[0.0], [1.0]], [0, 1])",
}


@pytest.fixture(scope="module")
def answers():
    """What an interpreter without Lava says to each of these."""
    done = without_lava(
        "import json\n"
        "from lava_ep.errors import LavaMissingError\n"
        "answers = {}\n"
        f"for name, code in {ASKS!r}.items():\n"
        "    try:\n"
        "        exec(code, {})\n"
        "    except LavaMissingError as error:\n"
        "        answers[name] = str(error)\n"
        "print(json.dumps(answers))"
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ASKS)
def test_the_rest_says_how_to_get_lava(name, answers):
    assert answers[name] == _lava.MISSING


def test_the_command_is_the_one_for_this_python():
    old = 'python -m pip install "lava-nc==0.10.0"'
    new = 'python -m pip install --no-deps --ignore-requires-python "lava-nc==0.10.0"'
    assert _lava.MISSING.endswith(old if sys.version_info < (3, 11) else new)
    assert "\n" not in _lava.MISSING


def test_the_command_line_says_so_in_one_line(tmp_path):
    arguments = ["train", "--epochs=1", "--limit-train=20", "--out", str(tmp_path / "run")]
    done = without_lava(f"from lava_ep.cli import main\nsys.argv[1:] = {arguments!r}\nmain()")
    assert done.returncode == 1
    assert done.stderr.strip().endswith(_lava.MISSING)
    assert "Traceback" not in done.stderr


CHEAP = """
import sys
import lava_ep
from lava_ep import spec
from lava_ep.cli import app
from lava_ep.models import BACKENDS, find_backend
from lava_ep.training import family_of
from typer.testing import CliRunner

assert lava_ep.__version__
family_of(spec.load_preset("ep-1h").network)
find_backend("fused")
for arguments in (["--help"], ["train", "--help"], ["presets"]):
    assert CliRunner().invoke(app, arguments).exit_code == 0
assert "lava" not in sys.modules
"""


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr


def test_lava_is_imported_only_when_it_is_needed():
    run(CHEAP)


PACKAGES = """
from importlib import import_module
from types import ModuleType
import lava_ep.processes
for name in {names}:
    package = import_module(f"lava_ep{{name}}")
    for listed in package.__all__:
        found = getattr(package, listed)
        # A function and a module of one name: the module must not take its place.
        assert not isinstance(found, ModuleType) or name in ("", ".models"), listed
    assert not hasattr(package, "missing")
"""

ORDERS = (
    (".models.fused", ".models.bmlp", ".models.fixed_point", ".models.data_parallel", ".analysis"),
    (".report", ".training", ".runtime", ".models", "", ".processes"),
)


@pytest.mark.parametrize("names", ORDERS, ids=["models first", "reports first"])
def test_packages_have_all_that_they_list(names):
    run(PACKAGES.format(names=names))


MODULES = [
    "lava_ep.models.fused.network",
    "lava_ep.models.message_passing.neuron",
    "lava_ep.models.discovery",
    "lava_ep.runtime.run",
]


@pytest.mark.parametrize("module", MODULES)
def test_all_models_are_there_for_lava_whatever_came_first(module):
    run(
        f"import {module}\n"
        "import lava_ep.processes.network as n\n"
        "models = {'SubEPNetworkModel', 'PyEPNetworkModelFused', 'PyEPNetworkModelFixed'}\n"
        "assert models <= set(vars(n))"
    )
