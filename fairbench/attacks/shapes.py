"""Which sizes a pass may have without changing a bit of what an image gets.

Libraries round differently for batches of different size, and a search amplifies the last bit. So the size of a pass is
fixed, the micro-batch, and a smaller one is only used for a rest of images if it was seen to give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

PARTS, LARGEST_PART = 8, 16
"""sizes are multiples of this part of the micro-batch, or of so many images if that is less,"""
SMALL = (2, 3, 4, 6, 8, 12)
"""or small. A single row is a vector to most libraries, and reduced in another order."""
LEAST_VERDICT = 16
"""images are judged in so many or a power of two times as many; few are judged at all."""

Answers = list[Tensor]
"""Tensors (B, ...): what a network is asked about B images."""


def search_sizes(micro_batch: int) -> list[int]:
    """The sizes of a pass that are worth a try, in rising order: of a search, which goes on with fewer and fewer."""
    step = min(max(micro_batch // PARTS, 1), LARGEST_PART)
    wanted = {*range(step, micro_batch, step), *SMALL}
    return sorted(size for size in wanted if 2 <= size < micro_batch)


def verdict_sizes(micro_batch: int) -> list[int]:
    """The same for verdicts."""
    return [size for size in (LEAST_VERDICT * 2**power for power in range(10)) if size < micro_batch]


def exact_shapes(compute: Callable[[list[Tensor]], list[Answers]], sample: Tensor, sizes: list[int]) -> tuple[int, ...]:
    """The sizes at which every image gets what it gets in a whole micro-batch.

    Args:
        compute: batches (B, C, H, W) -> for each everything that is asked of the network.
        sample: (M, C, H, W), one micro-batch.
        sizes: that are tried, below M.

    Returns:
        sizes in rising order; the last one is M. M alone where the network draws random numbers.
    """
    # The largest first, so that threads that share them end together. The last rows, so that a row is also compared at
    # another place of the batch.
    falling = sorted(sizes, reverse=True)
    whole, *parts = compute([sample, *(sample[-size:] for size in falling)])
    answers = zip(falling, parts, strict=True)
    exact = [size for size, part in answers if _same(part, [answer[-size:] for answer in whole])]
    return (*exact[::-1], len(sample))


def sizes_for(rows: int, shapes: tuple[int, ...]) -> list[int]:
    """The sizes of the passes that so many rows need: whole micro-batches, then the least size that holds the rest.

    Args:
        rows: at least 0.
        shapes: as :func:`exact_shapes` gives them.

    Returns:
        sizes, of which all but the last one are filled.
    """
    whole, rest = divmod(rows, shapes[-1])
    return [shapes[-1]] * whole + ([min(size for size in shapes if size >= rest)] if rest else [])


def _same(first: Answers, second: Answers) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
