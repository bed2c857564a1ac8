"""Looking into networks: recordings of single samples."""

from lava_ep.analysis.recording import Recording, record_sample

__all__ = ["Recording", "record_sample"]
