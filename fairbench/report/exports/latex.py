"""The leaderboard as LaTeX tables for a paper: booktabs, the best in bold, ties with the best marked."""

from __future__ import annotations

from fairbench.report.cells import Cell
from fairbench.report.exports.grid import Board, Grid
from fairbench.report.standings import Row
from fairbench.report.wording import EN_DASH, MISSING, clean

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "-": r"{-}",
    EN_DASH: "--",
    MISSING: "---",
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
}


def results_latex(board: Board) -> str:
    """A ``table`` for each group: accuracy in percent, average and worst class under each condition."""
    needs = "% needs \\usepackage{booktabs} and \\usepackage{textcomp}\n"
    return needs + "\n".join(map(_table, board.grids))


def escape(text: str) -> str:
    """Foreign text that LaTeX prints as it is, on one line; nothing in it is a command or a ligature."""
    return "".join(_ESCAPES.get(character, character) for character in clean(text))


def _table(grid: Grid) -> str:
    columns = grid.table.columns
    width = len(columns[0].metrics)
    spans = " & ".join(rf"\multicolumn{{{width}}}{{c}}{{{escape(column.title)}}}" for column in columns)
    rules = "".join(rf"\cmidrule(lr){{{2 + index * width}-{1 + (index + 1) * width}}}" for index in range(len(columns)))
    metrics = " & ".join(escape(metric) for column in columns for metric in column.metrics)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{Accuracy in percent. {escape(grid.heading)}. The best ranked number of a column is bold"
        + (rf"; {_TIE_MARK} marks rows that cannot be told apart from the first" if _has_ties(grid) else "")
        + ".}",
        rf"\begin{{tabular}}{{l{'r' * (len(columns) * width + 1)}}}",
        r"\toprule",
        rf" & {spans} & \\",
        rules,
        rf"Method & {metrics} & max C\_FPS \\",
        r"\midrule",
        *map(_row, grid.table.ranked),
        *([r"\midrule"] if grid.table.ranked and grid.table.unranked else []),
        *map(_row, grid.table.unranked),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _row(row: Row) -> str:
    mark = _TIE_MARK if row.ties_with_first else ""
    numbers = [_number(cell) for cell in row.cells[:-1]]
    return " & ".join([rf"\texttt{{{escape(row.method)}}}{mark}", *numbers]) + r" \\"


def _number(cell: Cell) -> str:
    return rf"\textbf{{{escape(cell.text)}}}" if cell.is_best else escape(cell.text)


def _has_ties(grid: Grid) -> bool:
    return any(row.ties_with_first for row in grid.rows)


_TIE_MARK = r"\textsuperscript{=}"
