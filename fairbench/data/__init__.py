"""Data sets as bytes on the device, their held-out parts, and augmentation.

Names are resolved on first use, so that listing data sets does not load torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairbench.lazy import resolver

if TYPE_CHECKING:
    from fairbench.data.augmentation import augment as augment
    from fairbench.data.augmentation import to_unit as to_unit
    from fairbench.data.catalogue import dataset_names as dataset_names
    from fairbench.data.catalogue import dataset_title as dataset_title
    from fairbench.data.catalogue import find_dataset as find_dataset
    from fairbench.data.corruptions.corrupt import corrupt as corrupt
    from fairbench.data.corruptions.places import find_corrupted as find_corrupted
    from fairbench.data.corruptions.places import written_folder as written_folder
    from fairbench.data.corruptions.source import CorruptionSource as CorruptionSource
    from fairbench.data.corruptions.source import corruption_source as corruption_source
    from fairbench.data.corruptions.write import write_corrupted as write_corrupted
    from fairbench.data.dataset import Dataset as Dataset
    from fairbench.data.dataset import Split as Split
    from fairbench.data.fetch import fetch_dataset as fetch_dataset
    from fairbench.data.load import load_dataset as load_dataset
    from fairbench.data.splits import TrainingSplits as TrainingSplits
    from fairbench.data.splits import training_splits as training_splits
    from fairbench.data.stratified import stratified_subset as stratified_subset
    from fairbench.protocol.corruptions import CORRUPTIONS as CORRUPTIONS

_HOMES = {
    "CORRUPTIONS": "fairbench.protocol.corruptions",
    "CorruptionSource": "fairbench.data.corruptions.source",
    "corruption_source": "fairbench.data.corruptions.source",
    "find_corrupted": "fairbench.data.corruptions.places",
    "write_corrupted": "fairbench.data.corruptions.write",
    "written_folder": "fairbench.data.corruptions.places",
    "Dataset": "fairbench.data.dataset",
    "Split": "fairbench.data.dataset",
    "TrainingSplits": "fairbench.data.splits",
    "augment": "fairbench.data.augmentation",
    "corrupt": "fairbench.data.corruptions.corrupt",
    "dataset_names": "fairbench.data.catalogue",
    "dataset_title": "fairbench.data.catalogue",
    "fetch_dataset": "fairbench.data.fetch",
    "find_dataset": "fairbench.data.catalogue",
    "load_dataset": "fairbench.data.load",
    "stratified_subset": "fairbench.data.stratified",
    "to_unit": "fairbench.data.augmentation",
    "training_splits": "fairbench.data.splits",
}

__all__ = [
    "CORRUPTIONS",
    "CorruptionSource",
    "Dataset",
    "Split",
    "TrainingSplits",
    "augment",
    "corrupt",
    "corruption_source",
    "dataset_names",
    "dataset_title",
    "fetch_dataset",
    "find_corrupted",
    "find_dataset",
    "load_dataset",
    "stratified_subset",
    "to_unit",
    "training_splits",
    "write_corrupted",
    "written_folder",
]

__getattr__ = resolver(__name__, _HOMES)
