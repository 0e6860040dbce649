"""Drawings in few bytes: the same points, the same marks, nothing that was seen lost."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import make_record

from fairbench.leaderboard.ranking import rank
from fairbench.report.figures.class_heat import class_heat_figure
from fairbench.report.gallery import Gallery
from fairbench.report.svg_compact import compact
from fairbench.report.svg_paths import compact_path, short

WORD = re.compile(r"[a-zA-Z]|-?(?:\d+\.\d+|\.\d+|\d+)")
COUNTS = {"M": 2, "l": 2, "q": 4, "c": 6, "h": 1, "v": 1, "z": 0}
NUMBERS = st.floats(-900, 900)
POINTS = st.tuples(NUMBERS, NUMBERS)
SEGMENTS = st.one_of(
    st.tuples(st.just("L"), st.lists(POINTS, min_size=1, max_size=1)),
    st.tuples(st.just("Q"), st.lists(POINTS, min_size=2, max_size=2)),
    st.tuples(st.just("C"), st.lists(POINTS, min_size=3, max_size=3)),
    st.tuples(st.just("M"), st.lists(POINTS, min_size=1, max_size=1)),
)


def as_written(segments):
    return "  ".join(f"{command} {' '.join(f'{x:.6f} {y:.6f}' for x, y in points)}" for command, points in segments)


def points_of(path):
    """The ends of the segments of a relative path, read by the rules of SVG."""
    words, found, at, start = WORD.findall(path), [], (0.0, 0.0), (0.0, 0.0)
    place, command = 0, ""
    while place < len(words):
        if words[place].isalpha():
            command, place = words[place], place + 1
        values = [float(word) for word in words[place : place + COUNTS[command]]]
        place += COUNTS[command]
        if command == "z":
            at = start
            continue
        dx, dy = {"h": (values[0], 0.0), "v": (0.0, values[0])}.get(command, tuple(values[-2:]))
        at = (dx, dy) if command == "M" else (at[0] + dx, at[1] + dy)
        start = at if command == "M" else start
        found.append(at)
    return found


@given(POINTS, st.lists(SEGMENTS, max_size=12))
def test_a_path_goes_through_the_same_points(first, segments):
    segments = [("M", [first]), *segments]
    found = points_of(compact_path(as_written(segments)))
    assert len(found) == len(segments)
    for (x, y), (_, points) in zip(found, segments, strict=True):
        assert (x, y) == pytest.approx(points[-1], abs=0.00501)


def test_a_square_is_a_few_characters():
    assert compact_path("M 10 20  L 30.004 20  L 30.004 20.5  L 10 20.5  L 10 20  z ") == "M10 20h20v.5h-20z"


def test_what_matplotlib_does_not_write_is_refused():
    with pytest.raises(ValueError, match="M, L, Q, C or z in a path, got 'A'"):
        compact_path("M 0 0 A 1 1 0 0 0 2 2")


@given(st.integers(-10_000, 10_000))
def test_a_short_number_is_the_number(hundredths):
    assert float(short(hundredths)) == hundredths / 100


def drawn(text):
    root = ElementTree.fromstring(f"<svg>{text}</svg>")
    compact(root)
    return ElementTree.tostring(root, encoding="unicode")


def test_neighbours_of_one_look_are_one_path_unless_they_say_something_or_shine_through():
    path = '<path d="M 0 0 L 1 1" stroke="red"/>'
    assert drawn(path * 3) == '<svg><path d="M0 0l1 1M0 0l1 1M0 0l1 1" stroke="red" /></svg>'
    assert drawn(path + path.replace("red", "blue")).count("<path") == 2
    assert drawn(path.replace("/>", "><title>one</title></path>") * 2).count("<title>one</title>") == 2
    assert drawn(path.replace("/>", ' stroke-opacity="0.5"/>') * 2).count("<path") == 2


def test_a_tooltip_stays_with_its_mark_and_nothing_that_is_seen_goes():
    text = '<g id="a"><g id="b"><title>said</title><path d="M 0 0 L 5 0" stroke="red"/></g></g>'
    assert drawn(text) == '<svg><path d="M0 0h5" stroke="red"><title>said</title></path></svg>'
    assert drawn('<path d="M 0 0 L 1 0" fill="none"/><g id="c"/>') == "<svg />"
    kept = drawn('<defs><path id="m" d="M 0 0 L 1 0" stroke="red"/></defs><use href="#m" x="1.239" y="-0.5"/>')
    assert kept == '<svg><defs><path id="m" d="M0 0h1" stroke="red" /></defs><use href="#m" x="1.24" y="-.5" /></svg>'


def heat_paths(num_classes):
    records = [make_record(f"method_{index}", classes=[f"class {c}" for c in range(num_classes)]) for index in range(9)]
    drawing = ElementTree.fromstring(Gallery().hang("heat", class_heat_figure(rank(records), "aa")))
    return [path for path in drawing.iter("path") if "--heat-" in path.get("fill", "")]


def test_a_heat_map_of_many_cells_is_a_path_for_each_colour():
    cells = heat_paths(30)
    assert len(cells) == len({path.get("fill") for path in cells})
    assert sum(path.attrib["d"].count("z") for path in cells) == 9 * 30


def test_neighbours_of_one_colour_join_where_cells_are_fine_and_cover_the_same():
    corners = [points_of(path.attrib["d"]) for path in heat_paths(100)]
    bars = [one[place : place + 4] for one in corners for place in range(0, len(one), 4)]
    assert 9 < len(bars) < 9 * 100
    x, y = zip(*(corner for bar in bars for corner in bar), strict=True)
    covered = sum((bar[2][0] - bar[0][0]) * (bar[2][1] - bar[0][1]) for bar in bars)
    assert covered == pytest.approx((max(x) - min(x)) * (max(y) - min(y)), rel=2e-3)
