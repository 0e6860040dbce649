"""Folders in the layout of CIFAR-10-C: written whole, continued, checked, and found where they should be."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from photographs import IMAGES

from fairbench.data import (
    Dataset,
    Split,
    corrupt,
    corruption_source,
    find_corrupted,
    load_dataset,
    write_corrupted,
    written_folder,
)
from fairbench.errors import UsageError
from fairbench.files import sha256_file

TYPES = ("contrast", "gaussian_noise", "frost")
LABELS = np.arange(20) % 4


def make(grey: bool = False, first: int = 0) -> Dataset:
    images = torch.from_numpy(IMAGES[first : first + 20].transpose(0, 3, 1, 2).copy())
    split = Split(images[:, :1] if grey else images, torch.from_numpy(LABELS))
    return Dataset("photographs", ("a", "b", "c", "d"), split, split, f"fingerprint {first}")


def source_of(folder, dataset=None, seed=0):
    dataset = dataset or make()
    return corruption_source(folder, labels=dataset.test.labels.numpy(), fingerprint=dataset.fingerprint, seed=seed)


@pytest.mark.parametrize("grey", [False, True])
def test_layout(tmp_path, grey):
    dataset = make(grey)
    clean = dataset.test.images.numpy().transpose(0, 2, 3, 1)
    manifest = write_corrupted(dataset, tmp_path / "C", types=TYPES, seed=4, threads=2)
    assert sorted(path.name for path in (tmp_path / "C").glob("[a-z]*")) == sorted(
        [*(f"{name}.npy" for name in TYPES), "labels.npy", "manifest.json"]
    )
    labels = np.load(tmp_path / "C" / "labels.npy", allow_pickle=False)
    assert labels.dtype == np.uint8
    assert labels.tolist() == LABELS.tolist() * 5
    for name in TYPES:
        path = tmp_path / "C" / f"{name}.npy"
        images = np.load(path, allow_pickle=False)
        assert images.shape == ((100, 32, 32) if grey else (100, 32, 32, 3))
        for severity in (1, 5):
            part = images[20 * (severity - 1) : 20 * severity].reshape(clean.shape)
            assert np.array_equal(part, corrupt(clean, name, severity, 4))
        assert manifest.sha256[path.name] == sha256_file(path)
    assert (manifest.seed, manifest.images, manifest.fingerprint) == (4, 20, dataset.fingerprint)
    assert "drawn by" in manifest.frost_textures


class Killed(BaseException):
    pass


class Progress:
    """Counts images and dies after so many."""

    def __init__(self, left=10**9):
        self.left, self.done = left, 0

    @contextmanager
    def bar(self, title, total):
        self.total = total
        yield self

    def advance(self, amount=1, *, note=""):
        self.done += amount
        if self.done >= self.left:
            raise Killed

    def say(self, line):
        pass


def test_killed_and_called_again(tmp_path, monkeypatch):
    monkeypatch.setattr("fairbench.data.corruptions.write._IMAGES_PER_JOB", 7)
    whole = write_corrupted(make(), tmp_path / "whole", types=TYPES)
    with pytest.raises(Killed):
        write_corrupted(make(), tmp_path / "C", types=TYPES, progress=Progress(150))
    assert not (tmp_path / "C" / "gaussian_noise.npy").exists()
    assert not list((tmp_path / "C").glob("*.part"))
    rest = Progress()
    assert write_corrupted(make(), tmp_path / "C", types=TYPES, progress=rest) == whole
    assert rest.done == rest.total == 200
    (tmp_path / "C" / "frost.npy").write_bytes(b"spoiled")
    again = Progress()
    assert write_corrupted(make(), tmp_path / "C", types=TYPES, progress=again) == whole
    assert again.done == 100
    assert sha256_file(tmp_path / "C" / "frost.npy") == whole.sha256["frost.npy"]


def test_other_data_seed_or_foreign_files_are_refused(tmp_path):
    write_corrupted(make(), tmp_path, types=["contrast"])
    with pytest.raises(UsageError, match=r"made with fingerprint = fingerprint 0, now it is fingerprint 3.*--fresh"):
        write_corrupted(make(first=3), tmp_path, types=["contrast"])
    with pytest.raises(UsageError, match="made with seed = 0, now it is 1"):
        write_corrupted(make(), tmp_path, types=["contrast"], seed=1)
    before = sha256_file(tmp_path / "contrast.npy")
    assert write_corrupted(make(first=3), tmp_path, types=["contrast"], fresh=True).seed == 0
    assert sha256_file(tmp_path / "contrast.npy") != before
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(UsageError, match=r"holds arrays but no manifest\.json; choose another folder"):
        write_corrupted(make(), tmp_path, fresh=True)


def test_unknown_types_and_small_images_are_refused(tmp_path):
    with pytest.raises(UsageError, match="did you mean contrast"):
        write_corrupted(make(), tmp_path / "C", types=["contast"])
    with pytest.raises(UsageError, match=r"cannot corrupt digits: .* at least 28 pixels a side, got 8x8"):
        write_corrupted(load_dataset("digits"), tmp_path / "C")
    assert not (tmp_path / "C").exists()


def test_source_reads_what_is_written_and_generates_the_rest(tmp_path):
    write_corrupted(make(), tmp_path, types=["contrast"])
    places = np.array([3, 19, 0])
    for name in ("contrast", "fog"):
        expected = corrupt(IMAGES[places], name, 4, indices=places)
        assert np.array_equal(source_of(tmp_path).corrupted(name, 4, places, IMAGES[places]), expected)
        assert np.array_equal(source_of(None).corrupted(name, 4, places, IMAGES[places]), expected)
        assert source_of(tmp_path).settings(name, 4) == source_of(None).settings(name, 4)
    # Files of another seed are left aside, not used for the wrong one.
    reseeded = source_of(tmp_path, seed=1).corrupted("gaussian_noise", 2, places, IMAGES[places])
    assert np.array_equal(reseeded, corrupt(IMAGES[places], "gaussian_noise", 2, 1, places))


def test_source_refuses_files_that_were_changed_or_are_about_other_images(tmp_path):
    write_corrupted(make(), tmp_path, types=["contrast"])
    with pytest.raises(UsageError, match="holds corruptions of other images"):
        source_of(tmp_path, make(first=3))
    array = np.load(tmp_path / "contrast.npy")
    np.save(tmp_path / "contrast.npy", array[::-1])
    with pytest.raises(UsageError, match=r"contrast\.npy is not the file that its manifest speaks of"):
        source_of(tmp_path).settings("contrast", 1)
    with pytest.raises(UsageError, match="there is no such folder"):
        source_of(tmp_path / "absent")


def write_published(folder, labels=LABELS, images=None):
    folder.mkdir()
    np.save(folder / "labels.npy", np.tile(labels, 5))
    blocks = [np.full((20, 32, 32, 3), 10 * severity, dtype=np.uint8) for severity in range(1, 6)]
    np.save(folder / "fog.npy", np.concatenate(blocks) if images is None else images)


def test_published_files_come_first_and_are_checked(tmp_path, write):
    folder = tmp_path / "CIFAR-10-C"
    write_published(folder)
    write.cifar10(tmp_path)
    written_folder("cifar10", tmp_path).mkdir()
    assert find_corrupted("cifar10", tmp_path) == folder
    assert load_dataset("cifar10", data_dir=tmp_path).corrupted == folder
    assert find_corrupted("cifar10_jpeg", tmp_path) is None
    source = source_of(folder)
    assert (source.corrupted("fog", 3, np.array([0, 7]), IMAGES[:2]) == 30).all()
    settings = source.settings("fog", 3)
    assert settings["images_from"] == "published files CIFAR-10-C"
    assert settings["sha256"] == sha256_file(folder / "fog.npy")
    assert "generator" in source.settings("snow", 3)["images_from"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": LABELS[::-1]}, r"labels\.npy is not the labels of the test images, five times over"),
        ({"images": np.zeros((99, 32, 32, 3), dtype=np.uint8)}, r"uint8 of \(99, 32, 32, 3\), expected bytes of \(100"),
        ({"images": np.zeros((100, 32, 32, 3))}, "holds float64"),
        ({"images": np.array([{}], dtype=object)}, "cannot be read as an array"),
    ],
)
def test_damaged_published_files_are_refused(tmp_path, changes, reason):
    write_published(tmp_path / "CIFAR-10-C", **changes)
    with pytest.raises(UsageError, match=reason):
        source_of(tmp_path / "CIFAR-10-C").corrupted("fog", 1, np.array([0]), IMAGES[:1])


def test_places(tmp_path):
    assert written_folder("fmnist", tmp_path) == tmp_path / "fmnist-C"
    assert written_folder(f"folder:{tmp_path}/pets/", tmp_path) == tmp_path / "pets-C"
    assert find_corrupted("fmnist", tmp_path) is None
    (tmp_path / "fmnist-C").mkdir()
    assert find_corrupted("fmnist", tmp_path) == tmp_path / "fmnist-C"
