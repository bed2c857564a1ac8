"""Install lava-ep from this checkout into the environment of the Python that runs this.

``python scripts/install.py '.[dev]'``. Lava goes in with it, which pip alone would refuse on
Python 3.11 and newer.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIP = (sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check")
LAVA = ("--no-deps", "--ignore-requires-python", "lava-nc==0.10.0")


if __name__ == "__main__":
    wanted = ("--constraint", "constraints.txt", "--editable", *sys.argv[1:])
    subprocess.run((*PIP, *wanted), cwd=ROOT, check=True)
    if importlib.util.find_spec("lava") is None:
        subprocess.run((*PIP, *LAVA), cwd=ROOT, check=True)
