"""The conditions of the battery: what is done to an image before the model is asked."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from fairbench.errors import UsageError, unknown_name
from fairbench.extensions import ATTACKS, extensions
from fairbench.protocol.corruptions import CORRUPTIONS, FAMILY, corruption_cells, is_corruption
from fairbench.protocol.epsilons import epsilon_condition, epsilon_of, is_epsilon

CONDITIONS: dict[str, str] = {
    "clean": "the image as it is",
    "fgsm": "one signed-gradient step of size epsilon",
    "pgd20": "PGD on the cross-entropy, 20 steps of epsilon / 4, random start",
    "cw20": "PGD on the logit margin, 20 steps of epsilon / 4, random start",
    "cw30": "PGD on the logit margin, 30 steps of epsilon / 4, random start",
    "aa": "AutoAttack standard: APGD-CE, APGD-T, FAB-T, Square",
    "square": "Square alone, 5000 queries",
}
"""Name of each condition and one line on what it does, in the order of the tables; the 95 cells of the family
``corruptions`` come after them."""

UPLOADED, STRONGEST = "external", "strongest"
"""Adversarial examples that somebody uploaded, and image by image the worst of these and of all attacks at the track's
epsilon. They come with a file, never by name."""

_LACKING = "battery.conditions lack"
_FOREIGN_NAME = "[a-z][a-z0-9_]{0,31}"

CHEAP_CONDITIONS = ("clean", "pgd20", "cw20")
"""What is also measured on the last epoch's weights."""


def check_conditions(names: Sequence[str]) -> list[str]:
    """The names, each once, in the order of the tables, those of corruptions last.

    Args:
        names: of conditions; ``corruptions`` and its parts may stand for many, see ``expand_conditions``.

    Raises:
        UsageError: for a name that is not a condition.
    """
    for name in names:
        if is_corruption(name):
            corruption_cells(name)
        elif is_epsilon(name):
            epsilon_of(name)
        elif name not in CONDITIONS and name not in foreign_conditions():
            families = [FAMILY, "epsilon.RADIUS", *(f"{FAMILY}.{kind}" for kind in CORRUPTIONS)]
            raise unknown_name("attack", name, [*CONDITIONS, *foreign_conditions(), *families])
    return [
        *(name for name in (*CONDITIONS, *foreign_conditions()) if name in names),
        *_curve(names),
        *dict.fromkeys(name for name in names if is_corruption(name)),
    ]


def expand_conditions(names: Sequence[str]) -> list[str]:
    """The conditions to be run: ``corruptions`` and its parts become ``corruptions.<type>.<severity>``.

    Args:
        names: of conditions, ``corruptions``, ``corruptions.<type>`` (five severities) or ``corruptions.<group>``.

    Returns:
        Each once, in the order of the tables.

    Raises:
        UsageError: for a name that is not a condition.
    """
    checked = check_conditions(names)
    wanted = {cell for name in checked if is_corruption(name) for cell in corruption_cells(name)}
    return in_order([*(name for name in checked if not is_corruption(name)), *wanted])


def lacking(asked: Iterable[str], present: Collection[str]) -> list[str]:
    """Those of the names that stand for a condition which is not there, as they were asked.

    >>> lacking(["clean", "aa", "corruptions.fog"], ["clean", "corruptions.fog.1"])
    ['aa', 'corruptions.fog']
    """
    return [name for name in asked if not {*(corruption_cells(name) if is_corruption(name) else [name])} <= {*present}]


def battery_departure(asked: Iterable[str], present: Collection[str]) -> list[str]:
    """What departs from a track whose battery is not run whole, one line; none for one that has more conditions."""
    names = lacking(asked, present)
    return [f"{_LACKING} {', '.join(names)}"] if names else []


def is_battery_departure(line: str) -> bool:
    """Whether a line says that conditions are lacking, which goes when they come."""
    return line.startswith(_LACKING)


def in_order(names: Iterable[str]) -> list[str]:
    """Names of single conditions in the order of the tables; others are left out."""
    present = set(names)
    fixed = (*CONDITIONS, UPLOADED, STRONGEST, *foreign_conditions())
    return [name for name in (*fixed, *_curve(present), *corruption_cells(FAMILY)) if name in present]


def _curve(names: Iterable[str]) -> list[str]:
    """Those of the family ``epsilon``, by radius, equal radii under one name."""
    radii = sorted(epsilon_of(name) for name in names if is_epsilon(name))
    return list(dict.fromkeys(epsilon_condition(radius) for radius in radii))


def foreign_conditions() -> dict[str, str]:
    """Attacks of other packages: name -> origin; built-in names come first.

    Raises:
        UsageError: if a name cannot be written on the command line and in a record.
    """
    added = {name: found.origin for name, found in extensions(ATTACKS).items() if name not in CONDITIONS}
    for name, origin in added.items():
        if not re.fullmatch(_FOREIGN_NAME, name) or name in (FAMILY, UPLOADED, STRONGEST):
            raise UsageError(f"{origin}: an attack cannot be called {name!r}; use at most 32 small letters, digits, _")
    return added
