"""The rows of the published tables, each with what to run for it here."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from fairbench.errors import UsageError, unknown_name

PAPERS = {
    "faal": "Zhang et al., Towards Fairness-Aware Adversarial Learning, CVPR 2024",
    "fair_tat": "Medi et al., FAIR-TAT: Improving Model Fairness Using Targeted Adversarial Training, WACV 2025",
    "absld": "Zhao et al., Improving Adversarial Robust Fairness via Anti-Bias Soft Label Distillation, 2023",
}


@dataclass(frozen=True)
class Cell:
    """One printed number."""

    percent: float
    doubt: str
    """a letter of the README where there is reason not to trust it, or nothing."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a published table."""

    paper: str
    table: str
    dataset: str
    """``cifar10``, ``cifar100`` or ``cifar10c``."""
    model: str
    setting: str
    init: str
    """the checkpoint that the paper fine-tunes, or nothing."""
    method: str
    epochs: str
    label: str
    """as printed."""
    cells: Mapping[tuple[str, str], Cell]
    """(condition, ``avg``, ``worst``, ``worst10pct`` or ``overall``) -> number."""
    written_form: str
    start: str
    """where the run here starts: ``scratch`` or a base."""
    settings: tuple[str, ...]
    """``key=value``, as after ``--set``."""
    note: str
    """what is assumed."""

    @property
    def name(self) -> str:
        """What tells it from the other rows of its table, as in ``pgd_at:faal_at``."""
        start = f"{self.init}:" if self.init else ""
        return f"{start}{self.method}"


def published_rows(paper: str, table: str | None = None) -> list[Row]:
    """The rows of a paper, or of one of its tables, in the order of print.

    Args:
        paper: one of ``PAPERS``.
        table: as printed, ``S1`` for the first of the supplement; None is all.

    Raises:
        UsageError: for an unknown paper or table.
    """
    if paper not in PAPERS:
        raise unknown_name("paper", paper, PAPERS)
    rows = [row for row in _rows() if row.paper == paper]
    if table is None:
        return rows
    tables = list(dict.fromkeys(row.table for row in rows))
    chosen = [row for row in rows if row.table.lower() == table.lower()]
    if not chosen:
        raise UsageError(f"{paper} has no results table {table!r}; it has: {', '.join(tables)}")
    return chosen


_KEY = ("paper", "table", "dataset", "model", "setting", "init", "method", "epochs")
_KEY_OF_FORMS = tuple("reference_init" if column == "init" else column for column in _KEY)


@cache
def _rows() -> tuple[Row, ...]:
    forms = {tuple(line[column] for column in _KEY_OF_FORMS): line for line in _lines("written_forms.csv")}
    printed: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for line in _lines("published.csv"):
        printed.setdefault(tuple(line[column] for column in _KEY), []).append(line)
    return tuple(_row(key, lines, forms[key]) for key, lines in printed.items())


def _row(key: tuple[str, ...], lines: list[dict[str, str]], form: Mapping[str, str]) -> Row:
    return Row(
        **dict(zip(_KEY, key, strict=True)),
        label=lines[0]["label"],
        cells={(line["condition"], line["metric"]): Cell(float(line["percent"]), line["doubt"]) for line in lines},
        written_form=form["written_form"],
        start=form["init"],
        settings=tuple(form["set"].split()),
        note=form["notes"],
    )


def _lines(name: str) -> list[dict[str, str]]:
    text = (resources.files("fairbench.reference") / name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))
