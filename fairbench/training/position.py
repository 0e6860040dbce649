"""Where a run stands: epochs and steps done, the best epoch, the rows of the log."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass
class Position:
    """What changes besides weights and the state of the parts."""

    epoch: int = 0
    """epochs done."""
    step: int = 0
    """steps done in the epoch under way."""
    best_score: float = -math.inf
    best_epoch: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> str:
        """As text; numbers survive exactly."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of ``to_json``."""
        return cls(**json.loads(text))

    def log(self) -> str:
        """The rows, one JSON object a line."""
        return "".join(json.dumps(row) + "\n" for row in self.rows)

    def take(self, rule: str) -> bool:
        """Whether the epoch that was logged last is to be reported as of now, which is remembered.

        Args:
            rule: ``last`` takes every epoch, ``select`` and ``test`` one that is best so far on those images.
        """
        score = self.rows[-1]["test_score" if rule == "test" else "select_score"]
        if rule != "last" and score <= self.best_score:
            return False
        self.best_score, self.best_epoch = score, self.epoch
        return True
