"""Which samples a network is trained with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from lava_ep.spec.base import Spec


class EventsSpec(Spec):
    """How images are made of event recordings; a field left out is as the data set has it.

    See `lava_ep.data.transformed` and `lava_ep.data.count_maps`.
    """

    window: tuple[Annotated[int, Field(ge=0)], int] | None = Field(
        None, description="start and end in microseconds after the first event"
    )
    denoise: int | None = Field(
        None, ge=1, description="drop events without another one beside them within this many us"
    )
    downsample: int | None = Field(
        None, ge=1, le=32, description="side of the square of pixels that become one"
    )
    merge_polarities: bool | None = Field(
        None, description="one channel for both polarities instead of one for each"
    )
    levels: int | None = Field(None, ge=1, le=255, description="number of events that means 1.0")

    @model_validator(mode="after")
    def _window_has_length(self) -> EventsSpec:
        if self.window is not None and self.window[0] >= self.window[1]:
            raise ValueError(f"window={list(self.window)}: expected the end above the start")
        return self


Side = Annotated[int, Field(ge=1, le=4096)]
"""Height or width of a picture in pixels."""


class DataSpec(Spec):
    """Which samples are used."""

    name: str = Field("digits", description="data set, see `lava-ep info`, or a file or folder")
    limit_train: int | None = Field(None, ge=1, description="use only the first N training samples")
    limit_test: int | None = Field(None, ge=1, description="use only the first N test samples")
    events: EventsSpec = Field(EventsSpec(), description="for sets of event recordings only")
    label: str | None = Field(
        None, description="column of a table that holds the labels; none: the last one"
    )
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="share of your own samples to test with, if they have no parts"
    )
    image_size: (
        tuple[Annotated[int, Field(ge=1, le=4096)], Annotated[int, Field(ge=1, le=4096)]] | None
    ) = Field(None, description="height and width that your own pictures are resized to")
    sensor_size: tuple[Side, Side] | None = Field(
        None,
        description="width and height of the camera of your own recordings; none: the smallest "
        "that all of them fit",
    )
    pixels_per_feature: int | None = Field(
        None, ge=1, le=1024, description="pixels per column of a table; none: 64 or more in all"
    )
