"""A few images of each class, for a quick look."""

import pytest
import torch

from fairbench.data import load_dataset, training_splits
from fairbench.data.few import parse_few
from fairbench.errors import UsageError
from fairbench.models import normalisation_of


def test_the_first_images_of_each_class_are_taken_in_data_order():
    whole, few = load_dataset("digits"), load_dataset("few:7,2:digits")
    assert few.name == "few:7,2:digits"
    assert few.classes == whole.classes
    assert few.train.labels.bincount().tolist() == [7] * 10
    assert few.test.labels.bincount().tolist() == [2] * 10
    assert few.fingerprint != whole.fingerprint
    for label in range(10):
        of_class = whole.train.images[whole.train.labels == label][:7]
        assert torch.equal(few.train.images[few.train.labels == label], of_class)
    splits = training_splits(few)
    assert (len(splits.train), len(splits.select), len(splits.feedback)) == (50, 10, 10)


def test_a_class_that_has_fewer_gives_all():
    whole, few = load_dataset("digits"), load_dataset("few:100000,1:digits")
    assert torch.equal(few.train.labels, whole.train.labels)
    assert len(few.test) == 10


@pytest.mark.parametrize("name", ["few:3:digits", "few:0,1:digits", "few:3,4,digits", "few:a,b:digits"])
def test_what_cannot_be_read_is_refused(name):
    with pytest.raises(UsageError, match=f"cannot read the data set '{name}'; the form is few:TRAIN,TEST:NAME"):
        load_dataset(name)
    with pytest.raises(UsageError, match="unknown data set 'digit'"):
        load_dataset("few:3,4:digit")


def test_few_images_are_normalised_like_all():
    assert parse_few("cifar10") is None
    assert parse_few("few:3,4:folder:a:b").name == "folder:a:b"
    assert normalisation_of("few:3,4:cifar10") == normalisation_of("cifar10")
