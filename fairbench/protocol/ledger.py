"""The selection ledger: how the reported weights were chosen, and how often the test images were asked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from fairbench.protocol.schema import Schema

SelectedOn = Literal["select", "last", "test", "unknown"]


class BoughtGain(Schema):
    """What choosing the epoch on the test images bought, in fractions; both by the attack that chose."""

    honest_epoch: int
    """the epoch that the split ``select`` would have chosen."""
    average: float
    """accuracy on the test images at the chosen epoch minus at the honest one."""
    worst: float
    """the same of the lowest class accuracy."""


class SelectionLedger(Schema):
    """What is known of the choice."""

    selected_on: SelectedOn
    """only ``select`` and ``last`` are ranked."""
    test_evaluations: int = Field(ge=0)
    """sets of weights of this cell that were scored on test images, the reported ones included."""
    gain: BoughtGain | None = None
    """of a choice on the test images."""

    @model_validator(mode="after")
    def _gain_is_of_the_test_set(self) -> SelectionLedger:
        if self.gain is not None and self.selected_on != "test":
            raise ValueError(f"a gain was bought on the test set, but selected_on is {self.selected_on}")
        return self
