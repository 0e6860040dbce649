"""``examples.npz``: adversarial examples of a few images that the author did not choose.

Unless a maintainer names a seed, it follows from the weights and the answers, which are final before it is known. A
maintainer who wants more certainty names one after the submission, and the author packs the same run again with it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fairbench.arrays import read_arrays, write_arrays
from fairbench.files import sha256_file
from fairbench.submissions.checks import FailedCheckError

EXAMPLES_NAME = "examples.npz"
EXAMPLES = 16
"""images, each under every attack."""
SEED_OF_CONTENT = ("model.safetensors", "predictions.npz")


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Adversarial versions of some test images."""

    seed: int
    positions: NDArray[np.int64]
    """(n,) in the test split."""
    conditions: tuple[str, ...]
    images: NDArray[np.float32]
    """(M, n, C, H, W) in [0, 1], a row for each condition."""


def content_seed(folder: Path) -> int:
    """The seed that follows from weights and answers: 63 bits.

    Args:
        folder: with the files of ``SEED_OF_CONTENT``.
    """
    digest = hashlib.sha256("/".join(sha256_file(folder / name) for name in SEED_OF_CONTENT).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def write_examples(path: Path, examples: Examples) -> None:
    """Write the file; the same examples give the same bytes."""
    write_arrays(
        path,
        {
            "seed": np.array([examples.seed], dtype="<i8"),
            "positions": examples.positions.astype("<i8"),
            "conditions": np.array(examples.conditions, dtype="<U32"),
            "images": examples.images.astype("<f4"),
        },
    )


def read_examples(path: Path) -> Examples:
    """The examples of a file whose arrays were found to be plain.

    Raises:
        FailedCheckError: ``examples``, if they are not as ``write_examples`` writes them.
    """
    try:
        arrays = read_arrays(path, ("seed", "positions", "conditions", "images"))
        found = Examples(
            seed=int(arrays["seed"].item()),
            positions=arrays["positions"],
            conditions=tuple(str(name) for name in arrays["conditions"]),
            images=arrays["images"],
        )
    except Exception as error:  # foreign bytes can break the reader in any way
        raise FailedCheckError("examples", f"{path.name} cannot be read ({error})"[:300]) from None
    shape = (len(found.conditions), len(found.positions))
    is_whole = found.images.ndim == 5 and found.images.shape[:2] == shape and found.images.dtype == np.float32
    if not is_whole or found.positions.dtype != np.int64:
        raise FailedCheckError("examples", f"images of shape {found.images.shape} do not fit {shape}")
    return found
