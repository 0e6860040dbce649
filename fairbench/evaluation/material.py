"""What a model is evaluated on: images as bytes, labels, class names, and a fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fairbench.data import Dataset, Split, stratified_subset
from fairbench.errors import UsageError

_SUBSET_SEED = 0
"""Fixed, so that every model is asked about the same images."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """The images of one evaluation."""

    name: str
    classes: tuple[str, ...]
    images: Tensor
    """(N, C, H, W) uint8."""
    labels: Tensor
    """(N,) int64, every class at least once."""
    fingerprint: str
    """sha256 over pixels and labels."""
    corrupted: Path | None = None
    """folder of the images under corruptions, where there is one."""

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.classes)

    def positions(self, size: int | None) -> Tensor:
        """Positions of a stratified part, the same for every model: (n,) int64, ascending.

        Args:
            size: how many; None, or as many as there are, is all.

        Raises:
            UsageError: if the part would leave a class without an image.
        """
        if size is None or size >= len(self.labels):
            return torch.arange(len(self.labels))
        if size < self.num_classes:
            raise UsageError(f"subset = {size}: expected at least one image of each of {self.num_classes} classes")
        return stratified_subset(self.labels, size, num_classes=self.num_classes, seed=_SUBSET_SEED)


def material_of(source: Dataset | Split, num_classes: int | None = None) -> Material:
    """The test split of a data set, or a bare split.

    Args:
        source: where the images come from.
        num_classes: K; None is the data set's, or the highest label of a split plus one.

    Raises:
        UsageError: if the images are not bytes, lengths differ, a label is out of range or a class has no images.
    """
    split = source.test if isinstance(source, Dataset) else source
    if split.images.dtype != torch.uint8 or split.images.ndim != 4:
        raise UsageError(
            f"expected images of shape (N, C, H, W) and type uint8, got {tuple(split.images.shape)} "
            f"{split.images.dtype}; keep the bytes, the evaluator scales them to [0, 1]"
        )
    if len(split.images) != len(split.labels) or not len(split.labels):
        raise UsageError(f"expected a label for each image, got {len(split.labels)} for {len(split.images)} images")
    named = source.classes if isinstance(source, Dataset) else ()
    count = num_classes or len(named) or int(split.labels.max()) + 1
    labels = split.labels.cpu().long()
    _check_labels(labels, count)
    return Material(
        name=source.name if isinstance(source, Dataset) else "split",
        classes=named if len(named) == count else tuple(str(index) for index in range(count)),
        images=split.images,
        labels=labels,
        fingerprint=source.fingerprint if isinstance(source, Dataset) else _fingerprint(split),
        corrupted=source.corrupted if isinstance(source, Dataset) else None,
    )


def _check_labels(labels: Tensor, num_classes: int) -> None:
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= num_classes:
        raise UsageError(f"expected labels in 0..{num_classes - 1}, got {low}..{high}; check num_classes")
    absent = np.flatnonzero(np.bincount(labels.numpy(), minlength=num_classes) == 0)
    if len(absent):
        raise UsageError(
            f"class {absent[0]} of {num_classes} has no images, so its accuracy is undefined; "
            "give images of every class, or the right num_classes"
        )


def _fingerprint(split: Split) -> str:
    digest = hashlib.sha256(repr(tuple(split.images.shape)).encode())
    digest.update(np.ascontiguousarray(split.images.cpu().numpy()).data)
    digest.update(np.ascontiguousarray(split.labels.cpu().numpy(), dtype="<i8").data)
    return digest.hexdigest()
