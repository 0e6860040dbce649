"""Right or wrong, image by image: what paired tests look at, read from the predictions beside the records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairbench.errors import UsageError
from fairbench.evaluation.predictions import NOT_EVALUATED, PREDICTIONS_NAME, read_predictions
from fairbench.leaderboard.records import Run
from fairbench.metrics import class_counts, confusion_matrix


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """What the seeds of one method got right under one condition."""

    correct: NDArray[np.bool_]
    """(S, n): one row per seed."""
    labels: NDArray[np.int64]
    """(n,) classes of the images."""
    positions: NDArray[np.int64]
    """(n,) ascending places of the images in the whole test split."""
    num_classes: int

    @property
    def class_accuracies(self) -> NDArray[np.float64]:
        """(S, K) fractions."""
        return np.stack([self.correct[:, self.labels == c].mean(axis=1) for c in range(self.num_classes)], axis=1)


def read_outcomes(runs: Sequence[Run], condition: str) -> Outcomes | None:
    """The outcomes of some seeds of one method.

    Args:
        runs: the seeds, at least one.
        condition: that all are compared under.

    Returns:
        None if a seed has no ``predictions.npz``, or not the condition.

    Raises:
        UsageError: if a file is damaged, contradicts its record, or the seeds saw different images.
    """
    rows: list[NDArray[np.bool_]] = []
    shared: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
    for run in runs:
        file = run.path.with_name(PREDICTIONS_NAME)
        if condition not in run.record.conditions or not file.is_file():
            return None
        found = read_predictions(file)
        if condition not in found.by_condition:
            return None
        answers = found.by_condition[condition]
        positions = np.flatnonzero(answers != NOT_EVALUATED)
        labels, answers = found.labels[positions].astype(np.int64), answers[positions]
        _check(run, condition, labels, answers)
        if shared is not None and not (np.array_equal(shared[0], positions) and np.array_equal(shared[1], labels)):
            raise UsageError(f"{file} and {runs[0].path.parent} saw different images under {condition}")
        shared = positions, labels
        rows.append(answers == labels)
    if shared is None:
        return None
    num_classes = len(runs[0].record.data.classes)
    return Outcomes(correct=np.stack(rows), labels=shared[1], positions=shared[0], num_classes=num_classes)


def _check(run: Run, condition: str, labels: NDArray[np.int64], answers: NDArray[np.int16]) -> None:
    recorded = run.record.conditions[condition]
    try:
        correct, total = class_counts(confusion_matrix(answers, labels, len(recorded.class_total)))
    except ValueError as error:
        raise UsageError(f"{run.path.with_name(PREDICTIONS_NAME)} does not belong to its record: {error}") from None
    if correct.tolist() != recorded.class_correct or total.tolist() != recorded.class_total:
        raise UsageError(
            f"{run.path.with_name(PREDICTIONS_NAME)} does not belong to its record: under {condition} the counts of "
            "correct images differ; evaluate again with --fresh"
        )
