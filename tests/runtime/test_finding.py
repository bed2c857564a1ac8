"""Models are found in imported modules; files beside a Process are not executed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROCESS = """\
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

class Counter(AbstractProcess):
    def __init__(self):
        super().__init__()
        self.count = Var(shape=(1,), init=0)
"""

MODEL = """\
import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from {module} import Counter

@implements(proc=Counter, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyCounterModel(PyLoihiProcessModel):
    count: np.ndarray = LavaPyType(np.ndarray, np.int64)

    def run_spk(self):
        self.count += 1
"""

BYSTANDER = """\
import pathlib
pathlib.Path({marker!r}).write_text("executed")
"""

HOST = """\
from lava_ep.runtime import ProcessTester, supervised
from {module} import Counter
{more}
counter = Counter()
tester = ProcessTester(counter)
tester.step()
assert tester.model.count == 1
with supervised(counter) as run:
    run.run(3)
    print(run.get(counter.count)[0])
"""


class Folder:
    """A user's folder with a bystander that must not be executed."""

    def __init__(self, path: Path, package: str) -> None:
        self.path = path
        self.marker = path / "marker"
        self.prefix = f"{package}." if package else ""
        self.place = path / package
        self.place.mkdir(exist_ok=True)
        if package:
            self.write("__init__", "")
        self.write("bystander", BYSTANDER.format(marker=str(self.marker)))

    def write(self, module: str, text: str) -> None:
        (self.place / f"{module}.py").write_text(text)

    def run(self, more: str = "") -> tuple[str, str]:
        code = HOST.format(module=f"{self.prefix}counters", more=more)
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            cwd=self.path,
            timeout=300,
            check=False,
        )
        assert not self.marker.exists()
        return done.stdout.strip(), done.stderr


@pytest.fixture(params=["", "package"], ids=["script", "package"])
def folder(request, tmp_path):
    return Folder(tmp_path, request.param)


def test_model_in_the_module_of_the_process(folder):
    model = MODEL.replace("from {module} import Counter\n", "")
    folder.write("counters", PROCESS + model)
    assert folder.run() == ("3", "")


def test_model_in_an_imported_module_beside(folder):
    module = f"{folder.prefix}counters"
    folder.write("counters", PROCESS)
    folder.write("how", MODEL.format(module=module))
    assert folder.run(f"import {folder.prefix}how") == ("3", "")


def test_model_in_an_imported_module_elsewhere(folder):
    elsewhere = folder.path / "elsewhere"
    elsewhere.mkdir()
    folder.write("counters", PROCESS)
    (elsewhere / "how.py").write_text(MODEL.format(module=f"{folder.prefix}counters"))
    assert folder.run("import elsewhere.how") == ("3", "")


def test_model_in_a_module_that_is_not_imported_is_named(folder):
    folder.write("counters", PROCESS)
    folder.write("how", MODEL.format(module=f"{folder.prefix}counters"))
    out, errors = folder.run()
    assert out == ""
    last = errors.strip().splitlines()[-1]
    assert last.startswith("lava_ep.errors.InputError: No ProcessModel found for Process ")
    assert "import the module that defines it first (how.py?)" in last
