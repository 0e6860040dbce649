"""The leaderboard for other programs: the record's numbers in each, and no text of a record acts in any."""

import csv
import io
import json
import re

import numpy as np
import pytest
from hostile_records import HOSTILE
from scipy.stats import binomtest
from synthetic import make_record, make_values

from fairbench.leaderboard.extremes import lowest_interval
from fairbench.leaderboard.false_positive_intervals import highest_false_positive_interval
from fairbench.leaderboard.ranking import rank
from fairbench.protocol.record import Record
from fairbench.report.exports import EXPORTS
from fairbench.report.exports.bibliography import methods_bib
from fairbench.report.exports.grid import board_of_track
from fairbench.report.exports.latex import escape, results_latex
from fairbench.report.exports.markdown import plain, results_markdown
from fairbench.report.exports.structured import results_json
from fairbench.report.places import Places
from fairbench.report.wording import clean

FEW = ("clean", "aa")


def percent(fraction):
    return f"{100 * fraction:.1f}"


@pytest.fixture(scope="module")
def entries():
    records = [make_record(name, conditions=FEW) for name in ("pgd_at", "faal@trades+awp?tau=0.3", "frl")]
    return rank([*records, make_record("dafa", conditions=FEW, selected_on="test")])


@pytest.fixture(scope="module")
def hostile():
    fields = ("title", "paper", "origin", "init", "link")
    return rank(make_record(text, conditions=FEW, **dict.fromkeys(fields, text)) for text in HOSTILE)


def test_markdown_has_every_number_and_bold_for_the_best(entries):
    lines = results_markdown(board_of_track(entries, Places())).splitlines()
    rows = {line.split(" | ")[1].split(" (")[0].replace("\\", ""): line.split(" | ")[2:6] for line in lines[4:]}
    for entry in entries:
        blocks = [entry.record.conditions[name] for name in FEW]
        expected = [percent(value) for one in blocks for value in (one.average, one.worst)]
        shown = rows[entry.record.method]
        assert [re.sub(r"\*| \(.*", "", cell) for cell in shown] == expected
    best = max(entry.record.conditions["aa"].worst for entry in entries if entry.rank)
    bold = {name for name, cells in rows.items() if cells[3].startswith("**")}
    first = [entry for entry in entries if entry.rank and entry.record.conditions["aa"].worst == best]
    assert bold == {entry.record.method for entry in first}


def test_latex_is_a_booktabs_table_with_every_number(entries):
    text = results_latex(board_of_track(entries, Places()))
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    rows = [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.startswith(r"\texttt")]
    for entry, row in zip(entries, rows, strict=True):
        blocks = [entry.record.conditions[name] for name in FEW]
        expected = [percent(value) for one in blocks for value in (one.average, one.worst)]
        assert [re.sub(r"\\textbf\{|\}", "", cell) for cell in row[1:5]] == expected
        assert len(row) == 6


@pytest.mark.parametrize(("write", "mark"), [(results_markdown, "Start: "), (results_latex, r"\caption")])
def test_tables_that_differ_in_the_teacher_say_so(write, mark):
    values = make_values("absld", conditions=FEW)
    taught = [values | {"training": values["training"] | {"config": {"teacher": name}}} for name in ("weak", "strong")]
    entries = rank([make_record("pgd_at", conditions=FEW), *(Record.model_validate(one) for one in taught)])
    headings = [line for line in write(board_of_track(entries, Places())).splitlines() if line.startswith(mark)]
    assert len(set(headings)) == 3
    assert [sum(f"teacher {name}" in line for line in headings) for name in ("weak", "strong")] == [1, 1]


def test_json_has_every_number_at_full_precision(entries):
    for entry, row in zip(entries, json.loads(results_json(board_of_track(entries, Places()))), strict=True):
        assert (row["method"], row["rank"], row["unranked_because"] or "") == (
            entry.record.method, entry.rank, entry.reason,
        )  # fmt: skip
        for name in FEW:
            one = entry.record.conditions[name]
            for metric in ("average", "balanced", "worst", "worst_tenth", "overall"):
                assert row["conditions"][name][metric]["value"] == getattr(one, metric)
            accuracies = [c / n for c, n in zip(one.class_correct, one.class_total, strict=True)]
            assert row["conditions"][name]["class_accuracy"] == accuracies
            assert row["conditions"][name]["c_fps_max"]["value"] == max(one.class_false_positive_score)


def ends_of(row, name):
    return float(row[f"{name}_low"]), float(row[f"{name}_high"])


def test_tables_hold_the_ends_of_the_intervals(entries):
    board = board_of_track(entries, Places())
    table = list(csv.DictReader(io.StringIO(EXPORTS["results.csv"](board))))
    for entry, row, tree in zip(entries, table, json.loads(results_json(board)), strict=True):
        for name in FEW:
            one, values = entry.record.conditions[name], tree["conditions"][name]
            counts = np.array([one.class_correct, one.class_total])
            average = binomtest(*counts.sum(axis=1).tolist()).proportion_ci(method="wilson")
            for key, ends in (("average", average), ("worst", lowest_interval(*counts))):
                assert ends_of(row, f"{name}_{key}") == pytest.approx(tuple(map(float, ends)), abs=1e-8)
                assert values[key]["interval"] == pytest.approx(list(map(float, ends)), abs=1e-8)
            each = [binomtest(*pair).proportion_ci(method="wilson") for pair in counts.T.tolist()]
            assert np.allclose(values["class_accuracy_interval"], each, atol=1e-8)
        highest = highest_false_positive_interval(entry.record.conditions["aa"].confusion)
        assert ends_of(row, "cfps_max") == pytest.approx(highest, abs=1e-8)
        assert tree["conditions"]["aa"]["c_fps_max"]["interval"] == pytest.approx(highest, abs=1e-8)


def test_intervals_of_seeds_are_averaged_by_class():
    (entry,) = rank([make_record("faal", seed=seed, conditions=("aa",)) for seed in (0, 1)])
    (row,) = json.loads(results_json(board_of_track([entry], Places())))
    blocks = [record.conditions["aa"] for record in entry.records]
    counts = [zip(one.class_correct, one.class_total, strict=True) for one in blocks]
    ends = [[binomtest(*pair).proportion_ci(method="wilson") for pair in pairs] for pairs in counts]
    assert np.allclose(row["conditions"]["aa"]["class_accuracy_interval"], np.mean(ends, axis=0), atol=1e-8)


def test_the_bibliography_cites_each_paper_once():
    papers = {
        "faal": "Zhang et al., Towards Fairness-Aware Adversarial Learning, CVPR 2024",
        "faal@trades": "Zhang et al., Towards Fairness-Aware Adversarial Learning, CVPR 2024",
        "wat": "Li and Liu, WAT: Improve the Worst-class Robustness in Adversarial Training, AAAI 2023",
        "natural": "Empirical risk minimisation",
        "mine": None,
    }
    entries = rank(make_record(name, paper=paper, conditions=FEW) for name, paper in papers.items())
    text = methods_bib(board_of_track(entries, Places()))
    assert re.findall(r"@(\w+)\{([^,]+),", text) == [
        ("misc", "natural"), ("inproceedings", "li2023wat"), ("inproceedings", "zhang2024towards"),
    ]  # fmt: skip
    assert "author = {Zhang and others}" in text
    assert "author = {Li and Liu}" in text
    assert "Methods: faal, faal@trades" in text
    assert "booktitle = {CVPR}" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_no_hostile_text_acts_in_latex(text):
    written = escape(text)
    bare = re.sub(r"\\(textbackslash|text[a-z]+)\{\}|\\[&%$#_{}]|\{-\}", "", written)
    assert not re.search(r"[\\&%$#_^~{}<>|\"`\n-]", bare)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_hostile_text_acts_in_markdown(text):
    written = plain(text)
    assert re.sub(r"\\([\\`*_\[\]<>|&~$#])", r"\1", written) == clean(text)
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]<>|&~$#]", written)


def test_hostile_texts_leave_every_export_whole(hostile):
    written = {name: export(board_of_track(hostile, Places())) for name, export in EXPORTS.items()}
    assert len(json.loads(written["results.json"])) == len(HOSTILE)
    rows = [line for line in written["results.md"].splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in rows}) == 1
    assert written["results.tex"].count(r"\begin{table}") == written["results.tex"].count(r"\end{table}")
    for line in written["results.tex"].splitlines()[1:]:
        bare = re.sub(r"\\.", "", line)
        assert bare.count("{") == bare.count("}")
        assert "%" not in bare
    assert len(re.findall(r"^@\w+\{[a-z0-9-]+,$", written["references.bib"], re.M)) == len(HOSTILE)
    for entry in written["references.bib"].split("\n\n"):
        depth = [entry[:place].count("{") - entry[:place].count("}") for place in range(len(entry))]
        assert min(depth) >= 0
    for text in written.values():
        assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", text)


KINDS, SEVERITIES = ("fog", "snow"), (1, 2)
CELLS = tuple(f"corruptions.{kind}.{severity}" for kind in KINDS for severity in SEVERITIES)


def pooled(record, kind, severities):
    blocks = [record.conditions[f"corruptions.{kind}.{severity}"] for severity in severities]
    correct, total = (np.sum([getattr(one, key) for one in blocks], axis=0) for key in ("class_correct", "class_total"))
    return correct.sum() / total.sum(), (correct / total).min()


def test_corruptions_have_a_file_of_their_own_and_their_means_are_in_the_table():
    corrupted = rank(make_record(name, conditions=(*FEW, *CELLS)) for name in ("faal", "frl"))
    board = board_of_track(corrupted, Places())
    rows = list(csv.DictReader(io.StringIO(EXPORTS["corruptions.csv"](board))))
    assert len(rows) == len(corrupted) * len(KINDS) * (len(SEVERITIES) + 1)
    records = {entry.record.method: entry.record for entry in corrupted}
    for row in rows:
        severities = SEVERITIES if row["severity"] == "all" else (int(row["severity"]),)
        numbers = pooled(records[row["method"]], row["type"], severities)
        assert (float(row["average"]), float(row["worst"])) == pytest.approx(numbers, abs=1e-12)
    for row in csv.DictReader(io.StringIO(EXPORTS["results.csv"](board))):
        numbers = np.mean([pooled(records[row["method"]], kind, SEVERITIES) for kind in KINDS], axis=0)
        shown = float(row["corruptions_average"]), float(row["corruptions_worst"])
        assert shown == pytest.approx(tuple(numbers), abs=1e-12)
        assert not [key for key in row if key.startswith("corruptions.")]
    for row in json.loads(results_json(board)):
        assert list(row["conditions"]) == list(FEW)


def test_a_board_without_corruptions_has_no_such_file_or_columns(entries):
    board = board_of_track(entries, Places())
    assert EXPORTS["corruptions.csv"](board) == ""
    assert "corruptions" not in EXPORTS["results.csv"](board).splitlines()[0]
