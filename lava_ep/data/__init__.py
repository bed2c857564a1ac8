"""Data sets: loading, checking and downloading the samples that a network learns from."""

from lava_ep.data.augment import crop_and_flip
from lava_ep.data.dataset import Dataset
from lava_ep.data.event_digits import camera_events, moving_digit
from lava_ep.data.event_files import read_events
from lava_ep.data.event_images import count_map, count_maps, movies, transformed
from lava_ep.data.event_steps import binned_events, integrated_events, repeated_events
from lava_ep.data.events import EVENT, EventDataset, Recordings, checked_events
from lava_ep.data.idx import read_idx
from lava_ep.data.own.loading import OwnOptions, is_recordings, read_for
from lava_ep.data.own.preprocessing import Preprocessing, PreprocessingWarning
from lava_ep.data.own.recordings import find_unlabelled, recording_row
from lava_ep.data.own.split import stratified_split
from lava_ep.data.prototypes import nearest_prototype, prototypes
from lava_ep.data.registry import (
    has_events,
    is_own_data,
    load_dataset,
    load_events,
    load_experiment,
)
from lava_ep.data.sources import DATASETS, register_dataset

__all__ = [
    "DATASETS",
    "EVENT",
    "Dataset",
    "EventDataset",
    "OwnOptions",
    "Preprocessing",
    "PreprocessingWarning",
    "Recordings",
    "binned_events",
    "camera_events",
    "checked_events",
    "count_map",
    "count_maps",
    "crop_and_flip",
    "find_unlabelled",
    "has_events",
    "integrated_events",
    "is_own_data",
    "is_recordings",
    "load_dataset",
    "load_events",
    "load_experiment",
    "movies",
    "moving_digit",
    "nearest_prototype",
    "prototypes",
    "read_events",
    "read_for",
    "read_idx",
    "recording_row",
    "register_dataset",
    "repeated_events",
    "stratified_split",
    "transformed",
]
