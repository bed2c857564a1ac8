"""Makes the reference and the harness beside this file importable."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(params=["message-passing", "fused"])
def backend(request):
    """Name of a backend."""
    return request.param
