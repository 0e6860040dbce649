"""The first images of each class, for a quick look: ``few:TRAIN,TEST:NAME``."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from fairbench.data.dataset import Arrays, Dataset, RawDataset, Split, make_dataset
from fairbench.data.held_out import class_ranks
from fairbench.errors import UsageError

FEW_PREFIX = "few:"


class Few(NamedTuple):
    """How much of which data set."""

    train: int
    """images of each class, at least 1."""
    test: int
    name: str

    def __str__(self) -> str:
        return f"{FEW_PREFIX}{self.train},{self.test}:{self.name}"


def parse_few(name: str) -> Few | None:
    """What a name of the form ``few:TRAIN,TEST:NAME`` says; None if it is of another form.

    Raises:
        UsageError: if it begins like one and cannot be read.
    """
    if not name.startswith(FEW_PREFIX):
        return None
    match = re.fullmatch(rf"{FEW_PREFIX}([1-9]\d{{0,6}}),([1-9]\d{{0,6}}):(.+)", name)
    if match is None:
        raise UsageError(
            f"cannot read the data set {name!r}; the form is few:TRAIN,TEST:NAME, as in few:100,10:cifar10"
        )
    return Few(int(match[1]), int(match[2]), match[3])


def whole_name(name: str) -> str:
    """The data set that a name takes its images from: ``cifar10`` for ``few:100,10:cifar10``."""
    few = parse_few(name)
    return few.name if few else name


def first_of_each_class(dataset: Dataset, few: Few) -> Dataset:
    """The first images of each class in data order, under the name that says so.

    Args:
        dataset: the whole.
        few: how many of each class; a class that has fewer gives all.
    """
    raw = RawDataset(dataset.classes, _first(dataset.train, few.train), _first(dataset.test, few.test))
    return make_dataset(str(few._replace(name=dataset.name)), raw, place=dataset.name)


def _first(split: Split, count: int) -> Arrays:
    labels = split.labels.cpu().numpy()
    chosen = np.flatnonzero(class_ranks(labels) < count)
    return Arrays(split.images.cpu().numpy()[chosen], labels[chosen])
