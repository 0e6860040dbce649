"""How often the intervals of the leaderboard hold the truth: ``python -m benchmarks.interval_coverage``.

Counts are drawn from known class accuracies; printed is the share of draws whose 95 % interval holds the true value.
"""

from __future__ import annotations

import numpy as np

from fairbench.leaderboard.extremes import bias_of_lowest, lowest_interval, lowest_mean_interval, spread_interval
from fairbench.leaderboard.false_positive_intervals import false_positive_intervals, highest_false_positive_interval
from fairbench.leaderboard.intervals import wilson_interval

CLASSES = 10


def wilson_coverage(accuracy: float, total: int, *, draws: int, seed: int) -> float:
    """The share of drawn counts whose interval holds the accuracy."""
    low, high = wilson_interval(np.random.default_rng(seed).binomial(total, accuracy, draws), total)
    return float(((low <= accuracy) & (accuracy <= high)).mean())


def tied_accuracies(lowest: float, ties: int, *, gap: float = 0.3, classes: int = CLASSES) -> np.ndarray:
    """(K,): so many classes at the lowest accuracy, the others above them."""
    return np.array([lowest] * ties + [min(lowest + gap, 0.98)] * (classes - ties))


def worst_class_coverage(lowest: float, ties: int, total: int, *, draws: int, seed: int) -> float:
    """The share of draws whose interval of the worst class holds the lowest accuracy."""
    counts = np.random.default_rng(seed).binomial(total, tied_accuracies(lowest, ties), (draws, CLASSES))
    low, high = lowest_interval(counts, np.full(CLASSES, total))
    return float(((low <= lowest) & (lowest <= high)).mean())


def bootstrap_coverage(lowest: float, ties: int, total: int, *, draws: int, seed: int) -> float:
    """The same for a percentile bootstrap of the lowest counted accuracy, which is why it is not used."""
    rng = np.random.default_rng(seed)
    counts = rng.binomial(total, tied_accuracies(lowest, ties), (draws, CLASSES))
    again = rng.binomial(total, np.repeat(counts[:, None] / total, 300, axis=1)).min(axis=2) / total
    low, high = np.quantile(again, [0.025, 0.975], axis=1)
    return float(((low <= lowest) & (lowest <= high)).mean())


def spread_coverage(lowest: float, highest: float, ties: int, total: int, *, draws: int, seed: int) -> float:
    """The share of draws whose interval of highest minus lowest class holds the truth."""
    middle = [(lowest + highest) / 2] * (CLASSES - 2 * ties)
    accuracies = np.array([lowest] * ties + middle + [highest] * ties)
    low, high = spread_interval(
        np.random.default_rng(seed).binomial(total, accuracies, (draws, CLASSES)), np.full(CLASSES, total)
    )
    return float(((low <= highest - lowest) & (highest - lowest <= high)).mean())


def worst_tenth_coverage(accuracies: np.ndarray, total: int, *, draws: int, seed: int) -> float:
    """The share of draws whose interval of the mean of the lowest tenth of the classes holds the truth."""
    rng, truth = np.random.default_rng(seed), np.sort(accuracies)[: -(-len(accuracies) // 10)].mean()
    hits = 0
    for _ in range(draws):
        counts = rng.binomial(total, accuracies)
        low, high = lowest_mean_interval(counts, np.full(len(accuracies), total), -(-len(accuracies) // 10))
        hits += low <= truth <= high
    return hits / draws


def false_positive_coverage(total: int, *, draws: int, seed: int) -> tuple[float, float]:
    """The shares of draws whose intervals hold the scores: over all classes, and of the highest one."""
    rng = np.random.default_rng(seed)
    wrong = rng.dirichlet(np.full(CLASSES, 0.5), CLASSES) * (1 - np.eye(CLASSES))
    accuracies = np.linspace(0.3, 0.9, CLASSES)
    chances = wrong / wrong.sum(axis=1, keepdims=True) * (1 - accuracies)[:, None]
    scores = chances.sum(axis=0) / chances.sum()
    chances += np.diag(accuracies)
    each, top = 0.0, 0
    for _ in range(draws):
        confusion = np.stack([rng.multinomial(total, row / row.sum()) for row in chances])
        low, high = false_positive_intervals(confusion)
        each += ((low <= scores) & (scores <= high)).mean()
        lowest, highest = highest_false_positive_interval(confusion)
        top += lowest <= scores.max() <= highest
    return float(each / draws), top / draws


def bias_of_minimum(lowest: float, ties: int, total: int, *, draws: int, seed: int) -> tuple[float, float]:
    """How far the lowest counted accuracy lies below the truth, and how far ``bias_of_lowest`` says, on average."""
    counts = np.random.default_rng(seed).binomial(total, tied_accuracies(lowest, ties), (draws, CLASSES))
    said = np.mean([bias_of_lowest(row, np.full(CLASSES, total)) for row in counts])
    return float(lowest - (counts / total).min(axis=1).mean()), float(said)


def main() -> None:
    """Print every coverage."""
    print("Wilson, one class: coverage by true accuracy, 1000 and 100 images, 200 000 draws")
    for accuracy in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.95):
        found = [wilson_coverage(accuracy, total, draws=200_000, seed=1) for total in (1000, 100)]
        print(f"  {accuracy:4.0%}  " + "  ".join(f"{value:.1%}" for value in found))
    print("Worst of 10 classes: accuracy, images a class, coverage with 1, 2, 3, 4 tied classes (percentile bootstrap)")
    for lowest in (0.05, 0.3, 0.6):
        for total in (100, 1000):
            ours = [worst_class_coverage(lowest, ties, total, draws=2000, seed=2) for ties in (1, 2, 3, 4)]
            naive = [bootstrap_coverage(lowest, ties, total, draws=300, seed=3) for ties in (1, 2, 3, 4)]
            cells = "  ".join(f"{one:.1%} ({other:.0%})" for one, other in zip(ours, naive, strict=True))
            print(f"  {lowest:4.0%} {total:5d}  {cells}")
    print("Highest minus lowest class, 1 and 4 ties at both ends, 100 and 1000 images a class")
    for total in (100, 1000):
        print("  ", *(f"{spread_coverage(0.3, 0.9, ties, total, draws=1000, seed=4):.1%}" for ties in (1, 4)))
    print("Lowest tenth of 100 classes, 10 and 100 images a class: smooth, and twenty classes tied at the bottom")
    for total in (10, 100):
        for accuracies in (np.linspace(0.02, 0.8, 100), np.array([0.1] * 20 + [0.4] * 80)):
            print(f"   {worst_tenth_coverage(accuracies, total, draws=200, seed=5):.1%}", end="")
        print()
    print("C_FPS of each class, and the highest one, 100 and 1000 images a class")
    for total in (100, 1000):
        print("  ", *(f"{value:.1%}" for value in false_positive_coverage(total, draws=300, seed=6)))
    print("Bias of the lowest counted accuracy at 30 %, in points: true, and as estimated, with 1, 2, 4, 10 ties")
    for total in (100, 1000):
        pairs = [bias_of_minimum(0.3, ties, total, draws=100, seed=7) for ties in (1, 2, 4, 10)]
        print(f"  {total:5d}  " + "  ".join(f"{100 * true:.1f} {100 * said:.1f}" for true, said in pairs))


if __name__ == "__main__":
    main()
