"""Lava runs on newer Pythons and NumPys, whoever imports it first, and none of its files change."""

import base64
import csv
import hashlib
import importlib.util
import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.clp.nsm.process import Allocator
from lava.proc.graded.process import InvSqrt
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source

import _lava_ep_compat as compat

NEW = sys.version_info >= (3, 11)
needs_changes = pytest.mark.skipif(not NEW, reason="Lava needs no change on Python 3.10")


def python(code, *options, **environment):
    """Run code in a new interpreter, which reads the .pth files of this installation."""
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={**os.environ, **environment},
    )


def file_of(module):
    return Path(importlib.util.find_spec(module).origin)


@pytest.mark.parametrize("module", compat.CHANGES)
def test_every_text_to_be_changed_stands_in_lava(module):
    source = file_of(module).read_text(encoding="utf-8")
    changed = compat.changed(module, source)
    for old, new, count in compat.CHANGES[module]:
        assert source.count(old) == count
        assert old not in changed
        assert changed.count(new) == count
    assert changed.count("\n") == source.count("\n")


@pytest.mark.parametrize("module", compat.CHANGES)
def test_a_text_that_is_not_the_known_one_stays(module):
    for text in ("", "x = 1\n", "".join(2 * old for old, _, _ in compat.CHANGES[module])):
        assert compat.changed(module, text) is text


def test_other_modules_are_left_to_others():
    for name in ("lava", "lava.magma.core.model.model", "numpy", "lava_ep.processes"):
        assert compat.LavaFinder.find_spec(name) is None


ORDERS = {
    "lava first": "import lava.magma.compiler.var_model, lava.proc.graded.models\nimport lava_ep",
    "lava_ep first": "import lava_ep.processes\nimport lava.proc.graded.models",
    "only lava": "from lava.proc.lif.process import LIF\nimport lava.magma.compiler.compiler",
    "spec, then lava": "import lava_ep.spec\nfrom lava.magma.core.run_configs import Loihi2SimCfg\n"
    "import lava.magma.compiler.compiler",
}


@pytest.mark.parametrize("code", ORDERS.values(), ids=ORDERS)
def test_any_order_of_imports_works(code):
    done = python(code + "\nfrom lava.magma.compiler.var_model import CoreEncoder\nCoreEncoder()")
    assert done.returncode == 0, done.stderr


@needs_changes
def test_the_environment_switches_it_off():
    off = python("import lava.magma.compiler.var_model", LAVA_EP_NO_COMPAT="1")
    assert "mutable default" in off.stderr
    names = "import sys; print([f for f in sys.meta_path if 'LavaFinder' in str(f)])"
    assert python(names, LAVA_EP_NO_COMPAT="1").stdout == "[]\n"
    assert "LavaFinder" in python(names).stdout


def test_a_start_of_python_imports_nothing_else():
    done = python("import sys; print(*sorted(sys.modules))")
    ours = [name for name in done.stdout.split() if "lava" in name]
    assert ours == (["_lava_ep_compat"] if NEW else [])


@needs_changes
def test_files_and_byte_code_of_lava_stay_as_they_are(tmp_path):
    """A copy of Lava's module is imported with and without the changes, in both orders."""
    package = tmp_path / "lava" / "magma" / "compiler"
    package.mkdir(parents=True)
    original = file_of("lava.magma.compiler.var_model").read_bytes()
    (package / "var_model.py").write_bytes(original)
    code = (
        "import sys, importlib.util as u\n"
        "from _lava_ep_compat import LavaFinder\n"
        f"spec = LavaFinder.find_spec('lava.magma.compiler.var_model', [{str(package)!r}])\n"
        "code = spec.loader.get_code(spec.name)\n"
        "print(type(spec.loader).__name__, spec.origin, code.co_filename)\n"
    )
    cached = str(tmp_path / "cache")
    done = python(code, "-X", f"pycache_prefix={cached}", PYTHONDONTWRITEBYTECODE="")
    assert done.returncode == 0, done.stderr
    path = str(package / "var_model.py")
    assert done.stdout.split() == ["ChangingLoader", path, path]
    assert (package / "var_model.py").read_bytes() == original
    assert not [p for p in (*tmp_path.rglob("*.pyc"),) if "var_model" in p.name]


@needs_changes
def test_another_lava_is_imported_as_it_is(tmp_path):
    """Text that is not known is not touched, and cached as always."""
    package = tmp_path / "lava" / "magma" / "compiler"
    package.mkdir(parents=True)
    text = "@dataclasses_of_mine\nclass ByteEncoder:\n    pass\n"
    text = f"def dataclasses_of_mine(kind):\n    return kind\n\n\n{text}"
    (package / "var_model.py").write_text(text, encoding="utf-8")
    code = (
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
        "import lava.magma.compiler.var_model as m\nprint(m.ByteEncoder, m.__file__)"
    )
    done = python(code, PYTHONDONTWRITEBYTECODE="")
    assert str(package / "var_model.py") in done.stdout, done.stderr
    assert list((package / "__pycache__").glob("var_model*.pyc"))


def test_tracebacks_show_the_lines_of_the_file():
    done = python(
        "import inspect\n"
        "from lava.magma.core.process.ports.ports import ReshapePort, InPort\n"
        "code = ReshapePort.get_transform_func_fwd.__code__\n"
        "print(code.co_filename, code.co_firstlineno)"
    )
    path, line = done.stdout.split()
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    assert "def get_transform_func_fwd" in lines[int(line) - 1]


def run(process, steps):
    process.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))


def received(out, port, data, sink_shape, steps):
    """Feed a Process of Lava and return what it sends, run by Lava itself."""
    source, sink = Source(data=data), Sink(shape=sink_shape, buffer=steps)
    source.s_out.connect(port)
    out.connect(sink.a_in)
    run(source, steps)
    try:
        return sink.data.get()
    finally:
        source.stop()


def test_reshaped_connections():
    data = np.arange(12).reshape(6, 2)
    source, sink = Source(data=data), Sink(shape=(3, 2), buffer=2)
    source.s_out.reshape((3, 2)).connect(sink.a_in)
    run(source, 2)
    try:
        found = sink.data.get()
    finally:
        source.stop()
    assert np.array_equal(found, data.reshape(3, 2, 2))


# On Python 3.10 Lava stays as it is, and only warns with the NumPy that there is for it.
as_it_is = pytest.mark.filterwarnings("ignore:Conversion of an array:DeprecationWarning")


@as_it_is
def test_the_allocator_sends_the_next_number():
    allocator = Allocator(n_protos=3)
    triggers = np.array([[1, 0, 1, 1]])
    sent = received(allocator.allocate_out, allocator.trigger_in, triggers, (1,), 4)
    assert sent.ravel().tolist() == [1, 0, 2, 3]


@as_it_is
def test_inverse_square_roots_in_integers():
    model = InvSqrt(shape=(1,), fp_base=12)
    sent = received(model.s_out, model.a_in, np.array([[4 << 12, 1 << 12]]), (1,), 2)
    assert sent.ravel() == pytest.approx([2048, 4096], abs=8)


@needs_changes
def test_installed_files_are_those_of_the_release():
    """The record of the installation says that nobody has changed the files on disk."""
    lava = distribution("lava-nc")
    recorded = {row[0]: row[1] for row in csv.reader(lava.read_text("RECORD").splitlines())}
    for module in compat.CHANGES:
        name = module.replace(".", "/") + ".py"
        kind, _, expected = recorded[name].partition("=")
        found = hashlib.new(kind, Path(lava.locate_file(name)).read_bytes()).digest()
        assert base64.urlsafe_b64encode(found).decode().rstrip("=") == expected
