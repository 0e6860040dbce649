from dataclasses import replace

import numpy as np
import pytest
import torch

from fairbench.data import dataset_names, dataset_title, find_dataset, load_dataset
from fairbench.data.catalogue import SOURCES
from fairbench.data.dataset import Arrays, RawDataset, make_dataset
from fairbench.errors import UsageError


def test_digits_keep_45_test_images_a_class_and_scale_ink_to_bytes():
    from sklearn.datasets import load_digits

    data = load_dataset("digits")
    assert data.image_shape == (1, 8, 8)
    assert data.classes == tuple("0123456789")
    assert torch.bincount(data.test.labels).tolist() == [45] * 10
    assert torch.bincount(data.train.labels).tolist() == [133, 137, 132, 138, 136, 137, 136, 134, 129, 135]
    both = torch.cat([data.train.images, data.test.images]).flatten(1).double() / 255
    # Half a byte is the most that rounding may move an ink level; no image is lost or doubled.
    found = sorted(tuple(np.rint(row * 16).astype(int)) for row in both.numpy())
    assert found == sorted(tuple(row.astype(int)) for row in load_digits().data)
    assert (both * 255).numpy().max() == 255


@pytest.mark.parametrize(("below", "packed"), [("FashionMNIST/raw", True), ("FashionMNIST/raw", False), (".", True)])
def test_fmnist_reads_torchvision_layout_and_loose_files(tmp_path, write, below, packed):
    written = write.fmnist(tmp_path / below, packed=packed)
    data = load_dataset("fmnist", data_dir=tmp_path)
    assert data.classes[0] == "T-shirt/top"
    assert data.classes[9] == "Ankle boot"
    assert np.array_equal(data.train.images[:, 0], written["train-images-idx3-ubyte"])
    assert np.array_equal(data.test.labels, written["t10k-labels-idx1-ubyte"])
    assert data.test.labels.dtype == torch.int64


def test_fmnist_is_found_in_the_system_package_unless_the_named_folder_is_empty(tmp_path, write, monkeypatch):
    write.fmnist(tmp_path / "package")
    system = replace(SOURCES["fmnist"], system_place=tmp_path / "package")
    monkeypatch.setitem(SOURCES, "fmnist", system)
    (tmp_path / "other").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "other" / "something").touch()
    assert find_dataset("fmnist", tmp_path / "other") == tmp_path / "package"
    assert find_dataset("fmnist", tmp_path / "empty") is None


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_cifar10_reads_the_published_pickles(tmp_path, write, protocol):
    written = write.cifar10(tmp_path, protocol=protocol)
    data = load_dataset("cifar10", data_dir=tmp_path)
    assert data.classes[3] == "cat"
    assert data.image_shape == (3, 32, 32)
    assert len(data.train) == 50
    assert np.array_equal(data.train.images[10:20].flatten(1), written["data_batch_2"])
    assert np.array_equal(data.test.images.flatten(1), written["test_batch"])


def test_cifar10_reads_dtypes_as_old_numpy_wrote_them(cifar10):
    import pickle

    class OldType:
        def __reduce__(self):
            return np.dtype, ("u1", 0, 1)

    path = cifar10 / "cifar-10-batches-py" / "batches.meta"
    path.write_bytes(pickle.dumps({"label_names": [str(i) for i in range(10)], "type": OldType()}, protocol=2))
    assert load_dataset("cifar10", data_dir=cifar10).num_classes == 10


def test_cifar100_uses_fine_labels(tmp_path, write):
    written = write.cifar100(tmp_path)
    data = load_dataset("cifar100", data_dir=tmp_path)
    assert data.num_classes == 100
    assert data.train.labels.tolist() == list(range(100))
    assert np.array_equal(data.test.images.flatten(1), written["test"])


@pytest.mark.parametrize("shape", [(6, 5, 3), (6, 5, 1)])
def test_image_folder_keeps_names_order_and_colours(tmp_path, write, shape):
    written = write.images(tmp_path / "pets", classes=("dog", "cat"), shape=shape)
    data = load_dataset(f"folder:{tmp_path / 'pets'}")
    assert data.name == "folder:pets"
    assert data.classes == ("cat", "dog")
    assert data.train.labels.tolist() == [0] * 5 + [1] * 5
    expected = np.stack([written[f"train/{name}/{i:03}"] for name in ("cat", "dog") for i in range(5)])
    assert np.array_equal(data.train.images.permute(0, 2, 3, 1), expected)


def test_image_folder_ignores_hidden_files(image_folder):
    (image_folder / "train" / ".cache").mkdir()
    (image_folder / "train" / "cat" / ".listing").touch()
    assert len(load_dataset(f"folder:{image_folder}").train) == 10


def test_cifar10_jpeg_is_a_folder_below_the_data_folder(tmp_path, write):
    write.images(tmp_path / "cifar10_jpeg")
    data = load_dataset("cifar10_jpeg", data_dir=tmp_path)
    assert data.name == "cifar10_jpeg"
    assert dataset_title(data.name) == "CIFAR-10 (JPEG)"


def _raw(seed=0):
    rng = np.random.default_rng(seed)
    parts = [Arrays(rng.integers(0, 255, (6, 1, 3, 4), np.uint8), np.arange(6) % 2) for _ in range(2)]
    return RawDataset(("a", "b"), *parts)


def test_fingerprint_follows_the_content_and_nothing_else():
    raw = _raw()
    original = make_dataset("x", raw, place="here").fingerprint
    assert original == make_dataset("y", _raw(), place="there").fingerprint
    pixel, label = raw.test.images.copy(), raw.train.labels.copy()
    pixel[3, 0, 1, 2] += 1
    label[[0, 1]] = label[[1, 0]]
    changed = [
        raw._replace(test=raw.test._replace(images=pixel)),
        raw._replace(train=raw.train._replace(labels=label)),
        raw._replace(classes=("a", "c")),
        raw._replace(train=raw.test, test=raw.train),
        RawDataset(raw.classes, *(part._replace(images=part.images.reshape(6, 1, 4, 3)) for part in raw[1:])),
    ]
    prints = {make_dataset("x", other, place="here").fingerprint for other in changed}
    assert len(prints | {original}) == 6


def test_names_are_all_known_and_unknown_ones_get_a_hint():
    assert dataset_names() == ["digits", "fmnist", "cifar10", "cifar100", "cifar10_jpeg"]
    assert find_dataset("digits") == "bundled"
    with pytest.raises(UsageError, match=r"unknown data set 'cifar_10': did you mean cifar10"):
        load_dataset("cifar_10")


def test_listing_data_sets_does_not_load_torch():
    import subprocess
    import sys

    code = (
        "import sys, fairbench.data as d; d.dataset_names(); d.find_dataset('digits'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
