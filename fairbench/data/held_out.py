"""Which images of each class are held out: ranks that ship as files, so that everybody holds out the same ones."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import pairwise

import numpy as np
from pydantic import Field, field_validator, model_validator

from fairbench.errors import UsageError
from fairbench.protocol.schema import Schema, validated

HASHES_NAME = "SHA256SUMS"


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
        UsageError: if there are none, the file is not the one that ships, or it breaks the schema.
    """
    if name not in shipped_names():
        raise UsageError(f"no held-out ranks ship for data set {name!r}")
    place = f"splits/{name}.json"
    text = (_folder() / f"{name}.json").read_text("utf-8")
    if hashlib.sha256(text.encode()).hexdigest() != shipped_hashes().get(f"{name}.json"):
        raise UsageError(f"{place} was changed: its sha256 is not the one in {HASHES_NAME}; install fairbench again")
    return validated(HeldOutRanks, json.loads(text), place=place)


@cache
def shipped_hashes() -> dict[str, str]:
    """The sha256 of each file of held-out ranks, by its name: the lines of ``sha256sum``."""
    lines = (_folder() / HASHES_NAME).read_text("utf-8").splitlines()
    return {name: sha256 for sha256, name in (line.split() for line in lines)}


@cache
def shipped_names() -> frozenset[str]:
    """The data sets whose held-out ranks ship with the package."""
    names = (entry.name for entry in _folder().iterdir())
    return frozenset(name.removesuffix(".json") for name in names if name.endswith(".json"))


def _folder() -> Traversable:
    return resources.files("fairbench.protocol") / "splits"
