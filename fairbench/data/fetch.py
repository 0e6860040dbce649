"""Download a data set into the data folder, in torchvision's layout."""

from __future__ import annotations

import contextlib
import importlib
import io
from pathlib import Path

from fairbench.compat import import_torchvision
from fairbench.data.catalogue import BUNDLED, SOURCES, default_data_dir, find_dataset, source_of
from fairbench.errors import UsageError, WorkError


def fetch_dataset(name: str, data_dir: Path | None = None) -> Path | None:
    """Download a data set unless it is there; files that are there and whole are kept.

    Args:
        name: the data set.
        data_dir: the data folder, made if need be; None is the user's default.

    Returns:
        Where it lies now, or None if a library carries it.

    Raises:
        UsageError: if this data set cannot be had by download.
        WorkError: if the download fails.
    """
    source, root = source_of(name), data_dir or default_data_dir()
    found = find_dataset(name, data_dir)
    if found == BUNDLED:
        return None
    if found is not None and (found == source.system_place or source.torchvision_class is None):
        return found
    if source.torchvision_class is None or source.place is None:
        fetchable = ", ".join(known for known, other in SOURCES.items() if other.torchvision_class)
        raise UsageError(f"{name} cannot be downloaded (these can: {fetchable}); {source.cure}".removesuffix("; "))
    _download(source.torchvision_class, name, root)
    return root / source.place


def _download(torchvision_class: str, name: str, root: Path) -> None:
    import_torchvision()
    dataset_class = getattr(importlib.import_module("torchvision.datasets"), torchvision_class)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(io.StringIO()):
            dataset_class(str(root), download=True)
    except (OSError, RuntimeError) as error:
        raise WorkError(
            f"cannot download {name} to {root}: {error}; check the connection and try again, or bring the files there"
        ) from error
