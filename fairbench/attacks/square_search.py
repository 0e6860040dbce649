"""Square: a random search over squares, which sees the logits and no gradient.

Source: Andriushchenko et al. 2020, "Square Attack: a query-efficient black-box adversarial attack via random search"
(ECCV), Algorithms 1 and 2, with the schedule of the AutoAttack standard version.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fairbench.attacks.keyed_bits import below, image_keys, random_bits, signs
from fairbench.attacks.network import Network
from fairbench.attacks.rows import Images, Rows, choose
from fairbench.losses.per_sample import margin

FIRST_SHARE = 0.8
"""p: the share of the pixels that the first squares cover."""
STRIPE_BITS = 60
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""queries after which the share is halved."""


@dataclass
class Search(Rows):
    """Where the search of each image stands."""

    best: Tensor
    """(B, C * H * W), the point of the highest margin."""
    score: Tensor
    """(B,) its margin."""
    keys: Tensor
    """(B,) of the random numbers."""


def square_side(query: int, height: int, width: int) -> int:
    """The side of the square that a query changes, in pixels."""
    share = FIRST_SHARE / 2 ** sum(query > end for end in HALVINGS)
    return min(max(round(math.sqrt(share * height * width)), 1), height, width)


@dataclass
class SquareLinf:
    """One run in the L-infinity ball: iteration 0 asks about stripes, every later one about one more square."""

    eps: float
    seed: int
    iterations: int
    """queries per image."""

    def begin(self, images: Images) -> Search:
        """Vertical stripes of plus and minus the radius."""
        x = images.x
        _, channels, _, width = x.shape
        keys = image_keys(self.seed, images.index, "square")
        rounds = range(-(-channels * width // STRIPE_BITS))
        drawn = torch.cat([signs(random_bits(keys, -1 - number), 0, STRIPE_BITS) for number in rounds], dim=1)
        stripes = drawn[:, : channels * width].reshape(-1, channels, 1, width).to(x.dtype)
        best = (x + self.eps * stripes).clamp_(0, 1).flatten(1)
        lowest = torch.full(x.shape[:1], -torch.inf, dtype=x.dtype, device=x.device)
        return Search(best, lowest, keys)

    def advance(self, network: Network, images: Images, state: Search, iteration: int) -> tuple[Tensor, Tensor]:
        """Ask about one change and keep it where the margin grows."""
        x = images.x
        if not iteration:
            state.score = margin(network.logits(state.best.view_as(x)), images.y)
            return state.best.view_as(x).clone(), state.score >= 0
        _, channels, height, width = x.shape
        side = square_side(iteration - 1, height, width)
        bits = random_bits(state.keys, iteration)
        pixels = square_pixels(bits, side, channels, height, width)
        shift = signs(bits, 40, channels).to(x.dtype).mul_(self.eps).repeat_interleave(side * side, dim=1)
        changed = x.flatten(1).gather(1, pixels).add_(shift).clamp_(0, 1)
        before = state.best.gather(1, pixels)
        points = state.best.scatter(1, pixels, changed)
        score = margin(network.logits(points.view_as(x)), images.y)
        better = score > state.score
        state.best = points.scatter(1, pixels, choose(better, changed, before))
        state.score = torch.maximum(score, state.score)
        return points.view_as(x), better & (score >= 0)

    def last_points(self, images: Images, state: Search) -> Tensor:
        """The points of the highest margin."""
        return state.best.view_as(images.x)


def square_pixels(bits: Tensor, side: int, channels: int, height: int, width: int) -> Tensor:
    """The pixels of a random square in each image, in all channels.

    Args:
        bits: (B,) int64, of which 40 are used.
        side: of the square.
        channels: of the image.
        height: of the image.
        width: of the image.

    Returns:
        (B, C * side * side) int64, positions in the flattened image. As in the reference implementation the last
        row and column are never the first of a square.
    """
    top = below(bits, 0, max(height - side, 1))
    left = below(bits, 20, max(width - side, 1))
    line = torch.arange(side, device=bits.device)
    plane = torch.arange(channels, device=bits.device) * (height * width)
    offsets = (plane[:, None, None] + line[:, None] * width + line).flatten()
    return (top * width + left)[:, None] + offsets
