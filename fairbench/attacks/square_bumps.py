"""Square in the L2 and the L1 ball: moves what is in one window into another one.

Source: Andriushchenko et al. 2020 (ECCV), Algorithm 3 and Eq. 2-3; for L1 Croce & Hein 2021, "Mind the box" (ICML).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fairbench.attacks.keyed_bits import image_keys, random_bits, signs
from fairbench.attacks.l1_ball import project_on_l1_ball
from fairbench.attacks.network import Network
from fairbench.attacks.rows import Images, choose
from fairbench.attacks.square_search import QUERIES_BETWEEN_VERDICTS, Search, square_pixels, square_side
from fairbench.losses.per_sample import margin

BumpNorm = Literal["l2", "l1"]
TINY = 1e-12
TILES = 5
"""the start covers the image with so many tiles per side."""


@dataclass
class SquareBumps:
    """One run in the L2 or L1 ball: iteration 0 asks about tiles, every later one about one more square."""

    eps: float
    norm: BumpNorm
    seed: int
    iterations: int
    """queries per image."""
    targets: int = 1
    stretch: int = QUERIES_BETWEEN_VERDICTS

    def begin(self, images: Images) -> Search:
        """Tiles of a positive and a negative bump each, with random signs and directions."""
        x = images.x
        keys = image_keys(self.seed, images.index, "square")
        delta = torch.zeros_like(x)
        _, channels, height, width = x.shape
        side = max(min(height, width) // TILES, 1)
        margin_pixels = (min(height, width) - side * TILES) // 2
        tile = 0
        for top in range(margin_pixels, height - side + 1, side):
            for left in range(margin_pixels, width - side + 1, side):
                bits = random_bits(keys, -1 - tile)
                bumps = _bumps(bits, 0, side, channels, self.norm)
                delta[:, :, top : top + side, left : left + side] = bumps.to(x.dtype)
                tile += 1
        lowest = torch.full(x.shape[:1], -torch.inf, dtype=x.dtype, device=x.device)
        return Search(self._inside(x.flatten(1), delta.flatten(1)), lowest, keys)

    def advance(self, network: Network, images: Images, state: Search, iteration: int) -> tuple[Tensor, Tensor]:
        """Ask about one change and keep it where the margin grows."""
        x = images.x
        points = state.best
        if iteration:
            side = max(square_side(iteration - 1, *x.shape[2:]), 3) | 1
            points = self._moved(x, state, iteration, min(side, *x.shape[2:]))
        score = margin(network.logits(points.view_as(x)), images.y)
        better = score > state.score
        if iteration:
            state.best = choose(better, points, state.best)
        state.score = torch.maximum(score, state.score)
        return points.view_as(x), better & (score >= 0)

    def last_points(self, images: Images, state: Search) -> Tensor:
        """The points of the highest margin."""
        return state.best.view_as(images.x)

    def in_doubt(self, images: Images, state: Search) -> Tensor:
        """Where the highest margin is about 0."""
        return state.score >= -images.doubt

    def _moved(self, x: Tensor, state: Search, iteration: int, side: int) -> Tensor:
        _, channels, height, width = x.shape
        places, fates = (random_bits(state.keys, 2 * iteration + part) for part in (0, 1))
        filled = square_pixels(places, side, channels, height, width)
        emptied = square_pixels(fates, side, channels, height, width)
        delta = state.best - x.flatten(1)
        allowed = self.eps**2 if self.norm == "l2" else self.eps
        missing = (allowed - _amount(delta, self.norm)).clamp_(min=0)
        old = delta.gather(1, filled).view(len(x), channels, -1)
        held = _amount(old, self.norm)
        bump = _bumps(fates, 40, side, channels, self.norm).to(x.dtype).flatten(2)
        window = bump.add_(old / (_length(held, self.norm) + TINY))
        delta.scatter_(1, filled, 0)
        # What the two windows share was taken out with the first one, so nothing counts twice.
        held += _amount(delta.gather(1, emptied).view(len(x), channels, -1), self.norm)
        delta.scatter_(1, emptied, 0)
        length = _length(missing[:, None] / channels + held, self.norm)
        if self.norm == "l1":
            length *= channels  # more than there is, as published: the projection takes the excess from everywhere
        window *= length / (_length(_amount(window, self.norm), self.norm) + TINY)
        delta.scatter_(1, filled, window.flatten(1))
        return self._inside(x.flatten(1), delta)

    def _inside(self, x: Tensor, delta: Tensor) -> Tensor:
        """Onto the sphere in L2, into the ball in L1; and into the box."""
        if self.norm == "l1":
            return (x + project_on_l1_ball(delta, x, self.eps)).clamp_(0, 1)
        length = _length(_amount(delta, self.norm), self.norm)
        return (x + delta * (self.eps / (length + TINY))).clamp_(0, 1)


def _amount(values: Tensor, norm: BumpNorm) -> Tensor:
    """What adds up over parts of an image: squares in L2, sizes in L1; (..., D) -> (..., 1)."""
    return (values * values if norm == "l2" else values.abs()).sum(dim=-1, keepdim=True)


def _length(amount: Tensor, norm: BumpNorm) -> Tensor:
    return amount.sqrt() if norm == "l2" else amount


def _bumps(bits: Tensor, shift: int, side: int, channels: int, norm: BumpNorm) -> Tensor:
    """(B, C, side, side): the pattern of Eq. 2 with a random sign per channel, transposed or not."""
    pattern = bump_pattern(side, norm).to(bits.device)
    upright = ((bits >> shift) & 1).float()[:, None, None]
    chosen = torch.lerp(pattern.T, pattern, upright)
    return chosen[:, None] * signs(bits, shift + 1, channels)[:, :, None, None]


def bump_pattern(side: int, norm: BumpNorm) -> Tensor:
    """A positive bump above a negative one, of norm 1 (Eq. 2).

    Args:
        side: at least 1.
        norm: bumps are steeper for ``l1``.

    Returns:
        (side, side) float32.
    """
    upper = side // 2
    pattern = torch.cat([_bump(upper, side, norm), -_bump(side - upper, side, norm)])
    return pattern / torch.linalg.vector_norm(pattern, 2 if norm == "l2" else 1)


def _bump(height: int, width: int, norm: BumpNorm) -> Tensor:
    # Eq. 3: rings around the middle, each adding the inverse square of its number (in L1 the square of that) inside.
    rows = (torch.arange(height) - height // 2).abs()
    columns = (torch.arange(width) - width // 2).abs()
    ring = torch.maximum(rows[:, None], columns)
    rings = max(height, width) // 2 + 1
    order = 2 if norm == "l2" else 1
    steps = 1 / torch.arange(1, rings + 1, dtype=torch.float32) ** (4 / order)
    inside = steps.flip(0).cumsum(0).flip(0)
    if not height:
        return inside[ring]
    return inside[ring] / torch.linalg.vector_norm(inside[ring], order).clamp(min=TINY)
