"""A data set in memory: images as bytes, labels, class names, and a fingerprint of all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fairbench.errors import UsageError, WorkError

_test_is_closed: ContextVar[bool] = ContextVar("test_is_closed", default=False)


class Arrays(NamedTuple):
    """One split as it comes out of its files."""

    images: np.ndarray
    """(N, C, H, W) uint8."""
    labels: np.ndarray
    """(N,) int64, 0..K-1."""


class RawDataset(NamedTuple):
    """What a reader gives, not yet checked."""

    classes: tuple[str, ...]
    train: Arrays
    test: Arrays


@dataclass(frozen=True)
class Split:
    """Some images with their labels."""

    images: Tensor
    """(N, C, H, W) uint8."""
    labels: Tensor
    """(N,) int64."""

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> Split:
        """The same images on a device."""
        return Split(self.images.to(device), self.labels.to(device))

    def take(self, indices: Tensor) -> Split:
        """The images at these positions, (n,) int64 on the split's device."""
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Dataset:
    """A data set with the test split that its publishers fixed."""

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    fingerprint: str
    """sha256 over class names, shapes, pixels and labels of both splits."""
    corrupted: Path | None = None
    """folder of its test images under corruptions, where one was found."""

    def __getattribute__(self, name: str) -> Any:
        if name == "test" and _test_is_closed.get():
            raise WorkError("the test split was asked for while training; use feedback.validate(...) instead")
        return super().__getattribute__(name)

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.classes)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    def to(self, device: torch.device | str) -> Dataset:
        """The same data on a device."""
        return replace(self, train=self.train.to(device), test=self.test.to(device))


@contextmanager
def test_split_closed() -> Iterator[None]:
    """Whoever asks any data set for its test split in here gets a WorkError."""
    token = _test_is_closed.set(True)
    try:
        yield
    finally:
        _test_is_closed.reset(token)


def make_dataset(name: str, raw: RawDataset, *, place: str) -> Dataset:
    """Check what a reader gave and wrap it.

    Args:
        name: the data set's name.
        raw: both splits.
        place: where they were read, named in errors.

    Raises:
        UsageError: if a class is missing in one split, a label names no class, or the splits' images differ in shape.
    """
    for split_name, split in (("train", raw.train), ("test", raw.test)):
        _check_labels(split, raw.classes, where=f"the {split_name} split of {name} in {place}")
    train_shape, test_shape = raw.train.images.shape[1:], raw.test.images.shape[1:]
    if train_shape != test_shape:
        raise UsageError(
            f"{name} in {place}: test images are {describe_shape(test_shape)}, train images are "
            f"{describe_shape(train_shape)}; bring all to one size and mode"
        )
    return Dataset(name, raw.classes, _as_split(raw.train), _as_split(raw.test), _fingerprint(raw))


def describe_shape(shape: tuple[int, ...]) -> str:
    """A shape (C, H, W) in words, as in ``32x32 RGB``."""
    channels, height, width = shape
    return f"{width}x{height} {({1: 'grey', 3: 'RGB'}).get(channels, f'with {channels} channels')}"


def _check_labels(split: Arrays, classes: tuple[str, ...], *, where: str) -> None:
    if len(split.images) != len(split.labels):
        raise UsageError(f"{where} has {len(split.images)} images but {len(split.labels)} labels; fetch it again")
    strange = split.labels[(split.labels < 0) | (split.labels >= len(classes))]
    if len(strange):
        raise UsageError(f"{where} has label {strange[0]}, expected 0..{len(classes) - 1}; fetch it again")
    missing = np.flatnonzero(np.bincount(split.labels, minlength=len(classes)) == 0)
    if len(missing):
        raise UsageError(f"{where} has no image of class {classes[missing[0]]!r}; every class needs images in both")


def _as_split(arrays: Arrays) -> Split:
    return Split(torch.from_numpy(arrays.images), torch.from_numpy(arrays.labels))


def _fingerprint(raw: RawDataset) -> str:
    digest = hashlib.sha256("\n".join(raw.classes).encode())
    for split in (raw.train, raw.test):
        digest.update(repr(split.images.shape).encode())
        digest.update(np.ascontiguousarray(split.images).data)
        digest.update(np.ascontiguousarray(split.labels, dtype="<i8").data)
    return digest.hexdigest()
