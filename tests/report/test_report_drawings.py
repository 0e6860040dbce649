import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import make_record

from fairbench.leaderboard.ranking import rank
from fairbench.report.baseline import baseline_of
from fairbench.report.figures.batch_weights import batch_figures
from fairbench.report.figures.canvas import MAX_SERIES
from fairbench.report.figures.class_heat import class_heat_figure
from fairbench.report.figures.classes import class_figure
from fairbench.report.figures.confusion import confusion_figure, mean_confusion
from fairbench.report.figures.corruption import corruption_figure, severity_figure
from fairbench.report.figures.epsilon_curves import epsilon_figure
from fairbench.report.figures.margin_labels import spread
from fairbench.report.figures.tau_sweep import tau_figure, tau_sweeps
from fairbench.report.figures.trade_off import pareto_front, trade_off_figure
from fairbench.report.gallery import FORMATS, Gallery
from fairbench.report.scales import STEPS, difference_step, heat_step, luminance
from fairbench.report.style import DARK, LIGHT, SERIES_DARK, SERIES_LIGHT, drawn_colours, theme_variables


def entries_of(*methods, **changes):
    return rank([make_record(method, **changes) for method in methods])


CORRUPTIONS = tuple(f"corruptions.{kind}.{severity}" for kind in ("fog", "snow") for severity in (1, 2, 3))


def draw_all():
    entries = entries_of("pgd_at", "faal", "frl")
    many = entries_of("pgd_at", "faal", classes=[f"class {c}" for c in range(30)])
    corrupted = entries_of("pgd_at", "faal", conditions=("aa", *CORRUPTIONS))
    swept = rank(with_tau(name, tau) for name, tau in (("faal?tau=0.1", 0.1), ("faal?tau=0.3", 0.3), ("faal", 0.5)))
    return {
        "bars": class_figure(entries, "aa", "accuracy", label="Bars"),
        "scores": class_figure(entries, "aa", "c_fps", label="Scores"),
        "profiles": class_figure(many, "aa", "accuracy", label="Profiles"),
        "points": trade_off_figure(entries, "aa", metric="worst"),
        "confusion": confusion_figure(entries[0], entries[-1], "aa"),
        "corruption": corruption_figure(corrupted),
        "heat": class_heat_figure(entries, "aa"),
        "many-heat": class_heat_figure(many, "aa"),
        "batches": batch_figures([{"epoch": 1, "w": [[0.1] * 10] * 200}], entries[0].record.data.classes)[0][1],
        "severity": severity_figure(corrupted),
        "tau": tau_figure(swept, "aa"),
        "epsilon": epsilon_figure(entries_of("faal", conditions=("clean", "pgd20", "epsilon.0.1", "epsilon.0.3"))),
    }


def with_tau(method, tau):
    record = make_record(method)
    training = record.training.model_copy(update={"config": {"options": {"at": {}, "faal": {"tau": tau}}}})
    return record.model_copy(update={"training": training})


@pytest.fixture(scope="module")
def drawings():
    gallery = Gallery()
    return {name: gallery.hang(name, drawing) for name, drawing in draw_all().items()}


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
    drawing = Gallery().hang("many", class_figure(entries, "aa", "accuracy", label="Many"))
    titles = {title.text.split(",")[0] for title in ElementTree.fromstring(drawing).iter("title")}
    assert titles == {entry.record.method for entry in entries[:MAX_SERIES]}


def test_without_numbers_there_is_no_drawing():
    entries = entries_of("pgd_at", conditions=("clean",))
    assert class_figure(entries, "aa", "accuracy", label="None") is None
    assert trade_off_figure(entries, "aa", metric="worst") is None
    assert confusion_figure(entries[0], None, "aa") is None
    assert corruption_figure(entries) is None
    assert severity_figure(entries) is None
    assert tau_figure(entries, "clean") is None
    assert epsilon_figure(entries) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=MAX_SERIES).map(sorted))
def test_labels_keep_their_order_their_distance_and_the_axes(heights):
    placed = spread(heights, gap=0.065)
    assert all(later - earlier >= 0.065 - 1e-9 for earlier, later in pairwise(placed))
    assert placed[-1] <= 1 + 1e-9
    assert placed[0] >= -1e-9


def contrast(first, second):
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
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
        for scale in ("heat", "difference"):
            values = dict(re.findall(rf"--({scale}-[a-z0-9-]+): (#[0-9a-f]{{6}});", theme))
            steps = [contrast(values[f"{scale}-{step}"], values[f"{scale}-ink-{step}"]) for step in range(STEPS)]
            assert min(steps) > 4.5


def test_the_heat_scale_reaches_from_none_to_all():
    assert [heat_step(fraction) for fraction in (0.0, 0.04, 0.5, 1.0, 2.0)] == [0, 0, 5, 10, 10]


def test_the_scale_of_differences_has_nothing_in_the_middle():
    assert [difference_step(share) for share in (-2.0, -1.0, 0.0, 1.0)] == [0, 0, 5, 10]


def test_a_drawn_colour_means_one_thing():
    assert len(drawn_colours()) == len(LIGHT) + len(SERIES_LIGHT) + 4 * STEPS


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=8))
def test_the_front_is_what_nobody_beats_in_both(points):
    front = pareto_front(points)
    for index, (x, y) in enumerate(points):
        beaten = any((a >= x and b > y) or (a > x and b >= y) for a, b in points)
        assert (index in front) != beaten


def test_methods_that_differ_in_tau_alone_are_joined():
    records = [with_tau(f"faal@trades?tau={tau}&solver=newton", tau) for tau in (0.3, 0.1)]
    records += [with_tau("faal@trades?solver=newton", 0.5), with_tau("faal", 0.5), with_tau("faal?tau=0.1", 0.1)]
    sweeps = tau_sweeps(rank(records))
    assert {name: [tau for tau, _ in points] for name, points in sweeps.items()} == {
        "faal@trades?solver=newton": [0.1, 0.3, 0.5]
    }


def test_the_baseline_is_a_base_or_plain_training_or_the_lowest_row():
    names = ("faal", "pgd_at", "base:pgd_at", "frl")
    entries = entries_of(*names)
    by_name = {entry.record.method: entry for entry in entries}
    first = by_name["faal"]
    assert baseline_of([first, *(by_name[name] for name in ("pgd_at", "base:pgd_at"))]) is by_name["base:pgd_at"]
    assert baseline_of([first, by_name["frl"], by_name["pgd_at"]]) is by_name["pgd_at"]
    assert baseline_of([first, by_name["frl"]]) is by_name["frl"]
    assert baseline_of([first]) is None


def test_confusions_of_seeds_are_averaged_by_class():
    entry = rank([make_record("faal", seed=seed) for seed in (0, 1)])[0]
    shares = [
        [[count / sum(row) for count in row] for row in record.conditions["aa"].confusion] for record in entry.records
    ]
    mean = mean_confusion(entry, "aa")
    for i in range(10):
        for j in range(10):
            assert mean[i, j] == pytest.approx((shares[0][i][j] + shares[1][i][j]) / 2)


def test_files_of_drawings_are_the_same_each_time(tmp_path):
    for name in ("a", "b"):
        gallery = Gallery()
        for key, metric in (("bars", "accuracy"), ("scores", "c_fps")):
            gallery.hang(key, class_figure(entries_of("faal", "frl"), "aa", metric, label=key))
        paths = gallery.save(tmp_path / name)
        assert [path.name for path in paths] == [f"{key}.{kind}" for key in ("bars", "scores") for kind in FORMATS]
    for path in paths:
        assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes()
        assert path.stat().st_size > 2000
    assert "faal" in (tmp_path / "a" / "bars.svg").read_text("utf-8")


def test_a_name_hangs_once():
    gallery = Gallery()
    drawing = class_figure(entries_of("faal"), "aa", "accuracy", label="Bars")
    gallery.hang("bars", drawing)
    with pytest.raises(ValueError, match="already a drawing called bars"):
        gallery.hang("bars", drawing)
