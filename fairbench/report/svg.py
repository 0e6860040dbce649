"""A matplotlib figure as SVG inside the page: no style attributes (the policy forbids them), the theme's colours."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from fairbench.report.figures.canvas import Drawing
from fairbench.report.style import FIGURE_SETTINGS, drawn_colours
from fairbench.report.svg_compact import compact

_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FONT_SIZE = re.compile(r"(\d[\d.]*)px")


def inline_svg(drawing: Drawing, *, name: str) -> Markup:
    """The drawing as an SVG element.

    Args:
        drawing: what was drawn.
        name: unique on the page; prefixes every id, so that drawings do not share clip paths.

    Returns:
        Markup without external references, scripts, style attributes or time stamps.
    """
    root = ElementTree.fromstring(svg_text(drawing))
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        _add_tooltip(element, drawing.tooltips)
    for element in root.iter():
        _rewrite(element, name)
    width, height = root.attrib["viewBox"].split()[2:]
    root.attrib = {
        "viewBox": f"0 0 {width} {height}",
        "role": "img",
        "aria-label": drawing.label,
        "class": f"plot {drawing.kind}",
    }
    compact(root)
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # ElementTree has escaped all text


def svg_text(drawing: Drawing) -> str:
    """The drawing as matplotlib writes it: a whole SVG file, the same bytes each time."""
    written = io.StringIO()
    with mpl.rc_context(rc=FIGURE_SETTINGS), warnings.catch_warnings():
        # Signs that the measuring font lacks are drawn by the reader's fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        _lay_out(drawing.figure)
        drawing.figure.savefig(written, format="svg", metadata=_NO_METADATA)
    return written.getvalue()


def _lay_out(figure: Figure) -> None:
    """Place the axes once and for all; otherwise each saving draws everything twice, the first time for this alone."""
    engine = figure.get_layout_engine()
    if engine is not None:
        FigureCanvasSVG(figure)  # text is measured as it will be drawn
        engine.execute(figure)
        figure.set_layout_engine("none")


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
