"""The same drawing in fewer bytes and fewer elements, which is what a browser's time goes to on a large page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from xml.etree.ElementTree import Element

from fairbench.report.svg_paths import compact_path, short

_NUMBER = re.compile(r"-?\d+\.\d+|-0\b")
_REFERENCE = re.compile(r"#([^)]+)")
_PLACES = ("x", "y", "width", "height", "transform")
_OWN = frozenset({"d", "x", "y", "transform", "href", "id", "opacity"})
"""What belongs to one shape; everything else is its look."""
_DEFAULTS = {"text-anchor": "start", "stroke-dashoffset": "0"}
_FEWEST = 3
"""So many neighbours of one look are worth a group."""


def compact(root: Element) -> None:
    """Rewrite a drawing in place: it looks the same, and what carries a tooltip still does.

    Args:
        root: the SVG element, with presentation attributes and without style sheets.
    """
    wanted = {
        name for element in root.iter() for value in element.attrib.values() for name in _REFERENCE.findall(value)
    }
    for element in root.iter():
        _shorten(element, wanted)
    _compact(root)


def _shorten(element: Element, wanted: set[str]) -> None:
    """Numbers with two decimals; no ids that nothing refers to, no attributes that say the default."""
    attributes = element.attrib
    if attributes.get("id") not in wanted:
        attributes.pop("id", None)
    for name, value in _DEFAULTS.items():
        if attributes.get(name) == value:
            del attributes[name]
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    if "d" in attributes:
        attributes["d"] = compact_path(attributes["d"])
    for name in _PLACES:
        if name in attributes:
            attributes[name] = _NUMBER.sub(lambda found: short(round(100 * float(found[0]))), attributes[name])
    if element.tag not in ("text", "title"):
        element.text = None
    element.tail = None


def _compact(parent: Element) -> None:
    for child in parent:
        _compact(child)
    children = _joined(_flat(parent))
    parent[:] = list(_grouped(children)) if parent.tag != "defs" else children


def _flat(parent: Iterable[Element]) -> Iterator[Element]:
    """The children, those of groups that say nothing in the groups' place; nothing that cannot be seen."""
    for child in parent:
        if child.tag == "defs" and not len(child):
            continue
        if child.tag == "path" and child.get("fill") == "none" and "stroke" not in child.attrib:
            continue
        if child.tag != "g":
            yield child
        elif len(child) == 2 and child[0].tag == "title" and not child.attrib and child[1].tag != "g":
            child[1].insert(0, child[0])
            yield child[1]
        elif child.attrib or (len(child) and child[0].tag == "title"):
            yield child
        else:
            yield from child


def _joined(children: Iterable[Element]) -> list[Element]:
    """Neighbours of one look as one path or one group, where that draws the same.

    Texts do not part paths: a grid line is drawn, then the label of its tick, which lies outside, then the next line.
    """
    found: list[Element] = []
    for child in children:
        last = next((one for one in reversed(found) if one.tag != "text"), None)
        if last is None or not _is_joinable(child) or not _is_joinable(last) or _look(last) != _look(child):
            found.append(child)
        elif child.tag == "path":
            last.set("d", last.attrib["d"] + child.attrib["d"])
        else:
            last.extend(child)
    return found


def _is_joinable(element: Element) -> bool:
    """Paths that are opaque, so that crossings look the same, and plain groups; none with a tooltip."""
    if any(key in element.attrib for key in ("id", "transform", "opacity")):
        return False
    if element.tag == "path":
        return not len(element) and not any(key.endswith("-opacity") for key in element.attrib)
    return element.tag == "g" and element[0].tag != "title"


def _look(element: Element) -> tuple[str, Mapping[str, str]]:
    return element.tag, {key: value for key, value in element.attrib.items() if key not in _OWN}


def _grouped(children: Iterable[Element]) -> Iterator[Element]:
    """Runs of marks in a group that says once what they share; inside it, those of one look in groups of their own."""
    for (tag, _), run in groupby(children, key=lambda one: (one.tag, frozenset(_look(one)[1]))):
        members = list(run)
        if tag not in ("path", "text", "use"):
            yield from members
            continue
        (outer, *rest) = _wrapped(members)
        marks = [one for _, alike in groupby(members, key=_look) for one in _wrapped(list(alike))]
        if rest or outer.tag != "g":
            yield from marks
        else:
            outer[:] = marks
            yield outer


def _wrapped(members: list[Element]) -> list[Element]:
    """The members inside one group that has what all of them share; as they are if they are few or share nothing."""
    first, *others = members
    shared = {key: value for key, value in _look(first)[1].items() if all(one.get(key) == value for one in others)}
    if len(members) < _FEWEST or not shared:
        return members
    for member in members:
        for key in shared:
            del member.attrib[key]
    group = Element("g", shared)
    group.extend(members)
    return [group]
