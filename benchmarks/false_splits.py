"""How often the board tells apart what is equal: ``python -m benchmarks.false_splits``.

Networks of equal accuracy are drawn with answers that agree more often than by chance, as those of real ones do, and go
through the tests that a board makes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from fairbench.leaderboard.board import SPLIT_SIGNIFICANCE, pairwise_p_values
from fairbench.leaderboard.outcomes import Outcomes

CLASSES = 10


def draw_method(
    rng: np.random.Generator,
    accuracies: Sequence[float],
    difficulty: np.ndarray,
    *,
    seeds: int = 1,
    agreement: float = 0.8,
    seed_deviation: float = 0.0,
) -> Outcomes:
    """The outcomes of a method's seeds.

    Args:
        rng: draws what is particular to each seed.
        accuracies: (K,) of the method.
        difficulty: (K * n,) standard normal, shared by all networks; n images of each class, class by class.
        seeds: how many networks.
        agreement: correlation of two networks' scores on an image.
        seed_deviation: standard deviation, in accuracy, of what a seed adds to each class.
    """
    total = len(difficulty) // len(accuracies)
    own = np.clip(np.array(accuracies) + seed_deviation * rng.standard_normal((seeds, len(accuracies))), 0.001, 0.999)
    noise = rng.standard_normal((seeds, len(difficulty)))
    scores = np.sqrt(agreement) * difficulty + np.sqrt(1 - agreement) * noise
    return Outcomes(
        correct=scores < np.repeat(ndtri(own), total, axis=1),
        labels=np.repeat(np.arange(len(accuracies)), total),
        positions=np.arange(len(difficulty)),
        num_classes=len(accuracies),
    )


def false_splits(
    methods: Sequence[Sequence[float]],
    *,
    total: int,
    reruns: int,
    seed: int,
    seeds: int = 1,
    seed_deviation: float = 0.0,
) -> int:
    """In how many reruns any two of the methods, all with one lowest accuracy, are told apart.

    Args:
        methods: (K,) class accuracies of each.
        total: images of each class.
        reruns: how often images and networks are drawn anew.
        seed: of the draws.
        seeds: networks of each method.
        seed_deviation: as in :func:`draw_method`.
    """
    rng, splits = np.random.default_rng(seed), 0
    for _ in range(reruns):
        difficulty = rng.standard_normal(CLASSES * total)
        drawn = [
            draw_method(rng, accuracies, difficulty, seeds=seeds, seed_deviation=seed_deviation)
            for accuracies in methods
        ]
        splits += any(p < SPLIT_SIGNIFICANCE for p in pairwise_p_values(drawn).values())
    return splits


def tied(ties: int, *, lowest: float = 0.3) -> list[float]:
    """Ten class accuracies with so many at the bottom."""
    return [lowest] * ties + np.linspace(lowest + 0.2, 0.85, CLASSES - ties).tolist()


def rotated(count: int) -> list[list[float]]:
    """Methods with one lowest accuracy, each in another class."""
    return [np.roll(tied(1), shift).tolist() for shift in range(count)]


def main() -> None:
    """Print every rate."""
    print("Two seeds of one method as two rows: reruns of 200 in which they share a rank, 1, 2, 4, 10 tied classes")
    for total in (100, 1000):
        shared = [200 - false_splits([tied(t)] * 2, total=total, reruns=200, seed=1) for t in (1, 2, 4, 10)]
        print(f"  {total:5d} images a class:", *shared)
    print(
        "The same where each seed moves each class by a standard deviation of 1 and of 2 points (nothing tests for it)"
    )
    for total in (100, 1000):
        shared = [
            200 - false_splits([tied(2)] * 2, total=total, reruns=200, seed=2, seed_deviation=deviation)
            for deviation in (0.01, 0.02)
        ]
        print(f"  {total:5d} images a class:", *shared)
    print(
        "Any false split on a board of 6 equal methods, share of 300 reruns: 1, 4 ties, and weakest classes that differ"
    )
    for total in (100, 1000):
        boards = ([tied(1)] * 6, [tied(4)] * 6, rotated(6))
        shares = [false_splits(board, total=total, reruns=300, seed=3) / 300 for board in boards]
        print(f"  {total:5d} images a class:", *(f"{share:.1%}" for share in shares))
    print("The same with 3 seeds a method that move each class by a standard deviation of 2 points")
    shares = [
        false_splits(board, total=100, reruns=300, seed=4, seeds=3, seed_deviation=0.02) / 300
        for board in ([tied(1)] * 6, [tied(4)] * 6, rotated(6))
    ]
    print("    100 images a class:", *(f"{share:.1%}" for share in shares))


if __name__ == "__main__":
    main()
