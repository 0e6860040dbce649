"""Which images of each class are held out: ranks that ship as files, so that everybody holds out the same ones."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from itertools import pairwise

import numpy as np
from pydantic import Field, field_validator, model_validator

from fairbench.errors import UsageError
from fairbench.protocol.schema import Schema, validated


class HeldOutRanks(Schema):
    """Which images are held out, as ranks within each class in data order, the same ranks for all classes.

    Ranks do not depend on how a data set mixes its classes, so they can be written down without its images.
    """

    dataset: str
    images_per_class: int = Field(ge=1)
    """training images of the smallest class."""
    select: list[int]
    feedback: list[int]
    test: list[int] = Field(default_factory=list)
    """ranks in the undivided data set that make its test split, where the publishers made none."""

    @field_validator("select", "feedback", "test")
    @classmethod
    def _ascend(cls, ranks: list[int]) -> list[int]:
        if any(earlier >= later for earlier, later in pairwise(ranks)) or (ranks and ranks[0] < 0):
            raise ValueError("ranks are 0 or more and ascend")
        return ranks

    @model_validator(mode="after")
    def _disjoint(self) -> HeldOutRanks:
        if not self.select or not self.feedback or set(self.select) & set(self.feedback):
            raise ValueError("select and feedback are not empty and share no rank")
        if max(self.select[-1], self.feedback[-1]) >= self.images_per_class:
            raise ValueError(f"select and feedback are below images_per_class = {self.images_per_class}")
        return self


def class_ranks(labels: np.ndarray) -> np.ndarray:
    """The place of each image among those of its class, in data order.

    Args:
        labels: (N,) int64, 0..K-1.

    Returns:
        (N,) int64, from 0.
    """
    by_class = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    ranks = np.empty_like(labels)
    ranks[by_class] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return ranks


@cache
def shipped_ranks(name: str) -> HeldOutRanks:
    """The held-out ranks that ship with the package for a data set.

    Raises:
        UsageError: if there are none or the file breaks the schema.
    """
    if name not in shipped_names():
        raise UsageError(f"no held-out ranks ship for data set {name!r}")
    file = resources.files("fairbench.protocol") / "splits" / f"{name}.json"
    return validated(HeldOutRanks, json.loads(file.read_text("utf-8")), place=f"splits/{name}.json")


@cache
def shipped_names() -> frozenset[str]:
    """The data sets whose held-out ranks ship with the package."""
    folder = resources.files("fairbench.protocol") / "splits"
    return frozenset(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))
