"""Does the order of the methods depend on which number is looked at? Rank agreement between metrics and attacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy.stats import kendalltau

from fairbench.leaderboard.ranking import RANKING_CONDITION, Entry, ranking_metric
from fairbench.leaderboard.summary import condition_names
from fairbench.protocol.record import ConditionRecord


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A number to order methods by."""

    condition: str
    metric: str
    """average, or the metric of the weakest classes: worst, or worst_tenth where there are many."""
    winners: tuple[str, ...]
    """the written forms that lead in it."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How much the orders by different numbers agree."""

    choices: tuple[Choice, ...]
    tau: tuple[tuple[float | None, ...], ...]
    """Kendall's tau-b of each pair of choices, in [-1, 1]; None where a choice puts all methods level."""
    methods: int
    """how many are compared."""
    banner: str
    """the sentence to show where the winner depends on the choice; empty where it does not."""


def rank_agreement(entries: Sequence[Entry]) -> Agreement | None:
    """How the orders of the ranked entries of one group agree, for each condition's average and weakest classes.

    Args:
        entries: of one group; those without a rank are left out.

    Returns:
        None if fewer than two are ranked. Only conditions that all of them have are compared.

    Source: M. G. Kendall, The treatment of ties in ranking problems, Biometrika 1945 (tau-b).
    """
    ranked = [entry for entry in entries if entry.rank is not None]
    if len(ranked) < 2:
        return None
    weakest = ranking_metric(len(ranked[0].record.data.classes))
    choices, columns = [], []
    for condition in _shared_conditions(ranked):
        for metric in ("average", weakest):
            values = [fmean(_values(entry, condition, metric)) for entry in ranked]
            names = [entry.record.method for entry, value in zip(ranked, values, strict=True) if value == max(values)]
            choices.append(Choice(condition=condition, metric=metric, winners=tuple(dict.fromkeys(names))))
            columns.append(values)
    return Agreement(
        choices=tuple(choices),
        tau=tuple(tuple(_tau(one, other) for other in columns) for one in columns),
        methods=len(ranked),
        banner=_banner(choices, weakest),
    )


def _shared_conditions(entries: Sequence[Entry]) -> list[str]:
    names = [name for name in condition_names(entries) if "." not in name]
    return [name for name in names if all(name in record.conditions for entry in entries for record in entry.records)]


def _values(entry: Entry, condition: str, metric: str) -> list[float]:
    found: list[ConditionRecord] = [record.conditions[condition] for record in entry.records]
    return [float(getattr(one, metric)) for one in found]


def _tau(one: Sequence[float], other: Sequence[float]) -> float | None:
    if len(set(one)) < 2 or len(set(other)) < 2:
        return None
    tau, _ = np.asarray(kendalltau(one, other))
    return float(np.clip(tau, -1, 1))


def _banner(choices: Sequence[Choice], weakest: str) -> str:
    """The unperturbed images are left out: that clean accuracy has another winner is no dispute about robustness."""
    attacked = [choice for choice in choices if choice.condition != "clean"]
    key = next((one for one in attacked if (one.condition, one.metric) == (RANKING_CONDITION, weakest)), None)
    if key is None:
        return ""
    others = [one for one in attacked if not set(one.winners) & set(key.winners)]
    if not others:
        return ""
    leaders = dict.fromkeys(name for one in others for name in one.winners)
    verb = "leads" if len(key.winners) == 1 else "lead"
    return (
        f"The winner depends on the choice: {', '.join(key.winners)} {verb} by the ranking key, and in "
        f"{len(others)} of {len(attacked) - 1} other readings (an attack, average or weakest class) the lead goes to "
        f"{', '.join(leaders)}."
    )
