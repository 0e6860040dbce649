"""Load a data set by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fairbench.data.catalogue import FOLDER_PREFIX, locate
from fairbench.data.corruptions.places import find_corrupted
from fairbench.data.dataset import Dataset, make_dataset
from fairbench.data.fetch import fetch_dataset
from fairbench.data.few import first_of_each_class, parse_few
from fairbench.data.foreign import read_raw


def load_dataset(name: str, *, data_dir: Path | None = None, download: bool = False) -> Dataset:
    """A data set, whole, in memory.

    Args:
        name: one of ``dataset_names()``, or ``folder:PATH`` for images in train/<class>/ and test/<class>/. Before it,
            ``few:TRAIN,TEST:`` takes that many images of each class.
        data_dir: the data folder; None is the user's default.
        download: fetch it first if it is missing and can be had.

    Raises:
        UsageError: for an unknown name, and for data that is missing, empty, damaged or inconsistent.
        WorkError: if a download fails.
    """
    few = parse_few(name)
    if few is not None:
        return first_of_each_class(load_dataset(few.name, data_dir=data_dir, download=download), few)
    if download:
        fetch_dataset(name, data_dir)
    place = locate(name, data_dir)
    corrupted = find_corrupted(name, data_dir)
    raw = read_raw(name, place)
    if name.startswith(FOLDER_PREFIX):
        # The record of a run carries this name; a whole path would tell strangers about the machine.
        name = f"{FOLDER_PREFIX}{Path(place).resolve().name}"
    return replace(make_dataset(name, raw, place=str(place)), corrupted=corrupted)
