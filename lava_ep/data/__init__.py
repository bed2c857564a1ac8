"""Data sets: loading, checking and downloading the samples that a network learns from."""

from lava_ep.data.augment import crop_and_flip
from lava_ep.data.dataset import Dataset
from lava_ep.data.idx import read_idx
from lava_ep.data.registry import DATASETS, load_dataset

__all__ = ["DATASETS", "Dataset", "crop_and_flip", "load_dataset", "read_idx"]
