import json

import pytest
from synthetic import make_values, write_values

from fairbench.errors import UsageError
from fairbench.leaderboard.records import load_runs


def test_finds_records_at_any_depth_in_the_order_of_their_paths(tmp_path):
    late = write_values(tmp_path / "b", make_values("faal"))
    early = write_values(tmp_path / "a" / "deeper", make_values("frl", seed=3))
    runs = load_runs(tmp_path)
    assert [run.path for run in runs] == [early, late]
    assert [(run.record.method, run.record.seed) for run in runs] == [("frl", 3), ("faal", 0)]


def test_reads_one_record_file(tmp_path):
    path = write_values(tmp_path, make_values("cfa"))
    assert [run.record.method for run in load_runs(path)] == ["cfa"]


def test_says_how_to_make_records_where_there_are_none(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere: there is no such folder; make some with: fairbench run"):
        load_runs(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"it holds no record.json; make some with: fairbench run"):
        load_runs(tmp_path)


def spoil_average(values):
    values["conditions"]["aa"]["average"] = 0.99


def spoil_worst(values):
    values["conditions"]["clean"]["worst_class"] = (values["conditions"]["clean"]["worst_class"] + 1) % 10


def spoil_last(values):
    values["last"]["conditions"]["clean"]["average"] = 0.01


def spoil_diagonal(values):
    values["conditions"]["aa"]["class_correct"][0] += 1


def spoil_square(values):
    row = values["conditions"]["aa"]["confusion"][1]
    row[0] += row.pop()


def drop_a_class(values):
    values["data"]["classes"] = values["data"]["classes"][:-1]


def drop_a_score(values):
    values["conditions"]["fgsm"]["class_false_positive_score"].pop()


def add_a_key(values):
    values["metod"] = "faal"


def drop_the_method(values):
    del values["method"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_average, r"conditions.aa: average = 0.99, but its counts say 0\."),
        (spoil_worst, "conditions.clean: worst_class = .* but its counts say"),
        (spoil_last, "last.conditions.clean: average = 0.01"),
        (spoil_diagonal, "class_correct is not the diagonal of confusion"),
        (spoil_square, "confusion is not square"),
        (drop_a_class, "confusion has 10 rows, there are 9 classes"),
        (drop_a_score, "conditions.fgsm: class_false_positive_score = "),
        (add_a_key, "unknown key 'metod'; did you mean method"),
        (drop_the_method, "method"),
    ],
)
def test_refuses_a_record_that_is_edited_or_damaged(tmp_path, spoil, words):
    values = make_values()
    spoil(values)
    write_values(tmp_path, make_values("frl"))
    path = write_values(tmp_path, values, cell="spoilt")
    with pytest.raises(UsageError, match=words) as caught:
        load_runs(tmp_path)
    assert str(caught.value).startswith(f"{path} is damaged")
    assert "restore it, or remove its folder and run the command that made it again" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"faal"', '{"method": NaN}', "\x00", "\ufeff{}"])
def test_refuses_a_file_that_is_no_record(tmp_path, text):
    path = tmp_path / "record.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"record.json is damaged.*run the command that made it again"):
        load_runs(tmp_path)


def test_refuses_a_truncated_record_and_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(make_values())[:-500], encoding="utf-8")
    with pytest.raises(UsageError, match=r"record.json is damaged"):
        load_runs(tmp_path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"record.json is damaged"):
        load_runs(tmp_path)
