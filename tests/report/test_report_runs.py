"""The page of each run: every number of the record, what the counts say in words, and the drawings of its log."""

import json
import re

import numpy as np
import pytest
from parsed_page import Page
from scipy.stats import fisher_exact
from synthetic import GARMENTS, make_condition, make_record, make_values, write_values

from fairbench.errors import UsageError
from fairbench.evaluation.summary import condition_record
from fairbench.leaderboard.extremes import lowest_interval, spread_interval
from fairbench.leaderboard.false_positive_intervals import chosen_false_positive_intervals, false_positive_intervals
from fairbench.leaderboard.intervals import wilson_interval
from fairbench.leaderboard.records import load_runs
from fairbench.leaderboard.weakest import indistinguishable_from_worst
from fairbench.report.render import write_audits, write_report
from fairbench.report.verdict import in_words, weakest_classes

CONDITIONS = ("clean", "pgd20", "aa", "corruptions.fog.1", "corruptions.fog.2")
MISSING = "\u2014"


def percent(fraction):
    return f"{100 * fraction:.1f}"


def span(ends):
    return "\u2013".join(percent(float(end)) for end in ends)


def wilson(correct, total):
    return span(wilson_interval(correct, total))


def run_pages(tmp_path, records, *, log=None):
    for index, values in enumerate(records):
        path = write_values(tmp_path / "records", values, cell=f"cell{index}")
        if log:
            path.with_name("log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log), "utf-8")
    page = write_report(tmp_path / "records", tmp_path / "out", "digits")
    return {path.stem: Page(path) for path in sorted((page.parent / "runs").glob("*.html"))}


@pytest.mark.parametrize("classes", [GARMENTS, [f"class {c}" for c in range(30)]])
def test_every_number_of_a_run_is_the_records(tmp_path, classes):
    values = make_values("faal", classes=classes, conditions=CONDITIONS, per_class=25)
    (page,) = run_pages(tmp_path, [values]).values()
    blocks = {
        "t0": {name: values["conditions"][name] for name in ("clean", "pgd20", "aa")},
        "t1": {name: values["conditions"][name] for name in CONDITIONS[3:]},
        "t2": {name: values["last"]["conditions"][name] for name in ("clean", "pgd20")},
    }
    for name, block in blocks.items():
        accuracy, scores = page.table(f"{name}-accuracy").by_method(), page.table(f"{name}-scores").by_method()
        assert list(accuracy) == classes
        for c, label in enumerate(classes):
            counts = [(one["class_correct"][c], one["class_total"][c]) for one in block.values()]
            assert [cell.text for cell in accuracy[label]] == [percent(correct / total) for correct, total in counts]
            assert [cell.small for cell in accuracy[label]] == [
                [wilson(*count), f"{count[0]}/{count[1]}"] for count in counts
            ]
            assert [cell.text for cell in scores[label]] == [
                percent(one["class_false_positive_score"][c]) for one in block.values()
            ]
            if len(classes) * len(block) <= 100:
                ends = [np.transpose(false_positive_intervals(one["confusion"]))[c] for one in block.values()]
                assert [cell.small for cell in scores[label]] == [[span(pair)] for pair in ends]


def test_the_aggregates_of_a_run_are_the_records(tmp_path):
    values = make_values("faal", conditions=CONDITIONS)
    (page,) = run_pages(tmp_path, [values]).values()
    selected, last = values["conditions"], values["last"]["conditions"]
    parts = {"t0": (CONDITIONS[:3], selected), "t1": (CONDITIONS[3:], selected), "t2": (CONDITIONS[:2], last)}
    for part, (names, block) in parts.items():
        table = page.table(f"{part}-aggregates")
        assert [cell.text.strip() for cell in table.rows[0]][1:] == [
            "average", "balanced", "worst", "worst 10 %", "spread", "overall",
            "highest C_FPS", "spread of C_FPS", "images",
        ]  # fmt: skip
        for name, cells in zip(names, (row[1:] for row in table.rows[1:]), strict=True):
            one = block[name]
            scores = one["class_false_positive_score"]
            counts = np.array(one["class_correct"]), np.array(one["class_total"])
            expected = [one[key] for key in ("average", "balanced", "worst", "worst_tenth")]
            expected += [
                (counts[0] / counts[1]).max() - (counts[0] / counts[1]).min(),
                one["overall"],
                max(scores),
                max(scores) - min(scores),
                sum(one["class_total"]),
            ]
            assert [float(cell.attributes["data-value"]) for cell in cells] == pytest.approx(expected, rel=1e-8)
            worst = one["worst_class"]
            behind = f"{counts[0][worst]} of {counts[1][worst]}"
            name_of_worst = values["data"]["classes"][worst]
            assert cells[2].small == [f"{span(lowest_interval(*counts))}; {behind}", name_of_worst]
            assert cells[4].small == [span(spread_interval(*counts))]
            highest, spread = chosen_false_positive_intervals([one["confusion"]])
            assert cells[6].small == [span(np.ravel(highest)), values["data"]["classes"][np.argmax(scores)]]
            assert cells[7].small == [span(np.ravel(spread))]


def test_the_confusion_of_a_run_is_the_records(tmp_path):
    values = make_values("faal", conditions=("clean", "aa"))
    (page,) = run_pages(tmp_path, [values]).values()
    table = next(table for table in page.tables if table.rows[0][0].text == "True class")
    for name, row in zip(values["data"]["classes"], values["conditions"]["aa"]["confusion"], strict=True):
        cells = table.by_method()[name]
        assert [int(cell.small[0]) for cell in cells] == row
        assert [cell.text for cell in cells] == [percent(count / sum(row)) for count in row]


def test_many_classes_show_the_most_frequent_mistakes(tmp_path):
    values = make_values("faal", classes=[f"class {c}" for c in range(30)], conditions=("aa",))
    (page,) = run_pages(tmp_path, [values]).values()
    table = next(table for table in page.tables if table.rows[0][0].text == "True class")
    confusion = np.array(values["conditions"]["aa"]["confusion"])
    np.fill_diagonal(confusion, 0)
    shown = [int(row[2].text) for row in table.rows[1:]]
    assert shown == sorted(confusion.ravel(), reverse=True)[: len(shown)]
    for true, answer, count, _ in ([cell.text for cell in row] for row in table.rows[1:]):
        assert confusion[int(true.split()[1]), int(answer.split()[1])] == int(count)


def test_every_seed_has_a_page_and_the_row_leads_to_it(tmp_path):
    pages = run_pages(tmp_path, [make_values("faal@trades", seed=seed, conditions=("aa",)) for seed in (0, 3)])
    assert [re.sub(r"-[0-9a-f]{8}$", "", name) for name in sorted(pages)] == ["faal-trades-seed0", "faal-trades-seed3"]
    board = Page(tmp_path / "out" / "digits" / "index.html")
    links = {attributes["href"] for tag, attributes in board.elements if tag == "a"}
    assert {f"runs/{name}.html" for name in pages} <= links


def test_a_run_that_is_gone_has_no_page(tmp_path):
    (name,) = run_pages(tmp_path, [make_values("faal", conditions=("aa",))])
    for path in (tmp_path / "records").rglob("record.json"):
        path.unlink()
    assert name not in run_pages(tmp_path, [make_values("frl", conditions=("aa",))])


def test_the_classes_that_may_be_the_weakest_are_those_that_fisher_and_holm_leave():
    rng = np.random.default_rng(5)
    for _ in range(20):
        total = rng.integers(20, 200, 8)
        correct = rng.binomial(total, rng.uniform(0.2, 0.7, 8))
        confusion = np.diag(correct)
        confusion[:, 0] += total - correct
        confusion[0, 0], confusion[0, 1] = correct[0], total[0] - correct[0]
        condition = condition_record(confusion, settings={}, seconds=1.0)
        worst = condition.worst_class
        pairs = [
            (fisher_exact([[correct[i], total[i] - correct[i]] for i in (worst, c)], alternative="less").pvalue, c)
            for c in range(8)
            if c != worst
        ]
        rejected, running = set(), 0.0
        for place, (p, c) in enumerate(sorted(pairs)):
            running = max(running, min(1.0, p * (len(pairs) - place)))
            if running <= 0.05:
                rejected.add(c)
        assert set(indistinguishable_from_worst(condition)) == set(range(8)) - {worst} - rejected


def test_words_name_the_weakest_class_and_its_gap():
    record = make_record("faal", classes=GARMENTS, fairness=0.0, per_class=1000)
    condition = record.conditions["aa"]
    words = " ".join(in_words("aa", condition, GARMENTS))
    weakest = GARMENTS[condition.worst_class]
    assert f"The class that fares worst is {weakest}: {percent(condition.worst)} % of its 1,000 images" in words
    assert f"{100 * (condition.average - condition.worst):.1f} points below the average" in words
    (first, *_) = weakest_classes(condition, GARMENTS)
    row = condition.confusion[condition.worst_class]
    answers = {name: count for name, count in zip(GARMENTS, row, strict=True) if name != weakest}
    assert first.taken_for.startswith(max(answers, key=answers.get))


def test_a_class_without_rivals_is_called_the_weakest():
    accuracy = np.array([10, 900, 920])
    confusion = np.diag(accuracy) + np.array([[0, 990, 0], [100, 0, 0], [80, 0, 0]])
    words = " ".join(in_words("aa", condition_record(confusion, settings={}, seconds=1.0), ["a", "b", "c"]))
    assert "No other class is as weak" in words


LOG = [
    {"epoch": e, "loss": 1.0, "select_pgd_class_accuracy": [0.1 * e] * 10, "class_weights": [0.1] * 10}
    for e in range(1, 5)
]


def test_the_log_of_a_run_is_drawn_class_by_class(tmp_path):
    (page,) = run_pages(tmp_path, [make_values("faal", conditions=("aa",))], log=LOG).values()
    labels = [attributes.get("aria-label", "") for tag, attributes in page.elements if tag == "svg"]
    assert len(labels) == 2
    assert labels[0].startswith("Accuracy of each class under the training attack on the held-out split")
    assert labels[1].startswith("class weights of each class")


def test_bars_of_two_epochs_say_which_is_which(tmp_path):
    (page,) = run_pages(tmp_path, [make_values("faal", conditions=("aa",))], log=LOG[:2]).values()
    swatches = [attributes["class"] for tag, attributes in page.elements if "swatch" in attributes.get("class", "")]
    assert swatches == ["swatch swatch-0", "swatch swatch-1"]
    assert "epoch 1 epoch 2" in " ".join("".join(page.text).split())


def test_without_a_log_there_are_no_drawings(tmp_path):
    (page,) = run_pages(tmp_path, [make_values("faal", conditions=("aa",))]).values()
    assert not [tag for tag, _ in page.elements if tag == "svg"]


@pytest.mark.parametrize("text", ["{", '{"loss": 1}\n', "[]\n"])
def test_a_damaged_log_is_named(tmp_path, text):
    path = write_values(tmp_path / "records", make_values("faal", conditions=("aa",)))
    path.with_name("log.jsonl").write_text(text, "utf-8")
    with pytest.raises(UsageError, match=r"log\.jsonl is damaged .*; restore it, or remove it"):
        write_report(tmp_path / "records", tmp_path / "out", "digits")


def test_a_foreign_model_has_a_page_of_its_own(tmp_path):
    foreign = make_values("rn18", track=None, seed=None, training=None, selected_on="unknown", last=None)
    write_values(tmp_path / "records", foreign | {"protocol": "modified", "departures": ["evaluated outside a track"]})
    (path,) = write_audits(load_runs(tmp_path / "records"), tmp_path / "out")
    page = Page(path)
    assert path.parent == tmp_path / "out" / "audits"
    words = " ".join("".join(page.text).split())
    assert "The class that fares worst is" in words
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links == ["../index.html", foreign["link"]]
    index = Page(tmp_path / "out" / "index.html")
    assert f"audits/{path.name}" in [attributes["href"] for tag, attributes in index.elements if tag == "a"]
    assert set(page.table("t0-accuracy").by_method()) == set(foreign["data"]["classes"])


def test_a_class_without_a_favourite_answer_is_a_dash():
    flawless = make_condition(np.eye(10, dtype=int) * 36)
    record = make_record("faal", conditions=("clean",))
    del flawless["settings"]["seed"]
    page = weakest_classes(type(record.conditions["clean"]).model_validate(flawless), record.data.classes)
    assert {one.taken_for for one in page} == {""}


CHECKS = {
    "randomised": False,
    "dynamic": True,
    "probabilities": False,
    "lowest_logit": -3.25,
    "highest_logit": 9.5,
    "attacked": {"apgd-ce": 360, "square": 200},
    "broken": {"apgd-ce": 160, "square": 3},
    "gradient_seen": [36] * 10,
    "gradient_zero": [0, 7, *[0] * 8],
    "square_better": None,
    "farthest": 0.2,
    "passes": {"forward": 12345, "gradient": 67},
    "notes": ["the network asks for gradients <itself>"],
}


def test_what_the_searches_saw_is_on_the_page(tmp_path):
    values = make_values("faal", conditions=("clean", "aa"))
    values["conditions"]["aa"]["checks"] = CHECKS
    (page,) = run_pages(tmp_path, [values]).values()
    words = " ".join("".join(page.text).split())
    for said in (
        "asks for gradients itself yes",
        "logits of clean images -3.25 to 9.5",
        "apgd-ce 160 of 360, square 3 of 200",
        f"gradients of exactly zero {values['data']['classes'][1]} 7 of 36",
        "Square beats gradients \u2014",
        "forward 12,345, gradient 67",
        "the network asks for gradients <itself>",
    ):
        assert said.replace(" ", "") in words.replace(" ", ""), said


def test_how_the_epoch_was_chosen_is_on_the_page(tmp_path):
    values = make_values("faal", conditions=("aa",), selected_on="test")
    gain = {"honest_epoch": 2, "average": -0.004, "worst": 0.0312}
    values["ledger"] = {"selected_on": "test", "test_evaluations": 7, "gain": gain}
    (page,) = run_pages(tmp_path, [values]).values()
    words = " ".join("".join(page.text).split())
    assert "asked for 7 sets of weights of this run" in words
    assert "+3.1 points of the worst class, \u22120.4 of the average, against the honest epoch 2" in words


def test_without_a_ledger_the_page_does_not_claim_a_count(tmp_path):
    (page,) = run_pages(tmp_path, [make_values("faal", conditions=("aa",))]).values()
    assert "how often they were asked is not recorded" in " ".join("".join(page.text).split())


def test_the_probes_for_masked_gradients_are_on_the_page_sign_by_sign(tmp_path):
    values = make_values("faal", conditions=("aa",))
    classes = values["data"]["classes"]
    signs = [
        {"name": "zero_gradient", "counted": [9] + [0] * 9, "images": [30] * 10, "classes": [0]},
        {"name": "one_step", "counted": [0] * 10, "images": [30] * 10, "classes": []},
    ]
    verdict = {"flagged": True, "classes": [0], "signs": signs, "settings": {}, "seconds": 1.0}
    values["masking"] = verdict | {"not_probed": {"transfer": "no plain network"}}
    (page,) = run_pages(tmp_path, [values]).values()
    words = "".join("".join(page.text).split())
    for said in (
        f"zero gradient 9 of 300 images, too many for {classes[0]}: the gradient of the cross-entropy is",
        "one step 0 of 300 images: FGSM fools where PGD does not",
        "transfer not probed: no plain network",
        f"It looks masked: the gradient of the cross-entropy is exactly zero at the image ({classes[0]}).",
    ):
        assert said.replace(" ", "") in words, said


ALL_SEVERITIES = tuple(f"corruptions.{kind}.{severity}" for kind in ("fog", "snow") for severity in range(1, 6))


def test_severities_are_pooled_class_by_class_and_single_ones_have_a_cell_each(tmp_path):
    values = make_values("faal", conditions=("clean", "aa", *ALL_SEVERITIES), last=None)
    (page,) = run_pages(tmp_path, [values]).values()
    accuracy = page.table("t1-accuracy").by_method()
    for c, label in enumerate(values["data"]["classes"]):
        for cell, kind in zip(accuracy[label], ("snow", "fog"), strict=True):  # the order of CIFAR-10-C
            blocks = [values["conditions"][f"corruptions.{kind}.{severity}"] for severity in range(1, 6)]
            correct, total = (sum(one[key][c] for one in blocks) for key in ("class_correct", "class_total"))
            assert (cell.text, cell.small[1]) == (percent(correct / total), f"{correct}/{total}")
    rows = page.table("severities").by_method()
    for kind in ("fog", "snow"):
        for cell, severity in zip(rows[kind], range(1, 6), strict=True):
            one = values["conditions"][f"corruptions.{kind}.{severity}"]
            assert cell.text == percent(one["average"])
            worst = f"{percent(one['worst'])} {values['data']['classes'][one['worst_class']]}"
            assert cell.small == [wilson(sum(one["class_correct"]), sum(one["class_total"])), worst]
    assert "10 corruptions" in "".join(page.text)
