import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def _pixels(count, shape, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def _write_idx(path: Path, array: np.ndarray, packed: bool):
    content = struct.pack(f">{1 + array.ndim}I", 0x0800 | array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if packed else content)


def write_fmnist(folder: Path, *, per_class: int = 4, packed: bool = True) -> dict[str, np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for number, prefix in enumerate(("train", "t10k")):
        labels = np.tile(np.arange(10, dtype=np.uint8), per_class)
        images = _pixels(len(labels), (28, 28), number)
        for kind, array in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-ubyte", labels)):
            written[kind] = array
            _write_idx(folder / (kind + (".gz" if packed else "")), array, packed)
    return written


CIFAR10_NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def write_cifar10(root: Path, *, protocol: int = 2) -> dict[str, np.ndarray]:
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for number, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        written[name] = _pixels(10, (3 * 32 * 32,), number)
        content = {"data": written[name], "labels": list(range(10)), "filenames": ["x.png"] * 10}
        (folder / name).write_bytes(pickle.dumps(content, protocol=protocol))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": CIFAR10_NAMES}, protocol=protocol))
    return written


def write_cifar100(root: Path) -> dict[str, np.ndarray]:
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for number, name in enumerate(("train", "test")):
        written[name] = _pixels(100, (3 * 32 * 32,), number)
        content = {"data": written[name], "fine_labels": list(range(100)), "coarse_labels": [0] * 100}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    meta = {"fine_label_names": [f"class{i:02}" for i in range(100)]}
    (folder / "meta").write_bytes(pickle.dumps(meta, protocol=2))
    return written


def write_images(root: Path, *, classes=("cat", "dog"), train=5, test=2, shape=(6, 5, 3)) -> dict[str, np.ndarray]:
    written = {}
    for split, count in (("train", train), ("test", test)):
        for seed, name in enumerate(classes):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number, pixels in enumerate(_pixels(count, shape, seed + 10 * count)):
                written[f"{split}/{name}/{number:03}"] = pixels
                Image.fromarray(pixels.squeeze()).save(folder / f"{number:03}.png")
    return written


@pytest.fixture
def fmnist(tmp_path):
    write_fmnist(tmp_path / "FashionMNIST" / "raw")
    return tmp_path


@pytest.fixture
def cifar10(tmp_path):
    write_cifar10(tmp_path)
    return tmp_path


@pytest.fixture
def image_folder(tmp_path):
    write_images(tmp_path / "pets")
    return tmp_path / "pets"


@pytest.fixture
def write():
    """The writers of small files in the published layouts."""

    class Writers:
        fmnist = staticmethod(write_fmnist)
        cifar10 = staticmethod(write_cifar10)
        cifar100 = staticmethod(write_cifar100)
        images = staticmethod(write_images)

    return Writers
