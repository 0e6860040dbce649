"""Templates to self-contained pages: everything escaped, one style sheet and one script, and no request to anything."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fairbench.report.style import theme_variables
from fairbench.report.wording import printable

SCRIPTS = ("sorting.js", "views.js")


def html_page(template: str, *, with_images: bool = False, **values: Any) -> str:
    """The page that a template makes of its values.

    Args:
        template: its file name in the folder of templates.
        with_images: whether pictures inside the page are allowed.
        values: what the template names.
    """
    style, script = _style(), _script()
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


def _style() -> str:
    return theme_variables() + resource("page.css")


def _script() -> str:
    return "".join(resource(name) for name in SCRIPTS)


def _policy(style: str, script: str, *, with_images: bool) -> str:
    """A content security policy: this style sheet and this script, and no request to anything."""
    images = "img-src data:; " if with_images else ""
    return (
        f"default-src 'none'; {images}style-src '{_source_hash(style)}'; script-src '{_source_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
