"""Templates to self-contained pages: everything escaped, one style sheet and one script, and no request to anything."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fairbench.report.style import theme_variables
from fairbench.report.wording import printable

SCRIPTS = ("sorting.js", "printing.js")
"""Of every page."""
VIEWS = "views.js"
"""Of pages with a leaderboard."""
_STYLE_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STYLE_SPACE = re.compile(r"\s*([{};,])\s*|(?<=:)\s+|\s+")


def html_page(template: str, *, with_images: bool = False, **values: Any) -> str:
    """The page that a template makes of its values.

    Args:
        template: its file name in the folder of templates.
        with_images: whether pictures inside the page are allowed.
        values: what the template names.
    """
    style, script = _style(), _script(with_views=template == "track.html")
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup(style), script=Markup(script), policy=_policy(style, script, with_images=with_images), **values
        )
    )


def resource(name: str) -> str:
    """The text of a file in the folder of templates."""
    return (resources.files("fairbench.report") / "templates" / name).read_text("utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("fairbench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _finalize(value: Any) -> Any:
    """Every foreign text is cleaned before it is escaped."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _style() -> str:
    """The style sheet; a board has a hundred pages and each holds it, so it comes without comments and indents."""
    text = _STYLE_COMMENT.sub("", theme_variables() + resource("page.css"))
    return _STYLE_SPACE.sub(_needed, text).replace(";}", "}").strip()


def _needed(space: re.Match[str]) -> str:
    return space[1] or ("" if space.start() and space.string[space.start() - 1] == ":" else " ")


@cache
def _script(*, with_views: bool) -> str:
    names = (*SCRIPTS, VIEWS) if with_views else SCRIPTS
    lines = (line.strip() for name in names for line in resource(name).splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")) + "\n"


def _policy(style: str, script: str, *, with_images: bool) -> str:
    """A content security policy: this style sheet and this script, and no request to anything."""
    images = "img-src data:; " if with_images else ""
    return (
        f"default-src 'none'; {images}style-src '{_source_hash(style)}'; script-src '{_source_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
