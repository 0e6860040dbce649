import json

import pytest
import torch

from fairbench.data import load_dataset, training_splits
from fairbench.launch.cells import Request, resolve
from fairbench.launch.peek import bought_gain, judge_for
from fairbench.launch.run import data_loader, run_cell
from fairbench.leaderboard.ranking import rank

CPU = torch.device("cpu")


def run(tmp_path, **overrides):
    request = Request(
        methods=["pgd_at"],
        tracks=["digits"],
        seeds=[0],
        out=tmp_path,
        overrides={"epochs": "3", "steps_per_epoch": "3", "conditions": "[clean]", **overrides},
    )
    (cell,) = resolve(request)
    return cell, run_cell(cell, data_loader(None), CPU)


def test_a_choice_on_the_test_set_is_labelled_counted_and_priced(tmp_path):
    cell, record = run(tmp_path, **{"selection.rule": "test"})
    rows = [json.loads(line) for line in (cell.folder / "log.jsonl").read_text().splitlines()]
    by_test = max(rows, key=lambda row: (row["test_score"], -row["epoch"]))
    by_select = max(rows, key=lambda row: (row["select_score"], -row["epoch"]))
    assert (record.selected_on, record.protocol, record.selected_epoch) == ("test", "modified", by_test["epoch"])
    assert record.ledger.gain.honest_epoch == by_select["epoch"]
    assert record.ledger.gain.worst == pytest.approx(by_test["test_worst"] - by_select["test_worst"])
    assert record.ledger.test_evaluations == 3 + (2 if record.last.weights_sha256 != record.model.weights_sha256 else 1)
    (entry,) = rank([record])
    assert entry.rank is None
    assert "chosen on the test set, which bought" in entry.reason


def test_other_rules_get_no_judge_and_count_their_looks(tmp_path):
    cell, record = run(tmp_path)
    assert "test_score" not in (cell.folder / "log.jsonl").read_text()
    assert record.ledger.gain is None
    assert record.ledger.test_evaluations in (1, 2)
    assert bought_gain(cell.folder / "log.jsonl") == (0, None)


def test_the_trainer_is_given_no_test_image(tiny):
    splits = training_splits(load_dataset("digits"))
    with pytest.raises(AttributeError, match="test"):
        _ = splits.test
    assert judge_for(tiny.plan(), load_dataset("digits")) is None
