"""Where the corrupted test images of a data set lie, if anywhere. Needs no torch."""

from __future__ import annotations

from pathlib import Path

from fairbench.data.catalogue import FOLDER_PREFIX, default_data_dir

OFFICIAL_FOLDERS = {"cifar10": "CIFAR-10-C", "cifar100": "CIFAR-100-C"}


def written_folder(dataset: str, data_dir: Path | None = None) -> Path:
    """Where ``fairbench data corrupt`` writes: ``<data folder>/<data set>-C``.

    Args:
        dataset: a name, or ``folder:PATH``.
        data_dir: the data folder; None is the user's default.
    """
    name = Path(dataset.removeprefix(FOLDER_PREFIX)).name if dataset.startswith(FOLDER_PREFIX) else dataset
    return (data_dir or default_data_dir()) / f"{name}-C"


def find_corrupted(dataset: str, data_dir: Path | None = None) -> Path | None:
    """The folder of corrupted test images, None if they have to be generated.

    The published files come first: ``CIFAR-10-C`` or ``CIFAR-100-C`` in the data folder, for data sets of those names;
    then what ``fairbench data corrupt`` wrote there.
    """
    written = written_folder(dataset, data_dir)
    official = written.parent / OFFICIAL_FOLDERS.get(dataset, "")
    candidates = [official] if dataset in OFFICIAL_FOLDERS else []
    return next((place for place in [*candidates, written] if place.is_dir()), None)
