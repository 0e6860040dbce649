"""From the checks of a search, batch by batch, to those of the whole condition."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fairbench.attacks.checks import square_is_better, square_suspicion
from fairbench.attacks.result import AttackResult
from fairbench.protocol.attack_checks import AttackChecks

GRADIENT_MEMBER = "apgd-ce"
"""The member whose first gradient is that of the cross-entropy, of every image that the network knows."""
_FLAGS = ("randomised", "dynamic", "probabilities")


def checks_of(result: AttackResult) -> dict[str, Any] | None:
    """What is kept of one batch, as plain JSON values; None if nothing was checked.

    Args:
        result: of the search.
    """
    if not result.checks:
        return None
    lowest, highest = result.checks["logits_range"]
    first = result.log.get(GRADIENT_MEMBER)
    none = [0] * result.checks["classes"]
    return {
        **{name: result.checks[name] for name in _FLAGS},
        "lowest_logit": lowest,
        "highest_logit": highest,
        "images": len(result.robust),
        "attacked": {name: entry["attacked"] for name, entry in result.log.items()},
        "broken": {name: entry["broken"] for name, entry in result.log.items()},
        "gradient_seen": first["attacked_by_class"] if first else none,
        "gradient_zero": first["zero_gradient"] if first else none,
        "farthest": result.checks["farthest"],
        "passes": _sums(
            {kind: entry["passes"][kind] for kind in ("forward", "gradient", "verdict")}
            for entry in result.log.values()
        ),
        "notes": [
            *result.checks["notes"],
            *(f"{name}: {note}" for name, entry in result.log.items() for note in entry["notes"]),
        ],
    }


def merged(batches: list[dict[str, Any]]) -> AttackChecks | None:
    """The checks of a condition, None where it is no search.

    Args:
        batches: as :func:`checks_of` gives them, one for each batch.
    """
    if not batches:
        return None
    attacked, broken = (_sums(batch[name] for batch in batches) for name in ("attacked", "broken"))
    images = sum(batch["images"] for batch in batches)
    suspicion = square_suspicion(broken, images)
    notes = [note for batch in batches for note in batch["notes"]] + ([suspicion] if suspicion else [])
    return AttackChecks(
        **{name: any(batch[name] for batch in batches) for name in _FLAGS},
        lowest_logit=min(batch["lowest_logit"] for batch in batches),
        highest_logit=max(batch["highest_logit"] for batch in batches),
        attacked=attacked,
        broken=broken,
        gradient_seen=_columns(batch["gradient_seen"] for batch in batches),
        gradient_zero=_columns(batch["gradient_zero"] for batch in batches),
        square_better=square_is_better(broken, images),
        farthest=max(batch["farthest"] for batch in batches),
        passes=_sums(batch["passes"] for batch in batches),
        notes=list(dict.fromkeys(notes)),
    )


def _sums(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in counts:
        for name, value in part.items():
            total[name] = total.get(name, 0) + value
    return total


def _columns(rows: Iterable[list[int]]) -> list[int]:
    return [sum(column) for column in zip(*rows, strict=True)]
