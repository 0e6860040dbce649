"""Which written form runs a row of a paper's table."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

from fairbench.errors import UsageError
from fairbench.protocol.schema import Schema, validated


class PublishedRow(Schema):
    """A row of a published table, named as the tables in ``fairbench/reference`` name it, and how it is run here."""

    paper: str
    table: str
    dataset: str
    model: str
    setting: str
    """``scratch``, ``finetune`` or ``distill``; empty where the paper does not say."""
    method: str
    """the table's name of the method, which is not always the one here: its ``fat`` is Friendly AT."""
    reference_init: str
    """the checkpoint that the row fine-tunes, in the table's words."""
    epochs: str
    """as printed."""
    written_form: str
    """with ``base:`` before a checkpoint that is evaluated as it is."""
    init: str
    """for ``--init``; empty for a row without a run, as one on training time."""
    set: str
    """for ``--set``, where the track's schedule is not the row's."""
    notes: str
    """what the paper leaves open, and what is assumed."""


@cache
def published_rows() -> tuple[PublishedRow, ...]:
    """Every row of the papers' tables, in their order.

    Raises:
        UsageError: if the file is not as it should be.
    """
    text = (resources.files("fairbench.reference") / "written_forms.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(validated(PublishedRow, row, place="written_forms.csv") for row in rows)


def published_row(cell: dict[str, str]) -> PublishedRow:
    """The row to which a cell of a published table belongs.

    Args:
        cell: a line of a table in ``fairbench/reference``, by column; columns that it lacks count as empty.

    Raises:
        UsageError: if there is none.
    """
    wanted = {
        name: cell.get(name, "") for name in ("paper", "table", "dataset", "model", "setting", "method", "epochs")
    }
    wanted["reference_init"] = cell.get("init", "")
    for row in published_rows():
        if all(getattr(row, name) == value for name, value in wanted.items()):
            return row
    described = ", ".join(f"{name} {value}" for name, value in wanted.items() if value)
    raise UsageError(f"no written form for the published row ({described}); add one to written_forms.csv")
