"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) from their published files: pickles, read without trusting them."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from fairbench.data.dataset import Arrays, RawDataset
from fairbench.errors import UsageError

_SIDE = 32

# Name -> (size, md5) of the published file. A file of that very size has to be that file; any other is left to the
# checks of its content.
_PUBLISHED = {
    "data_batch_1": (31035704, "c99cafc152244af753f735de768cd75f"),
    "data_batch_2": (31035320, "d4bba439e000b95fd0a9bffe97cbabec"),
    "data_batch_3": (31035999, "54ebc095f3ab1f0389bbae665268c751"),
    "data_batch_4": (31035696, "634d18415352ddfa80567beed471001a"),
    "data_batch_5": (31035623, "482c414d41f54cd18b22e5b47cb7c3cb"),
    "test_batch": (31035526, "40351d587109b95175f43aff81a1287e"),
    "train": (155249918, "16019d7e3df5f24257cddd939b257f8d"),
}


def read(place: Path) -> RawDataset:
    """Both splits; the folder's name tells CIFAR-10 from CIFAR-100.

    Raises:
        UsageError: if a file is missing or damaged, or holds more than arrays.
    """
    if place.name == "cifar-100-python":
        return RawDataset(
            _class_names(place / "meta", "fine_label_names"),
            _read_batches([place / "train"], "fine_labels"),
            _read_batches([place / "test"], "fine_labels"),
        )
    return RawDataset(
        _class_names(place / "batches.meta", "label_names"),
        _read_batches([place / f"data_batch_{number}" for number in range(1, 6)], "labels"),
        _read_batches([place / "test_batch"], "labels"),
    )


def _class_names(path: Path, key: str) -> tuple[str, ...]:
    names = _read_pickle(path).get(key)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        _refuse(path, f"expected a list of class names under {key!r}")
    return tuple(names)


def _read_batches(paths: list[Path], label_key: str) -> Arrays:
    batches = [_read_batch(path, label_key) for path in paths]
    return Arrays(
        np.concatenate([batch.images for batch in batches]), np.concatenate([batch.labels for batch in batches])
    )


def _read_batch(path: Path, label_key: str) -> Arrays:
    content = _read_pickle(path)
    data, labels = content.get("data"), content.get(label_key)
    width = 3 * _SIDE * _SIDE
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != width:
        _refuse(path, f"expected {width} bytes an image under 'data'")
    if not isinstance(labels, list) or len(labels) != len(data) or not all(isinstance(y, int) for y in labels):
        _refuse(path, f"expected {len(data)} labels under {label_key!r}")
    return Arrays(data.reshape(-1, 3, _SIDE, _SIDE), np.asarray(labels, dtype=np.int64))


def _read_pickle(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot read {path}: {reason}; get it with: fairbench data fetch {_dataset(path)}") from None
    size, md5 = _PUBLISHED.get(path.name, (-1, ""))
    if len(content) == size and hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        _refuse(path, f"its md5 is not the published {md5}")
    try:
        loaded = _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # foreign bytes can break a pickle machine in any way
        _refuse(path, str(error) or type(error).__name__)
    if not isinstance(loaded, dict):
        _refuse(path, f"expected a dictionary, got {type(loaded).__name__}")
    return loaded


def _refuse(path: Path, reason: str) -> NoReturn:
    name = _dataset(path)
    raise UsageError(f"{path} is damaged or not {name}: {reason}; remove it and run: fairbench data fetch {name}")


def _dataset(path: Path) -> str:
    return "cifar100" if path.parent.name == "cifar-100-python" else "cifar10"


def _dtype(code: str, align: object = False, copy: object = False) -> np.dtype:
    # The published files say 0 and 1 where numpy wants booleans.
    return np.dtype(code, align=bool(align), copy=bool(copy))


def _encode_latin1(text: str, _encoding: str = "latin1") -> bytes:
    return text.encode("latin1")


_rebuild_array: Any = np.empty(0).__reduce__()[0]
_array_from_buffer: Any = np.empty(1).__reduce_ex__(5)[0]

_ARRAY_PARTS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _rebuild_array,
    ("numpy._core.multiarray", "_reconstruct"): _rebuild_array,
    ("numpy.core.numeric", "_frombuffer"): _array_from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _array_from_buffer,
    ("_codecs", "encode"): _encode_latin1,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Builds containers, numbers, text and numpy arrays, and nothing that can run code."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        try:
            return _ARRAY_PARTS[module_name, global_name]
        except KeyError:
            reason = f"it asks for {module_name}.{global_name}, which is no part of an array; nothing was run"
            raise pickle.UnpicklingError(reason) from None
