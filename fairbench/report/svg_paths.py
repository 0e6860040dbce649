"""Paths of a drawing in few characters: two decimals, each point told from the one before."""

from __future__ import annotations

import re
from collections.abc import Iterator

_POINTS = {"M": 1, "L": 1, "Q": 2, "C": 3}
_SPACE_BEFORE_SIGN = re.compile(r" (?=-)")


def compact_path(path: str) -> str:
    """The same path: absolute M, L, Q, C and z separated by spaces, as matplotlib writes them, made relative.

    Args:
        path: the ``d`` of a path element.

    Raises:
        ValueError: for any other command.
    """
    words = path.split()
    written, at, start, place = [], (0, 0), (0, 0), 0
    while place < len(words):
        command = words[place].upper()
        if command == "Z":
            written.append("z")
            at, place = start, place + 1
            continue
        if command not in _POINTS:
            raise ValueError(f"expected M, L, Q, C or z in a path, got {words[place]!r}")
        numbers = [round(100 * float(word)) for word in words[place + 1 : place + 1 + 2 * _POINTS[command]]]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        place += 1 + len(numbers)
        if command == "M":
            start = points[0]
            written.append(_command("M", start))
        elif not _closes(command, points[-1], start, words[place : place + 1]):
            written.append(_relative(command, points, at))
        at = points[-1]
    return "".join(written)


def short(hundredths: int) -> str:
    """A number of hundredths in as few characters as it takes: 150 is 1.5, -50 is -.5."""
    sign, (whole, rest) = "-" if hundredths < 0 else "", divmod(abs(hundredths), 100)
    decimals = f".{rest:02d}".rstrip("0").rstrip(".")
    return f"{sign}{whole or ('' if decimals else 0)}{decimals}"


def _closes(command: str, point: tuple[int, int], start: tuple[int, int], following: list[str]) -> bool:
    """Whether a line only goes where the z after it goes anyway."""
    return command == "L" and point == start and following[:1] in (["z"], ["Z"])


def _relative(command: str, points: list[tuple[int, int]], at: tuple[int, int]) -> str:
    steps = [(x - at[0], y - at[1]) for x, y in points]
    if command == "L" and steps[0][1] == 0:
        return f"h{short(steps[0][0])}"
    if command == "L" and steps[0][0] == 0:
        return f"v{short(steps[0][1])}"
    return _command(command.lower(), *steps)


def _command(letter: str, *points: tuple[int, int]) -> str:
    return letter + _SPACE_BEFORE_SIGN.sub("", " ".join(_numbers(points)))


def _numbers(points: tuple[tuple[int, int], ...]) -> Iterator[str]:
    for x, y in points:
        yield short(x)
        yield short(y)
