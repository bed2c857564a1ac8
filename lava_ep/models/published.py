"""Imports every ProcessModel, so that Lava finds those of any Process, where there is Lava.

Their kernels are compiled with them, before Lava forks any process.
"""

from __future__ import annotations

from lava_ep import _lava
from lava_ep.dynamics._jit import prepare

if _lava.is_installed():
    import lava_ep.processes

    # The order matters to Lava: asked for SubProcessModels, it wants them first.
    import lava_ep.models.message_passing  # isort: skip
    import lava_ep.models.fixed_point.message_passing  # isort: skip
    import lava_ep.models.fixed_point.network  # isort: skip
    import lava_ep.models.loihi  # isort: skip
    import lava_ep.models.fused.network  # isort: skip
    import lava_ep.models.fused.readout  # isort: skip
    import lava_ep.models.fused.source  # isort: skip
    import lava_ep.models.bmlp.message_passing  # isort: skip
    import lava_ep.models.bmlp.fused  # isort: skip
    import lava_ep.models.data_parallel.network  # noqa: F401  # isort: skip

    prepare()
