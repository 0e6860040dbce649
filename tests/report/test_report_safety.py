import base64
import csv
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from parsed_page import Page
from synthetic import make_condition, make_values, write_values

from fairbench.report.render import write_report
from fairbench.report.wording import cell_text, clean, safe_link

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '" onfocus="alert(1)" autofocus="',
    "<svg onload=alert(1)>",
    "<svg><script href='https://evil.example/x.js'/></svg>",
    "</svg><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    "<!-- <script>",
    "--><script>alert(1)</script>",
    "</td></tr></table><h1>broken</h1>",
    "</pre></details><h1>broken</h1>",
    "<iframe src=https://evil.example></iframe>",
    "<base href=https://evil.example/>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "{{ 7 * 7 }}{% for x in y %}",
    "${7*7}",
    r"$\frac{",
    "$x^2$ $",
    r"\input{/etc/passwd}",
    r"\href{javascript:alert(1)}{x} & % # _",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("https://evil.example","x")',
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    "\r\n=1+1,x\n",
    '",=1+1,"',
    "\u202egnp.exe\u2066",
    "nul \x00 bell \x07 escape \x1b[31m end \ufffe",
    "_hidden &lt;b&gt; &#x3c;script&#x3e; " + "long " * 200,
]
ALLOWED = {
    *("html", "head", "meta", "title", "style", "script", "body", "main", "header", "section", "footer", "figure"),
    *("h1", "h2", "h3", "p", "a", "b", "span", "small", "code", "pre", "div", "dl", "dt", "dd", "ul", "li"),
    *("details", "summary", "label", "input", "table", "caption", "thead", "tbody", "tr", "th", "td"),
    *("svg", "g", "path", "text", "use", "defs", "clippath", "rect"),
}


def hostile_values(text, *, classes, init):
    """A record with the text in every field that takes one, and as the name of every setting."""
    values = make_values(text, classes=classes, conditions=("clean", "aa"), per_class=12)
    values |= dict.fromkeys(("title", "paper", "link", "origin"), text)
    values |= {"init": init, "departures": [text], "protocol": "modified"}
    values["data"] |= {"name": text, "fingerprint": "same", "splits_sha256": text}
    values["model"] |= {"architecture": text, "weights_sha256": text}
    values["last"]["weights_sha256"] = text
    values["training"] |= dict.fromkeys(("init", "init_sha256", "objective", "inner_attack"), text)
    values["training"] |= {"modifiers": [text], "config": {text: {text: [text]}}, "hidden_settings": {text: text}}
    values["environment"] |= dict.fromkeys(("fairbench", "git_commit", "python", "torch", "device"), text)
    for condition in values["conditions"].values():
        condition |= {"settings": {text: text}, "undefined": {text: text}}
    flawless = np.eye(len(classes), dtype=int) * 12
    why = {"class_false_positive_score": text}
    values["conditions"]["aa"] = make_condition(flawless, settings={text: text}, undefined=why)
    return values


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
        write_values(folder / "records", values, cell=f"bars{start}")
    return write_report(folder / "records", folder / "out", "digits")


def test_there_are_forty_strings():
    assert len(set(HOSTILE)) == 40


def test_none_runs_and_none_loads(hostile_report):
    page = Page(hostile_report)
    tags = [tag for tag, _ in page.elements]
    assert set(tags) <= ALLOWED
    assert (tags.count("script"), tags.count("style"), tags.count("meta")) == (1, 1, 4)
    for _, attributes in page.elements:
        assert not [key for key in attributes if key.startswith("on") or key in ("src", "srcset", "style", "action")]
        target = attributes.get("href")
        assert target is None or target.startswith("#") or target in ("../index.html", "results.csv")


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


@pytest.mark.parametrize("name", ["page.css", "page.js"])
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
    page = Page(write_report(tmp_path / "records", tmp_path / "out", "digits"))
    assert "\ufffd half" in "".join(page.text)


@pytest.mark.parametrize("text", HOSTILE)
def test_cleaned_text_is_one_printable_line(text):
    cleaned = clean(text)
    assert cleaned == " ".join(cleaned.split())
    assert all(character.isprintable() for character in cleaned)
    cleaned.encode("utf-8")
