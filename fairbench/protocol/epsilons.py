"""The family ``epsilon.<radius>``: PGD-20 at other radii than the track's, for curves of accuracy against epsilon."""

from __future__ import annotations

from fairbench.errors import UsageError

EPSILON_FAMILY = "epsilon"


def is_epsilon(name: str) -> bool:
    """Whether a condition belongs to the family."""
    return name.partition(".")[0] == EPSILON_FAMILY


def epsilon_condition(epsilon: float) -> str:
    """The name of the condition at a radius, one name for equal radii."""
    return f"{EPSILON_FAMILY}.{epsilon:.6g}"


def epsilon_of(name: str) -> float:
    """The radius of a condition, written as in ``epsilon.0.05`` or ``epsilon.8/255``.

    Raises:
        UsageError: if it is no number above 0 and at most 1.
    """
    text = name.partition(".")[2]
    above, _, below = text.partition("/")
    try:
        epsilon = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        epsilon = -1.0
    if not 0 < epsilon <= 1:
        raise UsageError(
            f"attack {name!r}: expected a radius above 0 and at most 1, as in epsilon.0.05 or epsilon.8/255"
        )
    return epsilon
