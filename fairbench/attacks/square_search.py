"""Square: a random search over squares, which sees the logits and no gradient.

Source: Andriushchenko et al. 2020, "Square Attack: a query-efficient black-box adversarial attack via random search"
(ECCV), Algorithms 1 and 2, with the schedule of the AutoAttack standard version.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from fairbench.attacks.keyed_bits import below, image_keys, random_bits, signs
from fairbench.attacks.network import Network
from fairbench.attacks.rows import Images, Rows
from fairbench.losses.per_sample import margin

FIRST_SHARE = 0.8
"""p: the share of the pixels that the first squares cover."""
STRIPE_BITS = 60
DRAWN_AHEAD = 64
"""at most so many queries of equal squares are drawn together,"""
PIXELS_AHEAD = 2304
"""and so many pixels of an image in all their squares: memory, not results."""
QUERIES_BETWEEN_VERDICTS = 20
"""few images are broken by a query, and one that is loses nothing by a few more."""
WITHIN_REACH = 4
"""how much more than rounding the queries that are left may raise a margin."""
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


@dataclass
class Squares(Search):
    """The same, with what was drawn ahead: a block of T queries."""

    pixels: Tensor
    """(B, T, P) which pixels each of the next squares changes, positions in the flattened image,"""
    values: Tensor
    """(B, T, P) and what they become."""


def square_side(query: int, height: int, width: int) -> int:
    """The side of the square that a query changes, in pixels."""
    share = FIRST_SHARE / 2 ** sum(query > end for end in HALVINGS)
    return min(max(round(math.sqrt(share * height * width)), 1), height, width)


@lru_cache(maxsize=8192)
def block_of(iteration: int, channels: int, height: int, width: int) -> range:
    """The block of iterations whose squares are drawn together with those of an iteration (at least 1)."""
    side = square_side(iteration - 1, height, width)
    # Iteration i is query i - 1, and a halving counts after its query.
    first = max((end + 2 for end in HALVINGS if end + 2 <= iteration), default=1)
    last = min((end + 2 for end in HALVINGS if end + 2 > iteration), default=iteration + DRAWN_AHEAD)
    length = min(max(PIXELS_AHEAD // (channels * side * side), 1), DRAWN_AHEAD)
    start = first + (iteration - first) // length * length
    return range(start, min(start + length, last))


@dataclass
class SquareLinf:
    """One run in the L-infinity ball: iteration 0 asks about stripes, every later one about one more square."""

    eps: float
    seed: int
    iterations: int
    """queries per image."""
    asked: int = 0
    """queries of a run before, from whose end this one goes on; its first query asks about that point again."""
    stopped: Tensor | None = None
    """(N, C, H, W), where that run stopped; None for a run that begins."""
    targets: int = 1
    stretch: int = QUERIES_BETWEEN_VERDICTS

    def begin(self, images: Images) -> Squares:
        """Vertical stripes of plus and minus the radius, or where the run before has stopped."""
        x = images.x
        _, channels, _, width = x.shape
        keys = image_keys(self.seed, images.index, "square")
        lowest = torch.full(x.shape[:1], -torch.inf, dtype=x.dtype, device=x.device)
        if self.stopped is not None:
            best = self.stopped[images.row].flatten(1)
            return Squares(best, lowest, keys, pixels=keys[:, None, None], values=best[:, None])
        rounds = range(-(-channels * width // STRIPE_BITS))
        drawn = torch.cat([signs(random_bits(keys, -1 - number), 0, STRIPE_BITS) for number in rounds], dim=1)
        stripes = drawn[:, : channels * width].reshape(-1, channels, 1, width).to(x.dtype)
        best = (x + self.eps * stripes).clamp_(0, 1).flatten(1)
        return Squares(best, lowest, keys, pixels=keys[:, None, None], values=best[:, None])

    def advance(self, network: Network, images: Images, state: Squares, iteration: int) -> tuple[Tensor, Tensor]:
        """Ask about one change and keep it where the margin grows."""
        x = images.x
        points = state.best.view_as(x)
        if not iteration:
            state.score = margin(network.logits(points), images.y)
            return points, state.score >= 0
        block = block_of(self.asked + iteration, *x.shape[1:])
        place = self.asked + iteration - block.start
        if not place or iteration == 1:
            self._draw(x, state, block)
        pixels, values = state.pixels.select(1, place), state.values.select(1, place)
        state.score, found = network.query(points, images.y, state.score, pixels, values)
        return points, found

    def _draw(self, x: Tensor, state: Squares, block: range) -> None:
        """The squares of a block of queries at once."""
        channels, height, width = x.shape[1:]
        side = square_side(block.start - 1, height, width)
        bits = random_bits(state.keys[:, None], block)
        corners = first_pixels(bits, torch.tensor(side, device=x.device), height, width)
        state.pixels = corners[:, :, None] + square_offsets(side, channels, height, width, x.device)
        shifts = signs(bits, 40, channels).to(x.dtype) * self.eps
        values = x.flatten(1).gather(1, state.pixels.flatten(1)).view(*bits.shape, channels, -1)
        state.values = values.add_(shifts[..., None]).clamp_(0, 1).flatten(2)

    def last_points(self, images: Images, state: Squares) -> Tensor:
        """The points of the highest margin."""
        return state.best.view_as(images.x)

    def in_doubt(self, images: Images, state: Squares) -> Tensor:
        """Where the highest margin is about 0, or may come there by the queries that are left."""
        return state.score >= -WITHIN_REACH * images.doubt


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
    corners = first_pixels(bits, torch.tensor(side, device=bits.device), height, width)
    return corners[:, None] + square_offsets(side, channels, height, width, bits.device)


def first_pixels(bits: Tensor, sides: Tensor, height: int, width: int) -> Tensor:
    """Where the random squares begin, in the first channel: int64 like ``bits``.

    Args:
        bits: (..., T) int64, of which 40 are used.
        sides: (T,) or (), of the squares.
        height: of the image.
        width: of the image.
    """
    top = below(bits, 0, (height - sides).clamp(min=1))
    left = below(bits, 20, (width - sides).clamp(min=1))
    return top * width + left


@lru_cache(maxsize=256)
def square_offsets(side: int, channels: int, height: int, width: int, device: torch.device) -> Tensor:
    """From the first pixel of a square to all of them, in all channels: (C * side * side,) int64."""
    line = torch.arange(side, device=device)
    plane = torch.arange(channels, device=device) * (height * width)
    return (plane[:, None, None] + line[:, None] * width + line).flatten()
