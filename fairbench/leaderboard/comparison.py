"""Two methods on the same images: is the difference more than chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_ind

from fairbench.leaderboard.outcomes import Outcomes
from fairbench.leaderboard.paired import holm, sign_flip
from fairbench.leaderboard.ranking import ranking_metric

SIGNIFICANCE = 0.05


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """One question about two methods."""

    metric: str
    """average, or that of the weakest classes: worst, or worst_tenth where there are many."""
    first: float
    second: float
    """mean over seeds, fractions."""
    only_first: int
    only_second: int
    """images on which more seeds (or the only one) of this method are right than of the other; of the worst class of
    the lower method for a weakest-class metric."""
    first_classes: tuple[int, ...] = ()
    second_classes: tuple[int, ...] = ()
    """the weakest classes, all seeds together; empty for the average."""
    p_value: float
    adjusted: float
    """after Holm over the tests that were made together; the p-value itself where there was one."""

    @property
    def is_told_apart(self) -> bool:
        """Whether the difference is more than chance at 5 %."""
        return self.adjusted < SIGNIFICANCE


def compare_average(first: Outcomes, second: Outcomes) -> PairedTest:
    """The exact test of equal averages: McNemar's with one seed each, its sign-flip form with more.

    Raises:
        ValueError: if the two saw different images.
    """
    differences = _scaled_differences(first, second)
    p = sign_flip(differences)
    return PairedTest(
        metric="average",
        first=float(first.correct.mean()),
        second=float(second.correct.mean()),
        only_first=int((differences > 0).sum()),
        only_second=int((differences < 0).sum()),
        p_value=p,
        adjusted=p,
    )


def compare_weakest(first: Outcomes, second: Outcomes) -> PairedTest:
    """The test of equal accuracy in the weakest classes, the worst class or the lowest tenth of many.

    The method that is higher has to pass twice: it must be better on the images of the other's weakest class (exact,
    paired), and where its own weakest class is another one, that class too must lie above the other's (Welch). The
    p-value is the larger of the two, so no allowance for picking the classes is needed.

    Raises:
        ValueError: if the two saw different images.
    """
    differences = _scaled_differences(first, second)
    metric = ranking_metric(first.num_classes)
    values = [_weakest_value(one) for one in (first, second)]
    classes = [_weakest_classes(one) for one in (first, second)]
    lower, upper = (0, 1) if values[0] <= values[1] else (1, 0)
    on_lower = np.isin(first.labels, classes[lower])
    towards = differences[on_lower] if lower == 1 else -differences[on_lower]
    p = sign_flip(differences[on_lower]) if towards.sum() > 0 else 1.0
    if classes[0] != classes[1]:
        p = max(p, _welch((first, second)[upper], classes[upper], (first, second)[lower], classes[lower]))
    return PairedTest(
        metric=metric,
        first=values[0],
        second=values[1],
        only_first=int((differences[on_lower] > 0).sum()),
        only_second=int((differences[on_lower] < 0).sum()),
        first_classes=classes[0],
        second_classes=classes[1],
        p_value=p,
        adjusted=p,
    )


def adjusted(tests: Sequence[PairedTest]) -> list[PairedTest]:
    """The tests with their p-values adjusted for having been made together (Holm)."""
    together = holm([test.p_value for test in tests])
    return [replace(test, adjusted=value) for test, value in zip(tests, together, strict=True)]


def weakest_by_seed(outcomes: Outcomes) -> NDArray[np.float64]:
    """(S,): the number that ranks, seed by seed."""
    lowest = np.sort(outcomes.class_accuracies, axis=1)[:, : weakest_count(outcomes)]
    return lowest.mean(axis=1)


def paired_differences(first: Outcomes, second: Outcomes) -> NDArray[np.float64]:
    """(n,) in [-1, 1]: by which share of its seeds the first is ahead on each image.

    Raises:
        ValueError: if the two saw different images.
    """
    return _scaled_differences(first, second) / np.lcm(len(first.correct), len(second.correct))


def weakest_count(outcomes: Outcomes) -> int:
    """How many classes count as the weakest ones: one, or a tenth of many."""
    return -(-outcomes.num_classes // 10) if ranking_metric(outcomes.num_classes) == "worst_tenth" else 1


def check_same_images(first: Outcomes, second: Outcomes) -> None:
    """That two methods can be paired.

    Raises:
        ValueError: if the two saw different images.
    """
    if not (np.array_equal(first.positions, second.positions) and np.array_equal(first.labels, second.labels)):
        raise ValueError(f"expected the same images, got {len(first.labels)} and {len(second.labels)} or others")


def _scaled_differences(first: Outcomes, second: Outcomes) -> NDArray[np.int64]:
    """(n,): by how many seeds the first is ahead on each image, on one scale where the numbers of seeds differ."""
    check_same_images(first, second)
    seeds = len(first.correct), len(second.correct)
    scale = np.lcm(*seeds)
    return first.correct.sum(axis=0) * (scale // seeds[0]) - second.correct.sum(axis=0) * (scale // seeds[1])


def _weakest_value(outcomes: Outcomes) -> float:
    return float(weakest_by_seed(outcomes).mean())


def _weakest_classes(outcomes: Outcomes) -> tuple[int, ...]:
    order = np.argsort(outcomes.class_accuracies.mean(axis=0), kind="stable")
    return tuple(sorted(order[: weakest_count(outcomes)].tolist()))


def _welch(upper: Outcomes, upper_classes: tuple[int, ...], lower: Outcomes, lower_classes: tuple[int, ...]) -> float:
    """Two-sided p of equal means of two sets of images; an image counts once, by the share of seeds that are right."""
    ours, theirs = (
        one.correct[:, np.isin(one.labels, classes)].mean(axis=0)
        for one, classes in ((upper, upper_classes), (lower, lower_classes))
    )
    if ours.mean() <= theirs.mean():
        return 1.0
    if not (ours.std() or theirs.std()):
        return 0.0
    _, p_value = np.asarray(ttest_ind(ours, theirs, equal_var=False))
    return float(p_value)
