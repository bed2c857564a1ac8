"""How long to wait on a machine that has other things to do as well."""

import os


def patience(seconds: float) -> float:
    """Return how long that may take which takes an idle machine so many seconds at most."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
