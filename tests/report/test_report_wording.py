import pytest

from fairbench.report.wording import cell_text, count, duration, listed, percent, percent_range, radius, shorten


@pytest.mark.parametrize(
    ("epsilon", "text"),
    [
        (0.2, "0.2"),
        (0.1, "0.1"),
        (8 / 255, "8/255"),
        (0.03137254901960784, "8/255"),
        (0.0313, "0.0313"),
        (1 / 3, "85/255"),
    ],
)
def test_a_radius_reads_as_in_papers(epsilon, text):
    assert radius(epsilon) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "0.2 s"), (21.6, "22 s"), (60, "1 min 00 s"), (3599.7, "1 h 00 min"), (5400, "1 h 30 min")],
)
def test_a_duration_has_its_two_largest_units(seconds, text):
    assert duration(seconds) == text


def test_numbers_are_rounded_in_one_way():
    assert percent(0.31249) == "31.2"
    assert percent(1.0) == "100.0"
    assert percent_range((0.0, 0.0415)) == "0.0\u20134.2"


def test_words_are_counted_listed_and_shortened():
    assert (count(1, "run"), count(3, "run"), count(2, "box", "boxes")) == ("1 run", "3 runs", "2 boxes")
    assert listed(["b", "a", "b"]) == "b, a"
    assert listed("abcde", most=3) == "a, b, c, and 2 more"
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abcd", 4) == "abcd"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", " =1", "\t=1", "\uff1d1"])
def test_a_spreadsheet_sees_text(text):
    assert cell_text(text).startswith("'")


def test_plain_text_stays_as_it_is_in_a_spreadsheet():
    assert cell_text("faal@trades+awp?tau=0.3") == "faal@trades+awp?tau=0.3"
