import base64
import csv
import hashlib
import json
import re
from pathlib import Path

import pytest
from hostile_records import HOSTILE, hostile_values
from parsed_page import Page
from synthetic import make_values, write_values

from fairbench.leaderboard.records import load_runs
from fairbench.report.exports import EXPORTS
from fairbench.report.render import write_audits, write_comparison, write_report
from fairbench.report.wording import cell_text, clean, safe_link

ALLOWED = {
    *("html", "head", "meta", "title", "style", "script", "body", "main", "header", "section", "footer", "figure"),
    *("h1", "h2", "h3", "p", "a", "b", "span", "small", "code", "pre", "div", "dl", "dt", "dd", "ul", "li"),
    *("details", "summary", "label", "input", "select", "option", "fieldset", "legend"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
    *("svg", "g", "path", "text", "use", "defs", "clippath", "rect"),
}

OWN_PAGES = {"../index.html", "../../index.html", *EXPORTS}


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory):
    """Pages in which the strings are everything: methods of one group, and classes of another with bars."""
    folder = tmp_path_factory.mktemp("hostile")
    for index, text in enumerate(HOSTILE):
        values = hostile_values(text, classes=HOSTILE, init="scratch")
        values["data"]["name"] = "digits"
        write_values(folder / "records", values, cell=f"cell{index}")
    for start in range(0, len(HOSTILE), 10):
        classes = HOSTILE[start : start + 10]
        values = hostile_values(HOSTILE[start], classes=classes, init=HOSTILE[start + 1])
        values["conditions"][HOSTILE[start + 2]] = values["conditions"]["clean"]
        path = write_values(folder / "records", values, cell=f"bars{start}")
        path.with_name("log.jsonl").write_text(
            json.dumps({"epoch": 1, **{text: [0.1] * 10 for text in classes}}) + "\n", "utf-8"
        )
    foreign = hostile_values(HOSTILE[3], classes=HOSTILE, init="scratch") | {"track": None}
    write_values(folder / "records", foreign, cell="foreign")
    page = write_report(folder / "records", folder / "out", "digits")
    runs = load_runs(folder / "records")
    write_comparison(runs, folder / "out", "digits", HOSTILE[0], HOSTILE[4])
    write_audits(runs, folder / "out")
    return page


def test_there_are_forty_strings():
    assert len(set(HOSTILE)) == 40


def test_none_runs_and_none_loads(hostile_report):
    paths = list(hostile_report.parent.parent.rglob("*.html"))
    assert len(paths) == len(HOSTILE) + 4 + 4
    for path in paths:
        page = Page(path)
        tags = [tag for tag, _ in page.elements]
        assert set(tags) <= ALLOWED
        assert (tags.count("script"), tags.count("style"), tags.count("meta")) == (1, 1, 4)
        for _, attributes in page.elements:
            assert not [
                key for key in attributes if key.startswith("on") or key in ("src", "srcset", "style", "action")
            ]
            target = attributes.get("href", "#")
            assert target.startswith(("#", "runs/", "audits/", "digits/")) or target in OWN_PAGES


def test_none_breaks_a_table(hostile_report):
    page = Page(hostile_report)
    standings = page.table("g0-standings") if len(page.table("g0-standings").rows) > 10 else page.table("g4-standings")
    heads = [cell for row in standings.rows for cell in row if cell.attributes.get("scope") == "row"]
    assert sorted(clean(cell.text) for cell in heads) == sorted(map(clean, HOSTILE))
    for table in page.tables:
        assert table.captions == 1
        widths = {sum(int(cell.attributes.get("colspan", 1)) for cell in row) for row in table.rows}
        two_rows_of_heads = any("rowspan" in cell.attributes for cell in table.rows[0])
        if two_rows_of_heads:
            spanned = sum("rowspan" in cell.attributes for cell in table.rows[0])
            widths = {sum(int(c.attributes.get("colspan", 1)) for c in row) for row in table.rows[2:]}
            assert sum(int(cell.attributes.get("colspan", 1)) for cell in table.rows[1]) + spanned in widths
        assert len(widths) == 1


def test_the_table_file_holds_no_formula(hostile_report):
    text = hostile_report.with_name("results.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == text.count("\n") - 1 == len(HOSTILE) + 4
    for row in rows:
        for name, value in row.items():
            assert not name.lstrip().startswith(("=", "+", "-", "@"))
            assert not value.lstrip().startswith(("=", "+", "-", "@"))
    assert {cell_text(text) for text in HOSTILE} == {row["method"] for row in rows}


def test_the_policy_allows_this_script_and_this_style_alone(hostile_report):
    page = Page(hostile_report)
    (policy,) = [
        attributes["content"]
        for tag, attributes in page.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.code[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", ["page.css", "sorting.js", "printing.js", "views.js"])
def test_style_and_script_reach_for_nothing(name):
    text = (Path(__file__).parents[2] / "fairbench" / "report" / "templates" / name).read_text("utf-8")
    assert not re.search(r"url\(|@import|fetch|XMLHttp|innerHTML|eval|https?:|</", text)


@pytest.mark.parametrize(
    "text", [*HOSTILE, "http:", "https://", "//evil.example", "http://[", "https://a b.example", None]
)
def test_no_hostile_text_becomes_a_link(text):
    assert safe_link(text) is None


def test_plain_web_addresses_become_links():
    for address in ("https://arxiv.org/abs/2402.17729", "http://example.org/a?b=c&d=e#f"):
        assert safe_link(address) == address


def test_half_a_character_in_a_setting_does_not_stop_the_page(tmp_path):
    values = make_values()
    values["training"]["hidden_settings"] = {"half \ud800": "\udfff half"}
    write_values(tmp_path / "records", values)
    write_report(tmp_path / "records", tmp_path / "out", "digits")
    (path,) = (tmp_path / "out" / "digits" / "runs").iterdir()
    assert "\ufffd half" in "".join(Page(path).text)


@pytest.mark.parametrize("text", HOSTILE)
def test_cleaned_text_is_one_printable_line(text):
    cleaned = clean(text)
    assert cleaned == " ".join(cleaned.split())
    assert all(character.isprintable() for character in cleaned)
    cleaned.encode("utf-8")
