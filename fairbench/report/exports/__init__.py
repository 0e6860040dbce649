"""The leaderboard for other programs: CSV, JSON, Markdown, LaTeX and BibTeX, in none of which a record's text acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from fairbench.report.exports.bibliography import methods_bib
from fairbench.report.exports.grid import Board
from fairbench.report.exports.latex import results_latex
from fairbench.report.exports.markdown import results_markdown
from fairbench.report.exports.structured import results_json
from fairbench.report.exports.table import results_csv

TABLE_NAME = "results.csv"
EXPORTS: Mapping[str, Callable[[Board], str]] = MappingProxyType(
    {
        TABLE_NAME: results_csv,
        "results.json": results_json,
        "results.md": results_markdown,
        "results.tex": results_latex,
        "references.bib": methods_bib,
    }
)
"""File name -> what writes it."""
