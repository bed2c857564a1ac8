"""Write constraints.txt: the newest releases that every supported Python can have, by uv.

Run it anywhere, as only uv is needed: ``python scripts/make_constraints.py``. Then run the tests.
"""

import subprocess
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("dev", "docs", "notebooks", "ray")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
HEADER = """\
# Every package of the five set-ups (run, dev, docs, notebooks, ray), as resolved for each Python on
# Linux. Refresh: CONTRIBUTING.md, "Dependencies".
"""


def resolved(python: str) -> dict[str, str]:
    """Return the version of each package for a Python."""
    extras = [f"--extra={extra}" for extra in EXTRAS]
    command = ["uv", "pip", "compile", "-q", "--no-annotate", "--no-header", "--no-config"]
    command += ["--python-platform=linux", f"--python-version={python}", *extras, "pyproject.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    pairs = (line.split(" ")[0].split("==") for line in done.stdout.splitlines())
    return {name: version for name, version in pairs}


def lines(found: dict[str, dict[str, str]]) -> list[str]:
    """Return the constraints, with the Pythons that each is for unless it is for all."""
    wanted: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for python, versions in found.items():
        for name, version in versions.items():
            wanted[name][version].append(python)
    result = []
    for name, versions in sorted(wanted.items()):
        for version, pythons in versions.items():
            marker = " or ".join(f'python_version == "{python}"' for python in pythons)
            everywhere = pythons == list(PYTHONS)
            result.append(f"{name}=={version}" + ("" if everywhere else f" ; {marker}"))
    return result


if __name__ == "__main__":
    text = "\n".join(lines({python: resolved(python) for python in PYTHONS}))
    (ROOT / "constraints.txt").write_text(HEADER + text + "\n", encoding="utf-8")
