"""How long the corruptions of a test set take: 19 types x 5 severities x 10 000 images of 32 x 32.

    python -m benchmarks.corruptions [--images 10000] [--threads 2]

The images are random bytes, smoothed; with fewer than 10 000 the time is also extrapolated.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from fairbench.data import CORRUPTIONS, Dataset, Split, write_corrupted

FULL = 10_000
SIDE = 32


def smooth_images(count: int) -> np.ndarray:
    """Images (count, 3, 32, 32) uint8 with about the smoothness of photographs."""
    noise = np.random.default_rng(0).standard_normal((count, 3, SIDE, SIDE), dtype=np.float32)
    smooth = ndimage.gaussian_filter(noise, 1.5, axes=(2, 3))
    return (128 + 55 * smooth / smooth.std()).clip(0, 255).astype(np.uint8)


def seconds_for(dataset: Dataset, name: str, threads: int) -> float:
    """Seconds to write one type at five severities."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        write_corrupted(dataset, Path(folder), types=[name], threads=threads)
        return time.perf_counter() - began


def main() -> None:
    """Time every type and print the sum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=FULL)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)  # the images are shared out among threads, not the pixels
    split = Split(torch.from_numpy(smooth_images(options.images)), torch.arange(options.images) % 10)
    dataset = Dataset("smooth noise", tuple("0123456789"), split, split, "benchmark")
    seconds_for(dataset, "frost", options.threads)  # draws the textures and loads the libraries
    seconds = {name: seconds_for(dataset, name, options.threads) for name in CORRUPTIONS}
    for name, value in seconds.items():
        print(f"{name:20} {value:7.2f} s {1e6 * value / (5 * options.images):8.1f} us an image")
    total = sum(seconds.values())
    print(f"{'all':20} {total:7.1f} s for {options.images} images with {options.threads} threads", end="")
    print(f", so {total * FULL / options.images:.0f} s for {FULL}" if options.images != FULL else "")


if __name__ == "__main__":
    main()
