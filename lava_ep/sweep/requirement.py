"""Ray Tune is not installed with lava-ep itself."""

from __future__ import annotations

import os

from lava_ep.errors import InputError

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Ctrl-C ends the command as it ends all others; --resume goes on.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Variables that Ray reads when it is imported, so that nothing but the sweep itself is told."""


def require_ray() -> None:
    """Check that Ray Tune is installed.

    Raises
    ------
    InputError
        If it is not.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray.tune  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"sweep: Ray Tune cannot be used ({error}); install lava-ep with the extra ray: "
            "pip install 'lava-ep[ray]'"
        ) from None
