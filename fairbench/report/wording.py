"""How numbers and foreign text are put into words: one place for rounding, dashes and cleaning."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from fairbench.protocol.conditions import CONDITIONS

EN_DASH = "\u2013"
MISSING = "—"
CONDITION_TITLES = {
    "clean": "Clean",
    "fgsm": "FGSM",
    "pgd20": "PGD-20",
    "cw20": "CW-20",
    "cw30": "CW-30",
    "aa": "AutoAttack",
    "square": "Square",
    "corruptions": "Corruptions",
}
_CORRUPTION = re.compile(r"corruptions\.([a-z_]+)(?:\.(\d))?")
_FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# Control characters, halves of surrogate pairs, and marks that turn the direction of the text around them.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


def printable(text: str) -> str:
    """Foreign text without characters that a page, a drawing or a file cannot hold."""
    return _UNPRINTABLE.sub("\ufffd", text)


def clean(text: str) -> str:
    """Printable text on one line."""
    return " ".join(printable(text).split())


def shorten(text: str, length: int) -> str:
    """The text, or its beginning and an ellipsis where it is longer than ``length``."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def cell_text(text: str) -> str:
    """Foreign text for a spreadsheet: cleaned, and never read as a formula."""
    cleaned = clean(text)
    return f"'{cleaned}" if cleaned.startswith(_FORMULA_STARTS) else cleaned


def safe_link(url: str | None) -> str | None:
    """The address if it is a plain web address, else None."""
    if url is None or url != clean(url) or " " in url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname else None


def percent(fraction: float) -> str:
    """A fraction in percent with one decimal, without the sign."""
    return f"{100 * fraction:.1f}"


def percent_range(interval: tuple[float, float]) -> str:
    """An interval of fractions in percent."""
    return f"{percent(interval[0])}{EN_DASH}{percent(interval[1])}"


def points(difference: float) -> str:
    """A difference of fractions in points, with its sign."""
    text = f"{100 * difference:+.1f}"
    return "\u00b10.0" if text in ("+0.0", "-0.0") else text.replace("-", "\u2212")


def radius(epsilon: float) -> str:
    """A radius the way papers write it: as a short decimal, or else in 255ths where it is a whole number of them."""
    levels = epsilon * 255
    short = f"{epsilon:.3g}"
    is_whole = abs(levels - round(levels)) < 1e-6
    return f"{round(levels)}/255" if is_whole and float(short) != epsilon else f"{epsilon:g}"


def duration(seconds: float) -> str:
    """A time in its two largest units."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def condition_title(name: str) -> str:
    """The condition as papers write it."""
    single = _CORRUPTION.fullmatch(name)
    if single is None:
        return CONDITION_TITLES.get(name, name)
    return " ".join([single[1].replace("_", " "), *filter(None, [single[2]])])


def class_title(name: str) -> str:
    """The class among numbers and in sentences, where a bare digit would look like one of the numbers."""
    return f"class {name}" if name.isdigit() else name


def condition_meaning(name: str) -> str:
    """One line on what the condition does; empty if it is not a known one."""
    return CONDITIONS.get(name, "")


def count(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: ``1 seed``, ``3 seeds``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(words: Iterable[object], *, most: int | None = None) -> str:
    """The different words in their order, separated by commas; the first ``most`` of them and how many more."""
    different = list(dict.fromkeys(str(word) for word in words))
    shown = different[:most]
    more = [f"and {len(different) - len(shown)} more"] if len(shown) < len(different) else []
    return ", ".join(shown + more)
