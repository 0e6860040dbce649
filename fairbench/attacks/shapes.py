"""Which sizes a pass may have without changing a bit of what an image gets.

Libraries round differently for batches of different size, and a search amplifies the last bit. So the size of a pass is
fixed, the micro-batch, and a smaller one is only used for a rest of images if it was seen to give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

PARTS = 8
"""smaller sizes are multiples of this part of the micro-batch."""
LEAST = 2
"""a single row is a vector to most libraries, and reduced in another order."""


def exact_shapes(compute: Callable[[Tensor], list[Tensor]], sample: Tensor) -> tuple[int, ...]:
    """The sizes at which every image gets what it gets in a whole micro-batch.

    Args:
        compute: (B, C, H, W) -> tensors (B, ...): everything that is asked of the network.
        sample: (M, C, H, W), one micro-batch.

    Returns:
        sizes in rising order; the last one is M. M alone where the network draws random numbers.
    """
    micro_batch = len(sample)
    whole = compute(sample)
    if not _same(compute(sample), whole):
        return (micro_batch,)
    step = max(micro_batch // PARTS, 1)
    smaller = [size for size in range(step, micro_batch, step) if size >= LEAST]
    # The last rows, so that a row is also compared at another place of the batch.
    exact = [size for size in smaller if _same(compute(sample[-size:]), [part[-size:] for part in whole])]
    return (*exact, micro_batch)


def sizes_for(rows: int, shapes: tuple[int, ...]) -> list[int]:
    """The sizes of the passes that so many rows need: whole micro-batches, then the least size that holds the rest.

    Args:
        rows: at least 0.
        shapes: as :func:`exact_shapes` gives them.
    """
    whole, rest = divmod(rows, shapes[-1])
    return [shapes[-1]] * whole + ([min(size for size in shapes if size >= rest)] if rest else [])


def _same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
