import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairbench.data import TrainingSplits, held_out, load_dataset, training_splits
from fairbench.data.dataset import Dataset, Split
from fairbench.data.held_out import HeldOutRanks, class_ranks, shipped_hashes, shipped_names, shipped_ranks
from fairbench.errors import UsageError
from fairbench.protocol.schema import validated


def numbered(labels, *, name="folder:x"):
    """A data set whose images carry their own number in four bytes."""
    labels = torch.as_tensor(np.asarray(labels), dtype=torch.int64)
    images = torch.arange(len(labels), dtype=torch.int32).view(torch.uint8).view(-1, 1, 2, 2)
    classes = tuple(f"class{c}" for c in range(int(labels.max()) + 1))
    test = Split(torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    return Dataset(name, classes, Split(images, labels), test, "0")


def numbers(split):
    return split.images.reshape(-1).view(torch.int32).tolist()


def test_every_shipped_file_is_valid_and_named_after_its_data_set():
    assert shipped_names() == {"digits", "fmnist", "cifar10", "cifar10_jpeg", "cifar100"}
    for name in shipped_names():
        assert shipped_ranks(name).dataset == name


@pytest.mark.parametrize(
    ("name", "per_class", "select", "feedback"),
    [
        ("fmnist", 6000, range(5700, 5800), range(5800, 6000)),
        ("cifar10", 5000, range(4700, 4800), range(4800, 5000)),
        ("cifar10_jpeg", 5000, range(4700, 4800), range(4800, 5000)),
        ("cifar100", 500, range(470, 480), range(480, 500)),
    ],
)
def test_bases_may_train_on_all_ranks_before_the_held_out_ones(name, per_class, select, feedback):
    ranks = shipped_ranks(name)
    assert (ranks.images_per_class, ranks.select, ranks.feedback) == (per_class, list(select), list(feedback))


def test_digits_hold_out_15_a_class_for_each_purpose_beside_the_test_split():
    data = load_dataset("digits")
    splits = training_splits(data)
    parts = [splits.train, splits.select, splits.feedback]
    assert [torch.bincount(part.labels).tolist() for part in parts[1:]] == [[15] * 10] * 2
    assert sum(map(len, parts)) == len(data.train) == 1347
    assert splits.image_shape == (1, 8, 8)


def test_ranks_count_within_the_class_whatever_the_order_of_the_data():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 6000))
    splits = training_splits(numbered(labels, name="fmnist"))
    for part, expected in ((splits.select, range(5700, 5800)), (splits.feedback, range(5800, 6000))):
        slow = [np.flatnonzero(labels == c)[rank] for c in range(10) for rank in expected]
        assert numbers(part) == sorted(slow)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(4, 80), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_parts_are_disjoint_complete_stratified_and_last(counts, random):
    labels = [c for c, count in enumerate(counts) for _ in range(count)]
    random.shuffle(labels)
    data = numbered(labels)
    splits = training_splits(data)
    train, select, feedback = (numbers(part) for part in (splits.train, splits.select, splits.feedback))
    assert sorted(train + select + feedback) == list(range(len(labels)))
    for part, fraction in ((splits.select, 0.02), (splits.feedback, 0.04)):
        assert torch.bincount(part.labels).tolist() == [max(1, round(fraction * min(counts)))] * len(counts)
    for c in range(len(counts)):
        of_class = [[n for n in part if labels[n] == c] for part in (train, select, feedback)]
        assert max(of_class[0]) < min(of_class[1]) <= max(of_class[1]) < min(of_class[2])


@pytest.mark.parametrize(("name", "per_class", "num_classes"), [("cifar10_jpeg", 5000, 10), ("cifar100", 500, 100)])
def test_cifar_in_a_folder_holds_out_what_it_holds_out_by_name(name, per_class, num_classes):
    labels = np.repeat(np.arange(num_classes), per_class)
    by_name, by_folder = (training_splits(numbered(labels, name=which)) for which in (name, "folder:x"))
    assert by_name.sha256 == by_folder.sha256
    assert numbers(by_name.feedback) == numbers(by_folder.feedback)


def test_small_files_in_a_published_layout_follow_the_general_rule(cifar10):
    splits = training_splits(load_dataset("cifar10", data_dir=cifar10))
    assert [len(part) for part in (splits.train, splits.select, splits.feedback)] == [30, 10, 10]


def test_classes_that_are_too_small_are_refused():
    with pytest.raises(UsageError, match="class 'class1' of folder:x has 3 training images, at least 4 are needed"):
        training_splits(numbered([0] * 10 + [1] * 3))


def test_training_has_no_handle_on_the_test_split():
    data = load_dataset("digits")
    splits = training_splits(data).to("cpu")
    held = {id(value) for part in vars(splits).values() if isinstance(part, Split) for value in vars(part).values()}
    assert isinstance(splits, TrainingSplits)
    assert id(data.test) not in held | {id(value) for value in vars(splits).values()}
    test_images = {image.numpy().tobytes() for image in data.test.images}
    train_images = {image.numpy().tobytes() for image in splits.train.images}
    assert not test_images & train_images


def test_the_hash_names_the_positions():
    labels = [0, 1] * 30
    assert training_splits(numbered(labels)).sha256 == training_splits(numbered(labels)).sha256
    assert training_splits(numbered(labels)).sha256 != training_splits(numbered([*labels[::-1], 0, 1])).sha256


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_class_ranks_count_earlier_images_of_the_class(labels):
    slow = [labels[:position].count(label) for position, label in enumerate(labels)]
    assert class_ranks(np.array(labels)).tolist() == slow


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"select": [3, 3]}, "ascend"),
        ({"select": [-1]}, "ranks are 0 or more"),
        ({"select": [7]}, "share no rank"),
        ({"feedback": []}, "not empty"),
        ({"feedback": [10]}, "below images_per_class = 10"),
        ({"selekt": [1]}, "did you mean select"),
    ],
)
def test_files_of_ranks_are_validated(change, message):
    values = {"dataset": "x", "images_per_class": 10, "select": [5], "feedback": [7, 8], **change}
    with pytest.raises(UsageError, match=message):
        validated(HeldOutRanks, values, place="splits/x.json")


def test_files_of_ranks_ship_with_their_hashes_and_a_changed_one_is_refused(monkeypatch, tmp_path):
    assert set(shipped_hashes()) == {f"{name}.json" for name in shipped_names()}
    folder = Path(held_out.__file__).parents[1] / "protocol" / "splits"
    for name, sha256 in shipped_hashes().items():
        (tmp_path / name).write_bytes((folder / name).read_bytes())
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256
    (tmp_path / "SHA256SUMS").write_bytes((folder / "SHA256SUMS").read_bytes())
    changed = tmp_path / "digits.json"
    changed.write_text(changed.read_text("utf-8").replace("[4, 16", "[5, 16"), encoding="utf-8")
    monkeypatch.setattr(held_out, "_folder", lambda: tmp_path)
    assert shipped_ranks.__wrapped__("fmnist") == shipped_ranks("fmnist")
    with pytest.raises(UsageError, match=r"splits/digits.json was changed: its sha256 is not the one in SHA256SUMS"):
        shipped_ranks.__wrapped__("digits")


def test_ranks_that_do_not_ship_are_refused():
    with pytest.raises(UsageError, match="no held-out ranks ship for data set 'svhn'"):
        shipped_ranks("svhn")
