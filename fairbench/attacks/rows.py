"""What is known of the images in flight: tensors over the same rows, in batches of given sizes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor


@dataclass
class Rows:
    """Every field is a tensor whose first dimension runs over the same images."""


AnyRows = TypeVar("AnyRows", bound=Rows)


@dataclass
class Images(Rows):
    """What is attacked. Padding repeats a row and is born broken."""

    x: Tensor
    """(B, C, H, W)."""
    y: Tensor
    """(B,) int64."""
    index: Tensor
    """(B,) int64, positions in the whole split: the keys of the noise."""
    row: Tensor
    """(B,) int64, positions in the tensors of the outcome."""
    ranking: Tensor
    """(B, K) int64, the wrong classes by falling clean logit; the last column is the label itself."""
    target: Tensor
    """(B,) int64, which of them a targeted attack goes for: its rank, 0 elsewhere."""
    alive: Tensor
    """(B,) bool: not broken so far."""
    doubt: Tensor
    """(B,) by how much rounding may move the margin of an image; 0 where the search does not round."""


def take(rows: AnyRows, index: Tensor) -> AnyRows:
    """The same rows, chosen and reordered by index (int64)."""
    chosen = {item.name: getattr(rows, item.name).index_select(0, index) for item in fields(rows)}
    return replace(rows, **chosen)


def regroup(parts: list[AnyRows], index: Tensor, sizes: list[int]) -> list[AnyRows]:
    """Batches of given sizes from chosen rows of all batches.

    Args:
        parts: batches.
        index: (B,) int64, rows counted through all batches.
        sizes: rows of each new batch; together B.
    """
    names = [item.name for item in fields(parts[0])]
    joined = {name: torch.cat([getattr(part, name) for part in parts]).index_select(0, index) for name in names}
    pieces = {name: tensor.split(sizes) for name, tensor in joined.items()}
    return [replace(parts[0], **{name: pieces[name][at] for name in names}) for at in range(len(sizes))]


def choose(flags: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """New rows where the flag is set, old ones elsewhere; exact, and much faster than ``torch.where`` on a CPU.

    Args:
        flags: (B,) bool.
        new: (B, ...) finite.
        old: (B, ...) finite.
    """
    weight = flags.to(new.dtype).view(-1, *[1] * (new.ndim - 1))
    return torch.lerp(old, new, weight)
