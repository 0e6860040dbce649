"""Published rows as runs: the right track, start and settings, and numbers beside numbers."""

import json
from pathlib import Path

import numpy as np
import pytest

from fairbench.data.few import parse_few
from fairbench.errors import UsageError
from fairbench.evaluation import read_record
from fairbench.evaluation.summary import condition_record
from fairbench.launch import reproduction
from fairbench.launch.bases import SCRATCH
from fairbench.launch.cells import resolve
from fairbench.launch.comparison import compare, conditions_of
from fairbench.launch.reproduction import Wish, chosen_rows, request_for
from fairbench.protocol.track import load_track
from fairbench.reference.tables import PAPERS, published_rows

ROWS = [row for paper in PAPERS for row in published_rows(paper)]


@pytest.fixture
def all_data_is_here(monkeypatch):
    monkeypatch.setattr(reproduction, "find_dataset", lambda name, folder=None: "somewhere")
    monkeypatch.setattr(reproduction, "locate", lambda name, folder=None: "somewhere")


def wish(tmp_path, **changes):
    return Wish(**{"budget": "full", "out": tmp_path} | changes)


@pytest.mark.parametrize(("paper", "table"), sorted({(row.paper, row.table) for row in ROWS}))
def test_every_row_has_a_cell_on_a_track_of_its_data_and_network(paper, table, tmp_path, all_data_is_here):
    for row in published_rows(paper, table):
        request = request_for(row, wish(tmp_path))
        track = load_track(request.tracks[0])
        assert track.dataset == ("cifar10" if row.dataset == "cifar10c" else row.dataset)
        assert track.architecture == row.model
        assert request.methods == [row.written_form]
        if row.setting != "scratch" or row.written_form.startswith("base:"):
            continue  # their bases and teachers have to be brought
        (cell,) = resolve(request)
        assert cell.start.is_scratch
        if row.epochs:
            assert str(cell.track.schedule.epochs) == row.epochs


def test_fine_tuning_takes_as_long_as_published(tmp_path, monkeypatch, all_data_is_here):
    monkeypatch.setenv("FAIRBENCH_HOME", str(tmp_path))
    for row in ROWS:
        if row.setting == "finetune":
            request = request_for(row, wish(tmp_path))
            base = tmp_path / "bases" / request.tracks[0] / f"{row.start}.pt"
            base.parent.mkdir(parents=True, exist_ok=True)
            base.write_bytes(b"weights")
            (cell,) = resolve(request)
            assert (cell.written, cell.start.path) == (row.written_form, base)
            assert str(cell.track.schedule.epochs) == row.epochs


def test_a_quick_look_is_small_and_takes_the_copy_that_is_here(tmp_path, monkeypatch):
    here = {"cifar10_jpeg"}
    monkeypatch.setattr(reproduction, "find_dataset", lambda name, folder=None: "x" if name in here else None)
    (row,) = chosen_rows(published_rows("faal", "S2"), "pgd_at:faal_at")
    request = request_for(row, wish(tmp_path, budget="quick"))
    assert request.tracks == ["cifar10_jpeg-prn18-ft"]
    assert parse_few(request.dataset).name == "cifar10_jpeg"
    (cell,) = resolve(request.model_copy(update={"init": SCRATCH}))
    assert (cell.track.schedule.epochs, cell.track.schedule.steps_per_epoch) == (1, 2)
    assert "aa" not in cell.conditions
    assert any(line.startswith("dataset = few:") for line in cell.departures)
    with pytest.raises(UsageError, match="cifar10 is not here, its JPEG copy is: get it, or take that with --dataset"):
        request_for(row, wish(tmp_path))
    with pytest.raises(UsageError, match=r"cifar100 not found: .*fairbench data fetch cifar100"):
        request_for(published_rows("faal", "3")[0], wish(tmp_path, budget="quick", data_dir=tmp_path))


def test_rows_are_named_by_method_start_form_or_label():
    rows = published_rows("faal", "S2")
    assert [row.name for row in chosen_rows(rows, "faal_at")] == ["pgd_at:faal_at", "trades:faal_at"]
    assert [row.name for row in chosen_rows(rows, "trades:faal_at")] == ["trades:faal_at"]
    assert [row.name for row in chosen_rows(rows, "faal@trades+awp")] == [
        f"{b}:faal_trades_awp" for b in ("pgd_at", "trades")
    ]
    assert [row.name for row in chosen_rows(rows, "trades")] == ["trades"]
    assert chosen_rows(rows, None) == rows
    with pytest.raises(UsageError, match="unknown row 'faal_attt': did you mean"):
        chosen_rows(rows, "faal_attt")


class _Record:
    def __init__(self, **conditions):
        self.conditions = conditions


def counted(correct):
    """Two classes of 10 images with so many right."""
    confusion = [[correct[0], 10 - correct[0]], [10 - correct[1], correct[1]]]
    return condition_record(np.array(confusion), settings={}, seconds=0.0)


def test_numbers_stand_beside_numbers():
    row = next(row for row in published_rows("absld", "1") if row.method == "absld")
    found = {(c.condition, c.metric): c for c in compare(row, _Record(clean=counted((5, 9))))}
    assert (found["clean", "avg"].measured, found["clean", "worst"].measured) == (70.0, 50.0)
    assert found["clean", "overall"].measured == 60.0
    assert found["clean", "avg"].difference == pytest.approx(70 - row.cells["clean", "avg"].percent)
    assert found["aa", "avg"].measured is None
    assert found["aa", "avg"].published == 50.25
    assert all(c.measured is None for c in compare(row, None))


def test_every_printed_number_has_a_condition_of_the_battery():
    for row in ROWS:
        printed = {"pgd20" if condition == "pgd" else condition for condition, _ in row.cells}
        assert {name.rpartition(".")[2] for name in conditions_of(row)} == printed


def test_a_corruption_is_all_its_severities_together_and_pgd_is_pgd20():
    row = published_rows("fair_tat", "3")[0]
    name = next(iter(row.cells))[0]
    record = _Record(**{f"corruptions.{name}.1": counted((10, 8)), f"corruptions.{name}.2": counted((2, 6))})
    found = {(c.condition, c.metric): c.measured for c in compare(row, record)}
    # 12 of 20 and 14 of 20: the mean of the two worst classes, 50 %, would be another number.
    assert found[name, "worst"] == 60.0
    row = published_rows("fair_tat", "1")[0]
    found = {(c.condition, c.metric): c.measured for c in compare(row, _Record(pgd20=counted((1, 3))))}
    assert (found["pgd", "avg"], found["pgd", "worst"]) == (20.0, 10.0)


@pytest.fixture
def digits_stand_in(monkeypatch):
    """Table S2 on the digits, whose network trains in a second and whose bases ship."""
    monkeypatch.setattr(reproduction, "_track", lambda row: "digits")
    monkeypatch.setattr(reproduction, "_data", lambda paper_data, wish: "digits")


def test_a_table_is_run_and_compared(fairbench, tmp_path, digits_stand_in):
    command = ("reproduce", "faal", "--table", "S2", "--only", "faal_at", "--out", tmp_path)
    answer = fairbench(*command)
    assert answer.code == 0, answer.err
    assert "A quick look" in answer.out
    assert "modified: " in answer.out
    assert "31.10" in answer.out
    rows = json.loads(fairbench(*command, "--json").out)
    assert [row["row"] for row in rows] == ["pgd_at:faal_at", "trades:faal_at"]
    record = read_record(Path(rows[0]["folder"]))
    assert record.protocol == "modified"
    numbers = {(n["condition"], n["metric"]): n for n in rows[0]["numbers"]}
    assert numbers["pgd20", "worst"]["measured"] == pytest.approx(100 * record.conditions["pgd20"].worst, abs=0.01)
    assert numbers["aa", "avg"]["measured"] is None


def test_a_base_that_is_not_here_is_trained_first(fairbench, tmp_path, digits_stand_in, monkeypatch):
    monkeypatch.setattr(reproduction, "is_shipped", lambda name, track: False)
    command = ("reproduce", "faal", "--table", "S2", "--out", tmp_path, "--json")
    (row,) = json.loads(fairbench(*command, "--only", "trades:faal_at").out)
    record = read_record(Path(row["folder"]))
    assert (record.method, record.init, record.selected_on) == ("faal", "file:model", "last")
    (row,) = json.loads(fairbench(*command, "--only", "trades").out)
    record = read_record(Path(row["folder"]))
    assert (record.method, record.init) == ("trades", "scratch")
    assert row["written_form"] == "base:trades"


def test_what_is_missing_is_said_row_by_row(fairbench, tmp_path):
    (tmp_path / "empty").mkdir()
    answer = fairbench(
        "reproduce", "absld", "--table", "1", "--data-dir", tmp_path / "empty", "--out", tmp_path / "out"
    )
    assert answer.code == 1
    assert answer.out.count("missing: Table 1") == 10
    assert "fairbench data fetch cifar10" in answer.out
    assert "no row of absld could be run" in answer.err
    for words, saying in (
        (("fal",), "did you mean faal"),
        (("faal", "--budget", "fast"), "'fast'"),
        (("faal", "--table", "7"), "'7'"),
    ):
        refused = fairbench("reproduce", *words)
        assert refused.code == 2
        assert saying in refused.err
