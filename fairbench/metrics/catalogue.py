"""The metrics by name, each with its formula and its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from fairbench.metrics.accuracy import average_of, class_accuracies_of, overall, worst_class, worst_fraction
from fairbench.metrics.confusion import Counts, Rates
from fairbench.metrics.false_positives import false_positive_scores_of, one_vs_rest_accuracies_of
from fairbench.metrics.pairs import boundary_errors, price_of_fairness, relative_worst_class_gain


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number, or one number per class, that follows from a confusion matrix."""

    name: str
    summary: str
    formula: str
    """with n_ij the images of class i that were answered j, a_c = n_cc / sum_j n_cj, and K classes."""
    source: str
    higher_is_better: bool | None
    """None where neither end is better, as for a score per class."""
    of_confusion: Callable[[Counts], float | Rates]
    """(K, K) integers -> the value, or (K,); raises ValueError where it is undefined."""


@dataclass(frozen=True, kw_only=True)
class PairMetric:
    """One number, or one per class, that follows from two confusion matrices on the same images."""

    name: str
    summary: str
    formula: str
    """symbols as in :class:`Metric`, those of the second matrix with a prime."""
    source: str
    higher_is_better: bool | None
    matrices: tuple[str, str]
    """what the two are, in words."""
    of_confusions: Callable[[Counts, Counts], float | Rates]
    """the two (K, K) integers -> the value, or (K,); raises ValueError where it is undefined."""


def _balanced(confusion: Counts) -> float:
    return float(class_accuracies_of(confusion).mean())


def _worst(confusion: Counts) -> float:
    return worst_class(class_accuracies_of(confusion))


def _worst_tenth(confusion: Counts) -> float:
    return worst_fraction(class_accuracies_of(confusion), 0.1)


def _overall(confusion: Counts) -> float:
    return overall(average_of(confusion), _worst(confusion))


def _worst_k(confusion: Counts, count: int) -> float:
    accuracies = class_accuracies_of(confusion)
    return worst_fraction(accuracies, min(count, len(accuracies)) / len(accuracies))


def _spread(confusion: Counts) -> float:
    return float(np.ptp(class_accuracies_of(confusion)))


def _standard_deviation(confusion: Counts) -> float:
    return float(class_accuracies_of(confusion).std())


def _normalised_standard_deviation(confusion: Counts) -> float:
    mean = _balanced(confusion)
    if not mean:
        raise ValueError("expected an accuracy above 0 in some class: the normalised deviation is undefined")
    return _standard_deviation(confusion) / mean


def _false_positive_spread(confusion: Counts) -> float:
    return float(np.ptp(false_positive_scores_of(confusion)))


_METRICS = (
    Metric(
        name="average",
        summary="fraction of all images that are classified correctly",
        formula="sum_c n_cc / sum_ij n_ij",
        source="common use",
        higher_is_better=True,
        of_confusion=average_of,
    ),
    Metric(
        name="balanced",
        summary="mean of the class accuracies; equals average when all classes are equally large",
        formula="1/K sum_c a_c",
        source="common use",
        higher_is_better=True,
        of_confusion=_balanced,
    ),
    Metric(
        name="class_accuracy",
        summary="accuracy of each class",
        formula="a_c = n_cc / sum_j n_cj",
        source="common use",
        higher_is_better=True,
        of_confusion=class_accuracies_of,
    ),
    Metric(
        name="worst",
        summary="lowest class accuracy",
        formula="min_c a_c",
        source="FRL (Xu et al. 2021); FAAL on CIFAR-100 too",
        higher_is_better=True,
        of_confusion=_worst,
    ),
    Metric(
        name="worst_tenth",
        summary="mean accuracy of the lowest ceil(K / 10) classes",
        formula="mean of the ceil(0.1 K) smallest a_c",
        source="CFA (Wei et al. 2023), ABSLD and FAIR-TAT on CIFAR-100",
        higher_is_better=True,
        of_confusion=_worst_tenth,
    ),
    Metric(
        name="worst_3",
        summary="mean accuracy of the lowest three classes",
        formula="mean of the min(3, K) smallest a_c",
        source="follows from worst_tenth, with a count in the place of a fraction",
        higher_is_better=True,
        of_confusion=lambda confusion: _worst_k(confusion, 3),
    ),
    Metric(
        name="overall",
        summary="mean of average and worst",
        formula="(average + worst) / 2",
        source="ABSLD (Zhao et al. 2024); the selection rule of CFA",
        higher_is_better=True,
        of_confusion=_overall,
    ),
    Metric(
        name="class_false_positive_score",
        summary="share of all misclassified images that land in each class",
        formula="F_k = sum_{i != k} n_ik / sum_{i != j} n_ij",
        source="FAIR-TAT, Eq. 8",
        higher_is_better=None,
        of_confusion=false_positive_scores_of,
    ),
    Metric(
        name="false_positive_spread",
        summary="largest minus smallest class false-positive score",
        formula="max_k F_k - min_k F_k",
        source="follows from FAIR-TAT, Eq. 8",
        higher_is_better=False,
        of_confusion=_false_positive_spread,
    ),
    Metric(
        name="one_vs_rest_accuracy",
        summary="share of all images that a class is rightly accepted or rejected for; high for any rare class",
        formula="(TP_c + TN_c) / (TP_c + TN_c + FP_c + FN_c)",
        source="FAIR-TAT, Eq. 7",
        higher_is_better=True,
        of_confusion=one_vs_rest_accuracies_of,
    ),
    Metric(
        name="spread",
        summary="highest minus lowest class accuracy",
        formula="max_c a_c - min_c a_c",
        source="common use",
        higher_is_better=False,
        of_confusion=_spread,
    ),
    Metric(
        name="standard_deviation",
        summary="population standard deviation of the class accuracies",
        formula="sqrt(1/K sum_c (a_c - balanced)^2)",
        source="common use",
        higher_is_better=False,
        of_confusion=_standard_deviation,
    ),
    Metric(
        name="nsd",
        summary="standard deviation of the class accuracies over their mean",
        formula="standard_deviation / balanced",
        source="ABSLD (Zhao et al. 2024)",
        higher_is_better=False,
        of_confusion=_normalised_standard_deviation,
    ),
)

_PAIR_METRICS = (
    PairMetric(
        name="rho",
        summary="relative gain of the worst class over a baseline, less the relative loss on average",
        formula="(worst' - worst) / worst - (average - average') / average",
        source="WAT (Li & Liu 2023), used by DAFA (Lee et al. 2024)",
        higher_is_better=True,
        matrices=("the baseline", "the method"),
        of_confusions=relative_worst_class_gain,
    ),
    PairMetric(
        name="boundary_error",
        summary="share of each class that is right as it is and wrong under attack",
        formula="a_c - a'_c, as images that are wrong as they are count as wrong under attack",
        source="TRADES (Zhang et al. 2019); by class FRL (Xu et al. 2021)",
        higher_is_better=False,
        matrices=("clean", "under attack"),
        of_confusions=boundary_errors,
    ),
    PairMetric(
        name="price_of_fairness",
        summary="points of average given up for each point that the worst class gains; negative where both gain",
        formula="(average - average') / (worst' - worst)",
        source="after Bertsimas et al. 2011, with the worst class as the gain",
        higher_is_better=False,
        matrices=("the baseline", "the method"),
        of_confusions=price_of_fairness,
    ),
)

PAIR_METRICS: Mapping[str, PairMetric] = MappingProxyType({metric.name: metric for metric in _PAIR_METRICS})
"""Every metric that compares two confusion matrices, by its name."""

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _METRICS})
"""Every metric by its name."""
