"""How a network is trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lava_ep.spec.base import Spec


class TrainingSpec(Spec):
    """How long and in which portions the network is trained."""

    epochs: int = Field(10, ge=1, description="passes over the training set")
    batch_size: int = Field(16, ge=1, description="samples that an update averages")
    seed: int = Field(0, ge=0, description="of everything random")
    decay: float = Field(
        1.0, gt=0, le=1, description="decay of BOP contributions and of SGD's rates per epoch"
    )
    augmentation: Literal["none", "crop-and-flip"] = Field(
        "none", description="random changes of the training images, see `lava_ep.data.augment`"
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="stop after this many epochs without a better validation accuracy, or test "
        "accuracy where there is no validation part, and keep the best epoch",
    )
    validation_fraction: float = Field(
        0.0, ge=0, lt=1, description="share of the training samples that only select the best epoch"
    )
    test_batch_size: int = Field(500, ge=1, description="upper limit of the batch for testing")
