"""The ranks that the data supports: on the page, in the figure and in exports, where the answers are there."""

import csv
import json

import numpy as np
import pytest
from parsed_page import Page
from synthetic import make_condition, make_values, write_values

from fairbench.evaluation.predictions import Predictions, write_predictions
from fairbench.leaderboard.ranking import rank
from fairbench.leaderboard.records import load_runs
from fairbench.report.places import Places, places_of
from fairbench.report.render import write_comparison, write_report

PER_CLASS = 200
ACCURACY = {"strong": 0.8, "alike": 0.79, "weak": 0.3}


@pytest.fixture
def records(tmp_path):
    """Two methods that nobody can tell apart, and one that is far behind, each with its answers."""
    labels = np.repeat(np.arange(10), PER_CLASS)
    for number, (method, accuracy) in enumerate(ACCURACY.items()):
        rng = np.random.default_rng(number)
        right = rng.random(len(labels)) < accuracy
        answers = np.where(right, labels, (labels + rng.integers(1, 10, len(labels))) % 10)
        confusion = np.zeros((10, 10), dtype=int)
        np.add.at(confusion, (labels, answers), 1)
        values = make_values(method, conditions=("aa",), last=None)
        values["conditions"]["aa"] = make_condition(confusion)
        path = write_values(tmp_path / "records", values)
        stored = Predictions(labels.astype(np.int16), {"aa": answers.astype(np.int16)})
        write_predictions(path.with_name("predictions.npz"), stored)
    return tmp_path / "records"


def test_tied_rows_show_the_ranks_that_are_open(tmp_path, records):
    page = Page(write_report(records, tmp_path / "out", "digits"))
    rows = {row[1].text: row[0] for row in page.table("g0-standings").rows[2:]}
    assert [rows[name].small for name in ("strong", "alike")] == [["1\u20132"], ["1\u20132"]]
    assert (rows["weak"].text, rows["weak"].small) == ("3", [])
    labels = [attributes.get("aria-label", "") for tag, attributes in page.elements if tag == "svg"]
    assert any(label.startswith("Rank of each method with the interval") for label in labels)


@pytest.mark.usefixtures("undrawn")
def test_exports_carry_open_ranks_and_mark_ties(tmp_path, records):
    folder = write_report(records, tmp_path / "out", "digits").parent
    with (folder / "results.csv").open(encoding="utf-8", newline="") as stream:
        table = {row["method"]: (row["rank_from"], row["rank_to"], row["tie_groups"]) for row in csv.DictReader(stream)}
    assert table == {"strong": ("1", "2", "a"), "alike": ("1", "2", "a"), "weak": ("3", "3", "b")}
    rows = json.loads((folder / "results.json").read_text("utf-8"))
    assert {row["method"]: row["ranks"] for row in rows} == {"strong": [1, 2], "alike": [1, 2], "weak": [3, 3]}
    second = next(row["method"] for row in rows if row["rank"] == 2)
    lines = (folder / "results.tex").read_text("utf-8").splitlines()
    marked = [line.split(" & ")[0] for line in lines if line.startswith(r"\texttt") and "textsuperscript" in line]
    assert marked == [rf"\texttt{{{second}}}\textsuperscript{{=}}"]


@pytest.mark.usefixtures("undrawn")
def test_without_answers_no_tie_is_claimed(tmp_path, records):
    for path in records.rglob("predictions.npz"):
        path.unlink()
    runs = load_runs(records)
    entries = rank(run.record for run in runs)
    places = places_of(entries, runs)
    assert [places.standing(entry) for entry in entries] == [None] * 3
    assert not any(places.ties_with_first(entry) for entry in entries)
    assert Places().board(entries) is None
    rows = Page(write_report(records, tmp_path / "out", "digits")).table("g0-standings").rows[2:]
    assert [row[0].small for row in rows] == [[]] * 3


@pytest.mark.usefixtures("undrawn")
def test_a_comparison_says_whether_the_difference_is_more_than_chance(tmp_path, records):
    runs = load_runs(records)
    for other, verdict in (("alike", "not told apart from chance"), ("weak", "more than chance")):
        page = Page(write_comparison(runs, tmp_path / "out", "digits", "strong", other))
        words = " ".join("".join(page.text).split())
        rows = {run.record.method: run.record.conditions["aa"] for run in runs}
        for metric, question in (("average", "on average"), ("worst", "for the weakest class")):
            values = [f"{100 * getattr(rows[name], metric):.1f} %" for name in ("strong", other)]
            assert f"Under AutoAttack {question}: strong {values[0]}, {other} {values[1]}, a difference of" in words
        assert words.count(verdict) == 2


@pytest.mark.usefixtures("undrawn")
def test_a_comparison_without_answers_claims_nothing(tmp_path, records):
    next(records.rglob("predictions.npz")).unlink()
    runs = load_runs(records)
    first = next(run.record.method for run in runs)
    second = next(run.record.method for run in runs if run.record.method != first)
    page = Page(write_comparison(runs, tmp_path / "out", "digits", first, second))
    assert "was not tested: their answers image by image are not here" in " ".join("".join(page.text).split())


@pytest.mark.usefixtures("undrawn")
def test_the_first_glance_says_who_leads_whether_it_is_real_and_at_what_price(tmp_path, records):
    words = " ".join("".join(Page(write_report(records, tmp_path / "out", "digits")).text).split())
    blocks = {run.record.method: run.record.conditions["aa"] for run in load_runs(records)}
    first, last = max(blocks, key=lambda name: blocks[name].worst), "weak"
    gains = [100 * (getattr(blocks[first], metric) - getattr(blocks[last], metric)) for metric in ("worst", "average")]
    assert f"Best for the weakest class{first} {100 * blocks[first].worst:.1f} % under AutoAttack" in words
    other = next(name for name in ("strong", "alike") if name != first)
    assert f"Is the lead realtold apart from 1 of 2 others, not from {other}" in words
    price = f"{gains[0]:+.1f} weakest, {gains[1]:+.1f} average, 1.0 times the training"
    assert f"At what price, against weak{price}" in words
