"""The leaderboard for other programs: CSV, JSON, Markdown, LaTeX and BibTeX, in none of which a record's text acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from fairbench.report.exports.bibliography import methods_bib
from fairbench.report.exports.corruptions import corruptions_csv
from fairbench.report.exports.grid import Board
from fairbench.report.exports.latex import results_latex
from fairbench.report.exports.markdown import results_markdown
from fairbench.report.exports.provenance import runs_csv
from fairbench.report.exports.structured import results_json
from fairbench.report.exports.table import results_csv

TABLE_NAME = "results.csv"
EXPORTS: Mapping[str, Callable[[Board], str]] = MappingProxyType(
    {
        TABLE_NAME: results_csv,
        "corruptions.csv": corruptions_csv,
        "results.json": results_json,
        "results.md": results_markdown,
        "results.tex": results_latex,
        "references.bib": methods_bib,
        "runs.csv": runs_csv,
    }
)
"""File name -> what writes it; an empty text where a board has nothing to put in."""
