"""``selection: test``: what several published codes do, for reproduction alone, and what it buys.

The trainer has no handle on the test images. For this rule, and for no other, it is handed a frozen judge that scores
weights and shows nothing else; all that is chosen so is labelled and not ranked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from fairbench.data import Dataset, Split
from fairbench.protocol.ledger import BoughtGain
from fairbench.training.feedback import HeldOutAttack, attack_split
from fairbench.training.plan import Plan


@dataclass(frozen=True)
class TestJudge:
    """Scores weights by the attack of the selection rule on the test images."""

    __test__ = False  # no test of pytest's
    split: Split
    num_classes: int
    attack: HeldOutAttack

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Average and worst class under attack, and their mean, which chooses."""
        result = attack_split(network, self.split, self.attack, num_classes=self.num_classes)
        average = float(result.adversarial_correct.sum() / result.total.sum())
        worst = float(result.adversarial_accuracy.min())
        return {"test_average": average, "test_worst": worst, "test_score": (average + worst) / 2}


def judge_for(plan: Plan, dataset: Dataset) -> TestJudge | None:
    """The judge that a plan asks for; None for every rule but ``test``.

    Args:
        plan: how to train.
        dataset: whose test split is judged on.
    """
    if plan.selection.rule != "test":
        return None
    attack = HeldOutAttack(
        steps=plan.selection.steps,
        epsilon=plan.epsilon,
        step_size=plan.step_size,
        seed=plan.selection.seed,
    )
    return TestJudge(dataset.test, dataset.num_classes, attack)


def bought_gain(log: Path) -> tuple[int, BoughtGain | None]:
    """How often the judge was asked, and what choosing by it bought over choosing on the split ``select``.

    Args:
        log: ``log.jsonl`` of a finished training.
    """
    rows = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    judged = [row for row in rows if "test_score" in row]
    if not judged:
        return 0, None
    chosen, honest = (
        max(judged, key=lambda row: (row[score], -row["epoch"])) for score in ("test_score", "select_score")
    )
    return len(judged), BoughtGain(
        honest_epoch=honest["epoch"],
        average=chosen["test_average"] - honest["test_average"],
        worst=chosen["test_worst"] - honest["test_worst"],
    )
