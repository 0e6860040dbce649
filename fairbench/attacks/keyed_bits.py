"""Random numbers for every image and query of a search, without a generator to carry along.

A hash of (seed, purpose, image index, counter) is the random number: draws for a whole batch take a few tensor
operations, and neither order nor company of the images changes them.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

_MULTIPLIERS = (-4658895280553007687, -7723592293110705685)
_COUNTER_STEP = -7046029254386353131


def image_keys(seed: int, indices: Tensor, purpose: str, restart: int = 0) -> Tensor:
    """One 64-bit key for each image.

    Args:
        seed: the seed of the evaluation.
        indices: (B,) int64, positions in the whole split.
        purpose: the attack's name.
        restart: number of the restart.

    Returns:
        (B,) int64 on the device of ``indices``.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{restart}".encode()).digest()
    salt = int.from_bytes(digest[:8], "little", signed=True)
    return _mixed(_mixed(indices * _COUNTER_STEP) ^ salt)


def random_bits(keys: Tensor, counter: int | range) -> Tensor:
    """63 random bits for each key.

    Args:
        keys: (B,) int64, or (B, 1) for several draws at once.
        counter: number of the draw, or numbers of T draws.

    Returns:
        (B,) or (B, T) int64, at least 0.
    """
    if isinstance(counter, int):
        return _mixed(keys + _offset(counter)) & 0x7FFF_FFFF_FFFF_FFFF
    offsets = torch.tensor([_offset(number) for number in counter], device=keys.device)
    return _mixed(keys + offsets) & 0x7FFF_FFFF_FFFF_FFFF


def _offset(counter: int) -> int:
    offset = (counter + 1) * _COUNTER_STEP & 0xFFFF_FFFF_FFFF_FFFF
    return offset - (1 << 64) if offset >> 63 else offset


def _mixed(z: Tensor) -> Tensor:
    # The finaliser of SplitMix64 (Steele et al. 2014); >> is arithmetic on int64, so the sign bits are masked off.
    z = (z ^ ((z >> 30) & 0x3_FFFF_FFFF)) * _MULTIPLIERS[0]
    z = (z ^ ((z >> 27) & 0x1F_FFFF_FFFF)) * _MULTIPLIERS[1]
    return z ^ ((z >> 31) & 0x1_FFFF_FFFF)


def below(bits: Tensor, shift: int, limit: int | Tensor) -> Tensor:
    """A number in 0..limit-1 from 20 of the bits.

    Args:
        bits: (...) int64 of :func:`random_bits`.
        shift: which bits, 0 to 43.
        limit: at most 2 ** 12, so that the bias stays under 1 in 256.
    """
    return (((bits >> shift) & 0xF_FFFF) * limit) >> 20


def signs(bits: Tensor, shift: int, count: int) -> Tensor:
    """Independent signs, one bit each.

    Args:
        bits: (...) int64 of :func:`random_bits`.
        shift: the first bit.
        count: at most ``63 - shift``.

    Returns:
        (..., count) float32 of -1 and 1.
    """
    picks = torch.arange(shift, shift + count, device=bits.device)
    return ((bits[..., None] >> picks) & 1).float().mul_(2).sub_(1)
