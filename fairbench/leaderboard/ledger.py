"""How often the test images were asked for each method: every look is a chance to choose by them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fairbench.protocol.record import Record


def evaluations_by_method(records: Iterable[Record]) -> dict[str, int]:
    """Sets of weights that were scored on test images, by method, over all its options, objectives, seeds and tracks.

    Args:
        records: of all runs; the same run in two places counts once. For records of before the ledger, the selected
            and the last weights count.
    """
    counts: dict[str, int] = {}
    seen: list[Record] = []
    for record in records:
        if record in seen:
            continue
        seen.append(record)
        name = _base_name(record.method)
        counts[name] = counts.get(name, 0) + _looks(record)
    return dict(sorted(counts.items()))


def _base_name(written: str) -> str:
    return re.split(r"[@+?]", written, maxsplit=1)[0]


def _looks(record: Record) -> int:
    if record.ledger is not None:
        return record.ledger.test_evaluations
    different = record.last is not None and record.last.weights_sha256 != record.model.weights_sha256
    return 2 if different else 1
