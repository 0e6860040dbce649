"""One look for page and figures: colours for light and dark, series, heat scale, and matplotlib's settings.

Figures are drawn in the colours of ``LIGHT``; on the page each of them becomes the variable of the same name, so that
one drawing serves both themes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from fairbench.report.scales import DIFFERENCE_DARK, DIFFERENCE_LIGHT, HEAT_DARK, HEAT_LIGHT, STEPS, Scale

LIGHT = {
    "paper": "#fcfbf9",
    "raised": "#f5f3ee",
    "ink": "#1c1d20",
    "muted": "#66645f",
    "rule": "#dedad2",
    "accent": "#00629b",
    "warning": "#9a3412",
}
DARK = {
    "paper": "#15171a",
    "raised": "#1d2024",
    "ink": "#e9e7e2",
    "muted": "#a09d96",
    "rule": "#33363b",
    "accent": "#6bb8ee",
    "warning": "#f0a06c",
}

# Okabe and Ito's colours, which the colour-blind tell apart, in an order whose lightness alternates.
SERIES_LIGHT = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7d7a75", "#c9bb2e")
SERIES_DARK = ("#2a8fd0", "#e69f00", "#12b389", "#d98bb6", "#e2702a", "#7cc8f3", "#9b9892", "#f0e442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

# On paper the ink of a step is known by its step alone; one digit of each drawn ink tells the steps apart.
HEAT_INKS = tuple(f"{ink[:-1]}{step:x}" for step, ink in enumerate(HEAT_LIGHT.inks))
DIFFERENCE_INKS = tuple(f"{ink[:2]}{step:x}{ink[3:]}" for step, ink in enumerate(DIFFERENCE_LIGHT.inks))

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


@cache
def drawn_colours() -> dict[str, str]:
    """The colours that figures are drawn in, each with the expression that replaces it on the page."""
    scales = {
        "series": SERIES_LIGHT,
        "heat": HEAT_LIGHT.colours,
        "heat-ink": HEAT_INKS,
        "difference": DIFFERENCE_LIGHT.colours,
        "difference-ink": DIFFERENCE_INKS,
    }
    steps = {colour: f"var(--{name}-{step})" for name, scale in scales.items() for step, colour in enumerate(scale)}
    return {colour: f"var(--{name})" for name, colour in LIGHT.items()} | steps


@cache
def theme_variables() -> str:
    """The style sheet's variables: the light theme, and the dark one where the reader prefers it (print is light)."""
    light = _variables(LIGHT, SERIES_LIGHT, {"heat": HEAT_LIGHT, "difference": DIFFERENCE_LIGHT})
    dark = _variables(DARK, SERIES_DARK, {"heat": HEAT_DARK, "difference": DIFFERENCE_DARK})
    steps = "\n".join(
        f".{name}-{step} {{ background: var(--{name}-{step}); color: var(--{name}-ink-{step}); }}"
        for name in ("heat", "difference")
        for step in range(STEPS)
    )
    swatches = "\n".join(
        f".swatch-{index} {{ background: var(--series-{index}); }}" for index in range(len(SERIES_LIGHT))
    )
    return (
        f":root {{ color-scheme: light dark;\n{light}\n}}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{\n{dark}\n}} }}\n{steps}\n{swatches}\n"
    )


def _variables(colours: dict[str, str], series: tuple[str, ...], scales: dict[str, Scale]) -> str:
    values = {f"--{name}": colour for name, colour in colours.items()}
    values |= {f"--series-{index}": colour for index, colour in enumerate(series)}
    for name, scale in scales.items():
        values |= {f"--{name}-{step}": colour for step, colour in enumerate(scale.colours)}
        values |= {f"--{name}-ink-{step}": ink for step, ink in enumerate(scale.inks)}
    return "\n".join(f"{name}: {value};" for name, value in values.items())
