"""A matplotlib figure as SVG inside the page: no style attributes (the policy forbids them), the theme's colours."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib.figure import Figure

from fairbench.report.style import drawn_colours

_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FONT_SIZE = re.compile(r"(\d[\d.]*)px")


def inline_svg(figure: Figure, *, name: str, kind: str, label: str, tooltips: Mapping[str, str]) -> Markup:
    """The figure as an SVG element.

    Args:
        figure: what was drawn, under ``style.FIGURE_SETTINGS``.
        name: unique on the page; prefixes every id, so that figures do not share clip paths.
        kind: class of the element beside ``plot``: ``wide`` or ``square``.
        label: what the figure shows, for those who do not see it.
        tooltips: text by the ``gid`` of the artist that it belongs to.

    Returns:
        Markup without external references, scripts, style attributes or time stamps.
    """
    drawn = io.StringIO()
    with warnings.catch_warnings():
        # Signs that the measuring font lacks are drawn by the reader's fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(drawn, format="svg", metadata=_NO_METADATA)
    root = ElementTree.fromstring(drawn.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        _add_tooltip(element, tooltips)
    for element in root.iter():
        _rewrite(element, name)
    width, height = root.attrib["viewBox"].split()[2:]
    root.attrib = {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": label, "class": f"plot {kind}"}
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # ElementTree has escaped all text


def _add_tooltip(element: ElementTree.Element, tooltips: Mapping[str, str]) -> None:
    text = tooltips.get(element.get("id", ""))
    if text is not None:
        title = ElementTree.Element("title")
        title.text = text
        element.insert(0, title)


def _rewrite(element: ElementTree.Element, name: str) -> None:
    """Plain tag names, presentation attributes for styles, variables for colours, ids of this figure alone."""
    element.tag = _local(element.tag)
    attributes = {_local(key): value for key, value in element.attrib.items()}
    declarations = attributes.pop("style", "")
    for declaration in filter(None, declarations.split(";")):
        key, _, value = declaration.partition(":")
        attributes |= _presentation(key.strip(), value.strip())
    element.attrib = {key: _value(key, value, name) for key, value in attributes.items()}


def _presentation(key: str, value: str) -> dict[str, str]:
    if key in ("font", "font-size"):
        size = _FONT_SIZE.search(value)
        return {"font-size": size.group(1)} if size else {}
    return {} if key.startswith("font") else {key: value}


def _value(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href" and value.startswith("#"):
        return f"#{name}-{value[1:]}"
    return _REFERENCE.sub(rf"url(#{name}-\1)", drawn_colours().get(value, value))


def _local(name: str) -> str:
    return name.rpartition("}")[2]
