"""What only reads data waits neither for Lava nor for kernels."""

import subprocess
import sys

import pytest

HEAVY = ("numba", "llvmlite", "lava", "matplotlib", "torch", "pandas", "tonic")

COMMAND = """
import sys
import lava_ep.cli
sys.argv = ["lava-ep", *{arguments}]
try:
    lava_ep.cli.main()
except SystemExit as end:
    assert not end.code, end.code
"""


@pytest.mark.parametrize(
    "code",
    [
        "import lava_ep",
        "import lava_ep.spec",
        "import lava_ep.dynamics",
        "from lava_ep.spec import load_preset; load_preset('binary-digits')",
        *(
            COMMAND.format(arguments=arguments)
            for arguments in (["--help"], ["--version"], ["presets"], ["info"])
        ),
    ],
)
def test_nothing_heavy_is_imported(code):
    code += f"\nimport sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
