"""Fashion-MNIST (Xiao et al. 2017) from its four IDX files, gzipped or not."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from fairbench.data.catalogue import SOURCES
from fairbench.data.dataset import Arrays, RawDataset
from fairbench.errors import UsageError

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_CURE = f"remove it and {SOURCES['fmnist'].cure}"
_UNSIGNED_BYTE = 0x08


def read(place: Path) -> RawDataset:
    """Both splits from a folder.

    Raises:
        UsageError: if a file is missing or damaged.
    """
    return RawDataset(CLASSES, _read_split(place, "train"), _read_split(place, "t10k"))


def _read_split(place: Path, prefix: str) -> Arrays:
    images = read_idx(_existing(place / f"{prefix}-images-idx3-ubyte"), dimensions=3)
    labels = read_idx(_existing(place / f"{prefix}-labels-idx1-ubyte"), dimensions=1)
    return Arrays(images[:, np.newaxis], labels.astype(np.int64))


def _existing(path: Path) -> Path:
    for candidate in (path, path.with_name(f"{path.name}.gz")):
        if candidate.is_file():
            return candidate
    raise UsageError(f"{path}[.gz] is missing; {SOURCES['fmnist'].cure}")


def read_idx(path: Path, *, dimensions: int) -> np.ndarray:
    """The array of an IDX file of unsigned bytes.

    Args:
        path: the file; a name that ends in .gz is unpacked.
        dimensions: how many the array must have.

    Raises:
        UsageError: if the file is truncated, too long, or something else.
    """
    content = _unpacked(path)
    header_size = 4 + 4 * dimensions
    if len(content) < header_size:
        raise UsageError(f"{path} is truncated: {len(content)} bytes, shorter than its header; {_CURE}")
    magic, *shape = struct.unpack(f">{1 + dimensions}I", content[:header_size])
    if magic != (_UNSIGNED_BYTE << 8 | dimensions):
        raise UsageError(f"{path} is not an IDX file of bytes with {dimensions} dimensions; {_CURE}")
    expected, came = math.prod(shape), len(content) - header_size
    if came != expected:
        kind = "truncated" if came < expected else "damaged"
        raise UsageError(f"{path} is {kind}: its header announces {expected} bytes, {came} follow; {_CURE}")
    return np.frombuffer(content, np.uint8, offset=header_size).reshape(shape).copy()


def _unpacked(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (EOFError, gzip.BadGzipFile, zlib.error, struct.error) as error:
        raise UsageError(f"{path} is truncated or damaged ({error}); {_CURE}") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
