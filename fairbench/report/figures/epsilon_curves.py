"""Accuracy against the radius of the attack: over all images, and of the worst class."""

from __future__ import annotations

from collections.abc import Sequence

from fairbench.leaderboard.ranking import Entry
from fairbench.protocol.epsilons import epsilon_of, is_epsilon
from fairbench.report.figures.canvas import MAX_SERIES, Drawing, canvas, method_names, plain_axes
from fairbench.report.style import MARKERS, SERIES_LIGHT
from fairbench.report.values import mean_value
from fairbench.report.wording import clean

_AT_TRACK = "pgd20"
_LINES = {"average": "-", "worst": (0, (4, 2))}


def epsilon_figure(entries: Sequence[Entry]) -> Drawing | None:
    """PGD-20 at several radii, the clean images at 0; solid over all images, dashed of the worst class.

    Args:
        entries: the methods; those without any other radius than the track's are left out.
    """
    curves = [(index, entry, _conditions(entry)) for index, entry in enumerate(entries[:MAX_SERIES])]
    curves = [(index, entry, places) for index, entry, places in curves if any(map(is_epsilon, places.values()))]
    if not curves:
        return None
    tooltips = {}
    with canvas((7.6, 3.4)) as figure:
        axes = figure.subplots()
        for index, entry, places in curves:
            for metric, style in _LINES.items():
                found = [(radius, mean_value(entry, name, metric)) for radius, name in sorted(places.items())]
                points = [(radius, 100 * value) for radius, value in found if value is not None]
                gid = f"curve{index}{metric}"
                axes.plot(
                    [radius for radius, _ in points], [value for _, value in points], color=SERIES_LIGHT[index],
                    marker=MARKERS[index], markersize=4, linestyle=style, linewidth=1.4, gid=gid,
                )  # fmt: skip
                tooltips[gid] = f"{clean(entry.record.method)}, {metric}"
        axes.set_xlabel("radius of the attack")
        axes.set_ylabel("accuracy, %")
        axes.set_ylim(bottom=0)
        plain_axes(axes)
        label = "Accuracy under PGD-20 against its radius, by method: over all images and of the worst class."
        return Drawing(figure=figure, label=label, kind="square", tooltips=tooltips, legend=method_names(entries))


def _conditions(entry: Entry) -> dict[float, str]:
    """Radius -> name of the condition."""
    present = entry.record.conditions
    found = {epsilon_of(name): name for name in present if is_epsilon(name)}
    fixed = {0.0: "clean", entry.record.epsilon: _AT_TRACK}
    return found | {radius: name for radius, name in fixed.items() if name in present}
