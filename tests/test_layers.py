"""Packages import from their own layer and the ones below, as docs/architecture.md says."""

import ast
from pathlib import Path

import lava_ep

ROOT = Path(lava_ep.__file__).parent
DOCUMENT = ROOT.parent / "docs" / "architecture.md"


def layers():
    """Return the number of the row that each package has in the table, 0 for the uppermost."""
    found = {}
    table = DOCUMENT.read_text(encoding="utf-8").split("| package |")[1].split("\n\n")[0]
    for number, line in enumerate(table.splitlines()[2:]):
        for name in line.split("|")[1].split(","):
            found[name.strip(" `").removeprefix("lava_ep.")] = number
    return found


def imported(path):
    """Yield the packages that a module imports when it is loaded."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "lava_ep":
            dotted = node.module.split(".")[1:]
            yield from dotted[:1] or [alias.name for alias in node.names]


def test_no_package_imports_from_above():
    rows, wrong, seen = layers(), [], set()
    for path in ROOT.rglob("*.py"):
        name = path.relative_to(ROOT).with_suffix("").parts[0]
        if name.startswith("_"):
            continue
        seen.add(name)
        for other in imported(path):
            # The server of a sweep is a program of its own that runs command lines.
            program = path.name == "server.py" and other == "cli"
            if not program and not other.startswith("_") and rows[other] < rows[name]:
                wrong.append(f"{path.relative_to(ROOT)} imports {other}")
    assert not wrong
    assert seen == set(rows)
