"""Packages import only from the rows below their own, as docs/architecture.md says."""

import ast
from pathlib import Path

import pytest

import lava_ep

ROOT = Path(lava_ep.__file__).parent
DOCUMENT = ROOT.parent / "docs" / "architecture.md"
IMPORTERS = ("import_module", "__import__", "find_spec", "lazily")
"""Functions that import modules by their names."""


def rows():
    """Return the number of the row that each package has in the table, 0 for the uppermost."""
    found = {}
    table = DOCUMENT.read_text(encoding="utf-8").split("| package |")[1].split("\n\n")[0]
    for number, line in enumerate(table.splitlines()[2:]):
        for name in line.split("|")[1].split(","):
            found[name.strip(" `").removeprefix("lava_ep.")] = number
    return found


def package_of(path):
    """Return what a file belongs to: a package or module below the root, or the root itself."""
    name = path.relative_to(ROOT).with_suffix("").parts[0]
    return "lava_ep" if name == "__init__" else name


def _first(dotted):
    """Return what a full name belongs to."""
    root, _, rest = dotted.partition(".")
    return [] if root != "lava_ep" else [rest.partition(".")[0] or "lava_ep"]


def _named(tree):
    """Yield what the names of modules in a piece of code belong to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _first(node.value.replace(":", "."))


def imported(source):
    """Yield every package that a file imports, anywhere and in any way."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _first(alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            if node.module == "lava_ep":
                names = [alias.name for alias in node.names]
                yield from (
                    n if (ROOT / n).is_dir() or (ROOT / f"{n}.py").exists() else "lava_ep"
                    for n in names
                )
            else:
                yield from _first(node.module)
        elif isinstance(node, ast.Call):
            function = node.func
            name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            if name in IMPORTERS:
                yield from _named(node)
        elif isinstance(node, ast.Dict):
            # Tables of what is imported when it is needed.
            for value in node.values:
                yield from _named(value)


def test_no_package_imports_from_above_or_beside():
    row, wrong, seen = rows(), [], set()
    for path in ROOT.rglob("*.py"):
        package = package_of(path)
        seen.add(package)
        for other in imported(path.read_text(encoding="utf-8")):
            if other != package and row[other] <= row[package]:
                wrong.append(f"{path.relative_to(ROOT)} imports {other}")
    assert not wrong
    assert seen == set(row)


@pytest.mark.parametrize(
    "line",
    [
        "import lava_ep.report",
        "from lava_ep import report",
        "from lava_ep.report import write_report",
        "def f():\n    from lava_ep.report.text import count",
        "if TYPE_CHECKING:\n    import lava_ep.report.text as text",
        "import_module('lava_ep.report')",
        "importlib.import_module(f'lava_ep.report.{name}')",
        "TABLE = {'raster': 'lava_ep.report.plates:raster'}",
        "TABLE = {'raster': ('lava_ep.report.plates', 'raster')}",
        "find = lazily('lava_ep', {'lava_ep.report': ('write_report',)})",
    ],
)
def test_every_way_to_import_is_seen(line):
    assert "report" in set(imported(line))
