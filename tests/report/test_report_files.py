import csv
import json
import re
import time

import pytest
from parsed_page import Page
from synthetic import make_values as make_full_values
from synthetic import write_values

from fairbench.errors import UsageError
from fairbench.leaderboard.records import load_runs
from fairbench.report.render import Wishes, write_comparison, write_report
from fairbench.report.watch import changes

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


@pytest.mark.usefixtures("undrawn")
def test_writes_a_page_a_table_and_an_index(tmp_path, records):
    out = tmp_path / "out"
    page = write_report(records, out, "digits")
    assert page == out / "digits" / "index.html"
    written = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    runs = {path for path in written if path.startswith("digits/runs/")}
    assert len(runs) == len(METHODS)
    tables = ("results.csv", "results.json", "results.md", "results.tex", "references.bib", "runs.csv")
    assert written - runs == {"digits/index.html", *(f"digits/{name}" for name in tables), "index.html"}


def test_the_same_records_give_the_same_bytes(tmp_path, records):
    first = write_report(records, tmp_path / "a", "digits")
    moved = records.rename(tmp_path / "elsewhere")
    second = write_report(moved, tmp_path / "b", "digits")
    assert (first.parent.parent, second.parent.parent) == (tmp_path / "a", tmp_path / "b")
    written = [
        {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
        for out in (tmp_path / "a", tmp_path / "b")
    ]
    assert written[0] == written[1]


@pytest.mark.usefixtures("undrawn")
def test_the_page_names_no_place_on_the_machine(tmp_path, records):
    page = write_report(records, tmp_path / "out", "digits")
    for path in page.parent.rglob("*.*"):
        assert str(tmp_path) not in path.read_text("utf-8")


@pytest.mark.usefixtures("undrawn")
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


@pytest.mark.usefixtures("undrawn")
def test_what_is_missing_is_empty_in_the_table_file(tmp_path, records):
    write_values(records, make_values("short", conditions=("clean",), training=None, last=None))
    row = read_rows(write_report(records, tmp_path / "out", "digits"))["short"]
    empty = {key for key, value in row.items() if not value}
    assert {"rank", "epochs", "aa_average", "aa_worst", "aa_worst_class", "aa_n", "cfps_max", "train_seconds"} <= empty
    assert {"aa_average_low", "aa_average_high", "aa_worst_low", "aa_worst_high", "cfps_max_low"} <= empty
    assert row["unranked_because"] == "AutoAttack has not been run"


@pytest.mark.usefixtures("undrawn")
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


@pytest.mark.usefixtures("undrawn")
def test_only_the_records_of_the_track_are_on_its_page(tmp_path, records):
    write_values(records, make_values("stranger", track="fmnist"))
    write_values(records, make_values("audited", track=None, seed=None))
    rows = read_rows(write_report(records, tmp_path / "out", "digits"))
    assert set(rows) == set(METHODS)


@pytest.mark.usefixtures("undrawn")
def test_a_track_without_records_says_how_to_make_some(tmp_path, records):
    with pytest.raises(
        UsageError, match=r"no records of track fmnist in .* \(tracks there: digits\); make some with: "
    ):
        write_report(records, tmp_path / "out", "fmnist")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_track_that_there_is_not_is_answered_with_its_neighbour(tmp_path, records):
    with pytest.raises(UsageError, match=r"unknown track 'digitz': did you mean digits\? There are records of: digits"):
        write_report(records, tmp_path / "out", "digitz")


@pytest.mark.parametrize("track", ["../digits", "", ".", "a/b", "a\\b", "-x", "a\n"])
@pytest.mark.usefixtures("undrawn")
def test_a_name_that_is_no_folder_is_refused(tmp_path, records, track):
    with pytest.raises(UsageError, match="cannot name a track"):
        write_report(records, tmp_path / "out", track)


@pytest.mark.usefixtures("undrawn")
def test_a_damaged_record_stops_the_report_and_keeps_the_page_before_it(tmp_path, records):
    page = write_report(records, tmp_path / "out", "digits")
    before = page.read_bytes()
    damaged = next(records.rglob("record.json"))
    damaged.write_text(json.dumps(make_values())[:-9], encoding="utf-8")
    with pytest.raises(UsageError, match=re.escape(f"{damaged} is damaged")):
        write_report(records, tmp_path / "out", "digits")
    assert page.read_bytes() == before


@pytest.mark.usefixtures("undrawn")
def test_a_folder_that_cannot_be_written_is_named(tmp_path, records):
    (tmp_path / "out").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cannot write .*; choose another folder with --out"):
        write_report(records, tmp_path / "out", "digits")


@pytest.mark.usefixtures("undrawn")
def test_two_methods_have_a_page_side_by_side(tmp_path, records):
    path = write_comparison(load_runs(records), tmp_path / "out", "digits", "faal", "pgd_at")
    page = Page(path)
    first, second = (make_values(name) for name in ("faal", "pgd_at"))
    rows = {row[0].text: row[1:] for table in page.tables for row in table.rows[1:]}
    for condition, title in (("clean", "Clean"), ("aa", "AutoAttack")):
        for metric in ("average", "worst"):
            a, b, difference = rows[f"{title}, {metric}"]
            values = [one["conditions"][condition][metric] for one in (first, second)]
            assert [float(cell.attributes["data-value"]) for cell in (a, b)] == pytest.approx(values, rel=1e-8)
            assert float(difference.attributes["data-value"]) == values[0] - values[1]
    blocks = [one["conditions"]["aa"] for one in (first, second)]
    for c, name in enumerate(first["data"]["classes"]):
        shown = [float(cell.attributes["data-value"]) for cell in rows[name]]
        a, b = (block["class_correct"][c] / block["class_total"][c] for block in blocks)
        assert shown == pytest.approx([a, b, a - b], rel=1e-8)


@pytest.mark.parametrize(
    ("pair", "message"), [(("faal", "frl"), "unknown method 'frl'"), (("x", "faal"), "method 'x'")]
)
@pytest.mark.usefixtures("undrawn")
def test_a_method_that_is_not_there_cannot_be_compared(tmp_path, records, pair, message):
    with pytest.raises(UsageError, match=message):
        write_comparison(load_runs(records), tmp_path / "out", "digits", *pair)


@pytest.mark.usefixtures("undrawn")
def test_methods_of_different_starts_cannot_be_compared(tmp_path, records):
    write_values(records, make_values("frl", init="trades"))
    with pytest.raises(UsageError, match="faal and frl share no group"):
        write_comparison(load_runs(records), tmp_path / "out", "digits", "faal", "frl")


def test_figures_are_written_on_request(tmp_path):
    write_values(tmp_path / "few", make_values("faal", conditions=("aa",), last=None))
    page = write_report(tmp_path / "few", tmp_path / "out", "digits", Wishes(figures=True))
    names = {path.name for path in (page.parent / "figures").iterdir()}
    drawn = ("g0-trade-off", "g0-c0", "g0-score", "g0-confusion")
    assert names == {f"{name}.{kind}" for name in drawn for kind in ("svg", "pdf", "png")}


@pytest.mark.usefixtures("undrawn")
def test_a_change_is_seen_once(tmp_path, records):
    looks = iter(["nothing", "changed", "nothing", "new", "gone"])

    def sleep(_):
        match next(looks):
            case "changed":
                write_values(records, make_values("faal", level=0.5))
            case "new":
                write_values(records, make_values("cfa"))
            case "gone":
                next(records.rglob("record.json")).unlink()

    seen = changes(records, seconds=0, sleep=sleep)
    for _ in range(3):
        next(seen)
    with pytest.raises(RuntimeError, match="StopIteration"):
        next(seen)


def test_thirty_methods_are_rendered_in_a_few_seconds(tmp_path):
    for index in range(30):
        write_values(tmp_path / "records", make_values(f"method_{index}"))
    start = time.process_time()
    page = write_report(tmp_path / "records", tmp_path / "out", "digits")
    assert time.process_time() - start < 5
    assert page.stat().st_size < 3_000_000
    assert len(Page(page).table("g0-standings").by_method()) == 30
