"""JSON as it is written: the same values come back, and lists of numbers do not fill pages."""

import json

from hypothesis import given
from hypothesis import strategies as st

from fairbench.files import write_json

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    NUMBERS | st.none() | st.booleans() | st.text() | st.sampled_from(["[\n 1,\n 2\n]", '"', "\\"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values=VALUES)
def test_values_come_back(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "values.json"
    write_json(path, values)
    assert json.loads(path.read_text("utf-8")) == values


def test_numbers_on_one_line(tmp_path):
    write_json(tmp_path / "x.json", {"confusion": [[1, 2], [3, -4.5e-7]], "none": [], "mixed": [1, "a"]})
    written = (tmp_path / "x.json").read_text("utf-8")
    assert (
        written
        == '{\n "confusion": [\n  [1, 2],\n  [3, -4.5e-07]\n ],\n "none": [],\n "mixed": [\n  1,\n  "a"\n ]\n}\n'
    )
