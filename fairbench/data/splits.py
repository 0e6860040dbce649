"""The two held-out parts of a training set: ``select`` chooses the epoch, ``feedback`` drives the methods."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np
import torch

from fairbench.data.dataset import Dataset, Split
from fairbench.data.held_out import HeldOutRanks, class_ranks, shipped_names, shipped_ranks
from fairbench.errors import UsageError

_FEWEST_IMAGES = 4
# With 5000 images a class these are the ranks that ship for CIFAR-10, so its JPEG files hold out the same images
# whether they are named as a data set or as a folder.
_SELECT_FRACTION, _FEEDBACK_FRACTION = 0.02, 0.04


@dataclass(frozen=True)
class TrainingSplits:
    """All that training may see of a data set; there is no way from here to the test split."""

    name: str
    classes: tuple[str, ...]
    train: Split
    select: Split
    feedback: Split
    sha256: str
    """of the positions that are held out."""

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.classes)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    def to(self, device: torch.device | str) -> TrainingSplits:
        """The same images on a device."""
        parts = {part: getattr(self, part).to(device) for part in ("train", "select", "feedback")}
        return replace(self, **parts)


def training_splits(dataset: Dataset) -> TrainingSplits:
    """The training set in three disjoint parts.

    Data sets with a file in ``fairbench/protocol/splits`` follow it if they have as many images as the file expects.
    Of all others, ``feedback`` is the last 4 % of each class and ``select`` the 2 % before them (fractions of the
    smallest class, at least one image each).

    Raises:
        UsageError: if a class has fewer than 4 training images.
    """
    labels = dataset.train.labels.cpu().numpy()
    counts = np.bincount(labels, minlength=dataset.num_classes)
    shipped = _shipped_for(dataset, counts)
    if shipped:
        ranks = class_ranks(labels)
        in_select, in_feedback = np.isin(ranks, shipped.select), np.isin(ranks, shipped.feedback)
    else:
        in_select, in_feedback = _last_of_each_class(dataset, labels, counts)
    held_out = json.dumps([np.flatnonzero(part).tolist() for part in (in_select, in_feedback)])
    train, select, feedback = (
        dataset.train.take(torch.from_numpy(np.flatnonzero(part)).to(dataset.train.labels.device))
        for part in (~(in_select | in_feedback), in_select, in_feedback)
    )
    sha256 = hashlib.sha256(held_out.encode()).hexdigest()
    return TrainingSplits(dataset.name, dataset.classes, train, select, feedback, sha256)


def _shipped_for(dataset: Dataset, counts: np.ndarray) -> HeldOutRanks | None:
    if dataset.name not in shipped_names():
        return None
    ranks = shipped_ranks(dataset.name)
    return ranks if counts.min() == ranks.images_per_class else None


def _last_of_each_class(dataset: Dataset, labels: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    smallest = int(counts.argmin())
    if counts[smallest] < _FEWEST_IMAGES:
        raise UsageError(
            f"class {dataset.classes[smallest]!r} of {dataset.name} has {counts[smallest]} training images, at least "
            f"{_FEWEST_IMAGES} are needed to hold some out; add images"
        )
    select_size, feedback_size = (
        max(1, round(fraction * int(counts[smallest]))) for fraction in (_SELECT_FRACTION, _FEEDBACK_FRACTION)
    )
    from_the_end = counts[labels] - 1 - class_ranks(labels)
    in_feedback = from_the_end < feedback_size
    return ~in_feedback & (from_the_end < feedback_size + select_size), in_feedback
