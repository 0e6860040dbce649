"""The page of one run, or of one foreign model under audit: every number, the weakest classes, and their mistakes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fairbench.evaluation.corruption_groups import merged_severities
from fairbench.leaderboard.ranking import Entry
from fairbench.leaderboard.summary import strongest_condition
from fairbench.protocol.conditions import CONDITIONS
from fairbench.protocol.record import ConditionRecord, Record
from fairbench.report.confusions import Confusion, confusion_of
from fairbench.report.corruptions import is_single
from fairbench.report.details import RunDetails, run_details
from fairbench.report.diagnostics import Diagnosis, diagnoses
from fairbench.report.figures.batch_weights import batch_figures
from fairbench.report.figures.training import Log, diagnostic_figures, training_figure
from fairbench.report.gallery import Gallery
from fairbench.report.run_numbers import AGGREGATES, ConditionRow, accuracy_table, condition_rows, score_table
from fairbench.report.severities import SeverityTable, severity_table
from fairbench.report.verdict import WeakClass, in_words, weakest_classes
from fairbench.report.wording import condition_title

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, kw_only=True)
class NumbersPart:
    """Every number under some conditions."""

    heading: str
    name: str
    """unique on the page, for anchors."""
    headings: tuple[str, ...]
    aggregates: tuple[ConditionRow, ...]
    columns: tuple[str, ...]
    """conditions of the tables class by class."""
    accuracy: Markup
    scores: Markup


@dataclass(frozen=True, kw_only=True)
class RunFigure:
    """What the training log shows."""

    heading: str
    markup: Markup
    legend: tuple[str, ...]
    """names in the order of their colours, where the drawing does not say them."""


@dataclass(frozen=True, kw_only=True)
class RunPage:
    """The content of a run's page."""

    track: str
    heading: str
    details: RunDetails
    is_audit: bool
    reason: str
    """why the row is not ranked; empty if it is."""
    strongest: str
    words: tuple[str, ...]
    weakest: tuple[WeakClass, ...]
    confusion: Confusion
    parts: tuple[NumbersPart, ...]
    severities: SeverityTable | None
    """the single corruptions, where the parts hold them pooled."""
    figures: tuple[RunFigure, ...]
    diagnoses: tuple[Diagnosis, ...]


def run_page(entry: Entry, record: Record, log: Log, gallery: Gallery) -> RunPage:
    """The page of one record.

    Args:
        entry: the row that it belongs to.
        record: one of the entry's.
        log: its training log, or nothing.
        gallery: gets the drawings.
    """
    strongest = strongest_condition([entry])
    condition = record.conditions.get(strongest) or next(iter(record.conditions.values()))
    classes = record.data.classes
    return RunPage(
        track=record.track or "",
        heading=record.method,
        details=run_details(record),
        is_audit=record.track is None,
        reason=entry.reason,
        strongest=condition_title(strongest),
        words=in_words(strongest, condition, classes),
        weakest=weakest_classes(condition, classes),
        confusion=confusion_of(condition, classes),
        parts=tuple(_parts(record)),
        severities=severity_table(_in_order(record.conditions), classes),
        figures=tuple(_figures(record, log, gallery)),
        diagnoses=diagnoses(record),
    )


def run_slugs(entries: Sequence[Entry]) -> dict[int, str]:
    """A file name for the page of each record, by the record's ``id``; equal records give equal names."""
    slugs: dict[int, str] = {}
    taken: dict[str, int] = {}
    for record in (record for entry in entries for record in entry.records):
        name = _slug(record)
        taken[name] = taken.get(name, 0) + 1
        slugs[id(record)] = name if taken[name] == 1 else f"{name}-{taken[name]}"
    return slugs


def _slug(record: Record) -> str:
    what = [record.method, record.init, record.protocol, record.departures, record.selected_on, record.data.fingerprint]
    key = json.dumps([*what, record.seed, record.epsilon, record.model.weights_sha256])
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    seed = "" if record.seed is None else f"-seed{record.seed}"
    return f"{_NOT_IN_NAMES.sub('-', record.method).strip('-.')[:60] or 'run'}{seed}-{digest}"


def _in_order(conditions: Mapping[str, ConditionRecord]) -> dict[str, ConditionRecord]:
    known = [name for name in CONDITIONS if name in conditions]
    return {name: conditions[name] for name in [*known, *sorted(conditions.keys() - set(known))]}


def _parts(record: Record) -> Iterator[NumbersPart]:
    """Attacks, corruptions with the severities of each type pooled, and the last epoch."""
    ordered = _in_order(record.conditions)
    parts = {
        "Attacks": {name: one for name, one in ordered.items() if not is_single(name)},
        "Corruptions": merged_severities({name: one for name, one in ordered.items() if is_single(name)}),
        "Last epoch instead of the selected one": _in_order(record.last.conditions) if record.last else {},
    }
    for index, (heading, part) in enumerate(parts.items()):
        if part:
            yield _numbers_part(f"t{index}", heading, part, record.data.classes)


def _numbers_part(name: str, heading: str, part: Mapping[str, ConditionRecord], classes: Sequence[str]) -> NumbersPart:
    return NumbersPart(
        heading=heading,
        name=name,
        headings=AGGREGATES,
        aggregates=condition_rows(part, classes),
        columns=tuple(condition_title(name) for name in part),
        accuracy=accuracy_table(part, classes),
        scores=score_table(part, classes),
    )


def _figures(record: Record, log: Log, gallery: Gallery) -> Iterator[RunFigure]:
    classes = record.data.classes
    drawn = [("Training", training_figure(log, classes, selected=record.selected_epoch))]
    drawn += [*diagnostic_figures(log, classes), *batch_figures(log, classes)]
    for index, (title, drawing) in enumerate(drawn):
        markup = gallery.hang(f"run-{index}", drawing)
        if drawing is not None and markup is not None:
            yield RunFigure(heading=f"{title[:1].upper()}{title[1:]}", markup=markup, legend=drawing.legend)
