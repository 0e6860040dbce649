import gzip
import pickle
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fairbench.data import find_dataset, load_dataset
from fairbench.errors import UsageError

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("name", ["fmnist", "cifar10", "cifar100", "cifar10_jpeg"])
def test_missing_and_empty_data_folders_are_named_with_the_cure(tmp_path, name):
    with pytest.raises(UsageError, match=rf"{name} not found: the data folder .*nowhere does not exist; \w+ "):
        load_dataset(name, data_dir=tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"is empty; "):
        load_dataset(name, data_dir=tmp_path)
    assert find_dataset(name, tmp_path) is None


def test_a_data_folder_without_the_data_set_says_what_is_looked_for(fmnist):
    with pytest.raises(UsageError, match="has no cifar-10-batches-py; get it with: fairbench data fetch cifar10"):
        load_dataset("cifar10", data_dir=fmnist)


# Fashion-MNIST


def test_fmnist_file_missing(fmnist):
    (fmnist / "FashionMNIST/raw/t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UsageError, match=r"t10k-labels-idx1-ubyte\[.gz\] is missing; get it with"):
        load_dataset("fmnist", data_dir=fmnist)


@FEW
@given(fraction=st.floats(0, 0.999), packed=st.booleans())
def test_fmnist_truncated_anywhere(fmnist, fraction, packed):
    path = fmnist / "FashionMNIST/raw/train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    target = path if packed else path.with_suffix("")
    content = whole if packed else gzip.decompress(whole)
    target.write_bytes(content[: int(fraction * len(content))])
    try:
        with pytest.raises(UsageError, match=r"train-images-idx3-ubyte.* is truncated.*remove it and get it with"):
            load_dataset("fmnist", data_dir=fmnist)
    finally:
        target.unlink()
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>an error page of a proxy</html>", "not an IDX file"),
        (struct.pack(">4I", 0x0803, 1, 1, 1) + b"12", "damaged: its header announces 1 bytes, 2 follow"),
        (struct.pack(">2I", 0x0801, 0) + bytes(8), "not an IDX file of bytes with 3 dimensions"),
    ],
)
def test_fmnist_of_another_format(fmnist, content, message):
    path = fmnist / "FashionMNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        load_dataset("fmnist", data_dir=fmnist)


def _write_labels(root, prefix, labels):
    path = root / f"FashionMNIST/raw/{prefix}-labels-idx1-ubyte"
    path.write_bytes(struct.pack(">2I", 0x0801, len(labels)) + bytes(labels))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0] * 40, "train split of fmnist in .*raw has no image of class 'Trouser'"),
        ([11] * 40, r"has label 11, expected 0\.\.9"),
        ([0] * 39, "has 40 images but 39 labels"),
    ],
)
def test_fmnist_labels_that_do_not_fit(fmnist, labels, message):
    _write_labels(fmnist, "train", labels)
    with pytest.raises(UsageError, match=message):
        load_dataset("fmnist", data_dir=fmnist)


def test_fmnist_test_images_of_another_size(fmnist):
    path = fmnist / "FashionMNIST/raw/t10k-images-idx3-ubyte"
    path.write_bytes(struct.pack(">4I", 0x0803, 40, 8, 9) + bytes(40 * 72))
    with pytest.raises(UsageError, match="test images are 9x8 grey, train images are 28x28 grey"):
        load_dataset("fmnist", data_dir=fmnist)


# CIFAR


@FEW
@given(fraction=st.floats(0, 0.999))
def test_cifar_truncated_anywhere(cifar10, fraction):
    path = cifar10 / "cifar-10-batches-py" / "data_batch_3"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(fraction * len(whole))])
    try:
        with pytest.raises(
            UsageError, match=r"data_batch_3 is damaged or not cifar10: .* fairbench data fetch cifar10"
        ):
            load_dataset("cifar10", data_dir=cifar10)
    finally:
        path.write_bytes(whole)


def test_cifar_pickle_with_code_is_refused_and_not_run(cifar10, tmp_path):
    trace = tmp_path / "was-run"

    class Attack:
        def __reduce__(self):
            return Path.touch, (trace,)

    path = cifar10 / "cifar-10-batches-py" / "data_batch_1"
    path.write_bytes(pickle.dumps({"data": Attack()}))
    with pytest.raises(UsageError, match=r"asks for [\w.]+, which is no part of an array; nothing was run"):
        load_dataset("cifar10", data_dir=cifar10)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "expected a dictionary, got list"),
        ({"data": np.zeros((2, 5), np.uint8), "labels": [0, 1]}, "expected 3072 bytes an image"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [0]}, "expected 2 labels under 'labels'"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": ["cat", "dog"]}, "expected 2 labels under 'labels'"),
    ],
)
def test_cifar_of_another_content(cifar10, content, message):
    (cifar10 / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps(content))
    with pytest.raises(UsageError, match=message):
        load_dataset("cifar10", data_dir=cifar10)


def test_cifar_file_missing(cifar10):
    (cifar10 / "cifar-10-batches-py" / "data_batch_4").unlink()
    with pytest.raises(UsageError, match=r"cannot read .*data_batch_4: no such file or directory; get it with"):
        load_dataset("cifar10", data_dir=cifar10)


def test_cifar_file_of_the_published_size_must_be_the_published_file(cifar10):
    with (cifar10 / "cifar-10-batches-py" / "test_batch").open("r+b") as stream:
        stream.truncate(31035526)
    with pytest.raises(UsageError, match="md5 is not the published 40351d587109b95175f43aff81a1287e"):
        load_dataset("cifar10", data_dir=cifar10)


# Image folders


def _remove(*parts):
    return lambda root: shutil.rmtree(root.joinpath(*parts))


def _save(array, *parts):
    return lambda root: Image.fromarray(array).save(root.joinpath(*parts))


def _empty_class(root):
    for path in (root / "test" / "dog").iterdir():
        path.unlink()


def _empty_split(root):
    shutil.rmtree(root / "train")
    (root / "train").mkdir()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_remove(), "image folder '.*pets' does not exist; write folder:PATH"),
        (_remove("test"), r"test does not exist; an image folder has train/<class>/ and test/<class>/"),
        (_empty_split, "train has no class folders"),
        (_remove("test", "dog"), "class 'dog' is in .*train, not in .*test; add its images"),
        (_remove("train", "cat"), "class 'cat' is in .*test, not in .*train; add its images"),
        (_empty_class, "class folder .*dog is empty"),
        (_save(np.zeros((7, 5, 3), np.uint8), "train", "dog", "002.png"), "002.png is 5x7 RGB, the first .* 5x6 RGB"),
        (_save(np.zeros((6, 5), np.uint8), "test", "dog", "001.png"), "001.png is 5x6 L, the first image is 5x6 RGB"),
        (_save(np.zeros((6, 5, 4), np.uint8), "train", "cat", "000.png"), "mode RGBA; fairbench takes grey .* convert"),
        (
            lambda root: (root / "train/cat/notes.txt").write_text("hello"),
            "notes.txt is no whole image .unknown format",
        ),
        (lambda root: (root / "train/cat/more").mkdir(), "more is no whole image .*directory"),
    ],
)
def test_image_folder_refusals(image_folder, harm, message):
    harm(image_folder)
    with pytest.raises(UsageError, match=message):
        load_dataset(f"folder:{image_folder}")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@FEW
@given(fraction=st.floats(0, 0.8))
def test_image_truncated_anywhere(image_folder, suffix, fraction):
    path = image_folder / "test" / "dog" / f"zzz.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(fraction * len(whole))])
    with pytest.raises(UsageError, match=f"zzz.{suffix} is no whole image"):
        load_dataset(f"folder:{image_folder}")
