"""One look for page and figures: colours for light and dark, series, heat scale, and matplotlib's settings.

Figures are drawn in the colours of ``LIGHT``; on the page each of them becomes the variable of the same name, so that
one drawing serves both themes.
"""

from __future__ import annotations

from typing import Any

LIGHT = {
    "paper": "#fcfbf9",
    "raised": "#f5f3ee",
    "ink": "#1c1d20",
    "muted": "#66645f",
    "rule": "#dedad2",
    "accent": "#00629b",
}
DARK = {
    "paper": "#15171a",
    "raised": "#1d2024",
    "ink": "#e9e7e2",
    "muted": "#a09d96",
    "rule": "#33363b",
    "accent": "#6bb8ee",
}

# Okabe and Ito's colours, which the colour-blind tell apart, in an order whose lightness alternates.
SERIES_LIGHT = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7d7a75", "#c9bb2e")
SERIES_DARK = ("#2a8fd0", "#e69f00", "#12b389", "#d98bb6", "#e2702a", "#7cc8f3", "#9b9892", "#f0e442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

HEAT_STEPS = 11
_HEAT_LIGHT = ("#f1f6fa", "#0a568f")
_HEAT_DARK = ("#1b2229", "#7cc4f2")

FIGURE_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fairbench",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.edgecolor": LIGHT["rule"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.unicode_minus": False,
    "grid.color": LIGHT["rule"],
    "grid.linewidth": 0.6,
    "xtick.color": LIGHT["rule"],
    "ytick.color": LIGHT["rule"],
    "xtick.labelcolor": LIGHT["muted"],
    "ytick.labelcolor": LIGHT["muted"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "text.color": LIGHT["ink"],
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def drawn_colours() -> dict[str, str]:
    """The colours that figures are drawn in, each with the expression that replaces it on the page."""
    series = {colour: f"var(--series-{index})" for index, colour in enumerate(SERIES_LIGHT)}
    return {colour: f"var(--{name})" for name, colour in LIGHT.items()} | series


def theme_variables() -> str:
    """The style sheet's variables: the light theme, and the dark one where the reader prefers it (print is light)."""
    light = _variables(LIGHT, SERIES_LIGHT, _HEAT_LIGHT)
    dark = _variables(DARK, SERIES_DARK, _HEAT_DARK)
    steps = "\n".join(
        f".heat-{step} {{ background: var(--heat-{step}); color: var(--heat-ink-{step}); }}"
        for step in range(HEAT_STEPS)
    )
    swatches = "\n".join(
        f".swatch-{index} {{ background: var(--series-{index}); }}" for index in range(len(SERIES_LIGHT))
    )
    return (
        f":root {{ color-scheme: light dark;\n{light}\n}}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{\n{dark}\n}} }}\n{steps}\n{swatches}\n"
    )


def heat_step(fraction: float) -> int:
    """The step of the heat scale for a fraction in [0, 1]: 0 for none, ``HEAT_STEPS - 1`` for all."""
    return min(HEAT_STEPS - 1, max(0, round(fraction * (HEAT_STEPS - 1))))


def _variables(colours: dict[str, str], series: tuple[str, ...], ends: tuple[str, str]) -> str:
    values = {f"--{name}": colour for name, colour in colours.items()}
    values |= {f"--series-{index}": colour for index, colour in enumerate(series)}
    for step in range(HEAT_STEPS):
        colour = _mixed(*ends, step / (HEAT_STEPS - 1))
        values[f"--heat-{step}"] = colour
        values[f"--heat-ink-{step}"] = _readable_ink(colour)
    return "\n".join(f"{name}: {value};" for name, value in values.items())


def _mixed(start: str, end: str, share: float) -> str:
    mixed = (round(a + (b - a) * share) for a, b in zip(_channels(start), _channels(end), strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def _readable_ink(background: str) -> str:
    """Black or white, whichever has the higher contrast ratio (WCAG 2.1)."""
    luminance = _luminance(background)
    return "#ffffff" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "#101114"


def _luminance(colour: str) -> float:
    scaled = [channel / 255 for channel in _channels(colour)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in scaled]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
