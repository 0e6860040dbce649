"""Class by class: a drawing and a table for each condition, the strongest attack first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fairbench.leaderboard.ranking import Entry
from fairbench.leaderboard.summary import strongest_condition
from fairbench.report.class_tables import MAX_CELLS, ClassTable, class_table
from fairbench.report.figures.classes import class_figure
from fairbench.report.gallery import Gallery
from fairbench.report.standings import shown_conditions
from fairbench.report.wording import condition_meaning, condition_title


@dataclass(frozen=True, kw_only=True)
class ClassView:
    """One condition class by class."""

    name: str
    title: str
    meaning: str
    figure: Markup | None
    table: ClassTable | None
    """None where the page would become too large."""


def accuracy_views(name: str, entries: Sequence[Entry], gallery: Gallery) -> tuple[ClassView, ...]:
    """Accuracy under each condition: the strongest attack first, then in the order of the table, clean last."""
    strongest = strongest_condition(entries)
    conditions = sorted(shown_conditions(entries), key=lambda one: (one != strongest, one == "clean"))
    cells = len(entries) * len(entries[0].record.data.classes) * len(conditions)
    return tuple(
        _view(f"{name}-c{index}", entries, one, "accuracy", gallery, with_table=one == strongest or cells <= MAX_CELLS)
        for index, one in enumerate(conditions)
    )


def score_view(name: str, entries: Sequence[Entry], gallery: Gallery) -> ClassView:
    """C_FPS under the strongest attack."""
    return _view(f"{name}-score", entries, strongest_condition(entries), "c_fps", gallery, with_table=True)


def _view(
    name: str, entries: Sequence[Entry], condition: str, metric: str, gallery: Gallery, *, with_table: bool
) -> ClassView:
    title = condition_title(condition)
    what = "C_FPS" if metric == "c_fps" else "Accuracy"
    label = f"{what} of each class under {title}, by method; see the table of the same name."
    return ClassView(
        name=name,
        title=title,
        meaning=condition_meaning(condition),
        figure=gallery.hang(name, class_figure(entries, condition, metric, label=label)),
        table=class_table(entries, condition, metric) if with_table else None,
    )
