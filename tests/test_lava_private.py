"""What the package uses of Lava beyond its public interface is listed, and there."""

import ast
import functools
import importlib
import inspect
import pkgutil
import re
import textwrap
from pathlib import Path

import pytest
from lava.magma.core.model.model import AbstractProcessModel
from lava.magma.core.process.process import AbstractProcess

import lava_ep
import lava_ep.models
import lava_ep.processes
import lava_ep.runtime
from lava_ep._lava_private import PRIVATE

ROOT = Path(lava_ep.__file__).parent
LIST = ROOT / "_lava_private.py"
MODULES = re.compile(r"lava\.(magma\.(compiler|runtime)|utils\.sparse|.*message_interface_enum)\b")
ATTRIBUTES = {name.rpartition(".")[2] for name in PRIVATE if "." in name.partition(":")[2]}


def tree_of_class(kind):
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(kind)))
    except OSError:  # made by a function
        return ast.Module([], [])


def names_of(kind):
    """Attributes that a class has, or whose objects its methods name, without its bases."""
    named = {
        node.attr
        for node in ast.walk(tree_of_class(kind))
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", None) == "self"
    }
    return named | set(vars(kind)) | set(vars(kind).get("__annotations__", {}))


@functools.cache
def names_of_lavas(kind):
    return {
        name: base
        for base in kind.__mro__
        if base.__module__.partition(".")[0] == "lava"
        for name in names_of(base)
    }


@functools.cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def sources():
    return [path for path in sorted(ROOT.rglob("*.py")) if path != LIST]


def place(path, node):
    return f"{path.relative_to(ROOT.parent)}:{node.lineno}"


def classes():
    """Yield the classes of the package that are derived from one of Lava's."""
    for package in (lava_ep.runtime, lava_ep.models, lava_ep.processes):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "mpi" in found.name:
                continue
            module = importlib.import_module(found.name)
            for kind in vars(module).values():
                if isinstance(kind, type) and kind.__module__ == module.__name__:
                    yield kind


@pytest.mark.parametrize("name", PRIVATE)
def test_this_lava_has_it(name):
    module, _, path = name.partition(":")
    owner, _, attribute = path.partition(".")
    found = getattr(importlib.import_module(module), owner)
    if attribute and not hasattr(found, attribute):
        assert any(attribute in names_of(base) for base in found.__mro__[:-1]), name
    assert PRIVATE[name]


def test_it_is_imported_in_one_place():
    listed = {tuple(name.split(":")) for name in PRIVATE if "." not in name.partition(":")[2]}
    wrong = [
        f"{place(path, node)}: {node.module}"
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module
        if MODULES.match(node.module) or any((node.module, a.name) in listed for a in node.names)
    ]
    assert not wrong, "import these from lava_ep._lava_private"


def test_underscores_of_lava_are_reached_in_one_place():
    own = {
        node.attr if isinstance(node, ast.Attribute) else node.name
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef)
        or (isinstance(node, ast.Attribute) and getattr(node.value, "id", None) == "self")
    }
    wrong = []
    for path in sources():
        if "lava." not in path.read_text(encoding="utf-8"):
            continue
        modules = {
            alias.asname or alias.name.partition(".")[0]
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if node.value.startswith("_") and node.value in ATTRIBUTES:
                    wrong.append(f"{place(path, node)}: {node.value!r}")
            elif isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr):
                root = node.value
                while isinstance(root, ast.Attribute):
                    root = root.value
                owner = ast.unparse(node.value)
                if owner in ("self", "cls") or getattr(root, "id", None) in modules:
                    continue
                if node.attr not in own or node.attr in ATTRIBUTES:
                    wrong.append(f"{place(path, node)}: {owner}.{node.attr}")
    assert not wrong, "reach these through a function of lava_ep._lava_private"


def test_what_our_classes_take_from_lavas_is_listed():
    wrong = set()
    for kind in classes():
        inherited = names_of_lavas(kind)
        if not inherited:
            continue
        listed = {
            name.rpartition(".")[2]
            for base in kind.__mro__
            for name in PRIVATE
            if name.startswith(f"{base.__module__}:{base.__name__}.")
        }
        for node in ast.walk(tree_of_class(kind)):
            named = node.attr if isinstance(node, ast.Attribute) else getattr(node, "name", "")
            on_self = isinstance(node, ast.FunctionDef) or (
                isinstance(node, ast.Attribute) and getattr(node.value, "id", None) == "self"
            )
            if on_self and re.match(r"_[a-z]", named or "") and named in inherited.keys() - listed:
                wrong.add(f"{kind.__module__}.{kind.__qualname__}: {named} of {inherited[named]}")
    assert not wrong, "list these in lava_ep._lava_private"


def test_attributes_of_the_runtime_stay_in_the_package_runtime():
    public = set(names_of_lavas(AbstractProcess)) | set(names_of_lavas(AbstractProcessModel))
    telling = {name for name in ATTRIBUTES - public if "_" in name.strip("_")}
    wrong = [
        f"{place(path, node)}: {node.attr}"
        for path in sources()
        if ROOT / "runtime" not in path.parents
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr in telling
        if getattr(node.value, "id", None) != "self"
    ]
    assert not wrong


def test_each_is_still_used():
    text = "".join(path.read_text(encoding="utf-8") for path in [*sources(), LIST])
    table = text[text.index("_WHY: ") : text.index("PRIVATE: Mapping")]
    words = set(re.findall(r"\w+", text.replace(table, "")))
    assert not [name for name in PRIVATE if re.split(r"[.:]", name)[-1] not in words]
