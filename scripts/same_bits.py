"""Check that a change has left every bit of what networks learn: run before and after it.

    python scripts/same_bits.py write FILE     # before
    python scripts/same_bits.py check FILE     # after

One preset of every kind trains for an epoch; FILE keeps a digest of each checkpoint. Exits with 1
if one differs, and names it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = {
    "binary-digits": ["--preset", "binary-digits", "--backend", "fused"],
    "binary-digits-messages": ["--preset", "binary-digits", "--limit-train", "320"],
    "binary-mnist": ["--preset", "binary-mnist", "--backend", "fused"],
    "graded": ["--preset", "ep-1h", "--backend", "fused", "--limit-train", "2000"],
    "convolutional": ["--preset", "ep-conv", "--backend", "fused", "--limit-train", "200"],
    "continual": ["--preset", "cep-1h", "--backend", "fused", "--limit-train", "500"],
    "sigma-delta": ["--preset", "sigma-delta-digits", "--backend", "fused"],
    "spiking": ["--preset", "if-digits", "--backend", "fused"],
    "spiking-messages": ["--preset", "lif-digits", "--limit-train", "64"],
    "resistive": ["--preset", "drn-digits", "--backend", "fused"],
    "fixed-point": ["--preset", "binary-digits", "--backend", "fixed_point"],
    "stock": ["--preset", "stock-digits", "--backend", "loihi-fixed", "--limit-train", "30"],
    "bmlp": ["--preset", "bmlp-digits", "--backend", "fused"],
}
"""Options of `lava-ep train` for each run."""


def digest(options: list[str], folder: Path) -> str:
    """Train, and return a digest of the checkpoint."""
    command = [sys.executable, "-m", "lava_ep", "train", "--no-report", "--epochs", "1"]
    command += ["--limit-test", "20", "--out", str(folder), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    hashed = hashlib.sha256()
    for path in sorted(folder.rglob("*.safetensors")):
        hashed.update(path.read_bytes())
    return hashed.hexdigest()


def main() -> None:
    """Write or check the digests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["write", "check"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS), help="these runs")
    options = parser.parse_args()
    found = {}
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = digest(RUNS[name], Path(folder) / "run")
        print(name, found[name][:16], flush=True)
    if options.action == "write":
        options.file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return
    before = json.loads(options.file.read_text(encoding="utf-8"))
    different = [name for name, value in found.items() if before[name] != value]
    print(f"different: {', '.join(different)}" if different else "all the same")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
