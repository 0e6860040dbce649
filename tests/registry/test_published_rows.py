"""The rows of the papers' tables and the written forms that run them."""

import csv
from importlib import resources

import pytest

from fairbench.compose import compose
from fairbench.errors import UsageError
from fairbench.protocol.written_forms import published_row, published_rows

BASE = "base:"
ROWS_BY_PAPER = {"faal": 129, "fair_tat": 108, "absld": 40}
TABLES = [
    path
    for path in resources.files("fairbench.reference").iterdir()
    if path.name.endswith(".csv") and path.name != "written_forms.csv"
]


def identity(row):
    return tuple(row.model_dump(exclude={"written_form", "init", "set", "notes"}).values())


def test_every_row_is_there_once():
    rows = published_rows()
    assert len({identity(row) for row in rows}) == len(rows)
    assert {paper: sum(row.paper == paper for row in rows) for paper in ROWS_BY_PAPER} == ROWS_BY_PAPER


@pytest.mark.parametrize("written", sorted({row.written_form for row in published_rows()}))
def test_every_written_form_composes_and_is_the_shortest(written):
    name = written.removeprefix(BASE)
    assert compose(name).written == name
    assert compose(name).recipe()


def test_every_start_is_scratch_or_could_be_a_base():
    for row in published_rows():
        if row.init not in ("", "scratch"):
            compose(row.init)
        assert (row.init == "scratch") == (
            row.reference_init == "" and not row.method.startswith("frl")
        ) or not row.init


def test_methods_of_different_names_are_run_by_different_forms():
    # What one table tells apart must not become one run.
    for row in published_rows():
        same = [
            other
            for other in published_rows()
            if (other.paper, other.table, other.dataset, other.model) == (row.paper, row.table, row.dataset, row.model)
            and (other.written_form, other.init, other.set) == (row.written_form, row.init, row.set)
        ]
        assert same == [row]


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.name)
def test_every_cell_of_a_published_table_finds_its_row(table):
    cells = csv.DictReader(table.read_text("utf-8").splitlines())
    for cell in cells:
        if "method" in cell:
            assert published_row(cell).written_form


def test_a_cell_finds_its_row_and_an_unknown_one_is_named():
    cell = {"paper": "faal", "table": "S2", "dataset": "cifar10", "model": "prn18", "setting": "finetune"}
    row = published_row(cell | {"init": "trades", "method": "faal_trades_awp", "epochs": "2", "value": "47.09"})
    assert (row.written_form, row.init) == ("faal@trades+awp", "trades")
    with pytest.raises(UsageError, match=r"no written form for the published row .*method faal_at"):
        published_row(cell | {"init": "mart", "method": "faal_at", "epochs": "2"})
