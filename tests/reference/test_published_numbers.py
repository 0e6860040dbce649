"""The published tables: whole, consistent with what the papers' texts say, doubtful cells marked."""

from collections import Counter

import pytest

from fairbench.compose import compose
from fairbench.errors import UsageError
from fairbench.reference.tables import PAPERS, published_rows

TABLES = {"faal": "1 2 3 S1 S2 S3 S4 S5 S6", "fair_tat": "1 2 3 4", "absld": "1 2 3 4"}
ROWS = [row for paper in PAPERS for row in published_rows(paper)]


def find(paper, table, name, **more):
    (row,) = [
        row
        for row in published_rows(paper, table)
        if row.name == name and all(getattr(row, key) == value for key, value in more.items())
    ]
    return row


@pytest.mark.parametrize("paper", PAPERS)
def test_every_table_is_there(paper):
    assert list(dict.fromkeys(row.table for row in published_rows(paper))) == TABLES[paper].split()


def test_no_number_is_missing():
    counts = Counter(row.paper for row in ROWS for _ in row.cells)
    assert counts == {"faal": 774, "fair_tat": 640, "absld": 600}


# Numbers from the abstracts and texts of the papers, not from their tables.
@pytest.mark.parametrize(
    ("place", "name", "cell", "percent"),
    [
        (("faal", "1"), "pgd_at:faal_at", ("aa", "worst"), 35.7),
        (("faal", "1"), "pgd_at", ("aa", "worst"), 24.4),
        (("faal", "S2"), "pgd_at:faal_at", ("aa", "worst"), 31.1),
        (("faal", "S4"), "faal_trades_awp", ("aa", "worst"), 35.0),
        (("absld", "1"), "absld", ("aa", "worst"), 31.0),
        (("absld", "4"), "absld", ("aa", "worst10pct"), 6.7),
    ],
)
def test_headline_numbers(place, name, cell, percent):
    assert find(*place, name).cells[cell].percent == percent


def test_accuracies_are_ordered_as_they_must_be():
    for row in ROWS:
        for (condition, metric), cell in row.cells.items():
            assert 0 <= cell.percent <= 100
            if metric == "avg" and (condition, "worst") in row.cells:
                assert row.cells[condition, "worst"].percent <= cell.percent


def test_overall_is_the_mean_unless_it_is_marked():
    for row in published_rows("absld"):
        for (condition, metric), cell in row.cells.items():
            if metric == "overall":
                low = row.cells.get((condition, "worst")) or row.cells[condition, "worst10pct"]
                mean = (row.cells[condition, "avg"].percent + low.percent) / 2
                assert (abs(cell.percent - mean) > 0.02) == (cell.doubt == "E")


def test_main_paper_and_supplement_of_faal_agree():
    for main, supplement in (("1", "S3"), ("2", "S4"), ("3", "S6")):
        repeated = {(row.name, row.epochs): row for row in published_rows("faal", supplement)}
        for row in published_rows("faal", main):
            assert row.cells == repeated[row.name, row.epochs].cells


def test_doubtful_cells_stay_marked():
    marks = Counter(cell.doubt for row in ROWS for cell in row.cells.values() if cell.doubt)
    assert marks == {"A": 63, "B": 6, "C": 26, "D": 4, "E": 3, "F": 6, "G": 9, "H": 4, "I": 4, "J": 10, "K": 54}
    assert {row.paper for row in ROWS if any(cell.doubt in set("ABCD") for cell in row.cells.values())} == {"fair_tat"}


def test_every_row_says_what_to_run():
    for written in {row.written_form.removeprefix("base:") for row in ROWS}:
        assert compose(written).written


@pytest.mark.parametrize(
    ("paper", "table", "message"),
    [
        ("fall", None, "unknown paper 'fall': did you mean faal"),
        ("faal", "9", "faal has no results table '9'; it has: 1"),
    ],
)
def test_what_was_not_published_is_refused(paper, table, message):
    with pytest.raises(UsageError, match=message):
        published_rows(paper, table)
