"""Square in the L2 ball: moves the energy of one window into another one.

Source: Andriushchenko et al. 2020 (ECCV), Algorithm 3 and Eq. 2-3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fairbench.attacks.keyed_bits import image_keys, random_bits, signs
from fairbench.attacks.network import Network
from fairbench.attacks.rows import Images, choose
from fairbench.attacks.square_search import Search, square_pixels, square_side
from fairbench.losses.per_sample import margin

TINY = 1e-12
TILES = 5
"""the start covers the image with so many tiles per side."""


@dataclass
class SquareL2:
    """One run in the L2 ball: iteration 0 asks about tiles, every later one about one more square."""

    eps: float
    seed: int
    iterations: int
    """queries per image."""
    targets: int = 1

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
                delta[:, :, top : top + side, left : left + side] = _bumps(bits, 0, side, channels).to(x.dtype)
                tile += 1
        lowest = torch.full(x.shape[:1], -torch.inf, dtype=x.dtype, device=x.device)
        return Search(_on_sphere(x.flatten(1), delta.flatten(1), self.eps), lowest, keys)

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

    def _moved(self, x: Tensor, state: Search, iteration: int, side: int) -> Tensor:
        _, channels, height, width = x.shape
        places, fates = (random_bits(state.keys, 2 * iteration + part) for part in (0, 1))
        filled = square_pixels(places, side, channels, height, width)
        emptied = square_pixels(fates, side, channels, height, width)
        delta = state.best - x.flatten(1)
        missing = (self.eps**2 - (delta * delta).sum(dim=1)).clamp_(min=0)
        old = delta.gather(1, filled).view(len(x), channels, -1)
        energy = (old * old).sum(dim=2, keepdim=True)
        bump = _bumps(fates, 40, side, channels).to(x.dtype).flatten(2)
        window = bump.add_(old / (energy.sqrt() + TINY))
        delta.scatter_(1, filled, 0)
        # What the two windows share was taken out with the first one, so no energy counts twice.
        taken = delta.gather(1, emptied).view(len(x), channels, -1)
        delta.scatter_(1, emptied, 0)
        energy += (taken * taken).sum(dim=2, keepdim=True)
        length = (missing[:, None, None] / channels + energy).sqrt_()
        window *= length / ((window * window).sum(dim=2, keepdim=True).sqrt() + TINY)
        delta.scatter_(1, filled, window.flatten(1))
        return _on_sphere(x.flatten(1), delta, self.eps)


def _on_sphere(x: Tensor, delta: Tensor, eps: float) -> Tensor:
    length = (delta * delta).sum(dim=1, keepdim=True).sqrt()
    return (x + delta * (eps / (length + TINY))).clamp_(0, 1)


def _bumps(bits: Tensor, shift: int, side: int, channels: int) -> Tensor:
    """(B, C, side, side): the pattern of Eq. 2 with a random sign per channel, transposed or not."""
    pattern = bump_pattern(side).to(bits.device)
    upright = ((bits >> shift) & 1).float()[:, None, None]
    chosen = torch.lerp(pattern.T, pattern, upright)
    return chosen[:, None] * signs(bits, shift + 1, channels)[:, :, None, None]


def bump_pattern(side: int) -> Tensor:
    """A positive bump above a negative one, of L2 norm 1 (Eq. 2).

    Args:
        side: at least 1.

    Returns:
        (side, side) float32.
    """
    upper = side // 2
    pattern = torch.cat([_bump(upper, side), -_bump(side - upper, side)])
    return pattern / pattern.norm()


def _bump(height: int, width: int) -> Tensor:
    # Eq. 3: rings around the middle, each adding the inverse square of its number to all inside.
    rows = (torch.arange(height) - height // 2).abs()
    columns = (torch.arange(width) - width // 2).abs()
    ring = torch.maximum(rows[:, None], columns)
    rings = max(height, width) // 2 + 1
    steps = 1 / torch.arange(1, rings + 1, dtype=torch.float32) ** 2
    inside = steps.flip(0).cumsum(0).flip(0)
    return inside[ring] / inside[ring].norm().clamp(min=TINY) if height else inside[ring]
