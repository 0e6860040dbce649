"""The drawings between the tables: which of them a group of rows gets, each with a heading and what to see in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fairbench.leaderboard.agreement import Agreement
from fairbench.leaderboard.board import Board
from fairbench.leaderboard.ranking import Entry, ranking_metric
from fairbench.leaderboard.summary import strongest_condition
from fairbench.report.baseline import baseline_of
from fairbench.report.figures.agreement import agreement_figure
from fairbench.report.figures.canvas import Drawing
from fairbench.report.figures.confusion import confusion_figure
from fairbench.report.figures.corruption import corruption_figure, severity_figure
from fairbench.report.figures.epsilon_curves import epsilon_figure
from fairbench.report.figures.published import published_figure
from fairbench.report.figures.ranks import rank_figure
from fairbench.report.figures.tau_sweep import tau_figure
from fairbench.report.figures.trade_off import trade_off_figure
from fairbench.report.gallery import Gallery
from fairbench.report.places import Places
from fairbench.report.published import Comparison
from fairbench.report.wording import condition_title


@dataclass(frozen=True, kw_only=True)
class Section:
    """A drawing with its heading and what to see in it."""

    heading: str
    text: str
    drawing: Markup
    legend: tuple[str, ...]
    """names in the order of their colours, where the drawing does not say them."""


def overview_sections(name: str, entries: Sequence[Entry], places: Places, gallery: Gallery) -> tuple[Section, ...]:
    """What follows the leaderboard table: which ranks the data supports, and average against worst class."""
    strongest, metric = strongest_condition(entries), ranking_metric(len(entries[0].record.data.classes))
    drawing = trade_off_figure(entries, strongest, metric=metric)
    text = (
        f"Under {condition_title(strongest)}. Up and to the right is better; the lines are 95 % intervals, and the "
        "dotted line joins the methods that no other beats in both."
    )
    return _hung(
        gallery,
        (f"{name}-ranks", "Which ranks are real", *_ranks(places.board(entries))),
        (f"{name}-trade-off", "Average against worst class", text, drawing),
    )


def _ranks(board: Board | None) -> tuple[str, Drawing | None]:
    """What to see in the drawing of the ranks, and the drawing."""
    if board is None:
        return "", None
    text = "The dot is the rank, the bar what the tests leave open; lines on the right join methods not told apart."
    return f"{text} {board.note}", rank_figure(board)


def published_sections(name: str, found: Sequence[Comparison], gallery: Gallery) -> tuple[Section, ...]:
    """What the papers printed, where they measured the same."""
    text = (
        "Each number that a paper printed for the same method, start, network and data against the one measured here: "
        "filled for averages, open for the weakest classes. On the line both agree."
    )
    return _hung(gallery, (f"{name}-published", "Published against measured", text, published_figure(found)))


def mistake_sections(name: str, entries: Sequence[Entry], gallery: Gallery) -> tuple[Section, ...]:
    """What follows the false-positive scores: the confusion of the first row, and its difference from the baseline."""
    strongest, baseline = strongest_condition(entries), baseline_of(entries)
    first = entries[0].record.method
    text = (
        f"Under {condition_title(strongest)}: a row holds the images of one class, a column the answer that they get, "
        f"in percent, for {first}"
    )
    text += f"; beside it, the difference from {baseline.record.method} in points." if baseline else "."
    drawing = confusion_figure(entries[0], baseline, strongest)
    return _hung(gallery, (f"{name}-confusion", "What is taken for what", text, drawing))


def further_sections(
    name: str, entries: Sequence[Entry], agreement: Agreement | None, gallery: Gallery
) -> tuple[Section, ...]:
    """What only some boards have: corruptions, sweeps, agreement of several attacks."""
    return _hung(
        gallery,
        (
            f"{name}-corruptions",
            "Common corruptions",
            "Accuracy under each type with its severities pooled: over all images, and of the class that fares worst.",
            corruption_figure(entries),
        ),
        (
            f"{name}-severity",
            "Corruptions by severity",
            "The mean over the types at each severity: over all images (solid), and of the worst class (dashed).",
            severity_figure(entries),
        ),
        (
            f"{name}-epsilon",
            "Accuracy against the radius",
            "PGD-20 at several radii, the clean images at 0: over all images (solid), and of the worst class (dashed).",
            epsilon_figure(entries),
        ),
        (
            f"{name}-tau",
            "The radius of the worst-case mixture",
            "The same method at several values of tau: over all images (solid), and of the worst class (dashed).",
            tau_figure(entries, strongest_condition(entries)),
        ),
        (
            f"{name}-agreement",
            "Does the order depend on the number",
            "Kendall's tau between the orders of the ranked methods by each pair of numbers: 1 where both agree.",
            agreement_figure(agreement),
        ),
    )


def _hung(gallery: Gallery, *parts: tuple[str, str, str, Drawing | None]) -> tuple[Section, ...]:
    return tuple(
        Section(heading=heading, text=text, drawing=markup, legend=drawing.legend)
        for name, heading, text, drawing in parts
        if drawing is not None and (markup := gallery.hang(name, drawing)) is not None
    )
