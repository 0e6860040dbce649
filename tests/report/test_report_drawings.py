import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import make_record

from fairbench.leaderboard.ranking import rank
from fairbench.report.figures import MAX_SERIES, _spread, class_figure, trade_off_figure
from fairbench.report.style import (
    DARK,
    HEAT_STEPS,
    LIGHT,
    SERIES_DARK,
    SERIES_LIGHT,
    _luminance,
    drawn_colours,
    heat_step,
    theme_variables,
)


def entries_of(*methods, **changes):
    return rank([make_record(method, **changes) for method in methods])


@pytest.fixture(scope="module")
def drawings():
    entries = entries_of("pgd_at", "faal", "frl")
    many = entries_of("pgd_at", "faal", classes=[f"class {c}" for c in range(30)])
    return {
        "bars": class_figure(entries, "aa", "accuracy", name="bars", label="Bars"),
        "scores": class_figure(entries, "aa", "c_fps", name="scores", label="Scores"),
        "profiles": class_figure(many, "aa", "accuracy", name="profiles", label="Profiles"),
        "points": trade_off_figure(entries, "aa", name="points", label="Points"),
    }


def test_drawings_obey_the_pages_policy_and_theme(drawings):
    for name, drawing in drawings.items():
        root = ElementTree.fromstring(drawing)
        assert (root.tag, root.get("role")) == ("svg", "img")
        assert root.get("aria-label")
        for element in root.iter():
            assert element.tag not in ("style", "script", "image", "metadata", "foreignObject")
            assert "style" not in element.attrib
            assert element.get("href", "#").startswith("#")
            # Every colour follows the theme; white and black would not.
            for key in ("fill", "stroke"):
                assert re.fullmatch(r"none|var\(--[a-z0-9-]+\)", element.get(key, "none")), (name, element.attrib)


def test_ids_are_unique_over_all_drawings_and_references_meet_them(drawings):
    page = "".join(drawings.values())
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    references = set(re.findall(r"url\(#([^)]+)\)", page)) | set(re.findall(r'href="#([^"]+)"', page))
    assert references
    assert references <= set(ids)


def test_every_bar_says_its_number(drawings):
    entries = entries_of("pgd_at", "faal", "frl")
    titles = {title.text for title in ElementTree.fromstring(drawings["bars"]).iter("title")}
    expected = set()
    for entry in entries:
        condition = entry.record.conditions["aa"]
        counts = zip(entry.record.data.classes, condition.class_correct, condition.class_total, strict=True)
        expected |= {f"{entry.record.method}, {name}: {100 * hits / seen:.1f} %" for name, hits, seen in counts}
    assert titles == expected


def test_a_figure_shows_as_many_methods_as_it_has_colours():
    entries = entries_of(*(f"method_{index}" for index in range(MAX_SERIES + 3)))
    drawing = class_figure(entries, "aa", "accuracy", name="many", label="Many")
    titles = {title.text.split(",")[0] for title in ElementTree.fromstring(drawing).iter("title")}
    assert titles == {entry.record.method for entry in entries[:MAX_SERIES]}


def test_without_numbers_there_is_no_drawing():
    entries = entries_of("pgd_at", conditions=("clean",))
    assert class_figure(entries, "aa", "accuracy", name="none", label="None") is None
    assert trade_off_figure(entries, "aa", name="none", label="None") is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=MAX_SERIES).map(sorted))
def test_labels_keep_their_order_their_distance_and_the_axes(heights):
    placed = _spread(heights, gap=0.065)
    assert all(later - earlier >= 0.065 - 1e-9 for earlier, later in pairwise(placed))
    assert placed[-1] <= 1 + 1e-9
    assert placed[0] >= -1e-9


def contrast(first, second):
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("theme", "series"), [(LIGHT, SERIES_LIGHT), (DARK, SERIES_DARK)])
def test_text_is_readable_and_colours_differ_in_both_themes(theme, series):
    for ground in ("paper", "raised"):
        assert contrast(theme["ink"], theme[ground]) > 12
        assert contrast(theme["muted"], theme[ground]) > 4.5
        assert contrast(theme["accent"], theme[ground]) > 4.5
    assert len({*theme.values(), *series}) == len(theme) + len(series)
    assert all(contrast(colour, theme["paper"]) > 1.8 for colour in series)


def test_numbers_are_readable_on_every_step_of_the_heat_scale():
    for theme in theme_variables().split("@media"):
        values = dict(re.findall(r"--(heat-[a-z0-9-]+): (#[0-9a-f]{6});", theme))
        steps = [contrast(values[f"heat-{step}"], values[f"heat-ink-{step}"]) for step in range(HEAT_STEPS)]
        assert min(steps) > 4.5


def test_the_heat_scale_reaches_from_none_to_all():
    assert [heat_step(fraction) for fraction in (0.0, 0.04, 0.5, 1.0, 2.0)] == [0, 0, 5, 10, 10]


def test_a_drawn_colour_means_one_thing():
    assert len(drawn_colours()) == len(LIGHT) + len(SERIES_LIGHT)
