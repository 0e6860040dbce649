"""Metrics of two confusion matrices on the same images: a method against its baseline, attacked against clean."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fairbench.metrics.accuracy import average_of, class_accuracies_of, worst_class
from fairbench.metrics.confusion import Rates, class_counts


def relative_worst_class_gain(baseline: ArrayLike, method: ArrayLike) -> float:
    """rho: the relative gain of the worst class less the relative loss on average; above 0 the exchange pays.

    ``(worst' - worst) / worst - (average - average') / average``

    Args:
        baseline: (K, K) integers, rows are true classes.
        method: the same of the method.

    Raises:
        ValueError: if the baseline's worst class is at 0, or the images differ.

    Source: WAT (Li & Liu 2023), used by DAFA (Lee et al. 2024).
    """
    (worst, average), (new_worst, new_average) = _worst_and_average(baseline, method)
    if not worst:
        raise ValueError("expected a baseline whose worst class is above 0: the relative gain is undefined")
    return (new_worst - worst) / worst - (average - new_average) / average


def boundary_errors(clean: ArrayLike, attacked: ArrayLike) -> Rates:
    """The share of each class that is right as it is and wrong under attack: robust error minus natural error.

    Args:
        clean: (K, K) integers, rows are true classes.
        attacked: the same under an attack that leaves wrong images wrong.

    Returns:
        (K,) float64 fractions.

    Raises:
        ValueError: if the images differ, or a class is more accurate under attack.

    Source: TRADES (Zhang et al. 2019), Eq. 1; by class FRL (Xu et al. 2021), Eq. 4.
    """
    _check_same_images(clean, attacked)
    errors = class_accuracies_of(clean) - class_accuracies_of(attacked)
    if (errors < 0).any():
        raise ValueError(f"expected no class to gain by an attack, class {int(np.argmin(errors))} does")
    return errors


def price_of_fairness(baseline: ArrayLike, method: ArrayLike) -> float:
    """The average given up for each unit that the worst class gains; negative where both gain.

    Args:
        baseline: (K, K) integers, rows are true classes.
        method: the same of the method.

    Raises:
        ValueError: if the worst class gains nothing, or the images differ.
    """
    (worst, average), (new_worst, new_average) = _worst_and_average(baseline, method)
    if new_worst <= worst:
        raise ValueError(f"expected the worst class to gain, it goes from {worst:.4g} to {new_worst:.4g}: no price")
    return (average - new_average) / (new_worst - worst)


def _worst_and_average(*confusions: ArrayLike) -> list[tuple[float, float]]:
    _check_same_images(*confusions)
    return [(worst_class(class_accuracies_of(one)), average_of(one)) for one in confusions]


def _check_same_images(first: ArrayLike, second: ArrayLike) -> None:
    totals = class_counts(first)[1].tolist(), class_counts(second)[1].tolist()
    if totals[0] != totals[1]:
        raise ValueError(f"expected the same images, got {totals[0]} and {totals[1]} by class")
