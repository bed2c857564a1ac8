"""Training: sessions with a running network, run folders, and the trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_ep._lazy import lazily

if TYPE_CHECKING:
    from lava_ep.training.bmlp_session import BMLPCounters, BMLPSession
    from lava_ep.training.calibration import fit_temperature, probabilities
    from lava_ep.training.counters import Counters, per_sample
    from lava_ep.training.evaluation import Evaluation, evaluate
    from lava_ep.training.families import FAMILIES, family_of
    from lava_ep.training.family import Activity, AnySession, Family, Parameters
    from lava_ep.training.fit import adapted, check_fit, check_samples, load_fitting
    from lava_ep.training.ranks import MPIRanks, Ranks, check_ranks, open_ranks
    from lava_ep.training.run_folder import (
        RESUME,
        RunFolder,
        best_epoch,
        read_checkpoint,
        selection,
    )
    from lava_ep.training.samples import (
        OtherSamplesWarning,
        check_same_samples,
        data_digest,
        describe_run,
        load_run_data,
        open_run,
        preprocessing_of,
    )
    from lava_ep.training.session import NetworkSession
    from lava_ep.training.sessions import Session, check_execution, open_session
    from lava_ep.training.stock_session import StockSession
    from lava_ep.training.trained import TrainedNetwork, load_run, predict_file
    from lava_ep.training.trainer import Progress, Trainer, exhausted
else:
    __getattr__ = lazily(
        __name__,
        {
            "bmlp_session": ("BMLPCounters", "BMLPSession"),
            "calibration": ("fit_temperature", "probabilities"),
            "evaluation": ("Evaluation", "evaluate"),
            "families": ("FAMILIES", "family_of"),
            "family": ("Activity", "AnySession", "Family", "Parameters"),
            "fit": ("adapted", "check_fit", "check_samples", "load_fitting"),
            "ranks": ("MPIRanks", "Ranks", "check_ranks", "open_ranks"),
            "run_folder": ("RESUME", "RunFolder", "best_epoch", "read_checkpoint", "selection"),
            "counters": ("Counters", "per_sample"),
            "session": ("NetworkSession",),
            "sessions": ("Session", "check_execution", "open_session"),
            "stock_session": ("StockSession",),
            "trained": ("TrainedNetwork", "load_run", "predict_file"),
            "samples": (
                "OtherSamplesWarning",
                "check_same_samples",
                "data_digest",
                "describe_run",
                "load_run_data",
                "open_run",
                "preprocessing_of",
            ),
            "trainer": ("Progress", "Trainer", "exhausted"),
        },
    )

__all__ = [
    "FAMILIES",
    "RESUME",
    "Activity",
    "AnySession",
    "BMLPCounters",
    "BMLPSession",
    "Counters",
    "Evaluation",
    "Family",
    "MPIRanks",
    "NetworkSession",
    "OtherSamplesWarning",
    "Parameters",
    "Progress",
    "Ranks",
    "RunFolder",
    "Session",
    "StockSession",
    "TrainedNetwork",
    "Trainer",
    "adapted",
    "best_epoch",
    "check_execution",
    "check_fit",
    "check_ranks",
    "check_same_samples",
    "check_samples",
    "data_digest",
    "describe_run",
    "evaluate",
    "exhausted",
    "family_of",
    "fit_temperature",
    "load_fitting",
    "load_run",
    "load_run_data",
    "open_ranks",
    "open_run",
    "open_session",
    "per_sample",
    "predict_file",
    "preprocessing_of",
    "probabilities",
    "read_checkpoint",
    "selection",
]
