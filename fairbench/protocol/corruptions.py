"""The common corruptions of CIFAR-10-C: their names, their severities, and the groups that papers report."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fairbench.errors import UsageError, unknown_name

FAMILY = "corruptions"
"""``corruptions`` are all cells; ``corruptions.<type>.<severity>`` is one."""

SEVERITIES = (1, 2, 3, 4, 5)

SMALLEST_SIDE = 28
"""Of an image; below that the constants, which are in pixels of a 32 x 32 image, leave nothing to recognise."""

CORRUPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "gaussian_noise": "noise",
        "shot_noise": "noise",
        "impulse_noise": "noise",
        "defocus_blur": "blur",
        "glass_blur": "blur",
        "motion_blur": "blur",
        "zoom_blur": "blur",
        "snow": "weather",
        "frost": "weather",
        "fog": "weather",
        "brightness": "weather",
        "contrast": "digital",
        "elastic_transform": "digital",
        "pixelate": "digital",
        "jpeg_compression": "digital",
        "speckle_noise": "extra",
        "gaussian_blur": "extra",
        "spatter": "extra",
        "saturate": "extra",
    }
)
"""The 15 types of Hendrycks & Dietterich 2019 in four families, then their 4 extra ones."""

CORRUPTION_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "faal9": (
            "gaussian_noise",
            "shot_noise",
            "impulse_noise",
            "motion_blur",
            "zoom_blur",
            "snow",
            "brightness",
            "pixelate",
            "jpeg_compression",
        ),
        "fairtat18": tuple(name for name in CORRUPTIONS if name != "glass_blur"),
        "all19": tuple(CORRUPTIONS),
    }
)
"""The types that are averaged: FAAL's supplement (Table 1), FAIR-TAT (Tables 3 and 4), and all."""


def corruption_condition(name: str, severity: int) -> str:
    """The name of a cell's condition, as in ``corruptions.fog.3``."""
    return f"{FAMILY}.{name}.{severity}"


def is_corruption(condition: str) -> bool:
    """Whether a condition belongs to the family."""
    return condition == FAMILY or condition.startswith(f"{FAMILY}.")


def corruption_of(condition: str) -> tuple[str, int]:
    """Type and severity of a cell's condition.

    Raises:
        UsageError: if it is not one cell of the family.
    """
    cells = corruption_cells(condition)
    if len(cells) != 1:
        raise UsageError(f"{condition} stands for {len(cells)} corruptions; name one, as in corruptions.fog.3")
    _, name, severity = cells[0].split(".")
    return name, int(severity)


def corruption_cells(condition: str) -> list[str]:
    """The conditions ``corruptions.<type>.<severity>`` that a name stands for, in the order of the tables.

    Args:
        condition: ``corruptions``, or with a type or a group behind it, as in ``corruptions.fog`` and
            ``corruptions.all19``, or with a severity behind the type, as in ``corruptions.fog.3``.

    Raises:
        UsageError: for a type or severity that there is not.
    """
    family, *rest = condition.split(".")
    if family != FAMILY or len(rest) > 2:
        raise UsageError(f"cannot read the condition {condition!r}; write corruptions.<type>.<severity>")
    types = _types_of(rest[0]) if rest else CORRUPTION_GROUPS["all19"]
    severities = SEVERITIES if len(rest) < 2 else (_severity(rest[1], condition),)
    return [corruption_condition(name, severity) for name in types for severity in severities]


def _types_of(name: str) -> tuple[str, ...]:
    if name in CORRUPTION_GROUPS:
        return CORRUPTION_GROUPS[name]
    if name not in CORRUPTIONS:
        raise unknown_name("corruption", name, [*CORRUPTIONS, *CORRUPTION_GROUPS])
    return (name,)


def _severity(text: str, condition: str) -> int:
    if text not in map(str, SEVERITIES):
        raise UsageError(f"{condition}: severity {text!r} is not one of 1 to 5; write it as in corruptions.fog.3")
    return int(text)
