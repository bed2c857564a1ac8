"""Versions of what the results rest on."""

from __future__ import annotations

REPORTED_PACKAGES = ("lava-ep", "lava-nc", "numpy", "numba", "tonic", "scikit-learn")


def package_versions() -> dict[str, str]:
    """Versions of lava-ep and of what its results rest on."""
    from importlib.metadata import version

    return {name: version(name) for name in REPORTED_PACKAGES}
