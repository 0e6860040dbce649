"""A page read the way a browser's parser does: elements with attributes, and tables as rows of cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "input", "br", "link", "img"}


@dataclass
class Cell:
    tag: str
    attributes: dict[str, str]
    text: str = ""
    small: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)


@dataclass
class Table:
    attributes: dict[str, str]
    rows: list[list[Cell]] = field(default_factory=list)
    captions: int = 0

    def by_method(self) -> dict[str, list[Cell]]:
        """The cells right of each method's name."""
        found = {}
        for row in self.rows:
            heads = [index for index, cell in enumerate(row) if cell.attributes.get("scope") == "row"]
            if heads:
                found[row[heads[0]].text] = row[heads[0] + 1 :]
        return found


class Page(HTMLParser):
    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.tables: list[Table] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.code: dict[str, str] = {"script": "", "style": ""}
        self.feed(path.read_text("utf-8"))
        self.close()
        assert not self.open, f"left open: {self.open}"

    def table(self, name: str) -> Table:
        (found,) = [table for table in self.tables if table.attributes.get("id") == name]
        return found

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_starttag(self, tag, attrs):
        attributes = {key: value or "" for key, value in attrs}
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append(Table(attributes))
        elif tag == "caption":
            self.tables[-1].captions += 1
        elif tag == "tr":
            self.tables[-1].rows.append([])
        elif tag in ("td", "th"):
            self.tables[-1].rows[-1].append(Cell(tag, attributes))
        elif tag == "small" and self._in_cell():
            self.tables[-1].rows[-1][-1].small.append("")
        elif tag == "a" and self._in_cell():
            self.tables[-1].rows[-1][-1].links.append(attributes["href"])

    def handle_endtag(self, tag):
        opened = self.open.pop()
        assert opened == tag, f"{opened} closed by {tag}"

    def handle_data(self, data):
        if self.open and self.open[-1] in self.code:
            self.code[self.open[-1]] += data
            return
        self.text.append(data)
        if self._in_cell():
            cell = self.tables[-1].rows[-1][-1]
            if "small" in self.open:
                cell.small[-1] += data
            else:
                cell.text += data

    def _in_cell(self) -> bool:
        return "td" in self.open or ("th" in self.open and "table" in self.open)
