"""Schedules that methods keep on tracks made for longer training: papers run their baselines as first published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DISTILLATION_TRACKS = "*-distill"
"""pattern of the tracks whose own schedule, 300 epochs, is that of RSLAD and ABSLD."""

RICE: Mapping[str, Any] = {
    "schedule.epochs": 200,
    "schedule.milestones": {0.5: 0.1, 0.75: 0.01},
    "schedule.weight_decay": 5e-4,
}
"""Rice et al. 2020, and after them CFA and AdaAD."""
ZHANG: Mapping[str, Any] = {"schedule.epochs": 100, "schedule.milestones": {0.75: 0.1, 0.9: 0.01}}
"""Zhang et al. 2019 (TRADES), in the usual length for an 18-layer network; ABSLD's clean training."""
ONE_DROP: Mapping[str, Any] = {"schedule.epochs": 200, "schedule.milestones": {0.5: 0.1}}
"""ARD, IAD and those built on them, as coded: the second milestone takes the rate to where it already is."""
SUN: Mapping[str, Any] = {"schedule.epochs": 200, "schedule.milestones": {0.37: 0.1, 0.445: 0.01, 0.495: 0.001}}
"""Sun et al. 2023 (BAT): epochs 75, 90 and 100, counted from 1."""
