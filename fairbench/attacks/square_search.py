"""Square: a random search over squares, which sees the logits and no gradient.

Source: Andriushchenko et al. 2020, "Square Attack: a query-efficient black-box adversarial attack via random search"
(ECCV), Algorithms 1 and 2, with the schedule of the AutoAttack standard version.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fairbench.attacks.group import Group, Rows, take
from fairbench.attacks.keyed_bits import below, image_keys, random_bits, signs
from fairbench.losses.per_sample import margin

FIRST_SHARE = 0.8
"""p: the share of the pixels that the first squares cover."""
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""queries after which the share is halved."""


@dataclass
class Search(Rows):
    """Where the search of each image stands."""

    best: Tensor
    """(P, C * H * W), the point of the highest margin."""
    score: Tensor
    """(P,) its margin."""
    keys: Tensor
    """(P,) of the random numbers."""


def square_side(query: int, height: int, width: int) -> int:
    """The side of the square that a query changes, in pixels."""
    share = FIRST_SHARE / 2 ** sum(query > end for end in HALVINGS)
    return min(max(round(math.sqrt(share * height * width)), 1), height, width)


def search_linf(group: Group, *, eps: float, queries: int, seed: int) -> None:
    """The L-infinity search on every living image of a group.

    Args:
        group: the images; broken ones leave it.
        eps: radius.
        queries: asked after the first one, at least 0.
        seed: of the evaluation.
    """
    state = _striped_start(group, eps, seed)
    living = _judge(group, state.best, state.score, torch.ones_like(group.images.alive))
    channels, height, width = group.images.x.shape[1:]
    for query in range(queries):
        if not living:
            return
        if (kept := group.shrink()) is not None:
            state = take(state, kept)
        side = square_side(query, height, width)
        bits = random_bits(state.keys, query)
        pixels = _window(bits, side, channels, height, width)
        shift = signs(bits, 40, channels).mul_(eps).repeat_interleave(side * side, dim=1)
        changed = group.images.x.flatten(1).gather(1, pixels).add_(shift).clamp_(0, 1)
        before = state.best.gather(1, pixels)
        state.best.scatter_(1, pixels, changed)
        score = margin(group.network.logits(state.best.view_as(group.images.x)), group.images.y)
        better = score > state.score
        living = _judge(group, state.best, score, better)
        state.best.scatter_(1, pixels, torch.where(better[:, None], changed, before))
        state.score = torch.where(better, score, state.score)


def _striped_start(group: Group, eps: float, seed: int) -> Search:
    x = group.images.x
    _, channels, _, width = x.shape
    keys = image_keys(seed, group.images.index, "square")
    drawn = [signs(random_bits(keys, -1 - part), 0, 60) for part in range(1, 2 + channels * width // 60)]
    stripes = torch.cat(drawn, dim=1)[:, : channels * width].view(-1, channels, 1, width)
    best = (x + eps * stripes).clamp_(0, 1)
    score = margin(group.network.logits(best), group.images.y)
    return Search(best.flatten(1), score, keys)


def _window(bits: Tensor, side: int, channels: int, height: int, width: int) -> Tensor:
    top = below(bits, 0, max(height - side, 1))
    left = below(bits, 20, max(width - side, 1))
    line = torch.arange(side, device=bits.device)
    plane = torch.arange(channels, device=bits.device) * (height * width)
    offsets = (plane[:, None, None] + line[:, None] * width + line).flatten()
    return (top * width + left)[:, None] + offsets


def _judge(group: Group, best: Tensor, score: Tensor, better: Tensor) -> bool:
    return group.offer(best.view_as(group.images.x), better & (score >= 0))
