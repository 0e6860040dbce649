"""The papers of all methods shown, as BibTeX."""

from __future__ import annotations

import re

from fairbench.report.exports.grid import Board
from fairbench.report.exports.latex import escape
from fairbench.report.wording import clean, safe_link

_CITED = re.compile(r"(?P<authors>[^,]+?), (?P<title>.+), (?P<venue>[^,]*?)\s*(?P<year>(?:19|20)\d\d)")
_NOT_IN_KEYS = re.compile(r"[^a-z0-9]+")


def methods_bib(board: Board) -> str:
    """An entry for each paper, with the methods that cite it; a method without a paper has none."""
    methods: dict[tuple[str, str], list[str]] = {}
    for entry in board.entries:
        record = entry.record
        paper = clean(record.paper or "")
        if paper:
            methods.setdefault((paper, safe_link(record.link) or ""), []).append(record.method)
    keys: dict[str, int] = {}
    return "\n".join(_entry(paper, link, names, keys) for (paper, link), names in sorted(methods.items()))


def _entry(paper: str, link: str, methods: list[str], keys: dict[str, int]) -> str:
    cited = _CITED.fullmatch(paper)
    if cited is None:
        fields = {"title": paper}
        key = _key(methods[0])
    else:
        authors = re.sub(r"\s+et al\.?$", " and others", cited["authors"])
        fields = {"author": authors, "title": cited["title"], "year": cited["year"]}
        if cited["venue"]:
            fields["booktitle"] = cited["venue"]
        key = _key(cited["authors"].split()[0]) + cited["year"] + _key(cited["title"].split()[0])
    keys[key] = keys.get(key, 0) + 1
    key = key if keys[key] == 1 else f"{key}-{keys[key]}"
    fields["note"] = "Methods: " + ", ".join(sorted(set(methods)))
    lines = [f"  {name} = {{{_value(text)}}}," for name, text in fields.items()]
    if link:
        lines.append(f"  url = {{{link.replace('{', '').replace('}', '')}}},")
    kind = "inproceedings" if "booktitle" in fields else "misc"
    return f"@{kind}{{{key},\n" + "\n".join(lines) + "\n}\n"


def _value(text: str) -> str:
    """BibTeX counts every brace, escaped or not, so foreign ones become parentheses; its own come in pairs."""
    return escape(text.replace("{", "(").replace("}", ")"))


def _key(text: str) -> str:
    return _NOT_IN_KEYS.sub("", text.lower())[:40] or "method"
