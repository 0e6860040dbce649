"""Records to files: a page for a track, one for each run, one for each foreign model, the tables, and the index."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairbench.allocator import collector_at_rest
from fairbench.errors import UsageError, unknown_name
from fairbench.files import write_text
from fairbench.leaderboard.ranking import Entry, rank
from fairbench.leaderboard.records import Run, load_runs, verified_records
from fairbench.leaderboard.summary import strongest_condition
from fairbench.protocol.record import Record
from fairbench.protocol.track import load_track, track_names
from fairbench.report.beside import Folders
from fairbench.report.compare_page import compare_page, find_pair
from fairbench.report.exports import EXPORTS, TABLE_NAME
from fairbench.report.exports.grid import Board, board_of_track
from fairbench.report.gallery import Gallery
from fairbench.report.html import html_page
from fairbench.report.page import track_page
from fairbench.report.places import places_of
from fairbench.report.run_page import run_page, run_slugs
from fairbench.report.wording import listed

if TYPE_CHECKING:
    from fairbench.report.examples import Examples

PAGE_NAME = "index.html"
RUNS_FOLDER = "runs"
AUDITS_FOLDER = "audits"
FIGURES_FOLDER = "figures"
COMPARE_FOLDER = "compare"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a report holds beside its pages and tables."""

    runs: bool = True
    """a page for each run."""
    figures: bool = False
    """each drawing of the track's page as SVG, PDF and PNG."""
    images: bool = False
    """pictures of the weakest classes on the pages of the runs, where the licence of the data allows it."""
    data_dir: Path | None = None
    """where the pictures come from."""


def write_report(records_folder: Path, out: Path, track: str, wishes: Wishes | None = None) -> Path:
    """Write a track's pages and tables, and the index of all tracks that have a page.

    Args:
        records_folder: searched recursively for ``record.json``.
        out: gets ``<track>/index.html``, its tables, ``<track>/runs/`` and ``index.html``.
        track: the track's name.
        wishes: what else is to be written.

    Returns:
        The path of the track's page.

    Raises:
        UsageError: if there is no record of the track, a record is damaged, or ``out`` cannot be written.
    """
    return write_track(load_runs(records_folder), out, track, wishes or Wishes(), source=records_folder)


@collector_at_rest()
def write_track(runs: Sequence[Run], out: Path, track: str, wishes: Wishes, *, source: Path) -> Path:
    """As ``write_report``, from records that were read already; ``source`` is where, for errors."""
    if not _SAFE_NAME.fullmatch(track):
        raise UsageError(f"{track!r} cannot name a track and its folder; list the tracks with: fairbench tracks list")
    of_track = (run.record for run in runs if run.record.track == track)
    entries = rank(of_track, verified=verified_records(runs))
    if not entries:
        present = listed(sorted({run.record.track or "none" for run in runs}))
        if track not in track_names():
            known = {*track_names(), *(run.record.track for run in runs if run.record.track)}
            raise unknown_name("track", track, known, cure=f"There are records of: {present}")
        raise UsageError(
            f"no records of track {track} in {source} (tracks there: {present}); "
            f"make some with: fairbench run --track {track} --methods pgd_at,faal"
        )
    folder, gallery, slugs = out / track, Gallery(), run_slugs(entries)
    places = places_of(entries, runs)
    page = track_page(track, entries, places, slugs, gallery)
    board = board_of_track(entries, places, [group.standings for group in page.groups])
    exports = _write_tables(board, folder)
    write_text(folder / PAGE_NAME, html_page("track.html", page=page, exports=exports))
    if wishes.figures:
        gallery.save(folder / FIGURES_FOLDER)
    if wishes.runs:
        paths = _write_runs(entries, slugs, Folders(runs), folder / RUNS_FOLDER, wishes)
        for stale in set((folder / RUNS_FOLDER).glob("*.html")) - set(paths):
            stale.unlink()  # its record is gone, and a page without a record proves nothing
    write_index(out)
    return folder / PAGE_NAME


def write_comparison(runs: Sequence[Run], out: Path, track: str, first: str, second: str) -> Path:
    """Write the page that holds two methods of a track side by side; its path.

    Raises:
        UsageError: if a method is not among the records, or the two are not comparable.
    """
    pair = find_pair(rank(run.record for run in runs if run.record.track == track), first, second)
    name = "-against-".join(run_slugs([entry])[id(entry.record)] for entry in pair)
    path = out / track / COMPARE_FOLDER / f"{name}.html"
    write_text(path, html_page("compare.html", page=compare_page(track, pair, runs, Gallery())))
    return path


def write_audits(runs: Sequence[Run], out: Path, wishes: Wishes | None = None) -> list[Path]:
    """Write the auditor's page of every record that belongs to no track, and the index; the paths of the pages."""
    entries = rank(run.record for run in runs if run.record.track is None)
    paths = _write_runs(entries, run_slugs(entries), Folders(runs), out / AUDITS_FOLDER, wishes or Wishes())
    if paths:
        write_index(out)
    return paths


def write_index(out: Path) -> Path:
    """Write ``<out>/index.html``, which lists the tracks and the audits that have a page there; its path."""
    tables = sorted(out.glob(f"*/{TABLE_NAME}"))
    tracks = [_index_row(table) for table in tables if table.with_name(PAGE_NAME).is_file()]
    audits = [path.stem for path in sorted(out.glob(f"{AUDITS_FOLDER}/*.html"))]
    write_text(out / PAGE_NAME, html_page("index.html", tracks=tracks, audits=audits))
    return out / PAGE_NAME


def _write_tables(board: Board, folder: Path) -> tuple[str, ...]:
    """Write the tables for other programs; the names of those that have something in them."""
    tables = {name: export(board) for name, export in EXPORTS.items()}
    for name, text in tables.items():
        if text:
            write_text(folder / name, text)
        else:
            (folder / name).unlink(missing_ok=True)
    return tuple(name for name, text in tables.items() if text)


def _write_runs(
    entries: Sequence[Entry], slugs: dict[int, str], folders: Folders, folder: Path, wishes: Wishes
) -> list[Path]:
    paths = []
    for entry in entries:
        for record in entry.records:
            page = run_page(entry, record, folders.log(record), Gallery())
            examples = _examples(entry, record, folders, wishes) if wishes.images else None
            paths.append(folder / f"{slugs[id(record)]}.html")
            write_text(paths[-1], html_page("run.html", with_images=examples is not None, page=page, examples=examples))
    return paths


def _examples(entry: Entry, record: Record, folders: Folders, wishes: Wishes) -> Examples:
    from fairbench.report.examples import examples_of  # noqa: PLC0415 - torch is needed for pictures alone

    return examples_of(record, folders.of(record), strongest_condition([entry]), wishes.data_dir)


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
