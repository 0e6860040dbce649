"""The ranks that the data supports: an interval for each method, and bars that join those not told apart."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fairbench.leaderboard.board import Board
from fairbench.report.figures.canvas import MAX_ROWS, Drawing, canvas
from fairbench.report.style import LIGHT, SERIES_LIGHT
from fairbench.report.wording import clean, shorten


def rank_figure(board: Board) -> Drawing | None:
    """Rank, rank interval and tie groups of each ranked method; None for fewer than two, or if nothing was tested."""
    rows = board.standings[:MAX_ROWS]
    if len(rows) < 2 or not board.p_values:
        return None
    tooltips = {}
    with canvas((7.6, 0.9 + 0.26 * len(rows))) as figure:
        axes = figure.subplots()
        for place, row in enumerate(rows):
            low, high = row.ranks
            axes.plot([low, high], [place, place], color=SERIES_LIGHT[0], linewidth=5, alpha=0.35, gid=f"rank{place}")
            axes.plot([row.entry.rank or low], [place], "o", color=SERIES_LIGHT[0], markersize=5)
            tooltips[f"rank{place}"] = (
                f"{clean(row.entry.record.method)}: rank {row.entry.rank}, the tests leave {low} to {high} open; "
                f"tie groups {row.groups or 'none'}"
            )
        axes.set_yticks(range(len(rows)), [shorten(clean(row.entry.record.method), 34) for row in rows])
        axes.tick_params(axis="y", labelcolor=LIGHT["ink"])
        axes.invert_yaxis()
        axes.set_xlim(0.5, max(row.ranks[1] for row in rows) + 0.5)
        axes.set_xlabel("rank")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        _draw_groups(axes, [row.groups for row in rows])
        label = "Rank of each method with the interval of ranks that the paired tests leave open, and its tie groups."
        return Drawing(figure=figure, label=label, kind="square", tooltips=tooltips)


def _draw_groups(axes: Axes, groups: list[str]) -> None:
    """A vertical bar right of the axes for each letter that at least two rows share."""
    letters = sorted({letter for row in groups for letter in row})
    column = 0
    for letter in letters:
        places = [place for place, row in enumerate(groups) if letter in row]
        if len(places) < 2:
            continue
        x = 1.03 + 0.025 * column
        axes.plot(
            [x, x], [places[0] - 0.25, places[-1] + 0.25], transform=axes.get_yaxis_transform(), clip_on=False,
            color=LIGHT["ink"], linewidth=2.2, solid_capstyle="round",
        )  # fmt: skip
        column += 1
