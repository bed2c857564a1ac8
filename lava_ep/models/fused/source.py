"""Image sources that show a whole batch in one Lava time step."""

from __future__ import annotations

from lava_ep.models.discovery import cpu_model
from lava_ep.models.message_passing.source import ClampedImages, SentImages, StoredImages
from lava_ep.processes.source import EventSource, ImageInjector, ImageSource


class _WholeBatches(ClampedImages):
    """Send a new batch in every step."""

    def run_spk(self) -> None:
        """Send the labels, and all that the pixels have to say."""
        self.load()
        self.label_out.send(self.labels)
        for frame in self.frames:
            self.s_out.send(frame)


@cpu_model(ImageSource, "fused", "fixed_pt_fused")
class PyImageSourceModelFused(StoredImages, _WholeBatches):
    """Walk through the stored images."""


@cpu_model(EventSource, "fused", "fixed_pt_fused")
class PyEventSourceModelFused(StoredImages, _WholeBatches):
    """Walk through the stored recordings."""


@cpu_model(ImageInjector, "fused", "fixed_pt_fused")
class PyImageInjectorModelFused(SentImages, _WholeBatches):
    """Wait for the host to send the next batch."""
