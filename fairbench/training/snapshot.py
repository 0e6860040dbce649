"""Everything of a run that changes, as one state, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fairbench.training.epoch import EpochUnderWay
from fairbench.training.method import Part
from fairbench.training.position import Position
from fairbench.training.statistics import EpochStatistics


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Where a run stands, and what the epochs have shown."""

    position: Position
    statistics: EpochStatistics | None
    """of the epoch that was finished last."""
    under_way: EpochUnderWay | None
    """None between epochs."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The things whose state is taken and restored."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    parts: Mapping[str, Part]
    generators: Mapping[str, torch.Generator]
    num_classes: int
    device: torch.device

    def take(self, moment: Moment) -> dict[str, Any]:
        """Tensors, numbers, strings and containers of them."""
        return {
            "position": moment.position.to_json(),
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "generators": {name: generator.get_state() for name, generator in self.generators.items()},
            "statistics": moment.statistics.state_dict() if moment.statistics else {},
            "under_way": moment.under_way.state_dict() if moment.under_way else None,
        }

    def restore(self, state: Mapping[str, Any]) -> Moment:
        """Put everything back.

        Raises:
            AttributeError, KeyError, RuntimeError, TypeError, UsageError, ValueError: for the state of another run.
        """
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        for name, generator in self.generators.items():
            generator.set_state(state["generators"][name])
        statistics = {name: value.to(self.device) for name, value in state["statistics"].items()}
        under_way = state["under_way"]
        return Moment(
            position=Position.from_json(state["position"]),
            statistics=EpochStatistics.from_state_dict(self.num_classes, statistics) if statistics else None,
            under_way=under_way and EpochUnderWay.from_state_dict(self.num_classes, under_way, self.device),
        )
