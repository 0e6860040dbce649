"""Records to files: a self-contained page and a CSV for a track, and the index of all tracks."""

from __future__ import annotations

import base64
import csv
import hashlib
import re
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fairbench.errors import UsageError
from fairbench.files import write_text
from fairbench.leaderboard.ranking import rank
from fairbench.leaderboard.records import load_runs
from fairbench.protocol.track import load_track, track_names
from fairbench.report.export import results_csv
from fairbench.report.page import track_page
from fairbench.report.style import theme_variables
from fairbench.report.wording import listed, printable

PAGE_NAME = "index.html"
TABLE_NAME = "results.csv"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def write_report(records_folder: Path, out: Path, track: str) -> Path:
    """Write a track's page, its table, and the index of all tracks that have a page.

    Args:
        records_folder: searched recursively for ``record.json``.
        out: gets ``<track>/index.html``, ``<track>/results.csv`` and ``index.html``.
        track: the track's name.

    Returns:
        The path of the track's page.

    Raises:
        UsageError: if there is no record of the track, a record is damaged, or ``out`` cannot be written.
    """
    if not _SAFE_NAME.fullmatch(track):
        raise UsageError(f"{track!r} cannot name a track and its folder; list the tracks with: fairbench tracks list")
    records = [run.record for run in load_runs(records_folder)]
    entries = rank(record for record in records if record.track == track)
    if not entries:
        present = listed(sorted({record.track or "none" for record in records}))
        raise UsageError(
            f"no records of track {track} in {records_folder} (tracks there: {present}); "
            f"make some with: fairbench run --track {track} --methods pgd_at,faal"
        )
    page = out / track / PAGE_NAME
    write_text(page, _render("track.html", page=track_page(track, entries)))
    write_text(page.with_name(TABLE_NAME), results_csv(entries))
    write_index(out)
    return page


def write_index(out: Path) -> Path:
    """Write ``<out>/index.html``, which lists the tracks that have a page there; its path."""
    tables = sorted(out.glob(f"*/{TABLE_NAME}"))
    tracks = [_index_row(table) for table in tables if table.with_name(PAGE_NAME).is_file()]
    write_text(out / PAGE_NAME, _render("index.html", tracks=tracks))
    return out / PAGE_NAME


def _index_row(table: Path) -> dict[str, Any]:
    name = table.parent.name
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    known = load_track(name) if name in track_names() else None
    return {
        "name": name,
        "title": known.title if known else name,
        "summary": known.summary if known else "",
        "rows": len(rows),
        "leaders": listed(row["method"] for row in rows if row.get("rank") == "1"),
    }


def _render(template: str, **values: Any) -> str:
    environment = Environment(
        loader=PackageLoader("fairbench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = theme_variables() + _resource("page.css")
    script = _resource("page.js")
    return environment.get_template(template).render(
        style=Markup(style), script=Markup(script), policy=_policy(style, script), **values
    )


def _finalize(value: Any) -> Any:
    """Every foreign text is cleaned before it is escaped."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _policy(style: str, script: str) -> str:
    """A content security policy: this style sheet and this script, and no request to anything."""
    return (
        f"default-src 'none'; style-src '{_source_hash(style)}'; script-src '{_source_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _resource(name: str) -> str:
    return (resources.files("fairbench.report") / "templates" / name).read_text("utf-8")
