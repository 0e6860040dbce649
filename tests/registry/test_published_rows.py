"""The rows of the papers' tables and the written forms that run them."""

import csv
from importlib import resources

import pytest

from fairbench.compose import compose

BASE = "base:"
IDENTITY = ("paper", "table", "dataset", "model", "setting", "method", "reference_init", "epochs")


def lines(name):
    text = (resources.files("fairbench.reference") / name).read_text("utf-8")
    return [line | {"reference_init": line.get("init", "")} for line in csv.DictReader(text.splitlines())]


def written():
    text = (resources.files("fairbench.reference") / "written_forms.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def identity(line):
    return tuple(line.get(name, "") for name in IDENTITY)


ROWS = written()


def test_every_published_row_has_one_written_form_and_no_other_has():
    identities = [identity(row) for row in ROWS]
    assert len(set(identities)) == len(identities)
    printed = {identity(line) for name in ("published.csv", "cost.csv") for line in lines(name)}
    assert set(identities) == printed


@pytest.mark.parametrize("form", sorted({row["written_form"] for row in ROWS}))
def test_every_written_form_composes_and_is_the_shortest(form):
    name = form.removeprefix(BASE)
    assert compose(name).written == name
    assert compose(name).recipe()


def test_every_start_is_scratch_or_could_be_a_base():
    for row in ROWS:
        if row["init"] not in ("", "scratch"):
            compose(row["init"])
        from_scratch = row["reference_init"] == "" and not row["method"].startswith("frl")
        assert not row["init"] or (row["init"] == "scratch") == from_scratch


def test_what_one_table_tells_apart_is_not_run_alike():
    runs = [
        tuple(row[name] for name in ("paper", "table", "dataset", "model", "written_form", "init", "set"))
        for row in ROWS
        if row["init"]
    ]
    assert len(set(runs)) == len(runs)
