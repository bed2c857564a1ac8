"""Single samples seen from inside, their costs, comparison of backends, and BPTT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_ep._lazy import lazily

if TYPE_CHECKING:
    from lava_ep.analysis.bptt import Loss, backpropagate
    from lava_ep.analysis.comparison import (
        Comparison,
        Difference,
        Predictions,
        compare_backends,
        compare_predictions,
    )
    from lava_ep.analysis.efficiency import (
        Account,
        dense_macs,
        forward_macs,
        inference_account,
        training_account,
    )
    from lava_ep.analysis.picojoules import Energy
    from lava_ep.analysis.recording import Recording, record_sample
else:
    __getattr__ = lazily(
        __name__,
        {
            "bptt": (
                "Loss",
                "backpropagate",
            ),
            "comparison": (
                "Comparison",
                "Difference",
                "Predictions",
                "compare_backends",
                "compare_predictions",
            ),
            "efficiency": (
                "Account",
                "dense_macs",
                "forward_macs",
                "inference_account",
                "training_account",
            ),
            "picojoules": ("Energy",),
            "recording": (
                "Recording",
                "record_sample",
            ),
        },
    )

__all__ = [
    "Account",
    "Comparison",
    "Difference",
    "Energy",
    "Loss",
    "Predictions",
    "Recording",
    "backpropagate",
    "compare_backends",
    "compare_predictions",
    "dense_macs",
    "forward_macs",
    "inference_account",
    "record_sample",
    "training_account",
]
