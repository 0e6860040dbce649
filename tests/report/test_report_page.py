import re

import numpy as np
import pytest
from parsed_page import Page
from scipy.stats import binomtest
from synthetic import CONDITIONS, GARMENTS, make_condition, make_record, make_values, write_values

from fairbench.leaderboard.ranking import rank
from fairbench.leaderboard.summary import highest_false_positive_score, summarise
from fairbench.protocol.record import Record
from fairbench.report.labels import page_labels
from fairbench.report.render import write_report

pytestmark = pytest.mark.usefixtures("undrawn")
FEW = ("clean", "aa")
MISSING = "\u2014"


def render(tmp_path, records, *, track="digits"):
    for index, values in enumerate(records):
        write_values(tmp_path / "records", values, cell=f"cell{index}")
    return Page(write_report(tmp_path / "records", tmp_path / "out", track))


def percent(fraction):
    return f"{100 * fraction:.1f}"


def wilson(correct, total):
    ends = binomtest(correct, total).proportion_ci(method="wilson")
    return f"{percent(ends.low)}\u2013{percent(ends.high)}"


def shown_interval(values, condition, metric):
    """The interval of the leaderboard's own computation, which has tests of its own."""
    (entry,) = rank([Record.model_validate(values)])
    found = highest_false_positive_score(entry, condition) if metric == "c_fps" else summarise(entry, condition, metric)
    return f"{percent(found.interval[0])}\u2013{percent(found.interval[1])}"


def test_every_number_of_the_leaderboard_is_the_records(tmp_path):
    records = [make_values(name) for name in ("pgd_at", "base:pgd_at", "faal@trades+awp?tau=0.3", "frl")]
    rows = render(tmp_path, records).table("g0-standings").by_method()
    assert set(rows) == {values["method"] for values in records}
    for values in records:
        cells = iter(rows[values["method"]])
        for name in CONDITIONS:
            condition = values["conditions"][name]
            worst = condition["worst_class"]
            average, lowest = next(cells), next(cells)
            assert float(average.attributes["data-value"]) == condition["average"]
            assert average.text == percent(condition["average"])
            assert average.small == [wilson(sum(condition["class_correct"]), sum(condition["class_total"]))]
            assert float(lowest.attributes["data-value"]) == condition["worst"]
            assert lowest.text == percent(condition["worst"])
            assert lowest.small == [shown_interval(values, name, "worst"), values["data"]["classes"][worst]]
        score, seconds = next(cells), next(cells)
        scores = values["conditions"]["aa"]["class_false_positive_score"]
        assert float(score.attributes["data-value"]) == max(scores)
        assert score.text == percent(max(scores))
        assert score.small == [shown_interval(values, "aa", "c_fps"), values["data"]["classes"][np.argmax(scores)]]
        assert float(seconds.attributes["data-value"]) == values["training"]["seconds"]
        assert next(cells, None) is None


def test_every_number_of_the_class_tables_is_the_records(tmp_path):
    records = [make_values(name, classes=GARMENTS) for name in ("pgd_at", "faal", "cfa")]
    page = render(tmp_path, records)
    order = ["aa", "fgsm", "pgd20", "cw20", "cw30", "square", "clean"]
    for values in records:
        for index, name in enumerate(order):
            condition = values["conditions"][name]
            cells = page.table(f"g0-c{index}-table").by_method()[values["method"]]
            counts = list(zip(condition["class_correct"], condition["class_total"], strict=True))
            assert [cell.text for cell in cells] == [percent(correct / total) for correct, total in counts]
            assert [cell.small for cell in cells] == [[wilson(*count)] for count in counts]
            outlined = [c for c, cell in enumerate(cells) if "outlined" in cell.attributes["class"]]
            assert [correct / total for correct, total in counts][outlined[0]] == condition["worst"]
        scores = page.table("g0-score-table").by_method()[values["method"]]
        assert [cell.text for cell in scores] == [
            percent(score) for score in values["conditions"]["aa"]["class_false_positive_score"]
        ]


def test_the_last_epoch_stands_beside_the_selected_one(tmp_path):
    values = make_values("faal")
    table = render(tmp_path, [values]).tables[-1]
    cells = iter(table.by_method()["faal"][1:])
    for name in ("clean", "pgd20", "cw20"):
        last, selected = values["last"]["conditions"][name], values["conditions"][name]
        for metric in ("average", "worst"):
            cell = next(cells)
            assert float(cell.attributes["data-value"]) == last[metric]
            difference = float(cell.small[0].replace("\u2212", "-").replace("\u00b1", ""))
            assert difference == pytest.approx(100 * (last[metric] - selected[metric]), abs=0.0501)
    assert table.by_method()["faal"][0].text == "4 (selected 3)"


def test_several_seeds_are_one_row_with_the_mean_of_their_values(tmp_path):
    records = [make_values("faal", seed=seed, conditions=FEW) for seed in (0, 1, 5)]
    rows = render(tmp_path, records).table("g0-standings")
    cells = rows.by_method()["faal"]
    place = 2 * FEW.index("aa")
    for offset, metric in enumerate(("average", "worst")):
        mean = np.mean([values["conditions"]["aa"][metric] for values in records])
        assert float(cells[place + offset].attributes["data-value"]) == pytest.approx(mean, abs=1e-12)
        spread = np.std([values["conditions"]["aa"][metric] for values in records], ddof=1)
        assert cells[place + offset].text == f"{percent(mean)}\u00b1{percent(spread)}"
    (head,) = [cell for row in rows.rows for cell in row if cell.text == "faal"]
    assert "seeds 0 1 5" in " ".join(head.small[1].split())
    by_seed = ", ".join(
        f"{percent(one['worst'])} {values['data']['classes'][one['worst_class']]}"
        for values in records
        for one in [values["conditions"]["aa"]]
    )
    assert f"mean of 3 seeds: {by_seed}" in cells[place + 1].attributes["title"]


def test_ranks_start_with_the_fairest_and_the_unranked_say_why(tmp_path):
    records = [
        make_values("pgd_at", fairness=0.0, conditions=FEW),
        make_values("faal", fairness=0.95, conditions=FEW),
        make_values("changed", conditions=FEW, protocol="modified", departures=["epochs = 1"]),
        make_values("peeked", conditions=FEW, selected_on="test"),
    ]
    rows = render(tmp_path, records).table("g0-standings").rows[2:]
    heads = [(row[0].text, row[1].text, row[1].small[-1]) for row in rows if len(row) > 2]
    assert [head[:2] for head in heads] == [("1", "faal"), ("2", "pgd_at"), ("", "changed"), ("", "peeked")]
    assert heads[2][2] == "Not ranked: departs from the track: epochs = 1"
    assert heads[3][2] == "Not ranked: the epoch was chosen on the test set"


def test_the_best_ranked_number_of_a_column_is_bold_and_no_other(tmp_path):
    records = [make_values("low", level=0.6), make_values("high", level=0.8)]
    records.append(make_values("unranked", level=0.95, selected_on="test"))
    rows = render(tmp_path, records).table("g0-standings").by_method()
    bold = {name: [("best" in cell.attributes["class"].split()) for cell in cells[:-2]] for name, cells in rows.items()}
    numbers = {name: [float(cell.attributes["data-value"]) for cell in cells[:-2]] for name, cells in rows.items()}
    assert not any(bold["unranked"])
    for column in range(2 * len(CONDITIONS)):
        top = max(numbers["low"][column], numbers["high"][column])
        assert [bold[name][column] for name in ("low", "high")] == [
            numbers[name][column] == top for name in ("low", "high")
        ]


def test_what_is_missing_is_a_dash_with_a_reason(tmp_path):
    short = make_values("short", conditions=("clean", "pgd20"), last=None)
    perfect = make_values("perfect")
    perfect["conditions"]["aa"] = make_condition(np.eye(10, dtype=int) * 36)
    foreign = make_values("foreign", training=None, selected_on="unknown", seed=None, selected_epoch=None)
    base = make_values("base:pgd_at", training=None, last=None)
    page = render(tmp_path, [short, perfect, foreign, base, make_values("faal")])
    rows = page.table("g0-standings").by_method()
    dashes = {
        name: [cell.attributes["title"] for cell in cells if cell.text == MISSING] for name, cells in rows.items()
    }
    assert dashes == {
        "short": ["not measured"] * (2 * (len(CONDITIONS) - 2) + 1),
        "perfect": ["no image is misclassified"],
        "foreign": ["trained elsewhere"],
        "base:pgd_at": ["not trained further"],
        "faal": [],
    }
    note = re.search(r"A dash: ([^.]*)\.", " ".join("".join(page.text).split()))
    assert set(note.group(1).split("; ")) == {
        "not measured",
        "no image is misclassified",
        "trained elsewhere",
        "not trained further",
    }
    (cell,) = page.table("g0-c0-table").by_method()["short"]
    assert (cell.text.strip(), cell.small, cell.attributes["colspan"]) == (MISSING, ["not measured"], "10")


def test_rows_of_different_starts_have_tables_of_their_own(tmp_path):
    rows = [make_values("faal"), make_values("faal", init="trades"), make_values("frl")]
    page = render(tmp_path, [values | {"conditions": {"aa": values["conditions"]["aa"]}} for values in rows])
    assert set(page.table("g0-standings").by_method()) == {"faal", "frl"}
    assert set(page.table("g1-standings").by_method()) == {"faal"}
    assert "Start: trades" in "".join(page.text)


def test_a_hundred_classes_show_both_kinds_of_worst(tmp_path):
    classes = [f"class {c}" for c in range(100)]
    records = [make_values(name, classes=classes, per_class=20, conditions=FEW) for name in ("pgd_at", "faal")]
    page = render(tmp_path, records)
    for values in records:
        cells = page.table("g0-standings").by_method()[values["method"]]
        for index, name in enumerate(FEW):
            shown = [float(cell.attributes["data-value"]) for cell in cells[3 * index : 3 * index + 3]]
            assert shown == [values["conditions"][name][metric] for metric in ("average", "worst", "worst_tenth")]
    assert "ranked by the worst 10 % of the classes" in "".join(page.text)
    assert len(page.table("g0-c0-table").by_method()["faal"]) == 100


@pytest.mark.parametrize(("methods", "kind"), [(2, ""), (21, "large")])
def test_only_a_large_board_leaves_out_what_is_not_in_sight(tmp_path, methods, kind):
    classes = [f"class {c}" for c in range(200)]
    records = [make_values(f"method_{index}", classes=classes, per_class=5, conditions=FEW) for index in range(methods)]
    page = render(tmp_path, records)
    assert [attributes.get("class", "") for tag, attributes in page.elements if tag == "main"] == [kind]


def test_the_labels_say_what_was_measured_on_what(tmp_path):
    values = make_values("faal", epsilon=8 / 255)
    values["conditions"]["aa"] = make_condition(np.full((10, 10), 1))
    words = " ".join("".join(render(tmp_path, [values]).text).split())
    assert "8/255" in words
    assert "360 for Clean, FGSM, PGD-20, CW-20, CW-30, Square; 100 for AutoAttack" in words
    assert "epoch chosen on the held-out split select" in words
    assert "one per row; how much another seed would change is not measured" in words
    assert "commit 4f4f4f4f4f" in words


def test_code_with_uncommitted_changes_is_named_so(tmp_path):
    records = [make_values(name, conditions=FEW) for name in ("faal", "frl")]
    records[1]["environment"] |= {"git_commit": "4f" * 20 + "-dirty"}
    words = " ".join("".join(render(tmp_path, records).text).split())
    assert "commit 4f4f4f4f4f, 4f4f4f4f4f with uncommitted changes" in words


def test_the_details_hold_hidden_settings_versions_and_hashes(tmp_path):
    values = make_values("faal", conditions=FEW)
    render(tmp_path, [values])
    (path,) = (tmp_path / "out" / "digits" / "runs").iterdir()
    words = " ".join("".join(Page(path).text).split())
    for expected in ("attack batch norm", "ef" * 32, "23" * 32, "cd" * 32, "ab" * 32, "2.6.0", "3.11.2", '"epochs": 4'):
        assert expected in words


def pooled_metric(values, names, metric):
    """Of some conditions whose counts are added up."""
    blocks = [values["conditions"][name] for name in names]
    correct, total = (np.sum([one[key] for one in blocks], axis=0) for key in ("class_correct", "class_total"))
    return correct.sum() / total.sum() if metric == "average" else (correct / total).min()


def test_corruptions_have_a_column_for_their_mean(tmp_path):
    cells = tuple(f"corruptions.{kind}.{severity}" for kind in ("fog", "snow") for severity in (1, 2))
    records = [make_values(name, conditions=(*FEW, *cells)) for name in ("pgd_at", "faal")]
    records[1]["conditions"].pop(cells[-1])
    table = render(tmp_path, records).table("g0-standings")
    assert [cell.text for cell in table.rows[0]][2:5] == ["Clean", "AutoAttack", "Corruptions"]
    for values in records:
        shown = table.by_method()[values["method"]][4:6]
        for cell, metric in zip(shown, ("average", "worst"), strict=True):
            pooled = [pooled_metric(values, names, metric) for names in (cells[:2], cells[2:3])]
            assert float(cell.attributes["data-value"]) == pytest.approx(np.mean(pooled), abs=1e-12)
            assert cell.attributes["title"] == "mean over 2 types of corruption, severities 1, 2 pooled"


def test_many_corruptions_are_one_phrase_of_the_labels():
    single = tuple(f"corruptions.{kind}.{severity}" for kind in ("fog", "snow") for severity in range(1, 6))
    labels = dict(page_labels(rank([make_record("faal", conditions=("clean", "aa", *single), last=None)])))
    assert labels["Test images"] == "360 under every condition"
    few = make_record("faal", conditions=("clean", "aa", *single), last=None)
    few.conditions["clean"] = make_record("faal", per_class=50, conditions=("clean",)).conditions["clean"]
    assert dict(page_labels(rank([few])))["Test images"] == "500 for Clean; 360 for AutoAttack, each of 10 corruptions"


def test_rows_with_a_warning_carry_a_badge(tmp_path):
    records = [make_values("faal"), make_values("peeked", selected_on="test")]
    records.append(make_values("changed", protocol="modified", departures=["epochs = 1"]))
    page = render(tmp_path, records)
    badges = [attributes["title"] for tag, attributes in page.elements if attributes.get("class") == "badge"]
    assert badges == ["epochs = 1", "its epoch was chosen on the images that measure it"]
