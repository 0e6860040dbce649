"""Numpy archives that never unpickle, and whose bytes follow from their content."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fairbench.files import replacing

_UNIX = 3


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], *, compressed: bool = False) -> None:
    """Write named arrays; the same arrays give the same bytes.

    Args:
        path: the file.
        arrays: name -> array.
        compressed: for files that are kept; bundles from outside may not be, since a small one could fill the memory.

    Raises:
        UsageError: if the file cannot be written.
    """
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")  # made by hand it carries a fixed date
            entry.create_system = _UNIX
            entry.compress_type = zipfile.ZIP_BZIP2 if compressed else zipfile.ZIP_STORED
            archive.writestr(entry, content.getvalue())


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays of these names.

    Raises:
        OSError: if the file cannot be read.
        ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error: if it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        return {
            name: np.lib.format.read_array(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)
            for name in names
        }
