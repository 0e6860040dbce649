import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairbench.data import stratified_subset
from fairbench.errors import UsageError


@given(size=st.integers(1, 60), seed=st.integers(0, 2**32), order=st.randoms(use_true_random=False))
def test_subset_is_sorted_distinct_and_equal_up_to_one(size, seed, order):
    labels = [c for c in range(4) for _ in range(15)]
    order.shuffle(labels)
    subset = stratified_subset(torch.tensor(labels), size, num_classes=4, seed=seed)
    assert subset.dtype == torch.int64
    assert len(subset) == size
    assert subset.tolist() == sorted(set(subset.tolist()))
    counts = torch.bincount(torch.tensor(labels)[subset], minlength=4)
    assert counts.max() - counts.min() <= 1


def test_the_seed_decides_and_every_image_has_its_chance():
    labels = torch.arange(4).repeat(10)
    subsets = [stratified_subset(labels, 8, num_classes=4, seed=seed) for seed in range(60)]
    assert torch.equal(subsets[7], stratified_subset(labels, 8, num_classes=4, seed=7))
    assert torch.cat(subsets).unique().tolist() == list(range(40))


def test_the_choice_never_changes():
    # Published numbers on a subset are compared with later ones on the same images.
    labels = torch.arange(10).repeat(1000)
    subset = stratified_subset(labels, 20, num_classes=10, seed=0)
    assert subset[:10].tolist() == [652, 1153, 1439, 1836, 2635, 2781, 3324, 3363, 3600, 3716]


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (0, "a subset of 0 images cannot be taken out of 12"),
        (13, "a subset of 13 images cannot be taken out of 12"),
        (9, "needs 3 of class 2, there are 2"),
    ],
)
def test_impossible_subsets_are_refused(size, message):
    with pytest.raises(UsageError, match=message):
        stratified_subset(torch.tensor([0] * 5 + [1] * 5 + [2] * 2), size, num_classes=3, seed=0)
