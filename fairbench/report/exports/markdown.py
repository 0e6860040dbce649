"""The leaderboard as Markdown tables, for a README or an issue."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fairbench.report.cells import Cell
from fairbench.report.exports.grid import Board, Grid
from fairbench.report.standings import Row
from fairbench.report.wording import clean

_ACTIVE = re.compile(r"([\\`*_\[\]<>|&~$#])")


def results_markdown(board: Board) -> str:
    """A table for each group: accuracy in percent, average and worst class; the best ranked numbers are bold."""
    return "\n".join(_table(grid) for grid in board.grids)


def plain(text: str) -> str:
    """Foreign text that Markdown shows as it is, on one line."""
    return _ACTIVE.sub(r"\\\1", clean(text))


def _table(grid: Grid) -> str:
    heads = [f"{column.title} {metric}" for column in grid.table.columns for metric in column.metrics]
    heads = ["#", "Method", *heads, f"max C_FPS ({grid.table.strongest})", "Training"]
    lines = [
        f"{plain(grid.heading)}. Accuracy in percent.",
        "",
        _line(plain(head) for head in heads),
        _line(["---:", "---", *["---:"] * (len(heads) - 2)]),
        *(_line(_row(row)) for row in grid.rows),
    ]
    return "\n".join(lines) + "\n"


def _row(row: Row) -> list[str]:
    note = f" (not ranked: {plain(row.reason)})" if row.reason else ""
    return [str(row.rank or ""), plain(row.method) + note, *map(_number, row.cells)]


def _number(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.is_best else cell.text
    return f"{text} ({plain(cell.label)})" if cell.label else text


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
