"""The conditions of the battery: what is done to an image before the model is asked."""

from __future__ import annotations

from fairbench.errors import unknown_name

CONDITIONS: dict[str, str] = {
    "clean": "the image as it is",
    "fgsm": "one signed-gradient step of size epsilon",
    "pgd20": "PGD on the cross-entropy, 20 steps of epsilon / 4, random start",
    "cw20": "PGD on the logit margin, 20 steps of epsilon / 4, random start",
    "cw30": "PGD on the logit margin, 30 steps of epsilon / 4, random start",
    "aa": "AutoAttack standard: APGD-CE, APGD-T, FAB-T, Square",
    "square": "Square alone, 5000 queries",
}
"""Name of each condition and one line on what it does, in the order of the tables."""

CHEAP_CONDITIONS = ("clean", "pgd20", "cw20")
"""What is also measured on the last epoch's weights."""


def check_conditions(names: list[str]) -> list[str]:
    """The names, each once, in the order of the tables.

    Raises:
        UsageError: for a name that is not a condition.
    """
    for name in names:
        if name not in CONDITIONS:
            raise unknown_name("attack", name, CONDITIONS)
    return [name for name in CONDITIONS if name in names]
