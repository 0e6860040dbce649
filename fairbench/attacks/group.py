"""The images that an attack works on at a time: padded, judged, and dropped once they are broken."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor

from fairbench.attacks.network import Network


@dataclass
class Rows:
    """Tensors whose first dimension runs over the same images; other fields are shared by all of them."""


AnyRows = TypeVar("AnyRows", bound=Rows)


def take(rows: AnyRows, index: Tensor) -> AnyRows:
    """The same rows, chosen and reordered by index (int64)."""
    chosen = {
        item.name: getattr(rows, item.name).index_select(0, index)
        for item in fields(rows)
        if isinstance(getattr(rows, item.name), Tensor)
    }
    return replace(rows, **chosen)


@dataclass
class Images(Rows):
    """What is attacked. Padding repeats a row and is born broken."""

    x: Tensor
    """(P, C, H, W)."""
    y: Tensor
    """(P,) int64."""
    index: Tensor
    """(P,) int64, positions in the whole split: the keys of the noise."""
    row: Tensor
    """(P,) int64, positions in the tensors of the outcome."""
    rank_labels: Tensor
    """(P, K) int64, classes by falling clean logit without the label itself; the last column is the label."""
    alive: Tensor
    """(P,) bool: not broken so far."""


@dataclass
class Outcome:
    """What is known of all images; attacks write here as they break them."""

    x_adv: Tensor
    robust: Tensor


class Group:
    """Images in flight, a multiple of the micro-batch of them."""

    def __init__(self, network: Network, outcome: Outcome, images: Images, rows: Tensor) -> None:
        """Takes and pads some of the images.

        Args:
            network: searched with and asked for verdicts.
            outcome: where broken images are written.
            images: all of them.
            rows: (B,) int64, which ones; B above 0.
        """
        self.network = network
        self.outcome = outcome
        self.images = images
        self._pad(rows)

    def _pad(self, keep: Tensor) -> Tensor:
        extra = self.network.padded(len(keep)) - len(keep)
        index = torch.cat([keep, keep[-1:].expand(extra)])
        self.images = take(self.images, index)
        self.images.alive[len(keep) :] = False
        return index

    def __len__(self) -> int:
        """Rows, padding included."""
        return len(self.images.y)

    def offer(self, points: Tensor, fools: Tensor) -> bool:
        """Judge the points that fool the search; those that fool the network under attack break their image.

        Args:
            points: (P, C, H, W), inside ball and box.
            fools: (P,) bool.

        Returns:
            whether any image is still alive.
        """
        rows = (fools & self.images.alive).nonzero().squeeze(1)
        if len(rows):
            candidates = points[rows]
            broken = self.network.verdict(candidates) != self.images.y[rows]
            rows, candidates = rows[broken], candidates[broken]
            self.images.alive[rows] = False
            self.outcome.x_adv[self.images.row[rows]] = candidates
            self.outcome.robust[self.images.row[rows]] = False
            return bool(self.images.alive.any())
        return True

    def shrink(self) -> Tensor | None:
        """Drop broken images where that saves a micro-batch.

        Returns:
            the kept rows (Q,), to apply to the attack's own state; None when nothing changed.
        """
        living = int(self.images.alive.sum())
        if self.network.padded(living) >= len(self):
            return None
        return self._pad(self.images.alive.nonzero().squeeze(1))
