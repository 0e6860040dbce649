"""The random numbers of a corruption: keyed by image, so that batches and their order change nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fairbench.attacks.starts import keyed_generator

Images = NDArray[np.floating]
"""(N, C, H, W) in [0, 1], or a plane (N, H, W) for each image; float32 wherever speed matters."""


class Draws:
    """A stream of random numbers for each image of a batch."""

    def __init__(self, seed: int, indices: Sequence[int], name: str, severity: int) -> None:
        self._streams = [keyed_generator(seed, index, f"corruptions.{name}", severity) for index in indices]

    def normal(self, *shape: int) -> Images:
        """Standard normal numbers, (N, *shape)."""
        numbers = self._rows(shape)
        for stream, row in zip(self._streams, numbers, strict=True):
            stream.standard_normal(dtype=np.float32, out=row)
        return numbers.reshape(-1, *shape)

    def uniform(self, *shape: int) -> Images:
        """Uniform numbers in [0, 1), (N, *shape)."""
        numbers = self._rows(shape)
        for stream, row in zip(self._streams, numbers, strict=True):
            stream.random(dtype=np.float32, out=row)
        return numbers.reshape(-1, *shape)

    def poisson(self, rates: NDArray[np.floating]) -> Images:
        """Poisson counts with these means, (N, ...) like them."""
        counts = [stream.poisson(rate) for stream, rate in zip(self._streams, rates, strict=True)]
        return np.array(counts, dtype=np.float32).reshape(rates.shape)

    def below(self, limit: int, *shape: int) -> NDArray[np.int64]:
        """Integers in 0..limit-1, (N, *shape)."""
        numbers = [stream.integers(limit, size=shape) for stream in self._streams]
        return np.array(numbers, dtype=np.int64).reshape(len(self._streams), *shape)

    def _rows(self, shape: tuple[int, ...]) -> Images:
        return np.empty((len(self._streams), math.prod(shape)), dtype=np.float32)
