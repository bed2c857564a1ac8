import importlib
import signal
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

# Makes `patience` importable.
sys.path.insert(0, str(Path(__file__).parent))

# The same examples in every run, however busy the machine is. To search for more:
# pytest --hypothesis-profile=search
slow = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("always-the-same", derandomize=True, **slow)
settings.register_profile("search", derandomize=False, print_blob=True, **slow)
settings.load_profile("always-the-same")


def pytest_configure():
    # A shell that starts the tests in the background has them ignore Ctrl-C, which some test.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Compiles the kernels, or finds them compiled, before workers that share the tests start.
    importlib.import_module("lava_ep.processes")
