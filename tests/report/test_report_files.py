import csv
import json
import re

import pytest
from parsed_page import Page
from synthetic import make_values as make_full_values
from synthetic import write_values

from fairbench.errors import UsageError
from fairbench.report.render import write_report

CONDITIONS = ("clean", "aa")
METHODS = ("pgd_at", "base:pgd_at", "faal", "faal@trades+awp?tau=0.3")


def make_values(method="faal", **changes):
    return make_full_values(method, **({"conditions": CONDITIONS} | changes))


@pytest.fixture
def records(tmp_path):
    folder = tmp_path / "records"
    for name in METHODS:
        write_values(folder, make_values(name))
    return folder


def read_rows(page):
    with page.with_name("results.csv").open(encoding="utf-8", newline="") as stream:
        return {row["method"]: row for row in csv.DictReader(stream)}


def test_writes_a_page_a_table_and_an_index(tmp_path, records):
    out = tmp_path / "out"
    page = write_report(records, out, "digits")
    assert page == out / "digits" / "index.html"
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()) == [
        "digits/index.html",
        "digits/results.csv",
        "index.html",
    ]


def test_the_same_records_give_the_same_bytes(tmp_path, records):
    first = write_report(records, tmp_path / "a", "digits")
    moved = records.rename(tmp_path / "elsewhere")
    second = write_report(moved, tmp_path / "b", "digits")
    assert first.read_bytes() == second.read_bytes()
    assert first.with_name("results.csv").read_bytes() == second.with_name("results.csv").read_bytes()
    assert (tmp_path / "a" / "index.html").read_bytes() == (tmp_path / "b" / "index.html").read_bytes()


def test_the_page_names_no_place_on_the_machine(tmp_path, records):
    page = write_report(records, tmp_path / "out", "digits")
    assert str(tmp_path) not in page.read_text("utf-8")


def test_every_number_of_the_table_file_is_the_records(tmp_path, records):
    rows = read_rows(write_report(records, tmp_path / "out", "digits"))
    for name in METHODS:
        values, row = make_values(name), rows[name]
        for condition in CONDITIONS:
            block = values["conditions"][condition]
            assert float(row[f"{condition}_average"]) == block["average"]
            assert float(row[f"{condition}_worst"]) == block["worst"]
            assert row[f"{condition}_worst_class"] == values["data"]["classes"][block["worst_class"]]
            assert int(row[f"{condition}_n"]) == sum(block["class_total"])
        scores = values["conditions"]["aa"]["class_false_positive_score"]
        assert float(row["cfps_max"]) == max(scores)
        assert row["cfps_max_class"] == values["data"]["classes"][scores.index(max(scores))]
        assert float(row["train_seconds"]) == values["training"]["seconds"]
        assert [row[key] for key in ("init", "epochs", "seeds", "selected_on", "protocol", "unranked_because")] == [
            "pgd_at", "4", "0", "select", "standard", "",
        ]  # fmt: skip
    assert sorted(row["rank"] for row in rows.values()) == ["1", "2", "3", "4"]
    assert list(rows["faal"])[:7] == ["rank", "method", "init", "epochs", "seeds", "selected_on", "protocol"]


def test_what_is_missing_is_empty_in_the_table_file(tmp_path, records):
    write_values(records, make_values("short", conditions=("clean",), training=None, last=None))
    row = read_rows(write_report(records, tmp_path / "out", "digits"))["short"]
    empty = {key for key, value in row.items() if not value}
    assert {"rank", "epochs", "aa_average", "aa_worst", "aa_worst_class", "aa_n", "cfps_max", "train_seconds"} <= empty
    assert row["unranked_because"] == "AutoAttack has not been run"


def test_the_index_lists_every_track_that_has_a_page(tmp_path, records):
    write_values(records, make_values("frl", track="fmnist"))
    write_values(records, make_values("cfa", track="track-of-mine"))
    for track in ("digits", "fmnist", "track-of-mine"):
        write_report(records, tmp_path / "out", track)
    page = Page(tmp_path / "out" / "index.html")
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links == ["digits/index.html", "fmnist/index.html", "track-of-mine/index.html"]
    words = " ".join("".join(page.text).split())
    assert "Fashion-MNIST, small CNN" in words
    assert "1 row; first: frl" in words


def test_only_the_records_of_the_track_are_on_its_page(tmp_path, records):
    write_values(records, make_values("stranger", track="fmnist"))
    write_values(records, make_values("audited", track=None, seed=None))
    rows = read_rows(write_report(records, tmp_path / "out", "digits"))
    assert set(rows) == set(METHODS)


def test_a_track_without_records_says_how_to_make_some(tmp_path, records):
    with pytest.raises(
        UsageError, match=r"no records of track fmnist in .* \(tracks there: digits\); make some with: "
    ):
        write_report(records, tmp_path / "out", "fmnist")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("track", ["../digits", "", ".", "a/b", "a\\b", "-x", "a\n"])
def test_a_name_that_is_no_folder_is_refused(tmp_path, records, track):
    with pytest.raises(UsageError, match="cannot name a track"):
        write_report(records, tmp_path / "out", track)


def test_a_damaged_record_stops_the_report_and_keeps_the_page_before_it(tmp_path, records):
    page = write_report(records, tmp_path / "out", "digits")
    before = page.read_bytes()
    damaged = next(records.rglob("record.json"))
    damaged.write_text(json.dumps(make_values())[:-9], encoding="utf-8")
    with pytest.raises(UsageError, match=re.escape(f"{damaged} is damaged")):
        write_report(records, tmp_path / "out", "digits")
    assert page.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path, records):
    (tmp_path / "out").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cannot write .*; choose another folder with --out"):
        write_report(records, tmp_path / "out", "digits")
