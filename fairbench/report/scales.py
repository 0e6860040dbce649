"""Colour scales in steps, from none to all and from worse over equal to better; each step has an ink to read on it."""

from __future__ import annotations

from dataclasses import dataclass

STEPS = 11


@dataclass(frozen=True)
class Scale:
    """The steps of one scale in one theme."""

    colours: tuple[str, ...]
    inks: tuple[str, ...]


def scale_through(*stops: str) -> Scale:
    """A scale through some colours, evenly spaced, each ``#rrggbb``."""
    places = [step / (STEPS - 1) * (len(stops) - 1) for step in range(STEPS)]
    lower = [min(int(place), len(stops) - 2) for place in places]
    colours = [_mixed(stops[at], stops[at + 1], place - at) for at, place in zip(lower, places, strict=True)]
    return Scale(tuple(colours), tuple(readable_ink(colour) for colour in colours))


def heat_step(fraction: float) -> int:
    """The step of the heat scale for a fraction in [0, 1]: 0 for none, ``STEPS - 1`` for all."""
    return min(STEPS - 1, max(0, round(fraction * (STEPS - 1))))


def difference_step(share: float) -> int:
    """The step of the scale of differences for a share in [-1, 1]: the middle one for none."""
    return heat_step((share + 1) / 2)


def readable_ink(background: str) -> str:
    """Black or white, whichever has the higher contrast ratio (WCAG 2.1)."""
    brightness = luminance(background)
    return "#ffffff" if 1.05 / (brightness + 0.05) > (brightness + 0.05) / 0.05 else "#101114"


def luminance(colour: str) -> float:
    """The relative luminance of a colour, in [0, 1] (WCAG 2.1)."""
    scaled = [channel / 255 for channel in _channels(colour)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in scaled]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(start: str, end: str, share: float) -> str:
    mixed = (round(a + (b - a) * share) for a, b in zip(_channels(start), _channels(end), strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


HEAT_LIGHT = scale_through("#f1f6fa", "#0a568f")
HEAT_DARK = scale_through("#1b2229", "#7cc4f2")
DIFFERENCE_LIGHT = scale_through("#b2521a", "#f5f1e9", "#0b5d8f")
DIFFERENCE_DARK = scale_through("#e58a4e", "#1f2327", "#7ac0ee")
