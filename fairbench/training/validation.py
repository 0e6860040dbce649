"""What an epoch's weights are worth on the split ``select``, and whether they are the best so far."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from fairbench.data import Split
from fairbench.training.feedback import HeldOutAttack, HeldOutResult, attack_split
from fairbench.training.plan import Plan


class Validation:
    """PGD on the split ``select`` with noise that is the same in every epoch."""

    def __init__(self, split: Split, num_classes: int, plan: Plan, attack_dtype: torch.dtype) -> None:
        self.split, self.num_classes, self.attack_dtype = split, num_classes, attack_dtype
        self.attack = HeldOutAttack(
            steps=plan.selection.steps, epsilon=plan.epsilon, step_size=plan.step_size, seed=plan.selection.seed
        )

    def __call__(self, network: nn.Module) -> HeldOutResult:
        """Attack the split."""
        return attack_split(
            network, self.split, self.attack, num_classes=self.num_classes, attack_dtype=self.attack_dtype
        )


def log_row(result: HeldOutResult) -> dict[str, Any]:
    """The entries of a log row; the score is the mean of average and worst-class accuracy under attack."""
    robust = result.adversarial_correct.sum() / result.total.sum()
    return {
        "select_clean_class_accuracy": result.clean_accuracy.tolist(),
        "select_pgd_class_accuracy": result.adversarial_accuracy.tolist(),
        "select_score": float(robust + result.adversarial_accuracy.min()) / 2,
    }
