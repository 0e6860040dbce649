"""One seed of a run, many independent streams."""

from __future__ import annotations

import hashlib

import torch


def seed_for(seed: int, purpose: str) -> int:
    """A seed of 63 bits that depends on the run's seed and on what the numbers are for."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "little") >> 1


def generator_for(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own for a purpose."""
    return torch.Generator(device).manual_seed(seed_for(seed, purpose))
